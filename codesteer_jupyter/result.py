"""The value of a `%%codesteer` cell: the run's record with what one reads off it most."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

from codesteer_jupyter.answer_value import parse_value
from codesteer_jupyter.steering.trajectory import Round, RunUsage, Trajectory, Verification

__all__ = ["Result", "final_code", "final_round"]


class Result:
    """One run, as a cell's value or as what `--into NAME` sets.

    It is a thin reader of `.trajectory` (the record, `codesteer.run/1`). A notebook shows it as
    the run's rounds, each time it is displayed but not a second time in the cell that ran it.
    """

    def __init__(
        self,
        trajectory: Trajectory,
        values: Mapping[str, Any] | None = None,
        *,
        shown_in: object = None,
        quiet: bool = False,
    ) -> None:
        self._trajectory = trajectory
        self._values = dict(values or {})
        self._shown_in = shown_in
        self._quiet = quiet

    @property
    def trajectory(self) -> Trajectory:
        """The whole record."""
        return self._trajectory

    @property
    def id(self) -> str:
        """The run's id, for `%codesteer show ID` and `resume ID`."""
        return self._trajectory.id

    @property
    def status(self) -> str:
        """`answered`, `unanswered`, `interrupted` or `failed`."""
        return self._trajectory.status

    @property
    def answer(self) -> str | None:
        """The final answer as text."""
        return self._trajectory.answer

    @property
    def value(self) -> Any:
        """The final answer as a Python value (number, list, dict ...), None where it is none."""
        return parse_value(self._trajectory.answer)

    @property
    def code(self) -> str | None:
        """The code behind the final answer."""
        return final_code(self._trajectory)

    @property
    def rounds(self) -> tuple[Round, ...]:
        """The finished rounds."""
        return self._trajectory.rounds

    @property
    def usage(self) -> RunUsage:
        """Calls, tokens and seconds by role; `.usage.total` adds them up."""
        return self._trajectory.usage

    @property
    def verification(self) -> Verification:
        """How far the answer may be believed (`.level`, `.reason`)."""
        return self._trajectory.verification

    @property
    def verified(self) -> bool | None:
        """True for agreed and checked answers, False for refuted ones, else None."""
        return self._trajectory.verified

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON data."""
        return self._trajectory.to_dict()

    def to_notebook(
        self, path: str | os.PathLike[str], rounds: Literal["all", "final"] = "all"
    ) -> str:
        """Write the run as a notebook at `path`; the values `--with` named go along where small.

        Returns the path written.
        """
        from codesteer_jupyter.export.notebook import write_notebook

        return str(write_notebook(self._trajectory, path, rounds=rounds, values=self._values))

    def __repr__(self) -> str:
        run = self._trajectory
        count = len(run.rounds)
        total = run.usage.total
        parts = [
            f"answer {_clip(run.answer)}" if run.answer is not None else run.status,
            run.verification.level if run.answer is not None else "no answer",
            f"{count} round{'' if count == 1 else 's'}",
            f"{total.prompt_tokens + total.completion_tokens:,} tokens",
        ]
        if run.answer is not None and run.status != "answered":
            parts.insert(0, run.status)
        return f"<CodeSteer run {run.id}: {', '.join(parts)}>"

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None
    ) -> dict[str, Any] | tuple[dict[str, Any], dict[str, Any]]:
        from codesteer_jupyter.views.static import bundle

        stored = self._trajectory.settings.get("store")
        return bundle(self._trajectory, stored if stored in ("summary", "id") else "full")

    def _ipython_display_(self) -> None:
        from codesteer_jupyter.views.display import current_cell, publish

        if self._shown_in is not None and self._shown_in == current_cell():
            return
        if self._quiet:
            self._quiet = False
            publish({"text/plain": repr(self)})
            return
        data = self._repr_mimebundle_()
        publish(*data) if isinstance(data, tuple) else publish(data)


def final_round(run: Trajectory) -> Round | None:
    """The round whose code is behind the final answer: the answer's own, else the last whose code
    ran ok.
    """
    if run.answer_round is not None and 0 < run.answer_round <= len(run.rounds):
        chosen = run.rounds[run.answer_round - 1]
        if chosen.answer is not None and chosen.answer.code is not None:
            return chosen
    for item in reversed(run.rounds):
        if item.answer is not None and item.answer.code and item.execution and item.execution.ok:
            return item
    return None


def final_code(run: Trajectory) -> str | None:
    """The code of `final_round`."""
    chosen = final_round(run)
    return chosen.answer.code if chosen is not None and chosen.answer is not None else None


def _clip(text: str | None, limit: int = 80) -> str:
    line = " ".join((text or "").split())
    return repr(line if len(line) <= limit else f"{line[: limit - 1]}…")
