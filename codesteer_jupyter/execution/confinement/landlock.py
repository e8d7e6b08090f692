"""Landlock: which files may be read and written, set by the process itself without privilege.

Rights, versions and structures: the kernel's `Documentation/userspace-api/landlock.rst`.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterable, Sequence

from .libc import MACHINE, _syscall, prctl, syscall
from .syscalls import CALLS

__all__ = [
    "DEVICE",
    "LIST",
    "READ",
    "WRITE",
    "add",
    "attributes",
    "collect",
    "enforce",
    "version",
]

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL_DEV, _RESOLVE_UNIX = 1 << 13, 1 << 14, 1 << 15, 1 << 16
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV | _RESOLVE_UNIX
_FIRST = (1 << 13) - 1  # version 1: everything up to making symbolic links
_ADDED = {2: _REFER, 3: _TRUNCATE, 5: _IOCTL_DEV, 9: _RESOLVE_UNIX}
_TCP = 0b11  # bind and connect, version 4
_SCOPES = 0b11  # abstract sockets and signals, version 6

READ, WRITE, DEVICE, LIST = "read", "write", "device", "list"
"""The kinds of rules: read and execute below a path; everything below it but devices' controls;
use of a device; names of entries only.
"""

_RIGHTS = {
    READ: _EXECUTE | _READ_FILE | _READ_DIR,
    WRITE: ~_IOCTL_DEV,
    DEVICE: _READ_FILE | _WRITE_FILE | _READ_DIR | _TRUNCATE | _IOCTL_DEV,
    LIST: _READ_DIR,
}


def version() -> int:
    """The version of Landlock in this kernel, 0 where there is none."""
    if not MACHINE:
        return 0
    try:
        return syscall(CALLS["landlock_create_ruleset"], None, 0, 1)
    except OSError:
        return 0


def _files(abi: int) -> int:
    rights = _FIRST
    for since, added in _ADDED.items():
        rights |= added if abi >= since else 0
    return rights


def attributes(abi: int, tcp: bool) -> bytes:
    """`struct landlock_ruleset_attr` with everything version `abi` can handle.

    Args:
        abi: the version.
        tcp: whether TCP is refused, too.
    """
    words = [_files(abi)]
    if abi >= 4:
        words.append(_TCP if tcp else 0)
    if abi >= 6:
        words.append(_SCOPES)
    return struct.pack(f"={len(words)}Q", *words)


def collect(rules: Iterable[Sequence[str]], abi: int, *, tcp: bool) -> int:
    """A ruleset, as an open descriptor that a fork inherits.

    Args:
        rules: pairs of a path and a kind.
        abi: the version to use, at most `version()`.
        tcp: refuse TCP connections and listening.

    Raises:
        OSError: Landlock is not to be had.
    """
    given = attributes(abi, tcp)
    ruleset = syscall(CALLS["landlock_create_ruleset"], given, len(given), 0)
    add(ruleset, rules, abi)
    return ruleset


def add(ruleset: int, rules: Iterable[Sequence[str]], abi: int) -> None:
    """More rules. Paths that do not exist are left out: that only takes rights away."""
    handled = _files(abi)
    rights = {kind: right & handled for kind, right in _RIGHTS.items()}
    for path, kind in rules:
        with contextlib.suppress(OSError):
            _allow(ruleset, path, rights[kind])


def enforce(ruleset: int) -> None:
    """Put the ruleset in force for this process and all it starts; OSError where it fails. It
    stays open.
    """
    prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
    syscall(CALLS["landlock_restrict_self"], ruleset, 0)


def _allow(ruleset: int, path: str, rights: int) -> None:
    number = CALLS["landlock_add_rule"]
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if _syscall(number, ruleset, 1, struct.pack("=Qi", rights, place), 0) != 0:
            # A file: it has no entries to list or to make.
            syscall(number, ruleset, 1, struct.pack("=Qi", rights & _OF_FILES, place), 0)
    finally:
        os.close(place)
