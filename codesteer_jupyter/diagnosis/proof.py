"""The attempts to escape, run through executors by name, as a terminal and a notebook show them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import codesteer_jupyter
from codesteer_jupyter.errors import UsageError
from codesteer_jupyter.execution.escapes import Finding, prove
from codesteer_jupyter.execution.escapes.report import document, lines, proven
from codesteer_jupyter.execution.resolve import executor
from codesteer_jupyter.views.text import output_text, visible

__all__ = ["Proof"]


class Proof:
    """Runs every attempt when it is made; takes half a minute for each executor.

    Args:
        executors: names as for `--run`; none means `auto`.

    Raises:
        UsageError: no such executor, one that isolates nothing, or not on this system.
        ExecutorError: an executor cannot run a harmless program.
    """

    def __init__(self, executors: Sequence[str] = ()) -> None:
        names = list(dict.fromkeys(map(_called, executors or ("auto",))))
        if "live" in names:
            raise UsageError(
                "--run live isolates nothing, so there is nothing to prove; use --run child."
            )
        self._runs: list[tuple[str, list[Finding]]] = [
            (name, list(prove(name, shown=output_text))) for name in names
        ]

    @property
    def holds(self) -> bool:
        """Whether every layer kept what it claims."""
        return all(proven(findings) for _, findings in self._runs)

    def text(self) -> Iterator[str]:
        """Lines fit for showing: programs had a say in them."""
        return map(visible, lines(self._runs))

    def data(self) -> dict[str, Any]:
        """JSON data, see `escapes.report.document`."""
        return {"version": codesteer_jupyter.__version__, **document(self._runs)}


def _called(name: str) -> str:
    made = executor(name)

    async def close() -> str:
        await made.close()
        return made.name

    return asyncio.new_event_loop().run_until_complete(close())
