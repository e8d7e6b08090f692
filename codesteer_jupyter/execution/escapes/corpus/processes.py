"""Other processes of the same user: what they hold, how they are scheduled, signals to them."""

from __future__ import annotations

from codesteer_jupyter.execution.escapes.attempt import Attempt

__all__ = ["ATTEMPTS"]

# Landlock keeps a confined process from every call that needs the right to trace another.
_TRACE = ("landlock", "pidns", "userns")


def _read(name: str, tries: str, program: str, *, calls: bool = False) -> Attempt:
    return Attempt(name, "processes", tries, program, "secret", _TRACE, calls=calls)


def _change(
    name: str, tries: str, program: str, layers: tuple[str, ...], *, calls: bool = False
) -> Attempt:
    return Attempt(name, "processes", tries, program, "process", layers, calls=calls)


def _signal(name: str, tries: str, program: str, *, calls: bool = False) -> Attempt:
    layers = ("landlock@6", "pidns")
    return Attempt(name, "signals", tries, program, "process", layers, calls=calls)


_READS = (
    _read(
        "environ_of_asker",
        "Read the key from the environment of the asking process.",
        'print(open(f"/proc/{ASKER}/environ", errors="replace").read())',
    ),
    _read(
        "environ_of_ancestors",
        "Read the environments of all ancestors.",
        """
import os, re
pid, refused = os.getppid(), None
while pid > 1:
    try:
        print(open(f"/proc/{pid}/environ", errors="replace").read())
    except OSError as error:
        refused = error
    pid = int(re.search(r"PPid:\\t(\\d+)", open(f"/proc/{pid}/status").read())[1])
if refused:
    raise refused
""",
    ),
    _read(
        "environ_of_everybody",
        "Read the environment of every process there is.",
        """
import os
refused = None
for name in os.listdir("/proc"):
    if name.isdigit():
        try:
            text = open(f"/proc/{name}/environ", errors="replace").read()
        except OSError as error:
            refused = error
            continue
        print(*[part for part in text.split("\\0") if "BAIT" in part or "API_KEY" in part])
if refused:
    raise refused
""",
    ),
    Attempt(
        "arguments_of_others",
        "processes",
        "Read the command lines of other processes, where passwords are passed.",
        'print(open(f"/proc/{BAIT}/cmdline").read())',
        "secret",
        ("pidns",),
    ),
    _read(
        "maps_of_others",
        "Read which files another process has mapped.",
        'print(open(f"/proc/{BAIT}/maps").read())',
    ),
    _read(
        "memory_of_others",
        "Read another process's memory through /proc/PID/mem.",
        """
import os
print(os.pread(os.open(f"/proc/{BAIT}/mem", os.O_RDONLY), LENGTH, ADDRESS).decode())
""",
    ),
    _read(
        "process_vm_readv",
        "Read another process's memory by process_vm_readv.",
        """
room = ctypes.create_string_buffer(LENGTH)
here = (ctypes.c_size_t * 2)(ctypes.addressof(room), LENGTH)
there = (ctypes.c_size_t * 2)(ADDRESS, LENGTH)
call("process_vm_readv", BAIT, here, 1, there, 1, 0)
print(room.raw.decode())
""",
        calls=True,
    ),
    _read(
        "ptrace",
        "Attach to another process and read its memory word by word.",
        """
call("ptrace", 16, BAIT, 0, 0)
try:
    os.waitpid(BAIT, 0x40000000)
    room, text = ctypes.c_long(), b""
    for at in range(0, LENGTH, 8):
        call("ptrace", 2, BAIT, ADDRESS + at, ctypes.byref(room))
        text += room.value.to_bytes(8, "little", signed=True)
    print(text[:LENGTH].decode())
finally:
    call("ptrace", 17, BAIT, 0, 0)
""",
        calls=True,
    ),
)

