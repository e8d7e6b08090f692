"""What a process holds or shares: descriptors, the terminal, shared memory, queues."""

from __future__ import annotations

from codesteer_jupyter.execution.escapes.attempt import Attempt

__all__ = ["ATTEMPTS"]

_INHERITED = """
import array, os, socket, stat
def inherited(test):
    for number in range(3, 4096):  # as many as the asking process may have
        try:
            if test(os.fstat(number).st_mode):
                yield number
        except OSError:
            continue
tried, refused = 0, None
"""


def _inherited(
    name: str, tries: str, work: str, witness: str, test: str, layer: str = "process"
) -> Attempt:
    body = "".join(f"        {line}\n" for line in work.strip().splitlines())
    program = (
        f"{_INHERITED}for number in inherited({test}):\n    try:\n{body}"
        "    except OSError as error:\n        refused = error\n    tried += 1\n"
        'print(tried, "descriptors tried", refused or "")'
    )
    return Attempt(name, "descriptors", tries, program, witness, (layer,))


def _shared(
    name: str, tries: str, program: str, *layers: str, calls: bool = False, witness: str = "ipc"
) -> Attempt:
    needs = ("mq",) if name == "message_queue" else ()
    return Attempt(name, "shared memory", tries, program, witness, layers, needs, calls=calls)


ATTEMPTS = (
    _inherited(
        "inherited_files",
        "Write to every file that the asking process had open.",
        """
if "held.txt" in os.readlink(f"/proc/self/fd/{number}"):
    os.lseek(number, 0, os.SEEK_SET)
    os.write(number, b"changed")
""",
        "files",
        "stat.S_ISREG",
    ),
    _inherited(
        "inherited_hidden_file",
        "Read a hidden file that the asking process had open.",
        """
if os.readlink(f"/proc/self/fd/{number}") == HIDDEN:
    print(os.pread(number, 64, 0).decode())
""",
        "secret",
        "stat.S_ISREG",
        "landlock",
    ),
    _inherited(
        "inherited_sockets",
        "Write to every socket that the asking process had open.",
        """
link = socket.socket(fileno=os.dup(number))
if link.family == socket.AF_UNIX and link.type == socket.SOCK_SEQPACKET:
    link.send(b"out")
""",
        "received",
        "stat.S_ISSOCK",
    ),
    _inherited(
        "descriptor_passing",
        "Pass a descriptor out through an inherited socket.",
        """
link = socket.socket(fileno=os.dup(number))
if link.family == socket.AF_UNIX and link.type == socket.SOCK_SEQPACKET:
    rights = array.array("i", [os.open(".", os.O_RDONLY)])
    link.sendmsg([b"out"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
""",
        "received",
        "stat.S_ISSOCK",
    ),
    Attempt(
        "terminal",
        "descriptors",
        "Write to the terminal of the asking process.",
        'import os\nos.write(os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY), b"\\x1b[2J")',
        "received",
        ("session",),
    ),
    Attempt(
        "terminal_by_path",
        "descriptors",
        "Write to that terminal by its path.",
        'import os\nos.write(os.open(TERMINAL, os.O_WRONLY | os.O_NOCTTY), b"\\x1b[2J")',
        "received",
        ("landlock",),
    ),
    _shared(
        "shared_file",
        "Leave a file in /dev/shm.",
        'open("/dev/shm/" + NONCE, "w").write("x")',
        *("landlock", "mountns"),
    ),
    _shared(
        "shared_memory",
        "Leave a shared memory segment behind (shm_open).",
        """
import _posixshmem, os
os.ftruncate(_posixshmem.shm_open("/" + NONCE, os.O_CREAT | os.O_RDWR, mode=0o600), 4096)
""",
        *("landlock", "mountns"),
    ),
    _shared(
        "shared_victim",
        "Change a shared memory segment of another program.",
        'open(SHARED, "r+").write("changed")',
        *("landlock", "mountns"),
        witness="files",
    ),
    _shared(
        "sysv_memory",
        "Leave a System V shared memory segment behind.",
        'call("shmget", KEY, 4096, 0o1600)',
        *("seccomp", "ipcns"),
        calls=True,
    ),
    _shared(
        "sysv_memory_read",
        "Read another program's System V shared memory.",
        """
place = call("shmat", call("shmget", SEGMENT, 0, 0), 0, 0o10000)
print(ctypes.string_at(place, 64).strip(b"\\0").decode())
""",
        *("seccomp", "ipcns"),
        calls=True,
        witness="secret",
    ),
    _shared(
        "sysv_semaphore",
        "Leave a System V semaphore behind.",
        'call("semget", KEY, 1, 0o1600)',
        *("seccomp", "ipcns"),
        calls=True,
    ),
    _shared(
        "sysv_queue",
        "Leave a System V message queue behind.",
        'call("msgget", KEY, 0o1600)',
        *("seccomp", "ipcns"),
        calls=True,
    ),
    _shared(
        "message_queue",
        "Leave a POSIX message queue behind.",
        'call("mq_open", NONCE.encode(), 0o102, 0o600, 0)',
        *("seccomp", "ipcns"),
        calls=True,
    ),
)
