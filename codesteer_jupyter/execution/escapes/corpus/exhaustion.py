"""More than the limits allow, and processes that stay. Every bomb stops by itself."""

from __future__ import annotations

from collections.abc import Mapping

from codesteer_jupyter.execution.escapes.attempt import Attempt

__all__ = ["ATTEMPTS"]

MIB = 2**20


def _bomb(
    name: str, tries: str, program: str, limits: Mapping[str, float], *layers: str
) -> Attempt:
    return Attempt(
        *(name, "resource bombs", tries, program, "bound", layers or ("limits",)),
        calls=True,
        watched=True,
        limits=limits,
    )


# Becomes a program with an empty environment, which says on `tell` that it is up, and lasts.
_BARE = """
os.set_inheritable(tell, True)
import sys
text = (
    "import ctypes, os, sys, time; ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0); "
    "os.write(int(sys.argv[2]), b'x'); time.sleep(8)"
)
os.execve(sys.executable, ["x", "-I", "-S", "-c", text, NONCE, str(tell)], {})
"""

_KILL_PARENT = """
parent = os.getppid()
os.setsid()
if os.fork():
    os._exit(0)
try:
    above = int(open(f"/proc/{parent}/stat").read().rpartition(")")[2].split()[1])
    if above > 1 and above != ASKER:
        os.kill(above, signal.SIGKILL)
except OSError:
    pass
"""


def _stay(
    name: str, tries: str, work: str, *needs: str, bare: bool = False, then: str = ""
) -> Attempt:
    """A process that marks itself and lives 8 s longer than it may. `bare`: what comes to the end
    of `work` becomes `_BARE`. `then` is what the program does once it is there.
    """
    work = work + _BARE if bare else work
    body = "".join(f"    {line}\n" for line in work.strip().splitlines())
    program = f"""
ready, tell = os.pipe()
def last():
    mark(NONCE)
    os.write(tell, b"x")
    end = time.monotonic() + 8
    while time.monotonic() < end:
        time.sleep(0.2)
    os._exit(0)
def work():
{body}
first = os.fork()
if first == 0:
    try:
        work()
    finally:
        os._exit(0)
os.close(tell)
os.read(ready, 1)
{then}
"""
    return Attempt(
        *(name, "survivors", tries, program, "survivor", ("supervisor", "pidns", "process_group")),
        needs,
        calls=True,
    )


