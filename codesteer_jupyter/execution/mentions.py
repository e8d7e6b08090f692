"""Which of the user's variables a program mentions, also through the user's own functions."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["mentioned"]


def mentioned(code: str, namespace: Mapping[str, Any], more: Iterable[str] = ()) -> list[str]:
    """The names of `namespace` that `code` mentions, and those that functions among them mention;
    `more` are added. A program that cannot be parsed mentions nothing.
    """
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        tree = ast.Module([], [])
    waiting = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    waiting += more
    found: dict[str, None] = {}
    while waiting:
        name = waiting.pop()
        if name in found or name not in namespace:
            continue
        found[name] = None
        value = namespace[name]
        if isinstance(value, types.FunctionType):
            waiting += _names_of(value.__code__)
    return sorted(found)


def _names_of(code: types.CodeType) -> list[str]:
    inner = [item for item in code.co_consts if isinstance(item, types.CodeType)]
    return [*code.co_names, *(name for item in inner for name in _names_of(item))]
