"""One child kernel: started under the supervisor, asked over a private socket.

Nothing here belongs to an event loop, so that a kernel started in one run can serve the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from codesteer_jupyter.errors import ExecutorError
from codesteer_jupyter.execution import confinement
from codesteer_jupyter.execution.environment import (
    allowed_environment,
    import_paths,
    own_folders,
)
from codesteer_jupyter.execution.folder import Area
from codesteer_jupyter.execution.hostile import HOSTILE
from codesteer_jupyter.execution.messages import Damaged, Inbox, message
from codesteer_jupyter.execution.pipes import Pipe
from codesteer_jupyter.execution.supervised import Ending, Supervised
from codesteer_jupyter.steering.execution import Access

__all__ = ["ChildKernel", "started_alike"]

T = TypeVar("T")

_HERE = Path(__file__).parent
_KERNEL_SIDE = str(_HERE / "kernel_side.py")
_START_SECONDS = 60.0
# What a layer makes a kernel's own, by the name that its process knows it by.
_OWN = {"mountns": "files", "ipcns": "objects"}
_FULL = 0.005  # seconds until a full socket is tried again


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
    """A running kernel process and this end of its sockets and streams.

    Args:
        folder: to be made, the kernel's own.
        root: what to remove if this process is killed.
        access: what code may do beyond the default confinement.

    Attributes:
        like: see `started_alike`.
        fresh: no program has run in it.
        prepared: it was asked to import modules ahead, or to have a process wait.
        area: where code may write.
        streams: what the program writes to.
        spent: a program has run in the kernel's own process, and may have changed anything.
        ended: how the program's process ended, once the kernel says so; `Ending()` where that was
            the kernel's own.
    """

    def __init__(self, folder: Path, root: Path, access: Access) -> None:
        """Start the process. What it is asked before it is up, it does when it is."""
        self.folder = folder
        folder.mkdir(mode=0o700)
        self.area = Area(folder)
        self.like = started_alike(access)
        self.fresh, self.prepared, self.spent = True, False, False
        self.ended: Ending | None = None
        self._owner = os.getpid()
        self._number = 0
        self._program: Inbox | None = None
        self.streams: dict[str, Pipe] = {}
        self._unsent = b""
        self._sending = False
        self._up = False
        self._own_streams = {"stdout": Pipe(), "stderr": Pipe()}
        ours, theirs = socket.socketpair()
        self._control = Inbox(ours)
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
                stdout=self._own_streams["stdout"].write,
                stderr=self._own_streams["stderr"].write,
                pass_fds=(theirs.fileno(),),
            )
        except BaseException:
            self._close()
            raise
        finally:
            theirs.close()
        for pipe in self._own_streams.values():
            pipe.close_writer()
        setup = {"paths": import_paths(), "folder": str(folder), "hostile": list(HOSTILE)}
        self._hint({"op": "setup", **setup})

    # -- asking ----------------------------------------------------------------------------------

    def prepare(self, modules: Sequence[str] = (), *, ahead: bool = False) -> None:
        """Have it import `modules`, where they are installed, and fork the process of the next
        program `ahead`; not waited for.
        """
        if modules or ahead:
            hint = {"op": "prepare", "modules": list(modules), "ahead": ahead}
            self.prepared = self._hint(hint) or self.prepared

    def _hint(self, request: Mapping[str, Any]) -> bool:
        """Send it if the socket takes it now; a kernel that is busy for long has no use for it."""
        if self._sending or self._unsent:
            return False
        data = message(request)
        try:
            self._unsent = data[self._control.socket.send(data) :]
        except OSError:
            return False
        return True

    async def begin(
        self, request: Mapping[str, Any], descriptor: int | None, seconds: float
    ) -> dict[str, Any] | None:
        """Ask for a program. What was told when it began (or was `refused`), or None: it died or
        did not begin within `seconds`.

        Args:
            request: see `kernel_side.py` and `State.begin`.
            descriptor: of the file its values are in.
            seconds: for the kernel to be up, to import ahead, and to rebuild values.
        """
        self.fresh, self.ended = False, None
        self._number += 1
        self._close_program()
        _drained(self._own_streams.values())
        ours, theirs = socket.socketpair()
        self._program = Inbox(ours, int(request["output"]))
        self.streams = {name: Pipe() for name in self._own_streams}
        given = [theirs.fileno(), *(pipe.write for pipe in self.streams.values())]
        given += [] if descriptor is None else [descriptor]
        try:
            async with asyncio.timeout(seconds):
                if await self._until(lambda: self._up or None) is None:
                    return None
                # Only now is it known what holds in there.
                layers = self.tree.layers
                counted = request["processes"] if "userns" in layers else None
                asked = {
                    **request,
                    "op": "run",
                    "number": self._number,
                    "own": [name for layer, name in _OWN.items() if layer in layers],
                    "processes": counted,
                    "terminal": "mountns" in layers,
                    "rlimits": "rlimits" in layers,
                }
                self._sending = True
                await self._send(message(asked), given)
                self._sending, self._unsent = False, b""
                # What the program's process says first is not yet the program's word.
                begun = await self._until(lambda: self.next() or ({} if self.ended else None))
        except (TimeoutError, OSError, Damaged):
            return None
        finally:
            theirs.close()
            for pipe in self.streams.values():
                pipe.close_writer()
        forked = begun is not None and begun.get("forked") is True
        self.spent = self.spent or not forked
        self.tree.workers = int(forked)
        return begun

    async def _send(self, data: bytes, descriptors: Sequence[int]) -> None:
        loop, control = asyncio.get_running_loop(), self._control.socket
        if self._unsent:
            await loop.sock_sendall(control, self._unsent)
        while True:
            try:
                socket.send_fds(control, [data[:1]], descriptors)
                break
            except BlockingIOError:  # it is importing, and has not read what it was asked before
                await asyncio.sleep(_FULL)
        await loop.sock_sendall(control, data[1:])

    async def ready(self) -> None:
        """Wait until it is up.

        Raises:
            ExecutorError: it did not come up; the message ends with what it wrote.
        """
        if self._up:
            return
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._until(lambda: self._up or None)
        except (TimeoutError, Damaged):
            pass
        if not self._up:
            raise self.failed()

    async def _until(self, done: Callable[[], T | None]) -> T | None:
        """What `done` returns, or None if the kernel has ended before."""
        with self.watched(streams=False) as woken:
            while True:
                over = not self.alive
                self.receive()
                if (found := done()) is not None or over:
                    return found
                await woken.wait()
                woken.clear()

    async def over(self, seconds: float) -> bool:
        """Whether the program's process has ended within `seconds`, and the kernel has not."""
        try:
            async with asyncio.timeout(seconds):
                return await self._until(lambda: self.ended) is not None and self.alive
        except (TimeoutError, Damaged):
            return False

    # -- what it tells ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def watched(self, *, streams: bool = True) -> Iterator[asyncio.Event]:
        """An event that is set whenever something can be read, also from the program's streams."""
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        watched = [self.tree.fileno(), *(inbox.fileno() for inbox in self._inboxes)]
        if streams:
            watched += [pipe.read for pipe in self.streams.values()]
        for descriptor in watched:
            loop.add_reader(descriptor, woken.set)
        try:
            yield woken
        finally:
            for descriptor in watched:
                loop.remove_reader(descriptor)

    @property
    def _inboxes(self) -> list[Inbox]:
        return [self._control, *([self._program] if self._program is not None else [])]

    def take(self, name: str) -> bytes:
        """What the program has written to this stream and was not taken before, or a part."""
        pipe = self.streams[name]
        data = pipe.take()
        if data is None:  # closed: it would wake who waits for it again and again
            asyncio.get_running_loop().remove_reader(pipe.read)
        return data or b""

    def receive(self, *, whole: bool = False) -> None:
        """Take in the messages that have arrived. First the kernel's own: when a program's process
        has ended, everything it said is there, and is taken in if the `whole` is asked for.

        Raises:
            Damaged: bytes that are no message, or more than any may hold.
        """
        self._control.receive()
        while (told := self._control.next()) is not None:
            if told.get("told") == "ready":
                self._up = True
            elif told.get("told") == "ended" and told.get("number") == self._number:
                status = told.get("status")
                self.ended = Ending.of(status) if isinstance(status, int) else Ending()
        if self._program is not None:
            self._program.receive(whole=whole or self.ended is not None)

    def next(self) -> dict[str, Any] | None:
        """The oldest message of the program that was taken in and not asked for yet."""
        return self._program.next() if self._program is not None else None

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
        self._close_program()
        self._control.close()
        for pipe in self._own_streams.values():
            pipe.close()

    def _close_program(self) -> None:
        if self._program is not None:
            self._program.close()
        for pipe in self.streams.values():
            pipe.close()
        self._program, self.streams = None, {}

    def failed(self) -> ExecutorError:
        """What to say of a kernel that did not come up; it is ended."""
        wrote = b""
        deadline = time.monotonic() + 0.2
        while (part := self._own_streams["stderr"].take()) or time.monotonic() < deadline:
            wrote += part or b""
            time.sleep(0.01)
        lines = wrote.decode("utf-8", "replace").strip().splitlines()
        self.kill()
        return ExecutorError(
            "A kernel for generated code did not start "
            f"({lines[-1][:300] if lines else 'it wrote nothing'}); "
            "check that ipython is installed here, or use --run subprocess."
        )


def _drained(pipes: Iterable[Pipe]) -> None:
    """Drop what a kernel wrote for nobody."""
    for pipe in pipes:
        for _ in range(64):
            if not pipe.take():
                break
