"""The executor that chooses: a snapshot of the kernel where that is safe, else a child kernel.

The choice is made for every program, because what the user loads between two of them, or a
program that stood still, can change it. It is said when it is first made and when it changes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codesteer_jupyter.errors import UsageError
from codesteer_jupyter.steering.execution import Executor, Fit, Limits, Output
from codesteer_jupyter.steering.trajectory import Execution, Json

if TYPE_CHECKING:
    from codesteer_jupyter.execution.fork.executor import ForkExecutor

__all__ = ["AutoExecutor"]

_SNAPSHOT = "Code runs in a snapshot of this kernel: it sees your variables and leaves them alone."


class AutoExecutor:
    """`fork`, or `child` where that cannot be.

    Args:
        fork: takes the snapshots; None where there can be none.
        child: makes the executor that is used where `fork` refuses; called once, when needed.
        reason: why there is no `fork`.
    """

    reuses = False

    def __init__(
        self, fork: ForkExecutor | None, child: Callable[[], Executor], reason: str = ""
    ) -> None:
        self._fork = fork
        self._make_child = child
        self._child: Executor | None = None
        self._ran: Executor | None = None
        self._reason = reason

    @property
    def name(self) -> str:
        """Of the executor that would be used now."""
        return "child" if self._fork is None or self._refused() else self._fork.name

    def _refused(self, memory: int | None = None) -> str:
        # What has run in a child stays there: its names and modules are there.
        if self._fork is not None:
            self._reason = self._reason or self._fork.refusal(memory)
        return self._reason

    def _there(self) -> Executor:
        if self._child is None:
            self._child = self._make_child()
        return self._child

    async def preflight(self) -> Fit:
        """Where code will run; the notes say it, and why."""
        chosen = self._chosen()
        fit = await chosen.preflight()
        why = self._why(self._reason) if self._reason else _SNAPSHOT
        return Fit(fit.ok, fit.reason, (why, *fit.notes)) if fit.ok else fit

    def _chosen(self, memory: int | None = None) -> Executor:
        return self._there() if self._fork is None or self._refused(memory) else self._fork

    @staticmethod
    def _why(reason: str) -> str:
        return f"Code runs in a child kernel, not in a snapshot of this one: {reason}."

    async def warm(self) -> None:
        """Start what is needed before the first program."""
        chosen: Any = self._chosen()
        await chosen.warm()

    async def prepare(self, code: str) -> None:
        """Let a child kernel import what `code` will; a snapshot has what the kernel has."""
        prepare = getattr(self._child, "prepare", None)
        if prepare is not None:
            await prepare(code)

    async def run(
        self, code: str, limits: Limits, variables: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Output | Execution]:
        """See `Executor.run`. The record of a run says in `executor_reason` why it was not in a
        snapshot.
        """
        self._ran = chosen = self._chosen(limits.memory)
        reason = self._reason
        async for item in chosen.run(code, limits, variables):
            if reason and isinstance(item, Execution):
                extra = {**item.extra, "executor_reason": self._why(reason)}
                item = dataclasses.replace(item, extra=extra)
            yield item

    # -- the transaction, where the last program ran in a snapshot --------------------------------

    @property
    def _snapshots(self) -> ForkExecutor | None:
        return self._fork if self._ran is self._fork else None

    async def diff(self) -> Sequence[Json]:
        return await self._snapshots.diff() if self._snapshots is not None else ()

    async def adopt(self, names: Sequence[str]) -> None:
        if self._snapshots is None:
            why = self._reason or "no program has run"
            raise UsageError(f"There is no snapshot to take values from: {why}.")
        await self._snapshots.adopt(names)

    async def discard(self) -> None:
        if self._snapshots is not None:
            await self._snapshots.discard()

    async def close(self) -> None:
        """End both."""
        if self._fork is not None:
            await self._fork.close()
        if self._child is not None:
            await self._child.close()
