"""Putting a seccomp filter in force (`policy.py` makes them)."""

from __future__ import annotations

import ctypes

from .libc import prctl, syscall
from .syscalls import CALLS

__all__ = ["PASS", "install"]

PASS = bytes.fromhex("060000000000ff7f")
"""The filter that allows everything."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def install(code: bytes) -> None:
    """Put the filter in force for this thread and all it starts. It stays over `exec` and for
    every child.

    Raises:
        OSError: there is no seccomp here.
    """
    prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
    program = _Program(len(code) // 8, code)
    set_mode_filter = 1
    syscall(CALLS["seccomp"], set_mode_filter, 0, ctypes.addressof(program))
