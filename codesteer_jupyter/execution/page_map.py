"""Which pages of memory this process has copied since it was forked, from `/proc/self/pagemap`.

Bit 56 of an entry says that the page is mapped by this process alone. After a fork every page of
anonymous memory is shared with the parent; one that is written to becomes a copy, and the bit is
set. It is also set for a page of a file that only this process has read, which bit 61 tells: a
private copy of such a page, made by writing, is anonymous. Reading the map costs some 20 ms a GiB
and needs no privilege.
Source: Documentation/admin-guide/mm/pagemap.rst of the Linux kernel.
"""

from __future__ import annotations

import mmap
import os

__all__ = ["PAGE", "PageMap", "whole_pages"]

PAGE = mmap.PAGESIZE
_ENTRY = 8  # bytes of the map for one page
_PORTION = 2**17  # pages that are read at a time
_ALONE, _FILE = 1 << 56 - 56, 1 << 61 - 56  # bits 56 and 61, in an entry's last byte
_OWN = bytes(int(byte & (_ALONE | _FILE) == _ALONE) for byte in range(256))


def whole_pages(address: int, size: int) -> tuple[int, int]:
    """The first page that lies wholly in the `size` bytes at `address`, and the one after the
    last. Other data lies on the pages at both ends as well.
    """
    first = -(-address // PAGE)
    return first, max(first, (address + size) // PAGE)


class PageMap:
    """The page map of this process; `usable` says whether it could be opened."""

    def __init__(self) -> None:
        try:
            self._file: int | None = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = None

    @property
    def usable(self) -> bool:
        return self._file is not None

    def own(self, first: int, end: int) -> bytes:
        """A byte for each page from `first` on and before `end`: 1 where it is anonymous memory
        that no other process has.
        """
        portions = []
        for begin in range(first, end, _PORTION):
            count = min(_PORTION, end - begin)
            entries = os.pread(self._file or 0, count * _ENTRY, begin * _ENTRY)
            portions.append(entries[_ENTRY - 1 :: _ENTRY].translate(_OWN))
        return b"".join(portions)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
