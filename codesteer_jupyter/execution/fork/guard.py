"""A small process beside the kernel whose only work is that no snapshot outlives the kernel.

Run as a script (`python -I -S guard.py FD KERNEL`), standard library only. Over the socket `FD` it
is told, a line each, `watch GROUP FOLDER` and `done GROUP`. When the process `KERNEL` ends, also
by `kill -9`, it kills every group that is still watched and removes their folders. A snapshot's
parent-death signal ends the snapshot alone; this ends what the snapshot started, too.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import sys
import time


def _gone(kernel: int) -> int | None:
    """A descriptor that becomes readable when the process `kernel` ends."""
    try:
        return os.pidfd_open(kernel)
    except (OSError, AttributeError):
        return None


def _end(watched: dict[int, str]) -> None:
    for group in watched:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    time.sleep(0.02)  # a process that is just dying may still add a file
    for folder in set(watched.values()):
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str]) -> int:
    control = socket.socket(fileno=int(arguments[0]))
    kernel = int(arguments[1])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ended = _gone(kernel)
    waited = [control.fileno(), *([] if ended is None else [ended])]
    told = _Told(control)
    while os.getppid() == kernel and told.more:
        ready, _, _ = select.select(waited, [], [], 5.0)
        if ended in ready:
            break
        if control.fileno() in ready:
            told.read()
    # What was said before the kernel ended, perhaps before this process was up.
    control.setblocking(False)
    while told.more:
        told.read()
    _end(told.watched)
    return 0


class _Told:
    """What the kernel has said so far. `more`: it may say more."""

    def __init__(self, control: socket.socket) -> None:
        self.watched: dict[int, str] = {}
        self.more = True
        self._control = control
        self._rest = b""

    def read(self) -> None:
        try:
            data = self._control.recv(4096)
        except OSError:
            data = b""
        self.more = bool(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            word, group, *folder = line.decode("utf-8", "surrogateescape").split(" ", 2)
            if word == "watch":
                self.watched[int(group)] = folder[0]
            else:
                self.watched.pop(int(group), None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
