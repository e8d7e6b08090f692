"""Whether another process holds the lock of a file; a lock ends with its process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

__all__ = ["hold", "is_held"]


def is_held(path: Path) -> bool:
    """True only where another process holds it; a missing file, or a file system without locks,
    is held by nobody.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


def hold(path: Path) -> int | None:
    """Take the lock of `path`, made 0600 where it is missing; None if somebody has it.

    It is held until the handle that is returned is closed: by `os.close`, or with the process,
    however that ends. A forked child shares it.

    Raises:
        OSError: the file cannot be made.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
