"""The kernel's side of one snapshot: the forked process, measured and ended as a group.

Every process a snapshot starts stays in its process group (leaving it is refused by the
confinement), so one signal reaches all of them, whatever they do meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from codesteer_jupyter.execution.fork.channel import Frames, Sender
from codesteer_jupyter.execution.fork.group import Group
from codesteer_jupyter.execution.fork.guardian import guardian
from codesteer_jupyter.execution.supervised import Ending

__all__ = ["Snapshot"]

_READ = 2**18  # bytes; a socket holds less, so nothing is left there when its writers are gone
_SEND_SECONDS = 5.0
_AGAIN = (0.02, 0.2)  # seconds until what was left is looked for again
_TO_GROUP = 4  # PIDFD_SIGNAL_PROCESS_GROUP of linux/pidfd.h: never another group of that number


@dataclass
class Snapshot:
    """A forked process that waits for commands.

    Attributes:
        pid: of the process, and of its group.
        ended: a descriptor that becomes readable when it ends.
        out, err: what is written to its descriptors 1 and 2.
        end: this side of the socket.
        group: the process and all it started, measured.
        isolation: layers that are in force, once it has said so.
        over: those of the descriptors at whose end this side is; they stay readable.
    """

    pid: int
    ended: int
    out: int
    err: int
    end: socket.socket
    group: Group
    isolation: tuple[str, ...] = ()
    frames: Frames = field(default_factory=Frames)
    over: set[int] = field(default_factory=set)
    _ending: Ending | None = None
    _closed: bool = False
    _stopped: bool = False
    _again: list[asyncio.TimerHandle] = field(default_factory=list)

    def command(self, message: dict[str, Any]) -> None:
        """Send a command; a process that is gone shows as its end, and one that does not listen
        when its time is up.
        """
        if self._again:  # what is looked for later is looked for now: then all there is, is new
            self._look_no_more()
            self._kill_others()
        self.wake()
        self.end.settimeout(_SEND_SECONDS)
        try:
            with contextlib.suppress(OSError):
                Sender(self.end).send(message)
        finally:
            self.end.setblocking(False)

    def messages(self) -> Iterator[dict[str, Any]]:
        """What has arrived over the socket, a portion at a time: a program that writes there
        without end does not keep the kernel here.
        """
        if not self._closed:
            with contextlib.suppress(BlockingIOError, ConnectionError):
                data = self.end.recv(_READ)
                if not data:
                    self.over.add(self.end.fileno())
                yield from self.frames.add(data)

    def written(self, name: str) -> bytes:
        """What has arrived on descriptor 1 or 2, at most 256 KiB."""
        if self._closed:
            return b""
        number = self.out if name == "stdout" else self.err
        try:
            data = os.read(number, _READ)
        except BlockingIOError:
            return b""
        if not data:
            self.over.add(number)
        return data

    def poll(self) -> Ending | None:
        """How it ended, or None while it lives."""
        if self._ending is None and not self._closed:
            self._reap(os.WNOHANG)
        return self._ending

    @property
    def alive(self) -> bool:
        """Whether it can be asked for anything."""
        return not self._closed and self.poll() is None

    def _reap(self, how: int) -> None:
        try:
            # Seen first, collected later: until then nobody else can get the group's number, so
            # what the process left behind is reached by it.
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | how) is None:
                return
            self._kill_group()
            _, status = os.waitpid(self.pid, 0)
        except ChildProcessError:  # the user's own code waited for every child
            self._kill_group()
            self._ending = self._ending or Ending(signal=signal.SIGKILL)
            return
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        self._ending = Ending(number, os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0)

    def _kill_group(self) -> None:
        """Kill what is left of the group of a process that has ended."""
        try:
            signal.pidfd_send_signal(self.ended, signal.SIGKILL, None, _TO_GROUP)
        except ProcessLookupError:
            return
        except OSError:  # Linux before 6.9
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)

    # -- signals ----------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Send SIGINT to the whole group, as a terminal does."""
        self._signal(signal.SIGINT)

    def _signal(self, number: int) -> None:
        if self._ending is not None:
            return
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:  # it has no group of its own yet
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def suspend(self) -> None:
        """Stop every process of the group where it is: what the program left does nothing more."""
        if not self._stopped and self.poll() is None:
            self._signal(signal.SIGSTOP)
            self._stopped = True

    def wake(self) -> None:
        """Undo `suspend`."""
        if self._stopped and self.poll() is None:
            os.kill(self.pid, signal.SIGCONT)
            self._stopped = False

    def sweep(self) -> None:
        """Kill what the program started and left. All of it is stopped first, by one signal, so
        that nothing new is born meanwhile; the snapshot stays suspended. A process that was being
        born at that moment appears a little later, stopped: so it is looked for again.
        """
        self.suspend()
        self._kill_others()
        self._look_no_more()
        with contextlib.suppress(RuntimeError):
            loop = asyncio.get_running_loop()
            self._again = [loop.call_later(delay, self._kill_others) for delay in _AGAIN]

    def _look_no_more(self) -> None:
        for timer in self._again:
            timer.cancel()
        self._again = []

    def _kill_others(self) -> None:
        for pid, _ in self.group.members() if self._ending is None else ():
            if pid != self.pid:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)

    def dismiss(self) -> None:
        """End the whole group now. The process is collected when it is gone, without waiting for
        that. Calling it twice is fine.
        """
        if self._closed:
            return
        if self.poll() is None:
            self._signal(signal.SIGKILL)
        self._closed = True
        self._look_no_more()
        self.end.close()
        os.close(self.out)
        os.close(self.err)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            threading.Thread(target=self._collect, name="codesteer-collect", daemon=True).start()
            return

        def gone() -> None:
            loop.remove_reader(self.ended)
            self._collect()

        if self._ending is not None:
            self._collect()
        else:
            loop.add_reader(self.ended, gone)

    def _collect(self) -> None:
        if self._ending is None:
            self._reap(0)
        os.close(self.ended)
        guardian().done(self.pid)
