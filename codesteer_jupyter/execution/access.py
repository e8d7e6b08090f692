"""What a run's generated code is allowed beyond the default, and what cannot be kept from it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from codesteer_jupyter.errors import UsageError
from codesteer_jupyter.execution.confinement import probe
from codesteer_jupyter.steering.execution import Access

__all__ = ["Access", "checked", "kernel_cannot_be_closed", "shortfalls"]


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


# What generated code can do where none of the layers can be had.
_KEPT_BY = (
    ("write to your files", ("landlock", "readonly")),
    ("read your hidden files, keys in them included", ("landlock",)),
    ("use the network", ("netns", "seccomp")),
    ("signal or inspect your other processes", ("landlock", "pidns")),
)


def shortfalls(access: Access, found: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """One sentence on what generated code can do on this system although it was not allowed to;
    nothing where there is no such thing. `found` is what `probe` says.
    """
    found = probe() if found is None else found
    can = [
        what
        for what, layers in _KEPT_BY
        if all(found[layer] for layer in layers) and not (access.net and "network" in what)
    ]
    if not can:
        return ()
    confined = "not confined" if len(can) >= len(_KEPT_BY) - access.net else "not fully confined"
    reasons = {found[layer] for what, layers in _KEPT_BY if what in can for layer in layers}
    return (
        f"Generated code is {confined} on this system ({'; '.join(sorted(reasons))}): it runs as "
        f"you and can {', '.join(can)}.",
    )


def kernel_cannot_be_closed(access: Access, found: Mapping[str, str] | None = None) -> bool:
    """Whether a kernel, which needs sockets, would leave the network open to the code in it,
    while a plain script can be kept from it.
    """
    found = probe() if found is None else found
    return bool(not access.net and found["netns"] and found["seccomp"] and not found["landlock"])
