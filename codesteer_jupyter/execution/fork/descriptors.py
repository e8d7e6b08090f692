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
    opened anew, read-only, with an offset of their own; all else becomes `/dev/null`.
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
    path = f"/proc/self/fd/{number}"
    if stat.S_ISCHR(mode) and os.readlink(path) in _HARMLESS:
        return
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        try:
            fresh = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # no permission to read what is open for writing
            fresh = None
        if fresh is not None:
            if stat.S_ISREG(mode):
                os.lseek(fresh, os.lseek(number, 0, os.SEEK_CUR), os.SEEK_SET)
            os.dup2(fresh, number, inheritable=False)
            os.close(fresh)
            return
    os.dup2(null, number, inheritable=False)
