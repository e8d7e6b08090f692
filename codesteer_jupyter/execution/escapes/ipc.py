"""Objects of the kernel that outlive a process, found by the name or key of one attempt."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable
from pathlib import Path

from codesteer_jupyter.execution.escapes.attempt import Effect
from codesteer_jupyter.execution.escapes.calls import NUMBERS, call

__all__ = ["Segment", "ipc_effects"]

_REMOVE = 0
_USER_KEYRING = -4


def ipc_effects(nonce: str, key: int) -> list[Effect]:
    """What exists under these names; it is removed on the way."""
    found = []
    for name, find, remove in _KINDS:
        with contextlib.suppress(OSError, KeyError):
            identifier = find(nonce, key)
            found.append(Effect("ipc", f"{name} was left behind"))
            remove(nonce, identifier)
    path = Path("/dev/shm") / nonce  # noqa: S108 - looked at only
    if path.exists():
        path.unlink()
        found.append(Effect("ipc", "a file in /dev/shm was left behind"))
    return found


def _open_queue(nonce: str, _key: int) -> int:
    descriptor = call("mq_open", nonce.encode(), os.O_RDONLY, 0, 0)
    os.close(descriptor)
    return 0


def _find_key(nonce: str, _key: int) -> int:
    return call("keyctl", 10, _USER_KEYRING, b"user", nonce.encode(), 0)


Find = Callable[[str, int], int]
_KINDS: tuple[tuple[str, Find, Callable[[str, int], object]], ...] = (
    (
        "System V shared memory",
        lambda _n, key: call("shmget", key, 0, 0),
        lambda _n, found: call("shmctl", found, _REMOVE, 0),
    ),
    (
        "a System V semaphore",
        lambda _n, key: call("semget", key, 0, 0),
        lambda _n, found: call("semctl", found, 0, _REMOVE, 0),
    ),
    (
        "a System V queue",
        lambda _n, key: call("msgget", key, 0),
        lambda _n, found: call("msgctl", found, _REMOVE, 0),
    ),
    ("a POSIX queue", _open_queue, lambda nonce, _: call("mq_unlink", nonce.encode())),
    ("a key", _find_key, lambda _n, found: call("keyctl", 9, found, _USER_KEYRING)),
)


class Segment:
    """A System V shared memory segment that holds `text`, where this host has them."""

    def __init__(self, key: int, text: str) -> None:
        self._number: int | None = None
        if not NUMBERS:
            return
        with contextlib.suppress(OSError):
            self._number = call("shmget", key, 4096, 0o1600)
            place = call("shmat", self._number, 0, 0)
            ctypes.memmove(place, text.encode(), len(text))

    def close(self) -> None:
        """Remove it."""
        if self._number is not None:
            call("shmctl", self._number, _REMOVE, 0)
            self._number = None
