"""What a run did to the names of a namespace it shares with the user."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from typing import Any

from codesteer_jupyter.execution.contents import Content, Contents
from codesteer_jupyter.steering.trajectory import Json

__all__ = ["Names"]

_MOST = 80  # characters of a value that are shown
_SMALL = 1_000  # containers up to this length are looked into
_BITS = 2_000  # longer integers are not written out: Python itself may refuse those of 641 digits
_PLAIN = (bool, int, float, complex, str, bytes)
_CONTAINERS = (list, tuple, dict, set, frozenset)
# Cannot change in place, or only as a program changes, not as data does.
_FIXED = (
    *(type(None), bool, int, float, complex, str, bytes, type, types.ModuleType),
    *(types.FunctionType, types.BuiltinFunctionType, types.MethodType),
)


class Names:
    """A look at a namespace before the run; `changes` compares it with the one after.

    New, rebound and deleted names are found by identity. Values changed in place are found by a
    cheap description (type, shape or length, and the text of small plain values), and those of
    the names in `watched` by what they hold; an object that only other names lead to can be
    missed.

    Args:
        namespace: the user's names.
        contents: looks into values; only where it may take a few milliseconds each.
        watched: the names whose values it looks into.
    """

    def __init__(
        self,
        namespace: Mapping[str, Any],
        contents: Contents | None = None,
        watched: Iterable[str] = (),
    ) -> None:
        # The objects are held, so that no new one can take an old one's id.
        self._before = {name: value for name, value in namespace.items() if _shown(name)}
        self._described = {name: describe(value) for name, value in self._before.items()}
        self._contents = contents
        self._unread: dict[str, str] = {}
        self._looks: dict[str, Content] = {}
        if contents is not None:
            contents.before_round()
            self._looks = {
                name: contents.look(self._before[name])
                for name in watched
                if name in self._before and not isinstance(self._before[name], _FIXED)
            }

    @property
    def unread(self) -> dict[str, str]:
        """After `changes`: watched names that are not among them and whose values could not be
        looked into, or not everywhere, with the reason.
        """
        return dict(self._unread)

    def changes(self, namespace: Mapping[str, Any]) -> tuple[Json, ...]:
        """One entry per name: kind (new, rebound, mutated, deleted), type, before, after, and,
        where more is known of a change in place, detail.
        """
        if self._contents is not None:
            self._contents.after_round()
        self._unread.clear()
        found: list[Json] = []
        after = {name: value for name, value in namespace.items() if _shown(name)}
        for name in sorted({*self._before, *after}):
            old, detail = self._described.get(name), ""
            if name not in after:
                kind, new, value = "deleted", None, self._before[name]
            else:
                value, new = after[name], describe(after[name])
                if name not in self._before:
                    if _imported(value):
                        continue
                    kind = "new"
                elif value is not self._before[name]:
                    kind = "rebound"
                else:
                    kind, differs = "mutated", self._difference(name, value)
                    if differs is None and old == new:
                        continue
                    self._unread.pop(name, None)
                    detail = differs or ""
            found.append(
                {"name": name, "kind": kind, "type": type(value).__name__}
                | {"before": old, "after": new}
                | ({"detail": detail} if detail else {})
            )
        return tuple(found)

    def _difference(self, name: str, value: object) -> str | None:
        before = self._looks.get(name)
        if before is None or self._contents is None:
            return None
        after = self._contents.look(value, before)
        differs = self._contents.difference(before, after)
        unread = before.unread or after.unread
        if differs is None and unread:
            self._unread[name] = unread
        return differs


def _imported(value: object) -> bool:
    """Whether it was most likely imported: a module, or what a module defines."""
    if isinstance(value, types.ModuleType):
        return True
    defines = isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType))
    return defines and getattr(value, "__module__", None) != "__main__"


def _shown(name: object) -> bool:
    # `globals()` takes keys that are no names.
    if not isinstance(name, str):
        return False
    return not name.startswith("_") and name not in ("In", "Out", "exit", "quit", "get_ipython")


def describe(value: Any) -> str:
    """A short text for `value` that costs next to nothing."""
    kind = type(value)
    try:
        if value is None or kind in _PLAIN:
            return _short(value)
        if kind in _CONTAINERS and len(value) <= _SMALL and _plain(value):
            return _short(value)
    except Exception:  # noqa: S110 - an integer too long for Python to write out is in it
        pass
    shape = _shape(value)
    if shape is not None:
        return f"{kind.__name__} {shape}"
    return f"{kind.__name__} of {len(value)}" if kind in _CONTAINERS else kind.__name__


def _plain(value: Any) -> bool:
    items = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    return all(item is None or type(item) in _PLAIN for item in items)


def _short(value: Any) -> str:
    if isinstance(value, int) and value.bit_length() > _BITS:
        return f"int of {value.bit_length()} bits"
    if isinstance(value, (str, bytes)) and len(value) > _MOST:
        return f"{value[: _MOST // 2]!r}... ({len(value)} long)"
    text = repr(value)
    # The rest is hashed, so that a change beyond the shown part is still seen.
    return text if len(text) <= _MOST else f"{text[:_MOST]}... ({hash(text) & 0xFFFF:04x})"


def _shape(value: Any) -> str | None:
    try:
        shape = value.shape if type(value).__module__.partition(".")[0] not in _SELF else None
        return " x ".join(str(int(side)) for side in shape) if isinstance(shape, tuple) else None
    except Exception:  # `shape` of any object may be a property that fails
        return None


_SELF = ("__main__", "builtins")
