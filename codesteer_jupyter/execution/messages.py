"""What a process that is not trusted says over a socket: length (4 bytes, big endian) and JSON."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections import deque
from collections.abc import Mapping
from typing import Any

from codesteer_jupyter.execution.untrusted import parsed

__all__ = ["Damaged", "Inbox", "message"]

_PORTION = 2**18  # bytes
_PORTIONS = 64  # more than a socket holds, whatever its size was made
_SLACK = 2**16  # of a message beside the output it carries


class Damaged(Exception):
    """What came over the socket is no message: the program wrote to it."""


class Inbox:
    """The messages that arrive over `end`, which is closed with it.

    Args:
        end: this process's end of a socket pair; set to non-blocking.
        most: bytes of output a message may carry.
    """

    def __init__(self, end: socket.socket, most: int = 10**6) -> None:
        self.socket = end
        self._most = most
        self._got = bytearray()
        self._messages: deque[dict[str, Any]] = deque()
        end.setblocking(False)

    def fileno(self) -> int:
        return self.socket.fileno()

    def receive(self, *, whole: bool = False) -> None:
        """Take in what has arrived, a portion at a time: who writes without end does not keep this
        process here. `whole`: all there is; for when nothing more can come.

        Raises:
            Damaged: bytes that are no message, or more than any may hold.
        """
        for _ in range(_PORTIONS if whole else 1):
            if not self._portion():
                break

    def _portion(self) -> bool:
        data = b""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            data = self.socket.recv(_PORTION)
            if not data:  # closed: it would wake who waits for it again and again
                asyncio.get_running_loop().remove_reader(self.socket)
        self._got += data
        self._split()
        return bool(data)

    def _split(self) -> None:
        while len(self._got) >= 4:
            size = int.from_bytes(self._got[:4], "big")
            if size > 8 * self._most + _SLACK:  # JSON may take 6 characters for one
                raise Damaged
            if len(self._got) < 4 + size:
                return
            found = parsed(bytes(self._got[4 : 4 + size]))
            del self._got[: 4 + size]
            if found is None:
                raise Damaged
            self._messages.append(found)

    def next(self) -> dict[str, Any] | None:
        """The oldest message taken in and not asked for yet."""
        return self._messages.popleft() if self._messages else None

    def close(self) -> None:
        self.socket.close()


def message(request: Mapping[str, Any]) -> bytes:
    """`request` as it is sent."""
    data = json.dumps(request).encode()
    return len(data).to_bytes(4, "big") + data
