"""Parent of generated code: one small process whose only work is that nothing outlives it.

Run as a script (`python -I -S supervisor.py FD FOLDER -- command…`), standard library only. It

* reads from the socket `FD` the plan of a confinement (`confinement/`), or that there is none;
* where the plan has a pid namespace, starts the command below a first process in there, with
  which the kernel ends all others; elsewhere it adopts every orphan below it (Linux: child
  subreaper), so that a process that was started with `setsid` or a double fork is still found;
* ends everything below it when the command ends, when the process that asked for it goes away
  (the other end of `FD` closes, also by `kill -9`), or when anything is written to it;
* then removes `FOLDER`, if the asking process, which locks a file `lock` in it, is gone and cannot
  do it itself.

Over the socket it writes `layers NAME,…` and `started PID [FIRST PROCESS]`, and at the end
`ended SIGNAL CODE`.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import select
import signal
import socket
import sys
import time

TYPE_CHECKING = False  # as in `typing`, whose import costs milliseconds
if TYPE_CHECKING:
    from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36


def _prctl(option: int, value: int) -> None:
    if sys.platform != "linux":
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _confinement() -> Any:
    """The package beside this file, found by its path and nothing else with it."""
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    import confinement  # type: ignore[import-not-found]  # by that path

    sys.path.pop()
    return confinement


def _received(control: socket.socket) -> dict[str, Any] | None:
    """The plan: its length in eight bytes, then itself; None where there is none. Not a byte more
    is read: what follows says that the end is wanted.
    """
    data = b""
    while (left := (8 + int.from_bytes(data[:8], "big") if len(data) >= 8 else 8) - len(data)) > 0:
        more = control.recv(min(left, 2**16))
        if not more:
            return None
        data += more
    return marshal.loads(data[8:]) if len(data) > 8 else None  # noqa: S302 - from our parent


def _children(of: int) -> list[int]:
    """Direct children of a process, zombies included. Linux reads `/proc`; elsewhere only the
    command's own process group can be reached (see `_end_all`).
    """
    found = []
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    for name in names:
        with contextlib.suppress(OSError, IndexError):
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            if int(fields[1]) == of:
                found.append(int(name))
    return found


def _outside(first: int, inner: int) -> int:
    """The number, here, of the process below `first` that has the number `inner` in there."""
    for pid in _children(first):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/status", "rb") as file:
            for line in file:
                if line.startswith(b"NSpid:") and int(line.split()[-1]) == inner:
                    return pid
    return 0


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
    me = os.getpid()
    while time.monotonic() < deadline:
        ended = _reap(command)
        status = ended if ended is not None else status
        for pid in _children(me) or ([command] if status is None else []):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.002)
        except ChildProcessError:
            break
    return status


def _woken() -> int:
    """A descriptor that can be read when a signal came. One that asks to end is not heeded: the
    end is asked for through the socket.
    """
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return woken


def _start(command: list[str], plan: dict[str, Any] | None, held: list[str]) -> tuple[int, str]:
    """Fork the command, confined; its number and the layers in force, once it runs. `held` are
    the namespaces it is born in.
    """
    parent = os.getpid()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        _exec(command, plan, held, parent, write)
    os.close(write)
    told = b""
    while data := os.read(read, 4096):  # ends with `exec`
        told += data
    os.close(read)
    return child, told.decode()


def _exec(
    command: list[str], plan: dict[str, Any] | None, held: list[str], parent: int, report: int
) -> None:
    """In the forked child: die with the parent, be confined, become the command."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # Blocked signals are inherited, too, and a limit is told with SIGINT.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        # What the program sends to its own group is not to reach the supervisor.
        os.setpgid(0, 0)
        layers: list[str] = []
        if plan is not None:
            confinement = _confinement()
            if parent != 1:
                held = confinement.separate(plan, held or confinement.begin(plan))
            layers = confinement.restrict(plan, held, before_exec=True)
        else:
            import resource

            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.write(report, ",".join(layers).encode())
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
    finally:
        os._exit(127)


