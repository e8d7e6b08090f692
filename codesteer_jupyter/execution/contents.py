"""What a value holds, so that a change in place can be seen: checksums for what is small, the page
map for large arrays.

Used inside a snapshot of the kernel, before and after generated code ran; a value's own methods
for pickling may run there.
"""

from __future__ import annotations

import ctypes
import io
import pickle
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from codesteer_jupyter.execution.page_map import PAGE, PageMap

__all__ = ["Content", "Contents", "address_of"]

_LARGE = 16 * 2**20  # bytes; larger buffers are looked at by their pages
_TOGETHER = 128 * 2**20  # bytes that are read for checksums in one look, at the most
_ELEMENTS = 100_000  # Python objects in one array that are looked at one by one


class _TooLarge(Exception):
    pass


@dataclass
class Content:
    """A look at one value: parts by label (a frame's columns, else one unnamed part).

    Attributes:
        checksums: of each part that was read.
        ranges: address and size of each part that was not.
        unread: why the value could not be looked into; "" where it could.
    """

    checksums: dict[str, int] = field(default_factory=dict)
    ranges: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    unread: str = ""


class Contents:
    """Looks at values and compares two looks at the same one."""

    def __init__(self) -> None:
        self._pages = PageMap()
        self._left = _TOGETHER

    def look(self, value: object) -> Content:
        """A look at `value`; costs at most a few milliseconds for each 16 MiB that is read."""
        content = Content()
        try:
            for label, part in _parts(value):
                self._look_at(label, part, content)
        except _TooLarge:
            content.unread = "too large to be compared"
        except Exception as error:  # pickling runs the value's own code
            content.unread = f"cannot be compared ({type(error).__name__})"
        return content

    def new_round(self) -> None:
        """As much may be read again as at first."""
        self._left = _TOGETHER

    def _look_at(self, label: str, part: object, content: Content) -> None:
        ranges: list[tuple[int, int]] = []
        sums = [0]

        def take(address: int, size: int, view: memoryview | None) -> None:
            if self._pages.usable and (size >= _LARGE or view is None or size > self._left):
                ranges.append((address, size))
                # The ends lie on pages with other data, so they are read.
                head, tail = -address % PAGE, (address + size) % PAGE
                sums.append(zlib.adler32(ctypes.string_at(address, min(head, size))))
                sums.append(
                    zlib.adler32(
                        ctypes.string_at(address + size - min(tail, size), min(tail, size))
                    )
                )
            elif view is None or size > self._left:
                raise _TooLarge
            else:
                self._left -= size
                sums.append(zlib.adler32(view))

        whole = _array(part)
        if whole is not None:
            take(*whole)
        else:
            stream = _Sum(min(self._left, _LARGE))
            _Pickler(stream, take).dump(part)
            self._left -= stream.size
            sums.append(stream.sum)
        content.checksums[label] = zlib.adler32(repr(sums).encode())
        if ranges:
            content.ranges[label] = ranges

    def difference(self, before: Content, after: Content) -> str | None:
        """What differs, in words; "" where it differs and nothing more can be said, None where
        the looks are the same.
        """
        if before.unread or after.unread:
            return None
        labels = dict.fromkeys([*before.checksums, *after.checksums])
        said, changed = [], []
        for label in labels:
            pages = self._pages_of(before, after, label)
            if before.checksums.get(label) == after.checksums.get(label) and not pages:
                continue
            changed.append(label)
            if pages:
                said.append(f"{f'column {label}: ' if label else ''}{pages}")
        if not changed:
            return None
        named = [label for label in changed if label]
        if named and not said:
            return f"column{'s' if len(named) > 1 else ''} {', '.join(named[:8])}" + (
                f" and {len(named) - 8} more" if len(named) > 8 else ""
            )
        return "; ".join(said[:4])

    def _pages_of(self, before: Content, after: Content, label: str) -> str:
        """Pages that were copied since the fork, in words; "" where none was."""
        ranges, former = after.ranges.get(label), before.ranges.get(label)
        if ranges != former:
            return "replaced"
        if ranges is None:
            return ""
        copied = total = 0
        first = -1
        for address, size in ranges:
            found, pages, start = self._pages.copied(address, size)
            if found and first < 0:
                first = start
            copied, total = copied + found, total + pages
        if not copied:
            return ""
        return (
            f"{copied:,} of {total:,} pages of {PAGE // 1024} KiB written, the first at byte "
            f"{first:,}"
        )

    def close(self) -> None:
        self._pages.close()


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """A pandas frame column by column, with its index; anything else whole."""
    kind = type(value)
    if kind.__module__.partition(".")[0] == "pandas" and kind.__name__ == "DataFrame":
        frame: Any = value
        yield "(index)", frame.index
        for at, name in enumerate(frame.columns):
            # The array itself, not a copy: `iloc` gives a view of the column.
            yield str(name), frame.iloc[:, at].array
        return
    yield "", value


def _array(part: object) -> tuple[int, int, memoryview | None] | None:
    """Address, size in bytes and, if its bytes say all, contents of a contiguous NumPy array, or
    of what wraps one.
    """
    array: Any = part
    inner = getattr(array, "_ndarray", None)
    if inner is not None and type(inner).__module__ == "numpy":
        array = inner
    if type(array).__module__ != "numpy" or type(array).__name__ not in ("ndarray", "memmap"):
        return None
    address = array.__array_interface__["data"][0]
    if array.dtype.hasobject:
        if array.size <= _ELEMENTS or not array.flags.c_contiguous:
            return None
        # Elements are looked at by identity: strings and numbers cannot change in place.
        return address, array.nbytes, None
    if array.flags.c_contiguous:
        return (
            address,
            array.nbytes,
            memoryview(array).cast("B") if array.nbytes else memoryview(b""),
        )
    if array.flags.f_contiguous:
        return address, array.nbytes, memoryview(array.T).cast("B")
    if array.nbytes >= _LARGE:
        # A strided view: the span it lies in, whose other bytes may belong to other columns.
        low, high = _span(array, address)
        return low, high - low, None
    return None


def _span(array: Any, address: int) -> tuple[int, int]:
    low = high = address
    for length, stride in zip(array.shape, array.strides, strict=True):
        reach = (length - 1) * stride
        low, high = low + min(0, reach), high + max(0, reach)
    return low, high + array.itemsize


class _Sum(io.RawIOBase):
    """A file that keeps a checksum of what is written, and refuses more than `most` bytes."""

    def __init__(self, most: int) -> None:
        self.sum, self.size, self._most = 1, 0, most

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self.size += view.nbytes
        if self.size > self._most:
            raise _TooLarge
        self.sum = zlib.adler32(view, self.sum)
        return view.nbytes


class _Pickler(pickle.Pickler):
    """Passes large buffers to `take` instead of copying them."""

    def __init__(self, stream: Any, take: Any) -> None:
        def buffer(found: pickle.PickleBuffer) -> bool:
            view = found.raw()
            if not view.nbytes:
                return True
            take(address_of(view), view.nbytes, view)
            return False

        super().__init__(stream, protocol=5, buffer_callback=buffer)


def address_of(view: memoryview) -> int:
    """Where the bytes of `view` lie, which may be read-only."""
    buffer = _Buffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(view), ctypes.byref(buffer), 0)
    try:
        return int(buffer.buf or 0)
    finally:
        ctypes.pythonapi.PyBuffer_Release(ctypes.byref(buffer))


class _Buffer(ctypes.Structure):
    """`Py_buffer` of the C API (object.h / pybuffer.h)."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )
