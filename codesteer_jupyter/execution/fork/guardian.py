"""The kernel's side of `guard.py`: started once per kernel, told of every snapshot."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from codesteer_jupyter.execution.environment import allowed_environment

__all__ = ["Guardian", "guardian"]

_GUARD = str(Path(__file__).with_name("guard.py"))


class Guardian:
    """A running guard. It is started again if it was killed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def start(self) -> int:
        """Start the guard unless it runs; returns its number before it is up (what it is told
        waits).
        """
        with self._lock:
            self._start()
            return self._process.pid if self._process is not None else 0

    def _start(self) -> socket.socket:
        running = self._process is not None and self._process.poll() is None
        if running and self._owner == os.getpid() and self._control is not None:
            return self._control
        ours, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", _GUARD),
                    *(str(theirs.fileno()), str(os.getpid())),
                ],
                env=allowed_environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        finally:
            theirs.close()
        self._owner, self._control = os.getpid(), ours
        return ours

    def watch(self, group: int, folder: str) -> None:
        """End `group` and remove `folder` if this process goes away."""
        self._tell(f"watch {group} {folder}")

    def done(self, group: int) -> None:
        """`group` has ended: its number may soon be another's."""
        self._tell(f"done {group}")

    def _tell(self, line: str) -> None:
        with self._lock, contextlib.suppress(OSError):
            self._start().sendall(line.encode("utf-8", "surrogateescape") + b"\n")


_shared = Guardian()


def guardian() -> Guardian:
    """The one guardian of this process."""
    return _shared
