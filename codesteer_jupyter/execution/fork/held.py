"""Snapshots that changed something, held until the user has decided about the changes.

One run's snapshots are held at a time, suspended: the next run lets them go. They share their
memory with the kernel; what they take beside is what the code wrote. Each was within the limit of
its run when it was looked at, and all together must be, too: who set it to what the machine can
bear did not mean it for each of six. The oldest go first; their code can still be run again.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codesteer_jupyter.errors import CodeSteerError, ExecutorError, UsageError
from codesteer_jupyter.execution.fork import handback
from codesteer_jupyter.execution.fork.binding import reason
from codesteer_jupyter.execution.fork.snapshot import Snapshot
from codesteer_jupyter.steering.trajectory import Json

__all__ = ["Held", "Snapshots", "held"]

_MOST = 6  # snapshots; a run has five rounds
_SECONDS = 120.0  # a transfer may take, at most


@dataclass(frozen=True, eq=False)
class Held:
    """One program's snapshot: the process, the code that ran in it, and what it changed."""

    snapshot: Snapshot
    code: str
    changes: tuple[Json, ...]

    async def values(self, names: Sequence[str], namespace: dict[str, Any]) -> dict[str, Any]:
        """The values of `names`, and what has to come along, for the user's `namespace`. Reading
        them may run code of theirs: ask for consent before.

        Raises:
            UsageError: the program left no such name.
            ExecutorError: they cannot be transferred.
        """
        left = {item["name"] for item in self.changes if item.get("kind") != "deleted"}
        unknown = [name for name in names if name not in left]
        if unknown or not names:
            said = ", ".join(unknown) or "nothing"
            raise UsageError(
                f"The code changed no {said}; it changed {', '.join(sorted(left)) or 'nothing'}."
            )
        if not self.snapshot.alive:
            raise ExecutorError(
                "The snapshot is gone; run the code in this kernel instead: %codesteer apply."
            )
        self.snapshot.wake()
        try:
            return await self._transfer(names, namespace)
        finally:
            self.snapshot.suspend()

    async def _transfer(self, names: Sequence[str], namespace: dict[str, Any]) -> dict[str, Any]:
        snapshot, deadline = self.snapshot, time.monotonic() + _SECONDS
        snapshot.command({"do": "pickle", "names": list(names)})
        answer = await self._answer("parts", deadline)
        try:
            parts = [(int(address), int(size)) for address, size in answer.get("parts") or ()]
            room = await asyncio.to_thread(handback.read, snapshot.pid, parts)
            if room is None:
                room = await self._through_a_file(parts, deadline)
            return handback.unpickled(room, parts, namespace)
        except CodeSteerError:
            raise
        except Exception as error:  # whatever unpickling runs into
            raise ExecutorError(
                f"{', '.join(names)} cannot be rebuilt here ({reason(error)}); "
                "run the code in this kernel instead: %codesteer apply."
            ) from error

    async def _through_a_file(self, parts: handback.Parts, deadline: float) -> mmap.mmap:
        file = handback.attach(parts)
        try:
            self.snapshot.command({"do": "fill"})
            handback.give(self.snapshot.end, file)
            await self._answer("filled", deadline)
            return mmap.mmap(file, 0)
        finally:
            os.close(file)

    async def _answer(self, kind: str, deadline: float) -> Mapping[str, Any]:
        while time.monotonic() < deadline and self.snapshot.poll() is None:
            for message in self.snapshot.messages():
                if message.get("kind") == "refused":
                    raise ExecutorError(
                        f"These values cannot be transferred ({message.get('reason')}); run the "
                        "code in this kernel instead: %codesteer apply."
                    )
                if message.get("kind") == kind:
                    return message
            await asyncio.sleep(0.001)
        raise ExecutorError(
            "The snapshot did not hand its values over; run the code in this kernel instead: "
            "%codesteer apply."
        )


class Snapshots:
    """The held snapshots of this process, oldest first."""

    def __init__(self) -> None:
        self._items: list[Held] = []
        self._sizes: dict[Held, int] = {}
        self._owner = os.getpid()

    def put(self, item: Held, memory: int, *, shared: bool = False) -> None:
        """Hold `item`, and of the older ones as many as take `memory` bytes with it. `shared`: it
        is a later state of a snapshot that may be held already.
        """
        if shared:
            self._items = [other for other in self._items if other.snapshot is not item.snapshot]
        self._items.append(item)
        self._sizes[item] = item.snapshot.group.exact_memory()
        self._sizes = {other: self._sizes[other] for other in self._items}
        while len(self._items) > 1 and (
            len(self._items) > _MOST or sum(self._sizes.values()) > memory
        ):
            oldest = self._items.pop(0)
            del self._sizes[oldest]
            oldest.snapshot.dismiss()

    def of(self, code: str | None) -> Held | None:
        """The newest snapshot in which exactly this code ran."""
        for item in reversed(self._items):
            if code is not None and item.code == code and item.snapshot.alive:
                return item
        return None

    def remove(self, item: Held) -> None:
        """Let one go."""
        if item in self._items:
            self._items.remove(item)
            del self._sizes[item]
        item.snapshot.dismiss()

    def clear(self) -> int:
        """Let all go; returns how many there were."""
        items, self._items, self._sizes = self._items, [], {}
        if self._owner == os.getpid():
            for item in items:
                item.snapshot.dismiss()
        self._owner = os.getpid()
        return len(items)


_shared = Snapshots()


def held() -> Snapshots:
    """The ones of this process."""
    return _shared
