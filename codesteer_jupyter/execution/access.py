"""What a run's generated code is allowed beyond the default, and what cannot be kept from it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from codesteer_jupyter.errors import UsageError
from codesteer_jupyter.execution.confinement import landlock, probe
from codesteer_jupyter.steering.execution import Access

__all__ = ["Access", "checked", "shortfalls"]


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


# What generated code can do where none of the layers can be had; `NAME@N`: a layer that keeps it
# only from Landlock's version N on.
_KEPT_BY = (
    ("write to your files", ("landlock", "readonly")),
    ("read your hidden files, keys in them included", ("landlock",)),
    ("use the network", ("netns", "seccomp")),
    # A network namespace has no sockets of the file system.
    ("reach local sockets", ("seccomp",)),
    ("inspect your other processes", ("landlock", "pidns")),
    ("signal your other processes", ("landlock@6", "pidns")),
)


def shortfalls(
    access: Access,
    found: Mapping[str, str] | None = None,
    *,
    without: Mapping[str, str] | None = None,
    abi: int | None = None,
) -> tuple[str, ...]:
    """One sentence on what generated code can do on this system although it was not allowed to;
    nothing where there is no such thing.

    Args:
        access: what was allowed.
        found: what `probe` says.
        without: layers that the executor does not use, with the reason.
        abi: the version of Landlock here.
    """
    lacking = {**(probe() if found is None else found), **(without or {})}
    abi = landlock.version() if abi is None else abi

    def reason(word: str) -> str:
        layer, _, least = word.partition("@")
        old = f"{layer} is of version {abi}" if int(least or 0) > abi else ""
        return lacking[layer] or old

    can = {
        what: [reason(layer) for layer in layers]
        for what, layers in _KEPT_BY
        if all(map(reason, layers)) and not (access.net and "network" in what)
    }
    if not can:
        return ()
    confined = "not confined" if len(can) >= len(_KEPT_BY) - access.net else "not fully confined"
    reasons = {each for several in can.values() for each in several}
    return (
        f"Generated code is {confined} on this system ({'; '.join(sorted(reasons))}): it runs as "
        f"you and can {', '.join(can)}.",
    )
