"""Confinement of the process that runs generated code, by means every Linux user has.

`plan` (in the process that asks) says which layers and paths; `apply` (in the process that will
run the code, while it has one thread) puts them in force and returns what holds. Only the
standard library is used, and only this folder: scripts that run without the package load it by
its path.
"""

from __future__ import annotations

from .applying import (
    apply,
    begin,
    drop_privileges,
    prepare,
    release,
    restrict,
    separate,
)
from .layers import LAYERS, ordered

TYPE_CHECKING = False  # as in `typing`, whose import costs milliseconds
if TYPE_CHECKING:
    from typing import Any

    from .planning import plan, supervised
    from .probing import WITHOUT, probe, try_all

__all__ = [
    "LAYERS",
    "WITHOUT",
    "apply",
    "begin",
    "drop_privileges",
    "ordered",
    "plan",
    "prepare",
    "probe",
    "release",
    "restrict",
    "separate",
    "supervised",
    "try_all",
]


def __getattr__(name: str) -> Any:
    # A process that only applies a plan starts without what makes one.
    if name in ("plan", "supervised"):
        from . import planning

        return getattr(planning, name)
    if name in ("WITHOUT", "probe", "try_all"):
        from . import probing

        return getattr(probing, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
