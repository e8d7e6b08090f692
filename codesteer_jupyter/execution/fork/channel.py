"""Messages between the kernel and its snapshot: JSON over a socket, never pickles.

A frame is four bytes of length, big endian, and that many bytes of JSON. What comes from the
snapshot is data from untrusted code: bounded, parsed, and never believed further than a number or
a text to show.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from codesteer_jupyter.execution.untrusted import parsed

__all__ = ["Frames", "Sender", "receive"]

_HEADER = struct.Struct("!I")
MOST_BYTES = 2**26
"""No frame is longer; longer ones end the conversation."""


class Sender:
    """Writes frames; several threads may."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._lock = threading.Lock()

    def send(self, message: Mapping[str, Any]) -> None:
        """Blocks until all of it is written.

        Raises:
            OSError: nobody reads any more.
        """
        data = json.dumps(message, default=str).encode("utf-8", "backslashreplace")
        with self._lock:
            self._end.sendall(_HEADER.pack(len(data)) + data)


def receive(end: socket.socket) -> dict[str, Any] | None:
    """The next message, waiting for it; None at the end. For the snapshot's side."""
    head = _exactly(end, _HEADER.size)
    if head is None:
        return None
    body = _exactly(end, _HEADER.unpack(head)[0])
    return None if body is None else dict(json.loads(body))


def _exactly(end: socket.socket, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        part = end.recv(min(size - len(data), 2**20))
        if not part:
            return None
        data += part
    return data


class Frames:
    """Puts arrived bytes together into messages. For the kernel's side, which never waits."""

    def __init__(self) -> None:
        self._data = bytearray()
        self.broken = False

    def add(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The messages that are complete now; what is no message is dropped, and `broken` says
        that what follows cannot be read and is not kept.
        """
        if self.broken:
            return
        self._data += data
        while len(self._data) >= _HEADER.size:
            size = _HEADER.unpack_from(self._data)[0]
            if size > MOST_BYTES:
                self.broken = True
                self._data.clear()
                return
            if len(self._data) < _HEADER.size + size:
                return
            body = bytes(self._data[_HEADER.size : _HEADER.size + size])
            del self._data[: _HEADER.size + size]
            message = parsed(body)
            if message is not None:
                yield message
