"""Which modules a program imports, read from its text while it may still be growing."""

from __future__ import annotations

import ast
import contextlib
import re
import sys
import warnings

__all__ = ["imported_modules"]

_LINE = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import\b|(import[ \t]+\w[^\n;#]*))", re.MULTILINE
)


def imported_modules(code: str) -> tuple[str, ...]:
    """The modules beyond the standard library that `code` names in its imports, in order, without
    repeats. A program that does not parse is read line by line.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the compiler thinks of the program's style
        try:
            trees = [ast.parse(code)]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            trees = _lines(code)
    found: dict[str, None] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found.update(dict.fromkeys(alias.name for alias in node.names))
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found[node.module] = None
    known = sys.stdlib_module_names
    return tuple(name for name in found if name.partition(".")[0] not in known)


def _lines(code: str) -> list[ast.Module]:
    trees = []
    for module, plain in _LINE.findall(code):
        with contextlib.suppress(SyntaxError, ValueError):
            trees.append(ast.parse(plain or f"from {module} import _"))
    return trees
