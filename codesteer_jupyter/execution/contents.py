"""What a value holds, so that a change in place can be seen: checksums for what is small, the page
map for large arrays.

Used inside a snapshot of the kernel, before and after generated code ran; a value's own methods
for pickling may run there.
"""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass, field
from typing import Any

from codesteer_jupyter.execution.page_map import PAGE, PageMap, whole_pages
from codesteer_jupyter.execution.pieces import Label, Memory, Pieces, memory_at, parts

__all__ = ["Content", "Contents"]

_LARGE = 16 * 2**20  # bytes; larger buffers are looked at by their pages
_TOGETHER = 128 * 2**20  # bytes that are read for checksums in one look, at the most
_OWN = 512 * 2**20  # bytes of pages that this process had before the program, likewise
_NAMED = 8  # columns


class _TooLarge(Exception):
    pass


@dataclass(frozen=True)
class _Sum:
    """CRC-32 and length: Adler-32 is the same for many rearrangements of small numbers."""

    crc: int
    size: int


@dataclass(frozen=True)
class _Range:
    """Memory that is looked at by its pages.

    Attributes:
        address, size: where it lies.
        ends: of the bytes that share a page with other data.
        own: which whole pages only this process had at the first look, one byte each; empty: none.
        sum: of those pages.
    """

    address: int
    size: int
    ends: tuple[_Sum, ...]
    own: bytes = b""
    sum: int = 0


@dataclass
class _Part:
    """What was seen of one part: its pickle, and the memory it has beside."""

    pickled: _Sum = _Sum(0, 0)
    taken: list[_Sum | _Range] = field(default_factory=list)
    unread: str = ""


@dataclass
class Content:
    """A look at one value: its parts (a frame's columns, else one).

    Attributes:
        parts: by label.
        broken: why its parts could not all be found; "" where they were.
    """

    parts: dict[Label, _Part] = field(default_factory=dict)
    broken: str = ""

    @property
    def unread(self) -> str:
        """Why the value could not be looked into, or not everywhere; "" where it could."""
        reasons = (part.unread for part in self.parts.values() if part.unread)
        return self.broken or next(reasons, "")


