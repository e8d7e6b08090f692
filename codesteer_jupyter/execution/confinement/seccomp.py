"""Putting a seccomp filter in force (`policy.py` makes them)."""

from __future__ import annotations

import ctypes
import errno

from .libc import prctl, syscall
from .syscalls import CALLS

__all__ = ["PASS", "install"]

PASS = bytes.fromhex("060000000000ff7f")
"""The filter that allows everything."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def install(code: bytes, *, every_thread: bool = False) -> None:
    """Put the filter in force for this process, for all its threads if asked to. It stays over
    `exec` and for every child.

    Raises:
        OSError: there is no seccomp here, or a thread could not be brought in line.
    """
    prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
    program = _Program(len(code) // 8, code)
    flags = 1 if every_thread else 0  # SECCOMP_FILTER_FLAG_TSYNC
    stray = syscall(
        CALLS["seccomp"], 1, flags, ctypes.addressof(program)
    )  # SECCOMP_SET_MODE_FILTER
    if stray:
        raise OSError(errno.EAGAIN, f"thread {stray} has a filter of its own")