def _first_process(command: list[str], plan: dict[str, Any], held: list[str], report: int) -> None:
    """First process of a pid namespace: collects orphans, and ends, with everything in the
    namespace, when the command ends or the supervisor goes away.
    """
    try:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        woken = _woken()
        confinement = _confinement()
        held = confinement.separate(plan, held)
        child, layers = _start(command, plan, held)
        confinement.drop_privileges()
        _prctl(_PR_SET_DUMPABLE, 0)
        os.write(report, f"{child} {layers}\n".encode())
        status = None
        while status is None:
            # The other end is the supervisor's: it closes when that is gone.
            ready, _, _ = select.select([report, woken], [], [])
            if report in ready:
                os._exit(1)
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
            status = _reap(child)
        os.write(report, f"ended {status}\n".encode())
    finally:
        os._exit(0)


class _Command:
    """The command as the supervisor sees it: its process below this one, and how it ended."""

    def __init__(
        self, command: list[str], plan: dict[str, Any] | None, control: socket.socket
    ) -> None:
        confined = plan is not None and "pidns" in plan["layers"]
        held = _confinement().begin(plan) if confined else []
        self.first = self.inside = 0
        self.told: socket.socket | None = None
        self._lines = b""
        if "pidns" not in held:
            self.below, layers = _start(command, plan, held)
            self.inside = self.below
            self.started = f"layers {layers}\nstarted {self.inside}\n"
            return
        ours, theirs = socket.socketpair()
        self.below = os.fork()
        if self.below == 0:
            ours.close()
            control.close()
            _first_process(command, plan or {}, held, theirs.detach())
        theirs.close()
        self.told = ours
        self.first = self.below
        inner, _, layers = self._line().partition(" ")
        self.inside = _outside(self.first, int(inner)) if inner else 0
        self.started = f"layers {layers}\nstarted {self.inside} {self.first}\n"

    def _line(self) -> str:
        """The next line of the first process, empty where it is gone."""
        while self.told is not None and b"\n" not in self._lines:
            try:
                data = self.told.recv(4096)
            except OSError:
                data = b""
            if not data:
                return ""
            self._lines += data
        line, _, self._lines = self._lines.partition(b"\n")
        return line.decode()

    def status(self) -> int | None:
        """The wait status of the command, once what is below this process has ended."""
        below = _reap(self.below)
        if below is None or self.told is None:
            return below
        word, _, status = self._line().partition(" ")
        return int(status) if word == "ended" else below


def _asked(control: socket.socket) -> bool:
    """Whether the asking process said that it wants the end, before it closed its socket: it may
    have done so after the command had ended by itself.
    """
    try:
        return bool(control.recv(64, socket.MSG_DONTWAIT))
    except OSError:
        return False


def _abandoned(folder: str) -> bool:
    """Whether the owner of `folder` is gone, who holds the lock in it: a socket that closed may
    only have been forgotten. A process that is just dying may hold it for a moment.
    """
    import fcntl

    try:
        lock = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return True
    deadline = time.monotonic() + 1.0
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def main(arguments: list[str]) -> int:
    control = socket.socket(fileno=int(arguments[0]))
    control.set_inheritable(False)
    folder, words = arguments[1], arguments[3:]
    plan = _received(control)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    woken = _woken()
    command = _Command(words, plan, control)
    with contextlib.suppress(OSError):  # gone already: seen below
        control.sendall(command.started.encode())
    told, orphaned = False, False
    status = command.status()
    while status is None and not told and not orphaned:
        ready, _, _ = select.select([control.fileno(), woken], [], [])
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
            status = command.status()
        if control.fileno() in ready:
            try:
                told = bool(control.recv(64))
                orphaned = not told
            except OSError:
                orphaned = True
    status = status if status is not None else 0
    _end_all(command.below)
    try:
        ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0
        control.sendall(f"ended {ended} {code}\n".encode())
    except OSError:
        orphaned = not (told or _asked(control))
    if orphaned and folder and _abandoned(folder):
        import shutil

        with contextlib.suppress(OSError):
            os.chmod(folder, 0o700)  # its owner keeps it from being listed
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
