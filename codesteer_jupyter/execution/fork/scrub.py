"""Keys in the memory that a snapshot gets a copy of.

Where they lie is found in the kernel while nobody waits, and they are overwritten in the snapshot
before code runs. A copy that was made in between stays: this makes a search of the memory find
less, and is no proof. Only values that look like keys are touched, because overwriting a common
word wherever it stands would break the program.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
from collections.abc import Collection, Iterator, Mapping

__all__ = ["Place", "find", "not_given", "overwrite"]

Place = tuple[int, int, bytes]
"""Address, size in bytes, and a digest of what lay there: the value would be one more copy."""

_LARGEST = 64 * 2**20  # bytes; larger mappings are arrays
_PORTION = 4 * 2**20
_LEAST = 16  # characters
_MOST = 2_000  # places
_CONTAINERS = (dict, list, tuple, set, frozenset)
_DEEPEST = 5  # containers within containers that are looked into
_MOST_TEXTS = 100_000


def _needles(secrets: Collection[str]) -> list[bytes]:
    return [
        secret.encode()
        for secret in secrets
        if len(secret) >= _LEAST
        and any(character.isdigit() for character in secret)
        and any(character.isalpha() for character in secret)
        and " " not in secret
    ]


def not_given(secrets: Collection[str], values: Mapping[str, object]) -> set[str]:
    """The secrets that stand in none of the `--with` values, also not as a part: what the user
    gave on purpose must reach the program as it is.
    """
    left = set(secrets)
    for text in itertools.islice(_texts(dict(values)), _MOST_TEXTS) if left else ():
        left = {secret for secret in left if secret not in text}
    return left


def _texts(value: object, depth: int = 0) -> Iterator[str]:
    """The texts in `value`, also those in plain containers."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (bytes, bytearray)):
        yield value.decode("utf-8", "replace")
    elif type(value) in _CONTAINERS and depth < _DEEPEST:
        items = (*value.keys(), *value.values()) if isinstance(value, Mapping) else value
        for item in items:  # type: ignore[attr-defined]  # one of the containers
            yield from _texts(item, depth + 1)


def find(secrets: Collection[str]) -> list[Place]:
    """Where in this process's private memory the secrets lie. Takes some 50 ms for 100 MB."""
    needles = _needles(secrets)
    found: list[Place] = []
    if not needles:
        return found
    longest = max(map(len, needles))
    buffer = bytearray(_PORTION + longest)
    with contextlib.suppress(OSError):
        memory = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            for start, end in _private():
                for at in range(start, end, _PORTION):
                    view = memoryview(buffer)[: min(len(buffer), end - at)]
                    # Another thread may have given the memory back meanwhile.
                    with contextlib.suppress(OSError):
                        size = os.preadv(memory, [view], at)
                        found += _in(buffer, size, at, needles)
                if len(found) > _MOST:
                    break
        finally:
            os.close(memory)
    buffer[:] = bytes(len(buffer))
    return found


def _in(data: bytearray, size: int, at: int, needles: list[bytes]) -> Iterator[Place]:
    for needle in needles:
        place = data.find(needle, 0, size)
        while place >= 0:
            yield at + place, len(needle), _digest(needle)
            place = data.find(needle, place + 1, size)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _private() -> Iterator[tuple[int, int]]:
    """Writable private mappings without a file, but for large ones."""
    with open("/proc/self/maps", "rb") as file:
        for line in file:
            span, modes, _, _, inode, *_ = line.split(maxsplit=5)
            if modes[:2] != b"rw" or modes[3:4] != b"p" or inode != b"0":
                continue
            start, end = (int(edge, 16) for edge in span.split(b"-"))
            if end - start <= _LARGEST:
                yield start, end


def overwrite(places: Collection[Place]) -> None:
    """In the snapshot: replace each that is still there. Reads and writes through `/proc`, where
    memory that is gone is an error and not a crash.
    """
    if not places:
        return
    with contextlib.suppress(OSError):
        memory = os.open("/proc/self/mem", os.O_RDWR | os.O_CLOEXEC)
        try:
            for address, size, digest in places:
                with contextlib.suppress(OSError):
                    if _digest(os.pread(memory, size, address)) == digest:
                        os.pwrite(memory, b"*" * size, address)
        finally:
            os.close(memory)
