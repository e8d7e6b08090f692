"""Names that a program finds in a namespace it shares with the user, for as long as it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

__all__ = ["LEAVING", "predefined"]

_ABSENT = object()


def _leave(code: object = None) -> NoReturn:
    """In place of IPython's `exit`, which would end the user's kernel."""
    raise SystemExit(code)


LEAVING: Mapping[str, Any] = {"exit": _leave, "quit": _leave}
"""How a program ends itself, and nothing else."""


@contextlib.contextmanager
def predefined(namespace: dict[str, Any], names: Mapping[str, Any]) -> Iterator[None]:
    """Predefine `names`, and give those that existed their values back afterwards."""
    old = {name: namespace.get(name, _ABSENT) for name in names}
    namespace.update(names)
    try:
        yield
    finally:
        for name, value in old.items():
            if value is _ABSENT:
                namespace.pop(name, None)
            elif names[name] is not value:
                namespace[name] = value
