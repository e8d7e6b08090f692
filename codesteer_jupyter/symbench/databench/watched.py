"""An executor whose programs see the frames of a question, and which sees what they do to them."""

from __future__ import annotations

import ast
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from codesteer_jupyter.execution.resolve import executor
from codesteer_jupyter.steering.execution import Access, Executor, Fit, Limits, Output
from codesteer_jupyter.steering.trajectory import Execution
from codesteer_jupyter.symbench.databench.frames import audit, digests, load, unchanged
from codesteer_jupyter.symbench.databench.frames import verify_run as _verify_run
from codesteer_jupyter.symbench.instance import Instance, Verdict

__all__ = ["WatchedFrames"]


class WatchedFrames:
    """Runs programs with the frames of `instance` under their names, each time as given, and
    keeps in mind whether any program that ran to its end changed one of them.

        executor = WatchedFrames(instance)
        ...                                  # a method works on task.brief(instance) with it
        executor.verify(reply)

    Args:
        instance: a databench question.
        run: the executor that does the work, as of `--run`; not `live`.
    """

    def __init__(self, instance: Instance, run: str = "subprocess") -> None:
        self._instance = instance
        self._given = digests(instance)
        self._after: dict[str, object] = dict(self._given)
        self._folder = TemporaryDirectory(prefix="databench-")
        # Where the program's own look at the frames is written; confined code writes nowhere else.
        access = Access(write=(self._folder.name,))
        self._inner: Executor = executor(run, values=load(instance), access=access)

    @property
    def name(self) -> str:
        return self._inner.name

    async def preflight(self) -> Fit:
        return await self._inner.preflight()

    async def run(
        self, code: str, limits: Limits, variables: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Output | Execution]:
        """See `Executor.run`."""
        report = self._fresh()
        watched = _followed_by(code, audit(self._instance, str(report)))
        async for item in self._inner.run(watched, limits, variables):
            if isinstance(item, Execution):
                self._note(report)
            yield item

    async def close(self) -> None:
        await self._inner.close()
        self._folder.cleanup()

    @property
    def kept(self) -> Verdict:
        """Whether every program left the frames as they were given."""
        return unchanged(self._instance, self._after, self._given)

    def verify(self, text: str) -> Verdict:
        """The verdict about an answer that these programs led to."""
        return _verify_run(self._instance, text, self._after, self._given)

    def _fresh(self) -> Path:
        report = Path(self._folder.name, "report.json")
        report.unlink(missing_ok=True)
        return report

    def _note(self, report: Path) -> None:
        """A program that failed, or left by `sys.exit`, wrote nothing and is not looked at."""
        try:
            found = json.loads(report.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        for name, now in found.items():
            if now != self._given.get(name):
                self._after[name] = now


def _followed_by(code: str, more: str) -> str:
    """`code`, then `more`; the value of a last expression is still the program's value, and the
    lines of `code` keep their numbers.
    """
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return f"{code}\n{more}"
    if not body or not isinstance(body[-1], ast.Expr):
        return f"{code}\n{more}"
    last = body[-1]
    lines = code.encode().splitlines(keepends=True)  # columns count bytes
    line = lines[last.lineno - 1]
    lines[last.lineno - 1] = line[: last.col_offset] + b"_value = " + line[last.col_offset :]
    return b"".join(lines).decode() + f"\n{more}\n_value"