_CHANGES = (
    _change(
        "process_vm_writev",
        "Change another process's memory by process_vm_writev.",
        """
room = ctypes.create_string_buffer(b"changed", 8)
here = (ctypes.c_size_t * 2)(ctypes.addressof(room), 7)
there = (ctypes.c_size_t * 2)(ADDRESS, 7)
call("process_vm_writev", BAIT, here, 1, there, 1, 0)
""",
        _TRACE,
        calls=True,
    ),
    _change(
        "memory_write",
        "Change another process's memory through /proc/PID/mem.",
        'import os\nos.pwrite(os.open(f"/proc/{BAIT}/mem", os.O_RDWR), b"changed", ADDRESS)',
        _TRACE,
    ),
    Attempt(
        "pidfd_getfd",
        "processes",
        "Take a descriptor out of the asking process and write to its file.",
        """
handle = call("pidfd_open", ASKER, 0)
for number in range(3, 4096):
    try:
        taken = call("pidfd_getfd", handle, number, 0)
    except OSError as error:
        if error.errno == 9:
            continue
        raise
    if os.readlink(f"/proc/self/fd/{taken}").endswith("held.txt"):
        os.write(taken, b"changed")
""",
        "files",
        _TRACE,
        calls=True,
    ),
    _change(
        "prlimit_of_asker",
        "Lower a limit of the asking process.",
        """
import resource
soft, hard = resource.prlimit(ASKER, resource.RLIMIT_NOFILE)
resource.prlimit(ASKER, resource.RLIMIT_NOFILE, (soft - 1, hard))
""",
        ("seccomp", "pidns"),
    ),
    _change(
        "setpriority",
        "Lower another process's priority.",
        "import os\nos.setpriority(os.PRIO_PROCESS, BAIT, 7)",
        ("seccomp", "pidns"),
    ),
    _change(
        "setpriority_of_user",
        "Lower the priority of everything in the asking process's group.",
        "import os\nos.setpriority(os.PRIO_PGRP, ASKER, 3)",
        ("seccomp", "pidns"),
    ),
    _change(
        "sched_setaffinity",
        "Tie another process to one processor.",
        "import os\nos.sched_setaffinity(BAIT, {min(os.sched_getaffinity(BAIT))})",
        ("seccomp", "pidns"),
    ),
    _change(
        "sched_setscheduler",
        "Put another process into the idle class.",
        "import os\nos.sched_setscheduler(BAIT, os.SCHED_IDLE, os.sched_param(0))",
        ("seccomp", "pidns"),
    ),
    _change(
        "ioprio",
        "Lower another process's priority at the disk.",
        'call("ioprio_set", 1, BAIT, 3 << 13)',
        ("seccomp", "pidns"),
        calls=True,
    ),
    _change(
        "oom_score",
        "Have another process chosen first when memory runs out.",
        'open(f"/proc/{BAIT}/oom_score_adj", "w").write("900")',
        ("landlock", "pidns"),
    ),
)

_SIGNALS = (
    _signal(
        "kill_asker", "End the asking process.", "import os, signal\nos.kill(ASKER, signal.SIGTERM)"
    ),
    _signal(
        "kill_group_of_asker",
        "End the asking process's group.",
        "import os, signal\nos.killpg(ASKER, signal.SIGTERM)",
    ),
    _signal(
        "interrupt_asker",
        "Interrupt the asking process.",
        "import os, signal\nos.kill(ASKER, signal.SIGINT)",
    ),
    _signal(
        "kill_other", "Signal another process.", "import os, signal\nos.kill(BAIT, signal.SIGUSR1)"
    ),
    _signal(
        "stop_other",
        "Stop and continue another process.",
        """
import os, signal, time
os.kill(BAIT, signal.SIGSTOP)
time.sleep(0.02)
os.kill(BAIT, signal.SIGCONT)
""",
    ),
    _signal(
        "tgkill",
        "Signal another process's thread.",
        'call("tgkill", BAIT, BAIT, signal.SIGUSR1)',
        calls=True,
    ),
    _signal(
        "pidfd_send_signal",
        "Signal another process through a descriptor for it.",
        'call("pidfd_send_signal", call("pidfd_open", BAIT, 0), signal.SIGUSR1, 0, 0)',
        calls=True,
    ),
    _signal(
        "sigqueue",
        "Queue a signal with data for another process.",
        """
facts = ctypes.create_string_buffer(128)
ctypes.c_int.from_buffer(facts, 0).value = int(signal.SIGUSR1)
ctypes.c_int.from_buffer(facts, 8).value = -1
call("rt_sigqueueinfo", BAIT, signal.SIGUSR1, facts)
""",
        calls=True,
    ),
    _signal(
        "signal_by_descriptor",
        "Name another process as the owner of a socket, so that the kernel signals it.",
        """
import fcntl, os, signal, socket
ours, theirs = socket.socketpair()
fcntl.fcntl(ours, fcntl.F_SETOWN, BAIT)
fcntl.fcntl(ours, 10, signal.SIGUSR1)
fcntl.fcntl(ours, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
theirs.send(b"x")
""",
    ),
    _signal(
        "signal_asker_by_folder",
        "End the asking process through its folder in /proc, which serves as a descriptor for it.",
        """
folder = os.open(f"/proc/{ASKER}", os.O_RDONLY)
call("pidfd_send_signal", folder, signal.SIGTERM, 0, 0)
""",
        calls=True,
    ),
    _signal(
        "signal_asker_by_descriptor",
        "Name the asking process as the owner of a socket, so that the kernel ends it.",
        """
import fcntl, os, socket
ours, theirs = socket.socketpair()
fcntl.fcntl(ours, fcntl.F_SETOWN, ASKER)
fcntl.fcntl(ours, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
theirs.send(b"x")
""",
    ),
    _signal(
        "signal_asker_by_ioctl",
        "The same by the older call for sockets.",
        """
import fcntl, os, socket, struct
ours, theirs = socket.socketpair()
fcntl.ioctl(ours, 0x8901, struct.pack("i", ASKER))
fcntl.fcntl(ours, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
theirs.send(b"x")
""",
    ),
    _signal(
        "signal_asker_by_thread",
        "End the asking process by the number of one of its threads.",
        """
import os, signal
os.kill(int(os.listdir(f"/proc/{ASKER}/task")[-1]), signal.SIGTERM)
""",
    ),
)

ATTEMPTS = (*_READS, *_CHANGES, *_SIGNALS)
