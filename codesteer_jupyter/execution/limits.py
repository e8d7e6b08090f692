"""The limits of one run in numbers, and how hitting one is said."""

from __future__ import annotations

from codesteer_jupyter.steering.execution import Limits
from codesteer_jupyter.steering.trajectory import ExecutionError, Json, Limit

__all__ = ["OutputCap", "describe_limit", "for_good", "memory_bound"]

MIB = 2**20
_MOST_MEMORY = 4 * 2**30


def memory_bound(limits: Limits) -> int:
    """Bytes the whole process tree may hold: as set, else half of what is free, at most 4 GiB."""
    if limits.memory is not None:
        return limits.memory
    import psutil

    return min(_MOST_MEMORY, int(psutil.virtual_memory().available) // 2)


def for_good(limits: Limits) -> tuple[int | None, int, int]:
    """The limits that a process is given once and cannot be given again."""
    return limits.memory, limits.file, limits.processes


def describe_limit(name: str, limits: Limits, memory: int) -> tuple[Limit, ExecutionError]:
    """The limit `name` (wall, memory, processes, file, output) as the record keeps it, and the
    sentence the guide and the task model are told.
    """
    value, unit, sentence = {
        "wall": (limits.wall, "s", "ran longer than {:g} s and was stopped"),
        "memory": (memory / MIB, "MiB", "needed more than {:.0f} MiB of memory and was stopped"),
        "processes": (limits.processes, None, "started more than {:g} processes and was stopped"),
        "file": (limits.file / 1e6, "MB", "wrote a file larger than {:g} MB and was stopped"),
        "output": (limits.output / 1e6, "MB", "wrote more than {:g} MB of output; the rest is cut"),
    }[name]
    message = f"The program {sentence.format(value)}."
    kind = "TimeLimit" if name == "wall" else f"{name.capitalize()}Limit"
    return Limit(name, float(value), unit), ExecutionError(kind, message)


class OutputCap:
    """Keeps the first `limit` bytes of all output together; `exceeded` says that some was lost."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self.exceeded = False

    def text(self, text: str) -> str:
        """The part of `text` that still fits."""
        data = text.encode("utf-8", "replace")
        if len(data) <= self._left:
            self._left -= len(data)
            return text
        self.exceeded = True
        kept, self._left = data[: self._left], 0
        return kept.decode("utf-8", "ignore") + "\n[output cut here]\n"

    def display(self, output: Json) -> Json | None:
        """`output`, or None where it no longer fits."""
        import json

        size = len(json.dumps(output, default=str))
        if size <= self._left:
            self._left -= size
            return output
        self.exceeded = True
        return None
