"""Values from a snapshot into the live kernel, after the user said so.

The snapshot pickles them (protocol 5), with large buffers out of band; the bytes go through one
memory file that the kernel creates, so an array is copied once. A pickle from confined code can
run anything when it is read: `read` is called after consent only, and nothing is read before.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from codesteer_jupyter.execution.fork.channel import Sender

__all__ = ["attach", "give", "read", "send"]

_ALIGNED = 64  # NumPy and Arrow like their buffers on such addresses


def send(
    end: socket.socket, sender: Sender, namespace: Mapping[str, Any], names: Sequence[str]
) -> None:
    """In the snapshot: say how much room the values of `names` need, receive a memory file of
    that size over the socket, fill it, and say so.
    """
    import cloudpickle

    buffers: list[memoryview] = []

    def outside(buffer: pickle.PickleBuffer) -> bool:
        buffers.append(buffer.raw())
        return False

    stream = io.BytesIO()
    try:
        values = {name: namespace[name] for name in names}
        cloudpickle.CloudPickler(stream, protocol=5, buffer_callback=outside).dump(values)
    except Exception as error:  # a value's own methods for pickling run here
        sender.send({"kind": "refused", "reason": f"{type(error).__name__}: {error}"})
        return
    parts = [stream.getbuffer(), *buffers]
    sizes = [part.nbytes for part in parts]
    sender.send({"kind": "sizes", "sizes": sizes})
    _, descriptors, _, _ = socket.recv_fds(end, 1, 1)
    (room,) = descriptors
    try:
        # Written through a mapping: the limit on the size of files is not about this.
        with mmap.mmap(room, 0) as target:
            for part, at in zip(parts, _places(sizes), strict=True):
                target[at : at + part.nbytes] = part.cast("B")
    finally:
        os.close(room)
    sender.send({"kind": "filled"})


def _places(sizes: Sequence[int]) -> list[int]:
    places, at = [], 0
    for size in sizes:
        places.append(at)
        at += -(-size // _ALIGNED) * _ALIGNED
    return places


def attach(sizes: Sequence[int]) -> int:
    """In the kernel: a memory file with room for parts of these sizes in bytes."""
    room = os.memfd_create("codesteer-adopt", os.MFD_CLOEXEC)
    total = _places([*sizes, 0])[-1]
    try:
        os.ftruncate(room, max(total, 1))
    except OSError:
        os.close(room)
        raise
    return room


def read(room: int, sizes: Sequence[int]) -> dict[str, Any]:
    """In the kernel, after consent: the values. Arrays lie in the memory file and are writable;
    it is freed with the last of them. Closes `room`.
    """
    try:
        whole = memoryview(mmap.mmap(room, 0))
    finally:
        os.close(room)
    first, *rest = (whole[at : at + size] for at, size in zip(_places(sizes), sizes, strict=True))
    values: dict[str, Any] = pickle.loads(first, buffers=rest)  # noqa: S301 - see above: by consent
    return values


def give(end: socket.socket, room: int) -> None:
    """In the kernel: pass the memory file to the snapshot."""
    end.setblocking(True)
    try:
        socket.send_fds(end, [b"\0"], [room])
    finally:
        end.setblocking(False)
