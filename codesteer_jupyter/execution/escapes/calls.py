"""System calls by number, and what attempts share: a name to be found by, a process apart.

This file is read twice: it is imported by the witnesses, and its text is put before the attempts
that ask for it. So it needs the standard library only, and no `from __future__`.
"""

import ctypes
import json
import os
import platform
import signal
import time
from collections.abc import Callable
from typing import Any

_C = ctypes.CDLL(None, use_errno=True)

# From the kernel's tables: arch/x86/entry/syscalls/syscall_64.tbl, asm-generic/unistd.h.
_X86_64 = {
    "read": 0,
    "write": 1,
    "openat": 257,
    "openat2": 437,
    "linkat": 265,
    "renameat2": 316,
    "fchmodat2": 452,
    "socket": 41,
    "connect": 42,
    "ptrace": 101,
    "tgkill": 234,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "pidfd_open": 434,
    "pidfd_getfd": 438,
    "pidfd_send_signal": 424,
    "rt_sigqueueinfo": 129,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "bpf": 321,
    "perf_event_open": 298,
    "userfaultfd": 323,
    "add_key": 248,
    "keyctl": 250,
    "personality": 135,
    "unshare": 272,
    "clone": 56,
    "clone3": 435,
    "mount": 165,
    "capset": 126,
    "fanotify_init": 300,
    "capget": 125,
    "name_to_handle_at": 303,
    "open_by_handle_at": 304,
    "mq_open": 240,
    "mq_unlink": 241,
    "shmget": 29,
    "shmat": 30,
    "shmctl": 31,
    "semget": 64,
    "semctl": 66,
    "msgget": 68,
    "msgctl": 71,
    "ioprio_set": 251,
    "ioprio_get": 252,
    "mknodat": 259,
}
_AARCH64 = {
    "read": 63,
    "write": 64,
    "openat": 56,
    "openat2": 437,
    "linkat": 37,
    "renameat2": 276,
    "fchmodat2": 452,
    "socket": 198,
    "connect": 203,
    "ptrace": 117,
    "tgkill": 131,
    "process_vm_readv": 270,
    "process_vm_writev": 271,
    "pidfd_open": 434,
    "pidfd_getfd": 438,
    "pidfd_send_signal": 424,
    "rt_sigqueueinfo": 138,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "bpf": 280,
    "perf_event_open": 241,
    "userfaultfd": 282,
    "add_key": 217,
    "keyctl": 219,
    "personality": 92,
    "unshare": 97,
    "clone": 220,
    "clone3": 435,
    "mount": 40,
    "capset": 91,
    "fanotify_init": 262,
    "capget": 90,
    "name_to_handle_at": 264,
    "open_by_handle_at": 265,
    "mq_open": 180,
    "mq_unlink": 181,
    "shmget": 194,
    "shmat": 196,
    "shmctl": 195,
    "semget": 190,
    "semctl": 191,
    "msgget": 186,
    "msgctl": 187,
    "ioprio_set": 30,
    "ioprio_get": 31,
    "mknodat": 33,
}
NUMBERS: dict[str, int] = {"x86_64": _X86_64, "aarch64": _AARCH64}.get(platform.machine(), {})
AT_FDCWD, CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = -100, 0x20000, 0x10000000, 0x40000000


def checked(result: int) -> int:
    """`result` of a C function, or its `errno` as an OSError."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def call(which: str | int, *arguments: Any) -> int:
    """A system call. Integers go as 64-bit words, buffers and bytes by address.

    Raises:
        OSError: what the kernel answered.
    """
    number = NUMBERS[which] if isinstance(which, str) else which
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    _C.syscall.restype = ctypes.c_long
    return checked(_C.syscall(ctypes.c_long(number), *words))


def mark(name: str) -> None:
    """Give this process a name by which it is found from outside (15 characters)."""
    _C.prctl(15, name.encode(), 0, 0, 0)


def apart(work: Callable[[], object]) -> str:
    """Run `work` in a forked process and return what it returned, as text.

    Raises:
        OSError: what `work` raised, or how its process was ended.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        said: dict[str, Any] = {}
        try:
            said["value"] = work()
        except BaseException as error:
            said = {"errno": getattr(error, "errno", None), "error": repr(error)}
        finally:
            os.write(write, json.dumps(said, default=str).encode())
            os._exit(0)
    os.close(write)
    data = b""
    while part := os.read(read, 65536):
        data += part
    os.close(read)
    _, status = os.waitpid(child, 0)
    if not data:
        ended = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "itself"
        raise OSError(0, f"the process was ended by {ended}")
    facts = json.loads(data)
    if "error" in facts:
        raise OSError(facts["errno"] or 0, facts["error"])
    return str(facts["value"])


def hold(seconds: float = 0.4) -> None:
    """Stay as it is for so long, so that it can be seen from outside."""
    time.sleep(seconds)