ATTEMPTS = (
    _bomb(
        "memory",
        "Fill 200 MiB more than allowed and keep them.",
        """
def work():
    mark(NONCE)
    held = [bytearray(b"x") * (10 * 2**20) for _ in range(40)]
    hold(3.6)
apart(work)
""",
        {"memory": 200 * MIB},
    ),
    _bomb(
        "memory_in_parts",
        "Fill as much in ten processes, each within the limit.",
        """
def part():
    mark(NONCE)
    held = bytearray(b"x") * (40 * 2**20)
    hold(3.6)
children = []
for _ in range(10):
    child = os.fork()
    if child == 0:
        try:
            part()
        finally:
            os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
""",
        {"memory": 200 * MIB},
    ),
    _bomb(
        "memory_file",
        "Fill as much in a file that lies in memory only.",
        """
def work():
    mark(NONCE)
    held = os.memfd_create("x")
    for _ in range(40):
        os.write(held, b"x" * (10 * 2**20))
    import mmap
    pages = mmap.mmap(held, 0)
    sum(pages[at] for at in range(0, len(pages), 4096))
    hold(3.6)
apart(work)
""",
        {"memory": 200 * MIB},
    ),
    _bomb(
        "processes",
        "Start 40 processes where 12 are allowed.",
        """
children = []
for _ in range(40):
    child = os.fork()
    if child == 0:
        try:
            mark(NONCE)
            hold(3.6)
        finally:
            os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
""",
        {"processes": 12},
    ),
    _bomb(
        "processes_apart",
        "Start 40 processes that leave their parent and their session.",
        """
def work():
    for _ in range(40):
        if os.fork() == 0:
            try:
                os.setsid()
                mark(NONCE)
                hold(3.6)
            finally:
                os._exit(0)
apart(work)
hold(3.6)
""",
        {"processes": 12},
    ),
    _bomb(
        "file_size",
        "Write a file 8 MB larger than allowed.",
        """
import signal, tempfile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open(f"{tempfile.gettempdir()}/{NONCE}", "wb") as file:  # where it may be written
    for _ in range(12):
        file.write(b"x" * 10**6)
        file.flush()
hold()
""",
        {"file": 4 * 10**6},
        "rlimits",
    ),
    _bomb(
        "file_size_sparse",
        "Make a file larger than allowed without writing it.",
        """
import tempfile
descriptor = os.open(f"{tempfile.gettempdir()}/{NONCE}", os.O_CREAT | os.O_RDWR)
os.ftruncate(descriptor, 12 * 10**6)
hold()
""",
        {"file": 4 * 10**6},
        "rlimits",
    ),
    _bomb(
        "time",
        "Ignore every signal and compute on after the time is up.",
        """
import threading
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
def work():
    mark(NONCE)
    hold(4.5)
apart(work)
""",
        {"wall": 1.0},
    ),
    Attempt(
        "files_left_behind",
        "resource bombs",
        "Leave files in a folder without rights, which removing scratch stumbles over.",
        """
import os
os.makedirs(NONCE + "/inner")
open(NONCE + "/inner/file", "w").write("x")
os.chmod(NONCE + "/inner", 0)
os.chmod(NONCE, 0)
""",
        "files",
        ("process",),
        closes=True,
    ),
    _stay("survivor_session", "Leave a process in a session of its own.", "os.setsid()\nlast()"),
    _stay(
        "survivor_daemon",
        "Leave a daemon: two forks, a new session, its parent gone.",
        """
os.setsid()
if os.fork():
    os._exit(0)
last()
""",
    ),
    _stay(
        "survivor_without_parent_signal",
        "Leave a process that took back the signal for its parent's death.",
        """
os.setsid()
if os.fork():
    os._exit(0)
ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
last()
""",
    ),
    _stay(
        "survivor_signals_ignored",
        "Leave a process that ignores every signal it can.",
        """
for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
    signal.signal(number, signal.SIG_IGN)
os.setpgid(0, 0)
last()
""",
    ),
    _stay(
        "survivor_stopped",
        "Leave a stopped process, which does not even hear that it is to end.",
        """
if os.fork():
    os._exit(0)
mark(NONCE)
os.write(tell, b"x")
os.kill(os.getpid(), signal.SIGSTOP)
os._exit(0)
""",
    ),
    _stay(
        "survivor_unmarked",
        "Leave a process with an empty environment, which no mark in it gives away.",
        """
os.setsid()
if os.fork():
    os._exit(0)
""",
        bare=True,
    ),
    _stay(
        "survivor_of_killed_parent",
        "End the parent process, which looks after the program, and stay.",
        _KILL_PARENT + "last()",
    ),
    _stay(
        "survivor_unmarked_of_killed_parent",
        "End that parent, and stay with an empty environment.",
        _KILL_PARENT,
        bare=True,
    ),
    _stay(
        "survivor_of_killed_group",
        "End the whole process group, perhaps with that parent in it, and stay outside of it.",
        """
up, tell = os.pipe()
if os.fork():
    os.close(tell)
    os.read(up, 1)
    os.kill(0, signal.SIGKILL)
os.setsid()
""",
        bare=True,
    ),
    _stay(
        "survivor_of_exited_program",
        "Leave a process, and end the program's own one before anything can be said of it.",
        "last()",
        then="os._exit(3)",
    ),
    _stay(
        "survivor_of_crashed_program",
        "Leave a process, and crash the program's own one.",
        "last()",
        then="os.kill(os.getpid(), signal.SIGSEGV)",
    ),
    Attempt(
        "survivor_busy_maker",
        "survivors",
        "Leave a process that replaces itself faster than it is found.",
        """
ready, tell = os.pipe()
if os.fork() == 0:
    os.setsid()
    mark(NONCE)
    end = time.monotonic() + 6
    os.write(tell, b"x")
    while time.monotonic() < end:
        time.sleep(0.03)
        if os.fork():
            os._exit(0)
    os._exit(0)
os.close(tell)
os.read(ready, 1)
""",
        "survivor",
        ("supervisor", "pidns", "process_group"),
        calls=True,
    ),
)
