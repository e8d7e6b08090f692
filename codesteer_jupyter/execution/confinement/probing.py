"""Which layers can be had on this machine, found by making each one in a process thrown away."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from functools import cache, partial

from . import landlock, seccomp
from .applying import begin, restrict, separate
from .layers import DEPENDS, LAYERS
from .libc import MACHINE

__all__ = ["WITHOUT", "probe", "try_all"]

WITHOUT = "CODESTEER_CONFINEMENT_WITHOUT"
"""A testing aid: names of layers, separated by commas, that are taken as not to be had."""

_SECONDS = 10.0
_ANYWHERE = ("process", "environment", "session", "supervisor", "rlimits")
_NAMESPACES = ("userns", "pidns", "netns", "ipcns", "mountns", "readonly")
_LATER = ("netns", "ipcns", "mountns", "readonly")  # made inside the first two
_SINGLE = ("landlock", "seccomp", "capabilities", "parent_death")


def probe() -> dict[str, str]:
    """Layer -> an empty text if it can be had here, else the reason. Costs a small process the
    first time.
    """
    found = dict(_found())
    without = {name.strip() for name in os.environ.get(WITHOUT, "").split(",")}
    for name in found:
        if name in without:
            found[name] = f"left out by {WITHOUT}"
    for name in found:
        missing = [other for other in DEPENDS.get(name, ()) if found[other]]
        if missing and not found[name]:
            found[name] = f"needs {missing[0]}"
    if found["seccomp"]:
        found["process_group"] = found["process_group"] or "needs seccomp"
    return found


@cache
def _found() -> dict[str, str]:
    here = _ANYWHERE if os.name == "posix" else _ANYWHERE[:2]
    elsewhere = {name: "" if name in here else "needs Linux" for name in LAYERS}
    if not MACHINE:
        reason = f"not made for {sys.platform} on this processor"
        return {name: why and reason for name, why in elsewhere.items()}
    import subprocess

    command = [sys.executable, "-I", "-S", os.path.join(os.path.dirname(__file__), "__main__.py")]
    try:
        told = subprocess.run(
            command, capture_output=True, timeout=_SECONDS, check=True, stdin=subprocess.DEVNULL
        )
        found = from_lines(told.stdout)
    except (OSError, subprocess.SubprocessError) as error:
        reason = f"could not be tried ({type(error).__name__})"
        return {name: why and reason for name, why in elsewhere.items()}
    tried = (*_SINGLE, *_NAMESPACES)
    untold = "was not told of by the process that tried it"
    return {name: found.get(name, untold if name in tried else "") for name in LAYERS}


def try_all() -> dict[str, str]:
    """What `probe` runs in a process of its own: layer -> the reason it cannot be had, or ''."""
    found = dict.fromkeys((*_SINGLE, *_NAMESPACES), "")
    for name in _SINGLE:
        found.update(_reasons(partial(_single, name), [name]))
    found.update(_reasons(partial(_tried, _NAMESPACES), _NAMESPACES))
    if found["mountns"] and not found["pidns"]:
        # Perhaps it was only /proc that could not be mounted. A process whose first child in a
        # pid namespace has ended can fork no other: this is tried by a new one.
        found.update(pidns=found["mountns"], mountns="", readonly="")
        others = tuple(name for name in _NAMESPACES if name != "pidns")
        found.update(_reasons(partial(_tried, others), others))
    return found


def _plan(layers: tuple[str, ...]) -> dict[str, object]:
    """The smallest plan that uses these layers as a real one does."""
    return {
        "layers": list(layers),
        "asker_session": 0,
        "abi": landlock.version(),
        "tcp": True,
        "rules": [["/proc", landlock.READ]],
        "own_rules": [],
        "late_rules": [],
        "writable": ["/"],
        "memory_folders": {"/dev/shm": 2**20} if os.path.isdir("/dev/shm") else {},  # noqa: S108
        "terminals": os.path.isdir("/dev/pts") and os.path.exists("/dev/ptmx"),
        "rlimits": {},
        "filter": seccomp.PASS.hex(),
        "filter_alone": seccomp.PASS.hex(),
    }


def _single(name: str) -> dict[str, str]:
    failed: dict[str, str] = {}
    if name == "landlock" and not landlock.version():
        return {name: "not in this kernel, or not switched on"}
    if name not in restrict(_plan((name,)), (), failed):
        failed.setdefault(name, "refused")
    return failed


def _tried(layers: tuple[str, ...]) -> dict[str, str]:
    """Make these namespaces, as a supervisor does."""
    failed: dict[str, str] = {}
    plan = _plan(layers)
    held = begin(plan, failed)

    def inside() -> dict[str, str]:
        more: dict[str, str] = {}
        separate(plan, held, more)
        return more

    if "userns" not in held:
        return {**failed, **{name: "needs userns" for name in layers if name not in failed}}
    return {**failed, **_reasons(inside, _LATER)}


def _reasons(step: Callable[[], dict[str, str]], names: Iterable[str]) -> dict[str, str]:
    """What `step` says in a forked process of its own. Where that fails or is killed, as some
    systems do with a process that makes a call they refuse, it is the reason for all of `names`.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        told = dict.fromkeys(names, "the process that tried it failed")
        try:
            told = step()
        finally:
            os.write(write, b"told\n" + to_lines(told))
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(child, 0)
    if not data:
        return dict.fromkeys(names, f"the process that tried it ended with status {status}")
    return from_lines(data.partition(b"\n")[2])


def to_lines(reasons: dict[str, str]) -> bytes:
    """A line of name and reason each; `json` would take longer to import than all else here."""
    lines = (f"{name} {' '.join(reason.split())}\n" for name, reason in reasons.items())
    return "".join(lines).encode()


def from_lines(data: bytes) -> dict[str, str]:
    """The inverse of `to_lines`."""
    pairs = (line.partition(" ") for line in data.decode("utf-8", "replace").splitlines())
    return {name: reason for name, _, reason in pairs}
