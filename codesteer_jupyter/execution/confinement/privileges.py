"""Giving up privileges for good."""

from __future__ import annotations

import contextlib
import struct

from .libc import _libc, checked, prctl

__all__ = ["drop", "end_with_parent", "no_new_privileges"]

_SECUREBITS = (
    0b1110_1111  # NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE; all locked, KEEP_CAPS off
)
_VERSION_3 = 0x20080522


def no_new_privileges() -> None:
    """Set-user-ID programs run as this user from now on. OSError where the kernel is too old."""
    prctl(38, 1)


def drop() -> None:
    """No capability in any set, none regained by `exec`, also for root.

    Raises:
        OSError: they could not be given up.
    """
    no_new_privileges()
    if _libc is None:
        raise OSError("no capabilities on this system")
    with contextlib.suppress(OSError):  # needs a right: without it there is nothing to take away
        prctl(28, _SECUREBITS)  # PR_SET_SECUREBITS
    with contextlib.suppress(OSError):
        prctl(47, 4)  # PR_CAP_AMBIENT, CLEAR_ALL
    # The bounding set can stay: nothing grants from it under these bits and no_new_privs.
    checked(_libc.capset(struct.pack("=Ii", _VERSION_3, 0), bytes(24)), "capset")


def end_with_parent() -> None:
    """SIGKILL for this process when the thread that forked it ends (PR_SET_PDEATHSIG)."""
    prctl(1, 9)
