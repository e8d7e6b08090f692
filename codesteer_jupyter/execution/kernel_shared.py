"""Memory that processes of one kernel share by name, and that would outlive a program.

Loaded by path in the kernel's process (see `kernel_side.py`).
"""

from __future__ import annotations

import contextlib
import os

_SHM = "/dev/shm"  # noqa: S108 - the kernel's own mount
_SYSTEM_V = ("shm", "msg", "sem")


def emptied(own: list[str]) -> bool:
    """Remove what a program left; False where something stays that the next would find.

    Args:
        own: what is the kernel's own: `files` (`/dev/shm`) and `objects` (System V). What is not
            is shared with processes of others anyway.
    """
    if "files" in own:
        with contextlib.suppress(OSError):
            for entry in os.scandir(_SHM):
                _remove(entry)
            if os.listdir(_SHM):
                return False
    return "objects" not in own or not any(map(_any, _SYSTEM_V))


def _remove(entry: os.DirEntry[str]) -> None:
    with contextlib.suppress(OSError):
        if entry.is_dir(follow_symlinks=False):
            import shutil

            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)


def _any(kind: str) -> bool:
    """Whether there are objects of this kind; the first line of the file names its columns."""
    try:
        with open(f"/proc/sysvipc/{kind}", "rb") as file:
            file.readline()
            return bool(file.readline())
    except OSError:
        return False
