"""What matters about this machine, for the head of a report."""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cache

__all__ = ["host_facts", "landlock_abi"]

_CREATE_RULESET, _ASK_VERSION = 444, 1


@cache
def landlock_abi() -> int:
    """The version of Landlock's interface here, 0 where there is none."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        return max(0, int(library.syscall(_CREATE_RULESET, None, 0, _ASK_VERSION)))
    except (OSError, AttributeError):
        return 0


def host_facts() -> dict[str, object]:
    """Kernel, processor, user, Python, Landlock's version."""
    return {
        "system": platform.system(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "uid": os.getuid() if hasattr(os, "getuid") else None,
        "landlock_abi": landlock_abi(),
    }
