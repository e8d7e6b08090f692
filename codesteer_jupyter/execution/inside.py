"""What every process that runs generated code does for itself, before and after the code.

Loaded by path inside that process (by `runner.py` and `kernel_side.py`), so it imports the
standard library only and nothing of this package.
"""

from __future__ import annotations

import builtins
import functools
import importlib.util
import linecache
import os
import pickle
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

__all__ = [
    "PROGRAM",
    "apply_limits",
    "cut",
    "describe",
    "do_without_sockets",
    "extend_path",
    "load_values",
    "no_input",
    "ready",
]

PROGRAM = "<program>"
"""What tracebacks call the file of the generated code."""

_MOST_TEXT = 8_000


def no_input(_prompt: object = "", /) -> NoReturn:
    """In place of `input`: nobody is there to type."""
    raise EOFError("input() is not available here: nobody can type; put the value into the code.")


def extend_path(folders: list[str]) -> None:
    """Append the folders the asking process imports from, after this process's own."""
    sys.path.extend(folder for folder in folders if folder not in sys.path)


def load_values(names: Sequence[str], descriptor: int | None) -> dict[str, Any]:
    """The `--with` values, rebuilt from the bytes this user's own process wrote, and their file
    closed.
    """
    values: dict[str, Any] = {}
    if descriptor is None:
        return values
    with open(descriptor, "rb") as file:
        file.seek(0)  # where in it is read is shared with those who read it before
        for name in names:
            try:
                values[name] = pickle.load(file)  # noqa: S301 - written by the asking process
            except Exception as error:
                raise ValueError(f"{name}: {type(error).__name__}: {error}") from error
    return values


def ready() -> None:
    """Have at hand what `apply_limits` needs."""
    _load("confinement/rlimits.py").data_size()


def apply_limits(
    memory: int, file: int, processes: int | None = None, *, wanted: bool
) -> list[str]:
    """Resource limits, as far as this system has them, for good; returns what is in force.

    Data are limited to the present size plus `memory` bytes and some slack, so that one absurd
    allocation is a MemoryError at once; what is really used is watched from outside. Processes
    are counted where a user namespace counts those of this run only. `wanted`: whether the
    layer `rlimits` is to be in force at all.
    """
    bounds = {"file": file, "data": memory}
    if processes is not None:
        bounds["processes"] = processes
    limited: list[str] = _load("confinement/rlimits.py").limit(bounds) if wanted else []
    return limited


def do_without_sockets() -> None:
    """See `without_sockets.py`; once in a process, before the program is run."""
    _load("without_sockets.py").install()


@functools.cache
def _load(name: str) -> Any:
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    spec = importlib.util.spec_from_file_location(
        f"codesteer_{os.path.basename(name).removesuffix('.py')}", path
    )
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def describe(error: BaseException, ours: Callable[[str], bool]) -> dict[str, Any]:
    """Name, message and traceback of `error`; only frames of files for which `ours` holds."""
    name = type(error).__name__
    facts: dict[str, Any] = {"name": name, "errno": getattr(error, "errno", None)}
    if isinstance(error, SystemExit):
        code = error.code
        facts["exit"] = code if isinstance(code, int) else (0 if code is None else 1)
        said = "" if code is None or isinstance(code, int) else f": {_text(code)}"
        facts["message"] = f"The program ended itself with exit code {facts['exit']}{said}."
        facts["traceback"] = ""
        return facts
    facts["message"] = _text(error)
    try:
        shown = traceback.TracebackException.from_exception(error, compact=True)
        _trim(shown, ours)
        facts["traceback"] = cut("".join(shown.format()))
    except Exception:  # a broken __str__ or __cause__ of the generated code's own exception
        facts["traceback"] = f"{name}: {facts['message']}\n"
    return facts


def _trim(shown: traceback.TracebackException, ours: Callable[[str], bool]) -> None:
    kept = [
        traceback.FrameSummary(
            PROGRAM, frame.lineno, frame.name, line=linecache.getline(frame.filename, frame.lineno)
        )
        for frame in shown.stack
        if ours(frame.filename) and frame.lineno is not None
    ]
    shown.stack = traceback.StackSummary.from_list(kept)
    filename = getattr(shown, "filename", None)
    if filename is not None and ours(filename):
        shown.filename = PROGRAM
    for other in (shown.__cause__, shown.__context__, *(getattr(shown, "exceptions", None) or ())):
        if other is not None:
            _trim(other, ours)


def _text(value: object) -> str:
    try:
        return cut(str(value))
    except Exception as error:  # any __str__ of the generated code
        return f"(its text could not be made: {type(error).__name__})"


def cut(text: str, most: int = _MOST_TEXT) -> str:
    """The beginning and the end of a text that is longer than `most` characters."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters cut ...]\n{text[-half:]}"


def forbid_input() -> None:
    """Make `input()` say what is wrong instead of waiting or failing obscurely."""
    builtins.input = no_input
