"""In a fresh snapshot: pools of threads that did not come along with the fork.

A fork copies the calling thread only. A library that believes its pool is still there hands work
to nobody and waits for ever, so each is told to use one thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
from typing import Any

__all__ = ["single"]

_OPENMP = re.compile(rb"/lib(?:gomp|iomp5|omp)[^/]*\.so[^/]*$")


class _Loaded(ctypes.Structure):
    """The beginning of `struct dl_phdr_info`; see dl_iterate_phdr(3)."""

    _fields_ = (("address", ctypes.c_void_p), ("name", ctypes.c_char_p))


_Visitor = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Loaded), ctypes.c_size_t, ctypes.c_void_p)
_iterate = ctypes.CDLL(None).dl_iterate_phdr
_iterate.argtypes = [_Visitor, ctypes.c_void_p]


def single() -> None:
    """One thread for torch and for every OpenMP runtime that is loaded."""
    torch = sys.modules.get("torch")
    if torch is not None:
        with contextlib.suppress(Exception):  # a torch that is half imported, or a stand-in
            torch.set_num_threads(1)
    for path in _openmp_libraries():
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_NOW).omp_set_num_threads(1)


def _openmp_libraries() -> list[str]:
    found: list[str] = []

    def visit(info: Any, _size: int, _data: Any) -> int:
        name = info.contents.name
        if name and _OPENMP.search(name):
            found.append(os.fsdecode(name))
        return 0

    _iterate(_Visitor(visit), None)
    return found
