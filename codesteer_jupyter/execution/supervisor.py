"""Parent of generated code: one small process whose only work is that nothing outlives it.

Run as a script (`python -I -S supervisor.py FD FOLDER -- command…`), standard library only. It

* adopts every orphan below it (Linux: child subreaper), so that a process that was started with
  `setsid` or a double fork is still found;
* ends everything below it when the command ends, when the process that asked for it goes away
  (the other end of the socket `FD` closes, also by `kill -9`), or when anything is written to it;
* then removes `FOLDER`, if the asking process is gone and cannot do it itself.

Over the socket it writes `started PID` and, at the end, `ended SIGNAL CODE`.
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

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def _prctl(option: int, value: int) -> None:
    if sys.platform != "linux":
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _children() -> list[int]:
    """Direct children, zombies included. Linux reads `/proc`; elsewhere only the command's own
    process group can be reached (see `_end_all`).
    """
    me, found = str(os.getpid()), []
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    for name in names:
        with contextlib.suppress(OSError, IndexError):
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            if fields[1].decode() == me:
                found.append(int(name))
    return found


def _reap(command: int) -> int | None:
    """Collect ended children; the wait status of `command` if it is among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == command:
            found = status


def _end_all(command: int) -> int | None:
    """Kill until nothing is left: killing a child hands its children to this process."""
    status = None
    deadline = time.monotonic() + 3.0
    while time.monotonic() < deadline:
        ended = _reap(command)
        status = ended if ended is not None else status
        for pid in _children() or ([command] if status is None else []):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.002)
        except ChildProcessError:
            break
    return status


def _exec(command: list[str], parent: int) -> None:
    """In the forked child: die with the supervisor, leave no core file, become the command."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
    finally:
        os._exit(127)


def main(arguments: list[str]) -> int:
    control = socket.socket(fileno=int(arguments[0]))
    control.set_inheritable(False)
    folder, command = arguments[1], arguments[3:]
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    # Interrupts are sent to the whole group; they are meant for the command.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _exec(command, parent)
    with contextlib.suppress(OSError):  # gone already: seen below
        control.sendall(f"started {child}\n".encode())
    status, told, orphaned = None, False, False
    while status is None and not told and not orphaned:
        ready, _, _ = select.select([control.fileno(), woken], [], [])
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
            status = _reap(child)
        if control.fileno() in ready:
            try:
                told = bool(control.recv(64))
                orphaned = not told
            except OSError:
                orphaned = True
    status = status if status is not None else 0
    _end_all(child)
    try:
        ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0
        control.sendall(f"ended {ended} {code}\n".encode())
    except OSError:
        orphaned = not told
    if orphaned and folder:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
