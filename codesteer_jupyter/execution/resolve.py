"""From the name of an executor to the executor."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from codesteer_jupyter.errors import ExecutorError, UsageError
from codesteer_jupyter.execution.access import Access, kernel_cannot_be_closed
from codesteer_jupyter.steering.execution import Executor

if TYPE_CHECKING:
    from codesteer_jupyter.execution.main_thread import MainThread

__all__ = ["GROUP", "executor", "executor_names"]

GROUP = "codesteer.executors"
"""The entry-point group; each entry names a class that takes the keyword arguments it knows."""

# What the package itself brings, where it runs from a checkout and has no entry points.
_OURS = {
    "child": "codesteer_jupyter.execution.child:ChildExecutor",
    "subprocess": "codesteer_jupyter.execution.script:SubprocessExecutor",
    "live": "codesteer_jupyter.execution.live:LiveExecutor",
}


_NO_KERNEL = (
    "Generated code runs as a plain script, not in a kernel: this system has neither network "
    "namespaces nor seccomp, so a kernel, which needs sockets, could not be kept off the network."
)


def executor_names() -> list[str]:
    """Every name `executor` knows beside `auto`."""
    return sorted({*_OURS, *(entry.name for entry in entry_points(group=GROUP))})


def executor(
    name: str = "auto",
    *,
    values: Mapping[str, object] | None = None,
    stateful: bool = False,
    main_thread: MainThread | None = None,
    namespace: dict[str, Any] | None = None,
    access: Access | None = None,
    **options: Any,
) -> Executor:
    """The executor called `name`.

    `auto` is `child` in a notebook (where `main_thread` is given) and wherever state must be
    kept, else `subprocess`.

    Args:
        name: `auto`, one of `executor_names()`, in any case.
        values: the `--with` values by name.
        stateful: keep names from one run to the next.
        main_thread: where `live` runs code.
        namespace: the user's names, which `live` reports changes of.
        access: what the code may do beyond the default confinement.
        options: more keyword arguments; each executor takes those it knows.

    Raises:
        UsageError: no such executor, one that cannot keep state, or values it cannot take.
        ExecutorError: the executor's own module could not be loaded.
    """
    wanted = name.strip().lower()
    if wanted == "auto":
        wanted = "child" if main_thread is not None or stateful else "subprocess"
    notes: tuple[str, ...] = ()
    if wanted == "child" and not stateful and kernel_cannot_be_closed(access or Access()):
        wanted, notes = "subprocess", (_NO_KERNEL,)
    kind = _load(wanted, name)
    given: dict[str, Any] = {
        "values": values,
        "stateful": stateful,
        "main_thread": main_thread,
        "namespace": namespace,
        "access": access,
        "notes": notes,
        **options,
    }
    known = inspect.signature(kind).parameters
    if stateful and "stateful" not in known and wanted != "live":
        raise UsageError(
            f"--run {wanted} starts a new process for every round and cannot keep state; "
            "use --run child with --stateful."
        )
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        given = {key: value for key, value in given.items() if key in known}
    made: Executor = kind(**given)
    return made


def _load(wanted: str, name: str) -> Any:
    for entry in entry_points(group=GROUP):
        if entry.name == wanted:
            try:
                return entry.load()
            except Exception as error:  # a foreign package may fail in any way
                raise ExecutorError(
                    f"The executor {wanted!r} could not be loaded from {entry.value} "
                    f"({type(error).__name__}: {error}); use --run auto."
                ) from error
    if wanted in _OURS:
        module, _, attribute = _OURS[wanted].partition(":")
        return getattr(import_module(module), attribute)
    names = ["auto", *executor_names()]
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UsageError(f"There is no executor {name!r}; {hint}Choose one of {', '.join(names)}.")
