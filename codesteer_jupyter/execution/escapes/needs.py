"""What this host must have for an attempt to prove anything. Really tried, not looked up."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from codesteer_jupyter.execution.escapes.attempt import Attempt
from codesteer_jupyter.execution.escapes.bait_files import file_flags
from codesteer_jupyter.execution.escapes.calls import AT_FDCWD, NUMBERS, call

__all__ = ["NEEDS", "missing"]

_USERNS = "apart(lambda: call('unshare', CLONE_NEWUSER))"
_X32 = "call(0x40000000 + 39)"
_COMPAT = """
library = ctypes.CDLL(None, use_errno=True)
library.mmap.restype = ctypes.c_void_p
library.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
page = library.mmap(None, 4096, 7, 0x62, -1, 0)
code = bytes.fromhex("b814000000cd80c3")  # mov eax, 20 (getpid); int 0x80; ret
ctypes.memmove(page, code, len(code))
assert ctypes.CFUNCTYPE(ctypes.c_int)(page)() == os.getpid()
"""


def missing(attempt: Attempt, reuses: bool, ports: Mapping[str, object]) -> str:
    """Why `attempt` proves nothing here, or "".

    Args:
        attempt: what is to be tried.
        reuses: whether one process serves program after program.
        ports: what the listeners could open.
    """
    if attempt.calls and not NUMBERS:
        return f"no table of system calls for {platform.machine()}"
    for need in attempt.needs:
        if need == "reuse" and not reuses:
            return NEEDS[need]
        if need in ("ipv6", "netlink", "vsock"):
            if {"ipv6": "TCP6"}.get(need, need.upper()) not in ports:
                return NEEDS[need]
        elif need != "reuse" and not _has(need):
            return NEEDS[need]
    return ""


NEEDS = {
    "root": "only root may do this",
    "reuse": "no process serves more than one program",
    "ipv6": "no IPv6 on this host",
    "netlink": "no netlink between processes on this host",
    "vsock": "no loopback of the vsock family on this host",
    "xattr": "no extended attributes on this file system",
    "file_flags": "no file flags on this file system",
    "fchmodat2": "this kernel has no fchmodat2",
    "glibc": "the C library is not glibc",
    "io_uring": "io_uring is absent or switched off",
    "bpf": "bpf is absent or not for this user",
    "perf_event": "performance counters are absent or not for this user",
    "userfaultfd": "userfaultfd is absent or not for this user",
    "af_alg": "no sockets to the kernel's ciphers on this host",
    "keyring": "no keyrings on this host",
    "handles": "no file handles on this file system",
    "userns": "user namespaces are not for this user",
    "mq": "no POSIX message queues on this host",
    "machine_code": "no machine code for this processor here",
    "compat": "this kernel runs no 32-bit system calls",
    "x32": "this kernel has no x32 system calls",
}
"""Need: the sentence that is given where it is not met."""


@cache
def _has(need: str) -> bool:
    try:
        return _PROBES[need]()
    except (OSError, KeyError, AttributeError):
        return False


def _opens(which: str, *arguments: object) -> bool:
    os.close(call(which, *arguments))
    return True


def _in_folder(work: Callable[[str], object]) -> bool:
    with tempfile.TemporaryDirectory(prefix="cs-") as folder:
        path = Path(folder, "file")
        path.touch()
        return work(str(path)) is not False


def _apart(text: str) -> bool:
    calls = Path(__file__).with_name("calls.py").read_text(encoding="utf-8")
    command = [sys.executable, "-I", "-S", "-c", f"{calls}\n{text}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _handle(path: str) -> bool:
    handle = ctypes.create_string_buffer(136)
    ctypes.c_uint.from_buffer(handle, 0).value = 128
    call("name_to_handle_at", AT_FDCWD, path.encode(), handle, ctypes.byref(ctypes.c_int()), 0)
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        return _opens("open_by_handle_at", folder, handle, os.O_RDONLY)
    finally:
        os.close(folder)


def _keyring() -> bool:
    key = call("add_key", b"user", b"cs-probe", b"x", 1, -4)
    call("keyctl", 9, key, -4)
    return True


def _cipher() -> bool:
    import socket

    socket.socket(38, 5).close()
    return True


def _queue() -> bool:
    name = f"cs-{os.getpid()}".encode()
    os.close(call("mq_open", name, 0o102, 0o600, 0))
    call("mq_unlink", name)
    return True


def _perf() -> bool:
    words = (ctypes.c_uint32 * 32)(1, 128, 9, 0, *[0] * 6, 0x60)
    return _opens("perf_event_open", words, 0, -1, -1, 0)


_X86 = platform.machine() == "x86_64"
_PROBES: dict[str, Callable[[], bool]] = {
    "root": lambda: os.geteuid() == 0,
    "xattr": lambda: _in_folder(lambda path: os.setxattr(path, "user.x", b"x")),
    "file_flags": lambda: _in_folder(lambda path: file_flags(path) is not None),
    "fchmodat2": lambda: _in_folder(
        lambda path: call("fchmodat2", AT_FDCWD, path.encode(), 0o600, 0)
    ),
    "glibc": lambda: hasattr(ctypes.CDLL(None), "__res_state"),
    "io_uring": lambda: _opens("io_uring_setup", 4, ctypes.create_string_buffer(120)),
    "bpf": lambda: _opens("bpf", 0, (ctypes.c_uint32 * 32)(2, 4, 4, 1), 128),
    "perf_event": _perf,
    "userfaultfd": lambda: _opens("userfaultfd", os.O_CLOEXEC | 1),
    "af_alg": _cipher,
    "keyring": _keyring,
    "handles": lambda: _in_folder(_handle),
    "userns": lambda: _apart(_USERNS),
    "mq": _queue,
    "machine_code": lambda: bool(NUMBERS),
    "compat": lambda: _X86 and _apart(_COMPAT),
    "x32": lambda: _X86 and _apart(_X32),
}