class Contents:
    """Looks at values and compares two looks at the same one."""

    def __init__(self) -> None:
        self._pages = PageMap()
        self._maps: dict[tuple[int, int], bytes] = {}
        self._rounds = 0
        self._ran = False
        self._left, self._left_own = _TOGETHER, _OWN

    def before_round(self) -> None:
        """Call before the looks that precede a program."""
        self._ran = False
        self._renew()

    def after_round(self) -> None:
        """Call before the looks that follow it."""
        self._ran = True
        self._rounds += 1
        self._renew()

    def _renew(self) -> None:
        self._maps.clear()
        self._left, self._left_own = _TOGETHER, _OWN

    def look(self, value: object, former: Content | None = None) -> Content:
        """A look at `value`, as the `former` one was made; costs at most a few milliseconds for
        each 16 MiB that is read.
        """
        content = Content()
        try:
            for label, part in parts(value):
                like = former.parts.get(label) if former is not None else None
                content.parts[label] = self._look_at(part, like)
        except Exception as error:  # a frame may be broken in any way
            content.broken = type(error).__name__
        return content

    def _look_at(self, part: object, former: _Part | None) -> _Part:
        found = _Part()

        def take(memory: Memory) -> None:
            at = len(found.taken)
            like = former.taken[at] if former is not None and at < len(former.taken) else None
            found.taken.append(self._taken(memory, like))

        stream = _Stream(_LARGE if self._ran else min(self._left, _LARGE))
        try:
            Pieces(stream, take).dump(part)
        except _TooLarge:
            found.unread = "too large"
        except Exception as error:  # pickling runs the value's own code
            found.unread = type(error).__name__
        self._left -= stream.size
        found.pickled = _Sum(stream.crc, stream.size)
        return found

    def _taken(self, memory: Memory, like: _Sum | _Range | None) -> _Sum | _Range:
        # Two looks can only be compared where both were made in one way, though what is left to
        # be read may differ.
        if isinstance(like, _Range) and (like.address, like.size) == (memory.address, memory.size):
            return self._range(memory, like.own)
        again = isinstance(like, _Sum) and like.size == memory.held
        if not again:
            large = memory.held >= _LARGE or memory.held > self._left
            if self._pages.usable and (large or memory.checksum is None):
                return self._range(memory, b"" if self._ran else self._own(memory))
            if memory.held > self._left:
                raise _TooLarge
        if memory.checksum is None:
            raise _TooLarge
        self._left -= memory.held
        return _Sum(memory.checksum(), memory.held)

    # -- pages ------------------------------------------------------------------------------------

    def _range(self, memory: Memory, own: bytes) -> _Range:
        address, end = memory.address, memory.address + memory.size
        first, last = (page * PAGE for page in whole_pages(address, memory.size))
        # The ends lie on pages with other data, so they are read.
        edges = [(address, min(first, end)), (max(last, address), end)]
        if first >= last:
            edges = [(address, end)]
        ends = tuple(_Sum(_crc(low, high), high - low) for low, high in edges)
        summed = 0
        for run in re.finditer(b"\1+", own):
            summed = _crc(first + run.start() * PAGE, first + run.end() * PAGE, summed)
        return _Range(address, memory.size, ends, own, summed)

    def _own(self, memory: Memory) -> bytes:
        """The pages that are no longer shared with the kernel before the program runs, because an
        earlier one made or wrote them: the page map cannot tell whether it writes to them again.
        """
        first, last = whole_pages(memory.address, memory.size)
        # Before the first program, what is not shared is memory that was copied whole when this
        # process was made; two pages of it tell, where reading the whole map costs milliseconds.
        ends = ((first, min(first + 1, last)), (max(first, last - 1), last))
        if not self._rounds and not any(b"\1" in self._pages.own(*each) for each in ends):
            return b""
        found = self._map(first, last)
        self._left_own -= found.count(1) * PAGE
        if self._left_own < 0:
            raise _TooLarge
        return found if b"\1" in found else b""

    def _map(self, first: int, last: int) -> bytes:
        # Columns of one table may lie in the same pages.
        if (first, last) not in self._maps:
            self._maps[first, last] = self._pages.own(first, last)
        return self._maps[first, last]

    # -- comparing --------------------------------------------------------------------------------

    def difference(self, before: Content, after: Content) -> str | None:
        """What differs, in words; "" where it differs and nothing more can be said, None where
        the looks are the same as far as they go.
        """
        incomplete = bool(before.broken or after.broken)
        changed: dict[Label, str] = {}
        for label in dict.fromkeys([*before.parts, *after.parts]):
            old, new = before.parts.get(label), after.parts.get(label)
            if old is None or new is None:
                found = None if incomplete else ""
            else:
                found = self._between(old, new)
            if found is not None:
                changed[label] = found
        return _words(changed) if changed else None

    def _between(self, old: _Part, new: _Part) -> str | None:
        if old.unread or new.unread:
            return None
        same = old.pickled == new.pickled and len(old.taken) == len(new.taken)
        said = []
        for former, now in zip(old.taken, new.taken, strict=False):
            same = same and former == now
            if isinstance(now, _Range) and isinstance(former, _Range):
                there = (former.address, former.size) == (now.address, now.size)
                said.append(self._written(now) if there else "replaced")
        said = [each for each in said if each]
        return said[0] if said else None if same else ""

    def _written(self, memory: _Range) -> str:
        """Pages that were copied since the program began, in words; "" where none was."""
        first, last = whole_pages(memory.address, memory.size)
        pages = _without(self._map(first, last), memory.own)
        copied = pages.count(1)
        if not copied:
            return ""
        return (
            f"{copied:,} of {len(pages):,} pages of {PAGE // 1024} KiB written, the first at byte "
            f"{(first + pages.index(1)) * PAGE - memory.address:,}"
        )

    def close(self) -> None:
        self._pages.close()


def _crc(low: int, high: int, former: int = 0) -> int:
    return zlib.crc32(memory_at(low, high - low), former)


def _without(pages: bytes, others: bytes) -> bytes:
    if not others:
        return pages
    left = int.from_bytes(pages, "little") & ~int.from_bytes(others, "little")
    return left.to_bytes(len(pages), "little")


def _words(changed: dict[Label, str]) -> str:
    """Which parts changed and, of large ones, how much of them."""
    columns = {label.name: said for label, said in changed.items() if label.kind == "column"}
    plain = [name for name, said in columns.items() if not said]
    words = [f"column {name}: {said}" for name, said in columns.items() if said][:4]
    if plain:
        more = f" and {len(plain) - _NAMED} more" if len(plain) > _NAMED else ""
        words.append(f"column{'s' if len(plain) > 1 else ''} {', '.join(plain[:_NAMED])}{more}")
    for label, said in changed.items():
        if label.kind == "index":
            words.append("index")
        elif label.kind == "columns" and not columns:
            words.append("names or order of the columns")
        elif not label.kind and said:
            words.append(said)
    return "; ".join(words)


class _Stream(io.RawIOBase):
    """A file that keeps a checksum of what is written, and refuses more than `most` bytes."""

    def __init__(self, most: int) -> None:
        self.crc, self.size, self._most = 0, 0, most

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self.size += view.nbytes
        if self.size > self._most:
            raise _TooLarge
        self.crc = zlib.crc32(view, self.crc)
        return view.nbytes
