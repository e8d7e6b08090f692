"""What a run's generated code is allowed beyond the default, checked."""

from __future__ import annotations

import os

from codesteer_jupyter.errors import UsageError
from codesteer_jupyter.steering.execution import Access

__all__ = ["Access", "checked"]


def checked(access: Access | None) -> Access:
    """`access` (None: the default) with absolute paths.

    Raises:
        UsageError: a path does not exist; only what exists can be opened up.
    """
    access = Access() if access is None else access
    return Access(access.net, _existing("--write", access.write), _existing("--read", access.read))


def _existing(flag: str, paths: tuple[str, ...]) -> tuple[str, ...]:
    found = []
    for path in paths:
        full = os.path.abspath(os.path.expanduser(path))
        if not os.path.exists(full):
            raise UsageError(f"{flag} {path} does not exist; create it first, or name another.")
        found.append(full)
    return tuple(dict.fromkeys(found))
