"""Classes and functions on their way from a snapshot into the kernel.

Pickled by value they would be cut off from the notebook: a second `Account` that no value of the
first is an instance of, a function with a private copy of the variables it uses. So what the
notebook had when it was forked goes as a reference, and a function that the code made is bound to
the live names again. What cannot be right there is refused.
"""

from __future__ import annotations

import contextlib
import functools
import pickle
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any

__all__ = ["AtFork", "Reader", "Refused", "bound", "complete", "found", "reason"]

_MAIN = "__main__"
_ABSENT = object()
# What Python itself puts into a class when it is used, and how it writes annotations down.
_INCIDENTAL = frozenset(
    {"__slotnames__", "_abc_impl", "__annotations__", "__annotations_cache__", "__annotate_func__"}
)


class Refused(Exception):
    """A value that would not be in the kernel what it is in the snapshot; its text says why."""


def reason(error: Exception) -> str:
    """What to tell the user of an error met while values were pickled or rebuilt."""
    return str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"


# -- in the snapshot -------------------------------------------------------------------------------


class AtFork:
    """What the notebook had before the code ran.

    Args:
        space: its namespace, now.
    """

    def __init__(self, space: dict[str, Any]) -> None:
        self._space = space
        self._names = dict(space)  # held, so that no new object can take an old one's id
        self._known: dict[int, tuple[str, dict[str, int]]] = {}
        for name, value in self._names.items():
            for path, item in _definitions(name, value):
                self._known.setdefault(id(item), (path, _state(item)))

    def pickler(
        self,
        stream: IO[bytes],
        outside: Callable[[pickle.PickleBuffer], object],
        needs: Callable[[types.FunctionType, Mapping[str, Any]], None],
    ) -> Any:
        """A pickler of values for the kernel.

        Args:
            stream: to write to.
            outside: called with each large buffer.
            needs: called with each function the code made and the variables it uses.
        """
        import cloudpickle

        known, space = self._reference, self._space

        class Pickler(cloudpickle.CloudPickler):
            def reducer_override(self, item: Any) -> Any:
                if not issubclass(type(item), (type, types.FunctionType)):
                    return NotImplemented
                path = known(item)
                if path is not None:
                    return found, (path, id(item))
                reduced = super().reducer_override(item)
                if isinstance(item, types.FunctionType) and item.__globals__ is space:
                    _, (code, _, _, _, closure), (attributes, slots), *_ = reduced
                    needs(item, slots.pop("__globals__"))
                    return bound, (code, closure), (attributes, slots), None, None, complete
                return reduced

        return Pickler(stream, protocol=5, buffer_callback=outside)

    def _reference(self, item: Any) -> str | None:
        """Where the notebook had this class or function, or None: the code made it."""
        path, before = self._known.get(id(item), (None, None))
        if path is not None and _state(item) != before:
            raise Refused(f"the code changed {path} itself, which is unchanged in your kernel")
        return path

    def missing(self, name: str, value: object) -> bool:
        """Whether the kernel has no variable `name`.

        Raises:
            Refused: it has one, of another value.
        """
        before = self._names.get(name, _ABSENT)
        if before is not value and before is not _ABSENT:
            raise Refused(f"{name}, which a function of them uses, was changed by the code")
        return before is _ABSENT


def _definitions(path: str, value: object) -> Iterator[tuple[str, Any]]:
    """Where classes and functions of the notebook are: `value` itself, and what is in a class."""
    if not issubclass(type(value), (type, types.FunctionType)):
        return
    if getattr(value, "__module__", None) != _MAIN:
        return
    yield path, value
    if isinstance(value, type):
        for name, inner in list(vars(value).items()):
            if getattr(inner, "__qualname__", "") == f"{value.__qualname__}.{name}":
                yield from _definitions(f"{path}.{name}", inner)


def _state(item: Any) -> dict[str, int]:
    """What a class or function consists of, by identity."""
    parts = {name: value for name, value in vars(item).items() if name not in _INCIDENTAL}
    if isinstance(item, types.FunctionType):
        parts |= {"()": item.__code__, "(=)": item.__defaults__, "(*)": item.__kwdefaults__}
    return {name: id(value) for name, value in parts.items()}


# -- in the kernel, when they are read -------------------------------------------------------------


def found(space: Mapping[str, Any], path: str, identity: int) -> Any:
    """What the notebook has under `path`, which must be what it had at the fork: a snapshot's
    objects have the addresses of the kernel's.
    """
    first, *rest = path.split(".")
    item = space.get(first)
    for name in rest:
        item = vars(item).get(name) if isinstance(item, type) else None
    if item is None or id(item) != identity:
        raise Refused(f"{path} was defined anew in your kernel since the code ran")
    return item


def bound(
    space: dict[str, Any], code: types.CodeType, closure: tuple[types.CellType, ...] | None
) -> types.FunctionType:
    """A function that uses the variables of the notebook."""
    return types.FunctionType(code, space, None, None, closure)


def complete(function: types.FunctionType, state: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Give it its attributes; as cloudpickle does, but for the variables it uses."""
    attributes, slots = state
    vars(function).update(attributes)
    slots.pop("_cloudpickle_submodules", None)  # reading them has imported them
    for cell, filled in zip(
        function.__closure__ or (), slots.pop("__closure__") or (), strict=True
    ):
        with contextlib.suppress(ValueError):  # an empty one
            cell.cell_contents = filled.cell_contents
    for name, value in slots.items():
        setattr(function, name, value)


class Reader(pickle.Unpickler):
    """Reads what a `pickler` wrote, for the namespace `space`. By consent only."""

    def __init__(self, stream: Any, buffers: Iterable[Any], space: dict[str, Any]) -> None:
        super().__init__(stream, buffers=buffers)
        self._space = space

    def find_class(self, module: str, name: str) -> Any:
        """As any; but what refers to the notebook gets its namespace."""
        item = super().find_class(module, name)
        ours = item is found or item is bound
        return functools.partial(item, self._space) if ours else item
