"""Values from a snapshot into the live kernel, after the user said so.

The snapshot pickles them (protocol 5), with large buffers out of band, and says where the parts
lie in its memory. The kernel reads them from there into memory of its own, so an array is copied
once; where the system does not let it, they go through a memory file. A pickle from confined code
can run anything when it is read: `unpickled` is called after consent only, and nothing is read
before.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import mmap
import os
import pickle
import socket
import types
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import psutil

from codesteer_jupyter.execution.fork.binding import AtFork, Reader, Refused

__all__ = ["Parts", "attach", "fill", "give", "pickled", "read", "unpickled"]

_ALIGNED = 64  # NumPy and Arrow like their buffers on such addresses
_PORTION = 2**28  # bytes read in one system call
_libc = ctypes.CDLL(None, use_errno=True)


class _Vector(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


Parts = Sequence[tuple[int, int]]
"""Address and size in bytes of the pickle, then of each buffer that it refers to."""


# -- in the snapshot -------------------------------------------------------------------------------


def pickled(
    at_fork: AtFork, namespace: Mapping[str, Any], names: Sequence[str], told: Collection[str]
) -> list[memoryview]:
    """The pickle of the values of `names`, and the buffers it refers to. With them goes what
    functions among them use and nobody can ask for by name: imports, private helpers.

    Args:
        at_fork: what the notebook had.
        namespace: what it has now.
        names: which values.
        told: the names that the user was told have changed.

    Raises:
        Refused: a value would be another one in the kernel.
        Exception: whatever a value's own methods for pickling raise.
    """
    buffers: list[memoryview] = []
    along: dict[str, Any] = {}

    def outside(buffer: pickle.PickleBuffer) -> bool:
        buffers.append(buffer.raw())
        return False

    def needs(function: types.FunctionType, used: Mapping[str, Any]) -> None:
        for name in used.keys() - set(names):
            if at_fork.missing(name, used[name]):
                if name in told:
                    raise Refused(
                        f"{function.__name__} uses {name}, which the code made: name both"
                    )
                along[name] = used[name]

    values = {name: namespace[name] for name in names}
    while True:  # what goes along may itself need more
        before = dict(along)
        buffers.clear()
        stream = io.BytesIO()
        at_fork.pickler(stream, outside, needs).dump((values, before))
        if along.keys() == before.keys():
            return [stream.getbuffer(), *buffers]


def fill(end: socket.socket, parts: Sequence[memoryview]) -> None:
    """Receive a memory file over the socket, and put the parts into it."""
    _, descriptors, _, _ = socket.recv_fds(end, 1, 1)
    (room,) = descriptors
    try:
        # Written through a mapping: the limit on the size of files is not about this.
        with mmap.mmap(room, 0) as target:
            for part, at in zip(parts, _places([part.nbytes for part in parts]), strict=True):
                target[at : at + part.nbytes] = part.cast("B")
    finally:
        os.close(room)


# -- in the kernel ---------------------------------------------------------------------------------


def _places(sizes: Sequence[int]) -> list[int]:
    places, at = [], 0
    for size in sizes:
        places.append(at)
        at += -(-size // _ALIGNED) * _ALIGNED
    return places


def _room(parts: Parts) -> int:
    """Bytes all parts take. What the snapshot claims is not believed beyond what is free.

    Raises:
        MemoryError: that is more than is free.
    """
    sizes = [size for _, size in parts]
    total = _places([*sizes, 0])[-1]
    if any(size < 0 for size in sizes) or total > psutil.virtual_memory().available:
        raise MemoryError(f"{total / 2**20:,.0f} MiB are more than is free")
    return max(total, 1)


def read(process: int, parts: Parts) -> mmap.mmap | None:
    """The parts out of the memory of `process`; None where the system does not allow it."""
    room = mmap.mmap(-1, _room(parts), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(AttributeError, OSError):
        room.madvise(mmap.MADV_HUGEPAGE)
    target = ctypes.addressof(ctypes.c_char.from_buffer(room))
    for (address, size), at in zip(parts, _places([size for _, size in parts]), strict=True):
        done = 0
        while done < size:
            portion = min(size - done, _PORTION)
            here = _Vector(target + at + done, portion)
            there = _Vector(address + done, portion)
            got = _libc.process_vm_readv(
                process, ctypes.byref(here), 1, ctypes.byref(there), 1, ctypes.c_ulong(0)
            )
            if got <= 0:
                return None
            done += got
    return room


def attach(parts: Parts) -> int:
    """A memory file with room for the parts."""
    room = os.memfd_create("codesteer-adopt", os.MFD_CLOEXEC)
    try:
        os.ftruncate(room, _room(parts))
    except BaseException:
        os.close(room)
        raise
    return room


def give(end: socket.socket, room: int) -> None:
    """Pass the memory file to the snapshot."""
    end.setblocking(True)
    try:
        socket.send_fds(end, [b"\0"], [room])
    finally:
        end.setblocking(False)


def unpickled(room: mmap.mmap, parts: Parts, namespace: dict[str, Any]) -> dict[str, Any]:
    """The values for `namespace`, after consent. Arrays lie in `room` and are writable; it is
    freed with the last of them.

    Raises:
        Refused: a value refers to what is no longer there.
        Exception: whatever rebuilding a value raises.
    """
    sizes = [size for _, size in parts]
    whole = memoryview(room)
    _, *rest = (whole[at : at + size] for at, size in zip(_places(sizes), sizes, strict=True))
    room.seek(0)
    values, along = Reader(room, rest, namespace).load()
    return {**{name: along[name] for name in along.keys() - namespace.keys()}, **values}
