"""One child kernel: started under the supervisor, asked over a private socket.

Nothing here belongs to an event loop, so that a kernel started in one run can serve the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from codesteer_jupyter.errors import ExecutorError
from codesteer_jupyter.execution import confinement
from codesteer_jupyter.execution.environment import (
    allowed_environment,
    import_paths,
    own_folders,
)
from codesteer_jupyter.execution.folder import Area
from codesteer_jupyter.execution.limits import for_good, memory_bound
from codesteer_jupyter.execution.pipes import Pipe
from codesteer_jupyter.execution.supervised import Supervised
from codesteer_jupyter.execution.untrusted import parsed
from codesteer_jupyter.steering.execution import Access, Limits

__all__ = ["ChildKernel", "Damaged", "started_alike"]

_HERE = Path(__file__).parent
_KERNEL_SIDE = str(_HERE / "kernel_side.py")
_START_SECONDS = 60.0
_FULL = 0.005  # seconds until a full socket is tried again
_PORTION = 2**18  # bytes; a socket holds less, so nothing is left when its process is gone
_SLACK = 2**16  # of a message beside the output it carries


class Damaged(Exception):
    """What came over the socket is no message: the program wrote to it."""


def started_alike(access: Access) -> tuple[object, ...]:
    """What a kernel takes from this process when it starts; one started elsewise is no spare."""
    try:
        folder = os.getcwd()
    except OSError:  # the folder was removed
        folder = ""
    environment = tuple(sorted(allowed_environment().items()))
    left_out = os.environ.get(confinement.WITHOUT, "")
    return access, left_out, folder, tuple(import_paths()), environment


class ChildKernel:
    """A running kernel process and this end of its socket and streams.

    Args:
        folder: to be made, the kernel's own.
        root: what to remove if this process is killed.
        access: what code may do beyond the default confinement.

    Attributes:
        like: see `started_alike`.
        fresh: no program has run in it.
        preloaded: it was asked to import modules ahead.
        area: where code may write.
        memory: bytes the program in it may hold.
    """

    def __init__(self, folder: Path, root: Path, access: Access) -> None:
        """Start the process. What it is asked before it is up, it does when it is."""
        self.folder = folder
        folder.mkdir(mode=0o700)
        self.area = Area(folder)
        self.like = started_alike(access)
        self.fresh, self.preloaded = True, False
        self.most = 10**6
        self.memory = 0
        self._bound: tuple[Limits, int] | None = None
        self._owner = os.getpid()
        self._got = bytearray()
        self._messages: deque[dict[str, Any]] = deque()
        self._unsent = b""
        self._sending = False
        self._up = False
        self.streams = {"stdout": Pipe(), "stderr": Pipe()}
        self._socket, theirs = socket.socketpair()
        try:
            self.tree = Supervised(
                [sys.executable, "-I", "-X", "utf8", _KERNEL_SIDE, str(theirs.fileno())],
                env={
                    **allowed_environment(),
                    **own_folders(self.area.writable, self.area.fonts),
                    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
                },
                cwd=folder,
                folder=root,
                plan=confinement.plan(
                    access,
                    self.area.writable,
                    pid_namespace=True,
                    needed=[_HERE, folder, *import_paths()],
                ),
                stdout=self.streams["stdout"].write,
                stderr=self.streams["stderr"].write,
                pass_fds=(theirs.fileno(),),
            )
        except BaseException:
            self._close()
            raise
        finally:
            theirs.close()
        for pipe in self.streams.values():
            pipe.close_writer()
        self._socket.setblocking(False)
        self._hint({"op": "setup", "paths": import_paths(), "folder": str(folder)})

    # -- asking ----------------------------------------------------------------------------------

    def preload(self, modules: Sequence[str]) -> None:
        """Have it import these, where they are installed; not waited for."""
        if modules and self._hint({"op": "preload", "modules": list(modules)}):
            self.preloaded = True

    def _hint(self, request: Mapping[str, Any]) -> bool:
        """Send it if the socket takes it now; a kernel that is busy for long has no use for it."""
        if self._sending or self._unsent:
            return False
        data = _message(request)
        try:
            self._unsent = data[self._socket.send(data) :]
        except OSError:
            return False
        return True

    def suits(self, limits: Limits) -> bool:
        """Whether a program with these limits may run in it: its first one's hold for good."""
        return self._bound is None or for_good(self._bound[0]) == for_good(limits)

    def bind(self, limits: Limits) -> None:
        """Say which limits the next program has. Where none is set on memory, what is free
        changes from one to the next, and the bound with it, but never beyond the first one's.
        """
        memory = memory_bound(limits)
        _, most = self._bound = self._bound or (limits, memory)
        self.memory = min(memory, most)

    async def begin(
        self, request: Mapping[str, Any], descriptor: int | None, seconds: float
    ) -> dict[str, Any] | None:
        """Ask for a program. What was told when it began (or was `refused`), or None: it died or
        did not begin within `seconds`.

        Args:
            request: see `kernel_side.py` and `State.begin`.
            descriptor: of the file its values are in.
            seconds: for the kernel to be up, to restore itself, and to rebuild values.
        """
        self.fresh = False
        self._discard()
        self.most = int(request["output"])
        try:
            async with asyncio.timeout(seconds):
                if not self._up and await self._first("ready") is None:
                    return None
                # Only now is it known what holds in there.
                self._up, layers = True, self.tree.layers
                counted = request["processes"] if "userns" in layers else None
                given = {
                    **request,
                    "processes": counted,
                    "terminal": "mountns" in layers,
                    "rlimits": "rlimits" in layers,
                }
                self._sending = True
                await self._send(_message({"op": "run", **given}), descriptor)
                self._sending, self._unsent = False, b""
                return await self._first("begun", "refused")
        except (TimeoutError, OSError, Damaged):
            return None

    async def _send(self, message: bytes, descriptor: int | None) -> None:
        loop = asyncio.get_running_loop()
        if self._unsent:
            await loop.sock_sendall(self._socket, self._unsent)
        while descriptor is not None:
            try:
                socket.send_fds(self._socket, [message[:1]], [descriptor])
            except BlockingIOError:  # it is importing, and has not read what it was asked before
                await asyncio.sleep(_FULL)
            else:
                message, descriptor = message[1:], None
        await loop.sock_sendall(self._socket, message)

    async def ready(self) -> None:
        """Wait until it is up.

        Raises:
            ExecutorError: it did not come up; the message ends with what it wrote.
        """
        if self._up:
            return
        try:
            async with asyncio.timeout(_START_SECONDS):
                self._up = await self._first("ready") is not None
        except (TimeoutError, Damaged):
            pass
        if not self._up:
            raise self.failed()

    async def _first(self, *wanted: str) -> dict[str, Any] | None:
        with self.watched() as woken:
            while True:
                ended = not self.alive
                self.receive()
                while (told := self.next()) is not None:
                    if told.get("told") in wanted:
                        return told
                if ended:
                    return None
                await woken.wait()
                woken.clear()

    # -- what it tells ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def watched(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever something can be read."""
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        watched = [self._socket.fileno(), self.tree.fileno()]
        watched += [pipe.read for pipe in self.streams.values()]
        for descriptor in watched:
            loop.add_reader(descriptor, woken.set)
        try:
            yield woken
        finally:
            for descriptor in watched:
                loop.remove_reader(descriptor)

    def receive(self) -> None:
        """Take in the messages that have arrived, a portion at a time: who writes without end does
        not keep the asking process here.

        Raises:
            Damaged: bytes that are none, or more than any message may hold.
        """
        with contextlib.suppress(BlockingIOError, ConnectionError):
            self._got += self._socket.recv(_PORTION)
        while len(self._got) >= 4:
            size = int.from_bytes(self._got[:4], "big")
            if size > 8 * self.most + _SLACK:  # JSON may take 6 characters for one
                raise Damaged
            if len(self._got) < 4 + size:
                return
            data = bytes(self._got[4 : 4 + size])
            del self._got[: 4 + size]
            message = parsed(data)
            if message is None:
                raise Damaged
            self._messages.append(message)

    def next(self) -> dict[str, Any] | None:
        """The oldest message taken in and not asked for yet."""
        return self._messages.popleft() if self._messages else None

    def _discard(self) -> None:
        """Drop what was written between two programs."""
        for pipe in self.streams.values():
            for _ in range(64):
                if not pipe.take():
                    break

    # -- the end ---------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        return self.tree.poll() is None

    def kill(self) -> None:
        """End the kernel and everything it started. Calling it twice is fine; in a fork of the
        owner it only closes what the fork inherited.
        """
        self.tree.kill()
        self._close()
        if os.getpid() == self._owner:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _close(self) -> None:
        self._socket.close()
        for pipe in self.streams.values():
            pipe.close()

    def failed(self) -> ExecutorError:
        """What to say of a kernel that did not come up; it is ended."""
        wrote = b""
        deadline = time.monotonic() + 0.2
        while (part := self.streams["stderr"].take()) or time.monotonic() < deadline:
            wrote += part or b""
            time.sleep(0.01)
        lines = wrote.decode("utf-8", "replace").strip().splitlines()
        self.kill()
        return ExecutorError(
            "A kernel for generated code did not start "
            f"({lines[-1][:300] if lines else 'it wrote nothing'}); "
            "check that ipython is installed here, or use --run subprocess."
        )


def _message(request: Mapping[str, Any]) -> bytes:
    data = json.dumps(request).encode()
    return len(data).to_bytes(4, "big") + data
