"""In a fresh snapshot: what the kernel knows of keys is taken out before generated code runs.

Strings cannot be wiped from memory for certain; this takes away every ordinary way to them: the
environment (also the block the kernel shows under `/proc/self/environ`), variables named like
secrets, the text of earlier cells and their results, the database of earlier sessions.
"""

from __future__ import annotations

import contextlib
import ctypes
import linecache
import os
import re
from collections.abc import Collection
from typing import Any

from codesteer_jupyter.execution.environment import allowed_environment
from codesteer_jupyter.secret_shapes import names_a_secret

__all__ = ["clean_environment", "clean_namespace"]

_HISTORY = re.compile(r"_i{1,3}|_i\d+|_ih|_oh|_{1,3}|_\d+|In|Out")


def clean_environment() -> None:
    """Keep what is on the allow-list only, in `os.environ` and in the block of the start."""
    kept = allowed_environment()
    os.environ.clear()
    # Set anew, so that libc holds copies and none points into the block that is wiped now.
    os.environ.update(kept)
    with contextlib.suppress(OSError, ValueError, IndexError):
        with open("/proc/self/stat", "rb") as file:
            # Fields 50 and 51 of proc(5), counted after the name, which may hold spaces.
            fields = file.read().rpartition(b")")[2].split()
        start, end = int(fields[47]), int(fields[48])
        if 0 < start < end:
            ctypes.memset(start, 0, end - start)


def clean_namespace(shell: Any, keep: Collection[str], secrets: Collection[str]) -> None:
    """Take secrets out of the user's names and the history of cells.

    Args:
        shell: the InteractiveShell.
        keep: names the question is about; they stay.
        secrets: known secret values.
    """
    space = shell.user_ns
    for name in list(space):
        if name in keep:
            continue
        value = space[name]
        text = isinstance(value, (str, bytes))
        if (
            text and (names_a_secret(name) or (isinstance(value, str) and value in secrets))
        ) or _HISTORY.fullmatch(name):
            del space[name]
    space.update(In=[""], Out={}, _ih=[""], _oh={})
    shell.displayhook.exec_result = None
    history = shell.history_manager
    for name in ("input_hist_parsed", "input_hist_raw"):
        with contextlib.suppress(AttributeError):
            getattr(history, name)[:] = [""]
    for name in ("output_hist", "output_hist_reprs"):
        with contextlib.suppress(AttributeError):
            getattr(history, name).clear()
    for name in ("_i00", "_i", "_ii", "_iii"):
        with contextlib.suppress(AttributeError):
            setattr(history, name, "")
    _end_history(history)
    _forget_cells(secrets)


_ended: list[object] = []


def _end_history(history: Any) -> None:
    """No way to the database of earlier sessions. The connection is kept, not closed: it is the
    kernel's, closing could wait for a lock that a thread of the kernel held at the fork, and its
    descriptor is replaced. The thread that saves did not come along.
    """
    from IPython.core.history import DummyDB

    _ended.append(getattr(history, "db", None))
    ending = {"enabled": False, "using_thread": False, "save_thread": None, "db": DummyDB()}
    ending |= {"db_input_cache": [], "db_output_cache": []}
    for name, value in ending.items():
        # A shell may have a history of its own kind, which lacks some of these.
        with contextlib.suppress(Exception):
            setattr(history, name, value)


def _forget_cells(secrets: Collection[str]) -> None:
    """The text of cells that hold a secret; of the others it is kept for tracebacks."""
    for file, entry in list(linecache.cache.items()):
        # Without a time of its file it is no file: (size, time, lines, name).
        if len(entry) == 4 and entry[1] is None:
            text = "".join(entry[2])
            if any(secret in text for secret in secrets):
                del linecache.cache[file]
