"""Putting a plan in force, in the process that will run generated code."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence

from . import landlock, namespaces, privileges, rlimits, seccomp
from .layers import ordered

TYPE_CHECKING = False  # as in `typing`, whose import costs milliseconds
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "apply",
    "begin",
    "drop_privileges",
    "prepare",
    "release",
    "restrict",
    "separate",
]


def prepare(plan: dict[str, Any] | None = None) -> None:
    """Load everything `apply` needs, so that a forked process does not have to. With a plan also
    collect its file rules now: `apply` in a fork of this process is then faster, any number of
    times, until `release(plan)`.
    """
    import fcntl  # noqa: F401 - loaded here, used there
    import resource  # noqa: F401

    rlimits.data_size()
    if plan is not None and plan["abi"] and "ruleset" not in plan:
        with contextlib.suppress(OSError):
            plan["ruleset"] = landlock.collect(plan["rules"], plan["abi"], tcp=plan["tcp"])


def release(plan: dict[str, Any]) -> None:
    """Give back what `prepare(plan)` took. Calling it twice is fine."""
    ruleset = plan.pop("ruleset", None)
    if ruleset is not None:
        os.close(ruleset)


def apply(plan: Mapping[str, Any]) -> list[str]:
    """Put `plan` in force in this process, which must have one thread, for itself and for
    everything it starts. There is no way back.

    Returns the names of the layers that are in force, in the order of `LAYERS`; one that could
    not be had is missing. A pid namespace is not made here: it needs another process.
    """
    alone = {**plan, "layers": [name for name in plan["layers"] if name != "pidns"]}
    return restrict(plan, separate(plan, begin(alone)))


def begin(plan: Mapping[str, Any], failed: dict[str, str] | None = None) -> list[str]:
    """First part, for a supervisor: the user and pid namespaces that its next child is born in."""
    return namespaces.begin(plan, {} if failed is None else failed)


def separate(
    plan: Mapping[str, Any], held: Sequence[str], failed: dict[str, str] | None = None
) -> list[str]:
    """Second part: the other namespaces. In a pid namespace this is done by its first process."""
    return namespaces.separate(plan, list(held), {} if failed is None else failed)


def drop_privileges() -> None:
    """For the first process of a pid namespace, when its work of setting up is done."""
    with contextlib.suppress(OSError):
        privileges.drop()


def restrict(
    plan: Mapping[str, Any],
    held: Sequence[str],
    failed: dict[str, str] | None = None,
    *,
    before_exec: bool = False,
) -> list[str]:
    """Last part, in the process itself: limits, no privileges, Landlock, seccomp.

    Args:
        plan: made by `plan`.
        held: layers in force so far.
        failed: gets the reason for each layer of the plan that could not be had.
        before_exec: this process becomes another program, which sets the limits that are
            relative to its size itself.
    """
    layers, wanted = list(held), plan["layers"]
    failed = {} if failed is None else failed
    if "session" in wanted and _own_session(plan["asker_session"]):
        layers.append("session")
    bounds = dict(plan["rlimits"])
    for name in ("data", "file", "addresses") if before_exec else ():
        bounds.pop(name, None)
    if "rlimits" in wanted and rlimits.limit(bounds):
        layers.append("rlimits")
    steps: dict[str, Callable[[], None]] = {
        "capabilities": privileges.drop,
        "parent_death": privileges.end_with_parent,
        "landlock": lambda: _files(plan, held),
        "seccomp": lambda: _calls(plan, held),
    }
    for name, step in steps.items():
        if name not in wanted:
            continue
        try:
            step()
        except OSError as error:
            failed[name] = str(error)
        else:
            layers.append(name)
    if "seccomp" in layers and "process_group" in wanted:
        layers.append("process_group")
    return ordered(layers)


def _files(plan: Mapping[str, Any], held: Sequence[str]) -> None:
    ruleset = plan.get("ruleset")
    if ruleset is None:
        rules = (*plan["rules"], *plan["own_rules"])
        ruleset = landlock.collect(rules, plan["abi"], tcp=plan["tcp"])
    else:
        # What was mounted since the rules were collected, and this process's own entry of /proc.
        late = plan["late_rules"] if "mountns" in held else ()
        landlock.add(ruleset, (*late, *plan["own_rules"]), plan["abi"])
    landlock.enforce(ruleset)
    os.close(ruleset)


def _calls(plan: Mapping[str, Any], held: Sequence[str]) -> None:
    seccomp.install(bytes.fromhex(_filter(plan, "filter", held)))
    if "shield" in plan and "pidns" not in held:
        seccomp.install(bytes.fromhex(plan["shield"]))


def _filter(plan: Mapping[str, Any], name: str, held: Sequence[str]) -> str:
    """The filter for the namespaces that were really made."""
    needed = {"userns", "pidns", "netns", "ipcns"} & set(plan["layers"])
    chosen: str = plan[name if needed.issubset(held) else f"{name}_alone"]
    return chosen


def _own_session(asker: int) -> bool:
    with contextlib.suppress(OSError):  # it leads a group already
        if os.getsid(0) == asker:
            os.setsid()
    return os.getsid(0) != asker
