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

__all__ = ["single"]

_OPENMP = re.compile(rb"(/\S*lib(?:gomp|iomp5|omp)[^/\s]*\.so[^/\s]*)")


def single() -> None:
    """One thread for torch and for every OpenMP runtime that is loaded."""
    torch = sys.modules.get("torch")
    if torch is not None:
        with contextlib.suppress(Exception):  # a torch that is half imported, or a stand-in
            torch.set_num_threads(1)
    with open("/proc/self/maps", "rb") as file:
        paths = set(_OPENMP.findall(file.read()))
    for path in paths:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(os.fsdecode(path), mode=os.RTLD_NOLOAD | os.RTLD_NOW).omp_set_num_threads(1)
