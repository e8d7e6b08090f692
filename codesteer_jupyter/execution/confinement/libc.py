"""The few calls into the C library that Python has no function for."""

from __future__ import annotations

import ctypes
import os
import struct
import sys

__all__ = ["MACHINE", "checked", "machine", "prctl", "syscall"]


def machine() -> str:
    """`x86_64` or `aarch64` where confinement knows the system calls, else an empty text."""
    if sys.platform != "linux" or struct.calcsize("P") != 8:
        return ""
    name = os.uname().machine
    return name if name in ("x86_64", "aarch64") and sys.byteorder == "little" else ""


MACHINE = machine()
_libc = ctypes.CDLL(None, use_errno=True) if MACHINE else None
if _libc is not None:
    _syscall, _prctl = _libc.syscall, _libc.prctl
    _syscall.restype = ctypes.c_long
    _syscall.argtypes = [ctypes.c_long]
    _prctl.restype = ctypes.c_int
    _prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]


def checked(result: int, what: str) -> int:
    """`result`, or OSError with the reason where it is negative."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(number: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """A system call by number; OSError where it fails. Integers are passed in full width."""
    given = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return checked(_syscall(number, *given), "system call")


def prctl(option: int, value: int = 0, more: int = 0) -> int:
    """`prctl`; OSError where it fails."""
    return checked(_prctl(option, value, more, 0, 0), "prctl")
