"""From what a process reported, or how it died, to the outcome the record keeps."""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Collection, Mapping
from typing import Any

from codesteer_jupyter.execution.inside import cut
from codesteer_jupyter.execution.limits import describe_limit
from codesteer_jupyter.execution.supervised import Ending
from codesteer_jupyter.steering.execution import Limits
from codesteer_jupyter.steering.trajectory import ExecutionError, ExecutionStatus, Limit

__all__ = ["Outcome", "described", "died", "limited", "reported"]

NO_INPUT = "input() is not available here: nobody can type; put the value into the code."
_CONFINED = (
    "Generated code is confined: it writes to its scratch folder (tempfile.gettempdir()) only, "
    "reads no hidden files of the home folder, and has no network; the user can widen that with "
    "--write PATH, --read PATH or --net."
)
_REFUSALS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENETUNREACH})
_UNREACHED = frozenset({"gaierror", "URLError", "ConnectError", "ConnectionError"})
_MOST = 20_000  # characters of a text of an error; honest ones are cut where they are made
Outcome = tuple[ExecutionStatus, ExecutionError | None, Limit | None]


def described(value: object) -> dict[str, Any] | None:
    """What describes an exception in a report, which the program may have written itself: texts
    of a bounded length and two numbers. None where there is no description.
    """
    if not isinstance(value, Mapping):
        return None
    facts: dict[str, Any] = {
        key: cut(text, _MOST)
        for key in ("name", "message", "traceback")
        if isinstance(text := value.get(key), str)
    }
    numbers = {key: value.get(key) for key in ("errno", "exit")}
    return facts | {key: it for key, it in numbers.items() if isinstance(it, int)}


def limited(
    name: str, limits: Limits, memory: int, facts: Mapping[str, Any] | None = None
) -> Outcome:
    """The run passed the limit `name`; `facts` (see `described`) say where it was interrupted, if
    that is known.
    """
    limit, error = describe_limit(name, limits, memory)
    if facts is not None and facts.get("traceback"):
        error = dataclasses.replace(error, traceback=facts["traceback"])
    return ("timeout" if name == "wall" else "limit"), error, limit


def _refused(name: str, number: object) -> bool:
    return number in _REFUSALS or name in _UNREACHED


def died(ending: Ending) -> Outcome:
    """The process ended without a report: `os._exit`, a crash in native code, a foreign kill."""
    hint = (
        " (perhaps the system ran out of memory)"
        if str(ending) == "signal SIGKILL"
        else " (a crash in native code)"
        if ending.signal
        else ""
    )
    message = f"The program ended its own process with {ending}{hint}; its state is lost."
    return "killed", ExecutionError("ProcessDied", message), None


def reported(
    facts: Mapping[str, Any] | None, limits: Limits, memory: int, layers: Collection[str] = ()
) -> Outcome:
    """The process reported the exception `facts` (see `described`; None: there was none); `layers`
    of confinement were in force.
    """
    if facts is None:
        return "ok", None, None
    error = ExecutionError(
        facts.get("name", ""), facts.get("message", ""), facts.get("traceback", "")
    )
    if error.name == "SystemExit" and facts.get("exit") == 0:
        return "ok", None, None  # how a script says that it is done
    if error.name == "StdinNotImplementedError":
        return "error", ExecutionError(error.name, NO_INPUT, error.traceback), None
    name = None
    if error.name in ("MemoryError", "_ArrayMemoryError"):
        name = "memory"
    elif error.name == "OSError" and facts.get("errno") == errno.EFBIG:
        name = "file"
    if name is None:
        if "landlock" in layers and _refused(error.name, facts.get("errno")):
            error = dataclasses.replace(error, message=f"{error.message}. {_CONFINED}")
        return "error", error, None
    limit, said = describe_limit(name, limits, memory)
    return "limit", ExecutionError(said.name, said.message, error.traceback), limit
