"""In a fresh snapshot: nothing that the kernel has open can be reached through a descriptor.

Descriptors are replaced, never closed: objects of the kernel still hold their numbers, and a
number that is given out again would be hit by them. An epoll set shared with the kernel is the
worst of them: unregistering from it here would leave the live kernel deaf.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection

__all__ = ["neutralise"]

_HARMLESS = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


def neutralise(keep: Collection[int]) -> None:
    """Replace every descriptor but those in `keep` and the standard three: regular files are
    opened anew, read-only, with an offset of their own; all else becomes `/dev/null`. To be called
    in the confined process: opening anew is what has a file judged by the place it is in now, so
    one in a closed place, or deleted there, becomes `/dev/null` as well.
    """
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number > 2 and number != null and number not in keep:
            with contextlib.suppress(OSError):  # the listing's own descriptor is gone already
                _replace(number, null)
    os.close(null)


def _replace(number: int, null: int) -> None:
    mode = os.fstat(number).st_mode
    if stat.S_ISCHR(mode) and os.readlink(f"/proc/self/fd/{number}") in _HARMLESS:
        return
    fresh = _anew(number, mode) if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else None
    try:
        os.dup2(null if fresh is None else fresh, number, inheritable=False)
    except OSError:  # beyond the limit on open files, where no number is given out again
        os.close(number)
    finally:
        if fresh is not None:
            os.close(fresh)


def _anew(number: int, mode: int) -> int | None:
    """The same file, opened for reading only; None where that is refused."""
    try:
        fresh = os.open(f"/proc/self/fd/{number}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    if stat.S_ISREG(mode):
        with contextlib.suppress(OSError):  # one that stood for a path only has no offset
            os.lseek(fresh, os.lseek(number, 0, os.SEEK_CUR), os.SEEK_SET)
    return fresh
