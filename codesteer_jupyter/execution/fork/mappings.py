"""In a fresh snapshot: memory that is shared with other processes becomes a copy of its own.

A fork copies private memory on write, but a writable shared mapping (`numpy.memmap`, shared
memory of `multiprocessing`) stays one and the same: writing to it here would reach the file, or
the live kernel. Each is put on a private, copy-on-write footing at the same address.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from typing import NamedTuple

__all__ = ["detach_shared"]

_PROT_READ, _PROT_WRITE, _PROT_EXEC = 1, 2, 4
_MAP_PRIVATE, _MAP_FIXED, _MAP_ANONYMOUS = 0x02, 0x10, 0x20
_MREMAP_MAYMOVE, _MREMAP_FIXED = 1, 2
_MOST_COPIED = 2**30  # bytes; larger shared memory without a file can only be read
_FAILED = ctypes.c_void_p(-1).value

_libc = ctypes.CDLL(None, use_errno=True)
_mmap = _libc.mmap
_mmap.restype = ctypes.c_void_p
_mmap.argtypes = [
    *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
]
_mprotect = _libc.mprotect
_mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_mremap = _libc.mremap
_mremap.restype = ctypes.c_void_p
_mremap.argtypes = [
    *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p)
]


class _Query(ctypes.Structure):
    """`struct procmap_query` of linux/fs.h."""

    _fields_ = (
        *(("size", ctypes.c_uint64), ("flags", ctypes.c_uint64), ("address", ctypes.c_uint64)),
        *(("start", ctypes.c_uint64), ("end", ctypes.c_uint64), ("vma_flags", ctypes.c_uint64)),
        *(("page_size", ctypes.c_uint64), ("offset", ctypes.c_uint64), ("inode", ctypes.c_uint64)),
        *(("major", ctypes.c_uint32), ("minor", ctypes.c_uint32)),
        *(("name_size", ctypes.c_uint32), ("build_id_size", ctypes.c_uint32)),
        *(("name", ctypes.c_uint64), ("build_id", ctypes.c_uint64)),
    )


# _IOWR('f', 17, struct procmap_query) and its flags.
_PROCMAP_QUERY = 3 << 30 | ctypes.sizeof(_Query) << 16 | ord("f") << 8 | 17
_WRITABLE, _SHARED, _NEXT = 0x02, 0x08, 0x10


class _Mapping(NamedTuple):
    start: int
    size: int
    readable: bool
    executable: bool
    offset: int
    device: str
    inode: int
    path: str


def detach_shared() -> int:
    """Make every writable shared mapping private; returns how many there were."""
    found = _shared()
    for mapping in found:
        if not (_from_file(mapping) or _copied(mapping)):
            # It can still be read. Writing to it crashes the snapshot, which harms nobody else.
            _mprotect(mapping.start, mapping.size, _PROT_READ)
    return len(found)


def _any_shared() -> bool:
    """Whether there is a writable shared mapping at all: one system call on Linux 6.11 and newer,
    where reading all mappings as text takes milliseconds.
    """
    with open("/proc/self/maps", "rb") as file:
        query = _Query(size=ctypes.sizeof(_Query), flags=_NEXT | _WRITABLE | _SHARED)
        try:
            fcntl.ioctl(file.fileno(), _PROCMAP_QUERY, query)
        except OSError as error:
            return error.errno != errno.ENOENT
    return True


def _shared() -> list[_Mapping]:
    if not _any_shared():
        return []
    with open("/proc/self/maps", "rb") as file:
        lines = [line for line in file if b" " in line and line.split(b" ", 2)[1][3:4] == b"s"]
    found = []
    for line in lines:
        fields = os.fsdecode(line).rstrip("\n").split(maxsplit=5)
        span, modes, offset, device, inode, *path = fields
        if len(modes) < 4 or modes[3] != "s" or modes[1] != "w":
            continue
        start, end = (int(edge, 16) for edge in span.split("-"))
        name = path[0] if path else ""
        if name.startswith("/dev/") and not name.startswith(("/dev/shm/", "/dev/zero")):  # noqa: S108 - compared only
            continue  # a device's memory is no copy of anything
        found.append(
            _Mapping(
                start,
                end - start,
                modes[0] == "r",
                modes[2] == "x",
                int(offset, 16),
                device,
                int(inode),
                name,
            )
        )
    return found


def _protection(mapping: _Mapping) -> int:
    return _PROT_READ | _PROT_WRITE | (_PROT_EXEC if mapping.executable else 0)


def _from_file(mapping: _Mapping) -> bool:
    """Map the same file again, privately: costs no memory until it is written."""
    if not mapping.path.startswith("/"):
        return False
    try:
        descriptor = os.open(mapping.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        facts = os.fstat(descriptor)
        device = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}"
        if facts.st_ino != mapping.inode or device != mapping.device:
            return False  # the file was replaced since
        placed = _mmap(
            mapping.start,
            mapping.size,
            _protection(mapping),
            _MAP_PRIVATE | _MAP_FIXED,
            descriptor,
            mapping.offset,
        )
        return bool(placed == mapping.start)
    finally:
        os.close(descriptor)


def _copied(mapping: _Mapping) -> bool:
    """Copy what has no file (deleted files, anonymous shared memory) and move the copy there."""
    if not mapping.readable or mapping.size > _MOST_COPIED:
        return False
    if mapping.path.endswith("(deleted)") and not _whole(mapping):
        return False
    flags = _MAP_PRIVATE | _MAP_ANONYMOUS
    fresh = _mmap(None, mapping.size, _PROT_READ | _PROT_WRITE, flags, -1, 0)
    if fresh in (None, _FAILED):
        return False
    ctypes.memmove(fresh, mapping.start, mapping.size)
    move = _MREMAP_MAYMOVE | _MREMAP_FIXED
    return bool(_mremap(fresh, mapping.size, mapping.size, move, mapping.start) == mapping.start)


def _whole(mapping: _Mapping) -> bool:
    """Whether reading the mapping to its end cannot fault (its file was not cut short)."""
    return mapping.path.startswith(("/dev/zero", "/memfd:", "/dev/shm/", "/SYSV"))  # noqa: S108
