"""A command with everything it ever starts, seen from the process that asked for it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import marshal
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from codesteer_jupyter.errors import ExecutorError
from codesteer_jupyter.execution import confinement

__all__ = ["Ending", "Supervised", "Usage"]

MARK = "CODESTEER_PROCESS"
_SUPERVISOR = str(Path(__file__).with_name("supervisor.py"))


@dataclass(frozen=True)
class Ending:
    """How the command ended: the signal that killed it (0: none), else its exit code."""

    signal: int = 0
    code: int = 0

    @classmethod
    def of(cls, status: int) -> Ending:
        """From a wait status."""
        code = os.waitstatus_to_exitcode(status)
        return cls(signal=-code) if code < 0 else cls(code=code)

    def __str__(self) -> str:
        if not self.signal:
            return f"exit code {self.code}"
        try:
            return f"signal {signal.Signals(self.signal).name}"
        except ValueError:
            return f"signal {self.signal}"


@dataclass(frozen=True)
class Usage:
    """What the tree holds now: bytes of memory, and processes beside the command itself."""

    memory: int
    processes: int


class Supervised:
    """A command under `supervisor.py`: interrupted, measured and ended as one tree.

    On Linux the tree is complete: orphans are adopted by the supervisor, and if that is itself
    killed, processes are found by a marker in their environment. Elsewhere a process that left
    its parent and its group can be missed.

    Attributes:
        workers: processes of the command's own that run the program; they are not counted as the
            program's.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        folder: Path | None = None,
        stdout: int | IO[bytes] = subprocess.DEVNULL,
        stderr: int | IO[bytes] = subprocess.DEVNULL,
        pass_fds: Iterable[int] = (),
        plan: Mapping[str, Any] | None = None,
    ) -> None:
        """Start it, confined by `plan` (`confinement.plan`) where there is one. `folder` is
        removed if this process goes away without ending the tree.
        """
        self.workers = 0
        self._mark = uuid.uuid4().hex
        self._ending: Ending | None = None
        self._ours: tuple[int, ...] = ()
        self._layers: tuple[str, ...] = ()
        self._lines = b""
        self._killed = False
        self._owner = os.getpid()
        ours, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", _SUPERVISOR, str(theirs.fileno())),
                    *(str(folder or ""), "--", *command),
                ],
                env={**env, MARK: self._mark},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(theirs.fileno(), *pass_fds),
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise ExecutorError(
                f"A process for generated code could not be started ({error}); "
                "free some memory or processes, or use --run live."
            ) from error
        finally:
            theirs.close()
        packed = b""
        if plan is not None:
            packed = marshal.dumps(confinement.supervised(plan, self._process.pid))
        with contextlib.suppress(OSError):  # gone already: `poll` will see it
            ours.sendall(len(packed).to_bytes(8, "big") + packed)
        ours.setblocking(False)
        self._control = ours

    def poll(self) -> Ending | None:
        """How the command ended, or None while it runs."""
        if self._ending is not None:
            return self._ending
        closed = False
        try:
            while not closed:
                data = self._control.recv(256)
                self._lines += data
                closed = data == b""
        except BlockingIOError:
            pass
        except OSError:
            closed = True
        for line in self._lines.decode().splitlines():
            word, *rest = line.split()
            if word == "layers":
                self._layers = tuple(rest[0].split(",")) if rest else ()
            elif word == "started":
                self._ours = tuple(map(int, rest))
            elif word == "ended":
                self._ending = Ending(int(rest[0]), int(rest[1]))
        if closed and self._ending is None:
            # The supervisor was killed; what it guarded may still run.
            self._ending = Ending(signal=signal.SIGKILL)
        return self._ending

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        return self._process.pid

    def fileno(self) -> int:
        """A descriptor that can be read when `poll` may have something new."""
        return self._control.fileno()

    @property
    def layers(self) -> tuple[str, ...]:
        """What the command runs behind, as far as it has said so (it has when it runs)."""
        self.poll()
        always = ("process", "environment", "session", "supervisor")
        return tuple(confinement.ordered((*always, *self._layers)))

    def interrupt(self) -> None:
        """Send SIGINT to the command and its group, as a terminal does."""
        if self.poll() is None and self._ours and self._ours[0] > 0:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._ours[0], signal.SIGINT)

    def usage(self) -> Usage:
        """Measure the tree. Costs a scan of the process table, a few milliseconds."""
        memory = count = 0
        for process in self._tree():
            with contextlib.suppress(psutil.Error):
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if process.pid in self._without:
                    continue
                memory += process.memory_info().rss
                count += process.pid not in self._ours
        return Usage(memory, max(0, count - self.workers))

    def exact_memory(self) -> int:
        """Bytes with pages shared between processes counted once, where the system says so."""
        total = 0
        for process in self._tree():
            if process.pid in self._without:
                continue
            with contextlib.suppress(psutil.Error):
                try:
                    full = process.memory_full_info()
                    total += getattr(full, "pss", 0) or full.rss
                except psutil.AccessDenied:  # it made itself unreadable
                    total += process.memory_info().rss
        return total

    @property
    def _without(self) -> tuple[int, ...]:
        """Processes that are no part of what the program holds: the first one of its namespace,
        and the command where that has others run the program.
        """
        return self._ours if self.workers else self._ours[1:]

    def sweep(self) -> bool:
        """Kill what the command started and left behind; whether there was anything. One that
        starts another and ends may not be found, and so not be killed.
        """
        if self.poll() is not None or not self._ours:
            return False
        alone = self._alone()
        if alone:
            return False
        left = [process for process in self._tree() if process.pid not in self._ours]
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        return bool(left) or alone is not None

    def _alone(self) -> bool | None:
        """Whether the command is all there is, told without a scan of the process table; None where
        that is not to be had. From the command upwards: an orphan goes from those below to those
        above.
        """
        chain = [*self._ours, self._process.pid]
        try:
            return not _children(chain[0]) and all(
                _children(above) == [below] for below, above in itertools.pairwise(chain)
            )
        except OSError:  # not Linux, or a kernel without these files
            return None

    def kill(self) -> None:
        """End the whole tree now. Calling it twice is fine; in a fork of the owner it does
        nothing.
        """
        if self._killed or os.getpid() != self._owner:
            return
        self._killed = True
        victims = self._tree()
        # First, so that the supervisor knows: it ends what appears meanwhile, removes nothing,
        # and goes.
        with contextlib.suppress(OSError):
            self._control.send(b"end")
        for process in victims:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.poll()
        self._control.close()
        self._ending = self._ending or Ending(signal=signal.SIGKILL)
        try:
            if self._process.wait(timeout=1.0) == 0:
                return
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._kill_marked()

    async def wait(self, seconds: float) -> bool:
        """Whether the command ended within `seconds`."""
        deadline = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(0.005)
        return True

    def _tree(self) -> list[psutil.Process]:
        if self._process.poll() is not None:
            return []
        try:
            tree: list[psutil.Process] = psutil.Process(self._process.pid).children(recursive=True)
            return tree
        except psutil.Error:
            return []

    def _kill_marked(self) -> None:
        for _ in range(3):
            found = False
            for process in psutil.process_iter():
                with contextlib.suppress(psutil.Error, OSError):
                    if process.environ().get(MARK) == self._mark:
                        process.kill()
                        found = True
            if not found:
                return


def _children(pid: int) -> list[int]:
    found = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
            found += [int(child) for child in file.read().split()]
    return found
