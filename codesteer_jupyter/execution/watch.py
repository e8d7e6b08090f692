"""Watches one run from outside: wall time, memory and processes of the whole tree."""

from __future__ import annotations

import time
from typing import Protocol

from codesteer_jupyter.execution.supervised import Usage
from codesteer_jupyter.steering.execution import Limits

__all__ = ["Measured", "Watch"]

_PERIOD = 0.05  # seconds between two looks at the tree
# A look may cost a tenth of the time, or a third where that makes the pause longer than `_LONG`.
_SHARE, _LONG = 10, 0.5


class Measured(Protocol):
    """Processes that run one program, as far as they are measured."""

    def usage(self) -> Usage:
        """What they hold; pages shared between processes may count more than once."""
        ...

    def exact_memory(self) -> int:
        """Bytes, with shared pages counted once, and none that are the asking process's."""
        ...


class Watch:
    """Started when the code starts; `hit()` names the first limit that was passed."""

    def __init__(self, tree: Measured, limits: Limits, memory: int) -> None:
        """`memory`: bytes for the tree, as `memory_bound` found them."""
        self.limits = limits
        self.memory = memory
        self._tree = tree
        self.restart()

    def restart(self) -> None:
        """The program begins only now."""
        self._started = time.monotonic()
        self._next = self._started + _PERIOD

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def hit(self) -> str | None:
        """wall, memory, processes, or None. Cheap between two looks."""
        now = time.monotonic()
        if now - self._started >= self.limits.wall:
            return "wall"
        if now < self._next:
            return None
        usage = self._tree.usage()
        # Resident sizes count pages that are shared, also with the asking process, once for each
        # that has them; so a second look decides. It can take long where there is much memory.
        memory = usage.memory
        if memory > self.memory and usage.processes <= self.limits.processes:
            memory = self._tree.exact_memory()
        cost = time.monotonic() - now
        # Memory can double within a long pause.
        self._next = now + cost + max(_PERIOD, min(_SHARE * cost, max(_LONG, 2 * cost)))
        if usage.processes > self.limits.processes:
            return "processes"
        return "memory" if memory > self.memory else None
