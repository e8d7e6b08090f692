"""A value taken apart for a look at what it holds: pickled, its arrays handed out as memory.

Arrays are not copied into the pickle, whatever their dtype; what says how their bytes are to be
read (dtype, shape, categories, time zone) is in it in their place.
"""

from __future__ import annotations

import ctypes
import pickle
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

__all__ = ["Label", "Memory", "Pieces", "address_of", "memory_at", "parts"]

_ELEMENTS = 100_000  # Python objects in one array that are looked at one by one
_READ = 0x100  # PyBUF_READ


class Label(NamedTuple):
    """Which part of a value: a frame's `column` (the how-manyeth of that name), its `index`, its
    `columns`; else the whole.
    """

    kind: str = ""
    name: str = ""
    number: int = 0


@dataclass(frozen=True)
class Memory:
    """Memory of a value.

    Attributes:
        address: where it begins.
        size: bytes from its first to its last; between them may lie other data.
        held: bytes of the value itself.
        checksum: computes their CRC-32; None where the bytes do not say all (they are references
            to objects).
    """

    address: int
    size: int
    held: int
    checksum: Callable[[], int] | None


class Pieces(pickle.Pickler):
    """Pickles to `stream` and passes the memory of arrays and large buffers to `take`."""

    def __init__(self, stream: Any, take: Callable[[Memory], None]) -> None:
        super().__init__(stream, protocol=5, buffer_callback=self._buffer)
        self._take = take

    def _buffer(self, found: pickle.PickleBuffer) -> bool:
        view = found.raw()
        if not view.nbytes:
            return True
        size = view.nbytes
        self._take(Memory(address_of(view), size, size, partial(zlib.crc32, view)))
        return False

    def reducer_override(self, value: Any) -> Any:
        """See `pickle.Pickler`; what is returned stands in the pickle in place of `value`."""
        kind = type(value)
        package = kind.__module__.partition(".")[0]
        if package == "numpy" and kind.__name__ in ("ndarray", "memmap"):
            return self._array(value)
        if package != "pandas":
            return NotImplemented
        if kind.__name__ == "DataFrame":
            # Column by column: what merely reads a frame may arrange its blocks anew.
            return _seen, tuple(part for _, part in parts(value))
        if type(inner := getattr(value, "_ndarray", None)).__module__ == "numpy":
            return _seen, (kind, value.dtype, str(getattr(value, "_freq", "")), inner)
        if (inner := getattr(value, "_pa_array", None)) is not None:
            # Chunk by chunk: pickled whole, they would be copied together at every look.
            return _seen, (kind, repr(value.dtype), inner.chunks)
        return NotImplemented

    def _array(self, array: Any) -> Any:
        objects, flags = array.dtype.hasobject, array.flags
        if objects and array.size <= _ELEMENTS:
            return NotImplemented
        if array.nbytes:
            # Objects are looked at by identity: strings and numbers cannot change in place.
            checksum = None if objects else partial(_checksum, array)
            self._take(Memory(*_span(array), array.nbytes, checksum))
        fortran = flags.f_contiguous and not flags.c_contiguous
        return _seen, (repr(array.dtype), array.shape, fortran)


def parts(value: object) -> Iterator[tuple[Label, object]]:
    """A pandas frame column by column, with its index and the list of columns; anything else
    whole.
    """
    kind = type(value)
    if kind.__module__.partition(".")[0] == "pandas" and kind.__name__ == "DataFrame":
        frame: Any = value
        yield Label("index"), frame.index
        yield Label("columns"), frame.columns
        seen: dict[str, int] = {}
        for at, name in enumerate(map(str, frame.columns)):
            seen[name] = seen.get(name, -1) + 1
            # The array itself, not a copy: `iloc` gives a view of the column.
            yield Label("column", name, seen[name]), frame.iloc[:, at].array
        return
    yield Label(), value


def _seen(*_: object) -> None:
    """Stands in a pickle for what was taken out of it; such a pickle is never read."""


def _checksum(array: Any) -> int:
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        array = array.copy(order="C")
    # Read where they lie: many dtypes (times, records) refuse to be seen as a buffer.
    return zlib.crc32(memory_at(_address(array), array.nbytes))


def _address(array: Any) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _span(array: Any) -> tuple[int, int]:
    """Address and size of what lies from the first byte of an array to its last."""
    low = high = _address(array)
    for length, stride in zip(array.shape, array.strides, strict=True):
        reach = (length - 1) * stride
        low, high = low + min(0, reach), high + max(0, reach)
    return low, high + array.itemsize - low


_view = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)(
    ("PyMemoryView_FromMemory", ctypes.pythonapi)
)


def memory_at(address: int, size: int) -> memoryview:
    """The bytes there, to read; what they belong to must be held while they are."""
    view: memoryview = _view(address, size, _READ)
    return view


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
