"""`--with` values on their way to another process: pickled once, rebuilt fresh for every round.

They are in a file without a name, so that only a process that is given its descriptor reads them:
generated code of another run, perhaps of a model elsewhere, has no path to open.
"""

from __future__ import annotations

import os
import pickle
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from codesteer_jupyter.errors import UsageError

__all__ = ["MOST_BYTES", "Packed"]

MOST_BYTES = 2**30
"""How much all values together may take by default, in bytes (1 GiB)."""


class _TooLarge(Exception):
    pass


class _Bounded:
    """A binary file that refuses to grow beyond `most` bytes."""

    def __init__(self, descriptor: int, most: int) -> None:
        self._file = os.fdopen(descriptor, "wb")
        self._left = most

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        if size > self._left:
            raise _TooLarge
        self._left -= size
        return self._file.write(data)

    def close(self) -> None:
        self._file.close()


class Packed:
    """Pickles of `values`, one after the other.

    Args:
        values: by name.
        folder: where the file is made; on a disk with room for it.
        most: how many bytes they may take together.

    Attributes:
        names: of the values, in their order.
        descriptor: of the file, for reading; None where there are no values.
        size: of the file, in bytes.

    Raises:
        UsageError: a value cannot be pickled, or all together are larger than `most` bytes.
    """

    def __init__(self, values: Mapping[str, object], folder: Path, most: int = MOST_BYTES) -> None:
        self.names = tuple(values)
        self._close: Callable[[], object] = lambda: None
        self.descriptor: int | None = None
        self.size = 0
        if not values:
            return
        path = folder / f"values-{os.urandom(8).hex()}"
        file = _Bounded(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), most)
        try:
            self.descriptor = os.open(path, os.O_RDONLY)
            self._close = weakref.finalize(self, os.close, self.descriptor)
            path.unlink()
            _write(values, file, most)
        finally:
            file.close()
        self.size = os.fstat(self.descriptor).st_size

    def close(self) -> None:
        """Give the file up; calling it twice is fine."""
        self._close()


def _write(values: Mapping[str, object], file: _Bounded, most: int) -> None:
    import cloudpickle

    for name, value in values.items():
        try:
            cloudpickle.dump(value, file, protocol=pickle.HIGHEST_PROTOCOL)
        except _TooLarge:
            raise UsageError(
                f"--with {', '.join(values)} takes more than {most / 2**20:,.0f} MiB at {name!r}; "
                "send a smaller part of it, or use --run live, which copies nothing."
            ) from None
        except Exception as error:  # __reduce__ and __getstate__ of any class may run here
            raise UsageError(
                f"--with {name} cannot be copied to another process "
                f"({type(value).__name__}: {error}); "
                "use --run live, or pass what it holds as plain data."
            ) from error
