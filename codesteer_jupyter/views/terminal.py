"""The run in a terminal: a line as each thing happens, then the answer. Plain where it is piped."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from codesteer_jupyter.steering.codec import to_json
from codesteer_jupyter.steering.events import (
    AnswerFinished,
    CheckFinished,
    Event,
    ExecutionFinished,
    GuidanceDecided,
    Intervened,
    Noticed,
    PhaseStarted,
    RoundFinished,
    RoundStarted,
    RunStarted,
    UsageAdded,
)
from codesteer_jupyter.steering.trajectory import Round, Trajectory
from codesteer_jupyter.views import text as words
from codesteer_jupyter.views.bounds import bounded
from codesteer_jupyter.views.changed import changes_text
from codesteer_jupyter.views.progress import Progress
from codesteer_jupyter.views.text import Tone

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

__all__ = ["TerminalView", "show_run"]

_COLOURS: dict[Tone, str] = {"good": "green", "warn": "yellow", "bad": "red", "plain": "default"}


class TerminalView:
    """Progress lines and the final answer on `stream` (standard output unless given).

    Args:
        stream: where to write; colours and a live phase line only if it is a terminal.
        code: whether the code that is run is shown.
    """

    def __init__(self, stream: IO[str] | None = None, *, code: bool = True) -> None:
        from rich.console import Console

        # Markup and emoji codes in model text stay text; nothing is highlighted by guess.
        self._console: Console = Console(
            file=stream or sys.stdout, markup=False, emoji=False, highlight=False, soft_wrap=True
        )
        self._code = code
        self._progress = Progress()
        self._status: Status | None = None
        self._finished = False
        self._answers: set[int] = set()

    def on_event(self, event: Event) -> None:
        """Print what the event adds."""
        self._progress.add(event)
        run = self._progress.trajectory
        current = run.unfinished if run is not None else None
        match event:
            case RunStarted():
                asked = words.clip(event.run.question, 600)[0]
                self._line(f"question: {asked}", "bold")
                for number, done in enumerate(event.run.rounds, 1):
                    self._line(f"Round {number} (kept): {words.guidance_title(done.guidance)}")
            case PhaseStarted():
                self._phase(self._progress.title())
            case GuidanceDecided():
                title = self._progress.title().partition(":")[0]
                self._line(f"{title}: {words.guidance_title(event.guidance)}", "bold")
                for text in (event.guidance.reason, event.guidance.text):
                    if text.strip():
                        self._line(f"  {words.clip(text.strip(), 600)[0]}", "dim")
            case AnswerFinished() if current is not None:
                self._answer(current)
            case ExecutionFinished():
                line, tone = words.execution_line(event.execution)
                self._line(f"  {line}", _COLOURS[tone])
                output = words.output_text(words.clip(event.execution.stdout, 2000)[0])
                if output.strip():
                    self._block(output)
                for text in changes_text(event.execution):
                    self._line(f"  {text}", "dim")
            case CheckFinished() if current is not None:
                self._check(event, current)
            case Intervened():
                line = words.intervention_line(event.by, event.decision, event.gate, event.reason)
                self._line(f"  {words.clip(line, 600)[0]}", "yellow")
            case Noticed():
                self._line(f"  {event.message}", "yellow")
            case RoundFinished() if run is not None and run.rounds:
                spent = words.usage_short(run.rounds[-1].usage.total)
                took = words.duration(event.seconds)
                self._line(f"  {took}{' · ' + spent if spent else ''}", "dim")

    def finish(self, trajectory: Trajectory | None = None) -> None:
        """Print the answer, how far to believe it, and what it took."""
        self._quiet()
        run = trajectory or self._progress.trajectory
        if run is None or self._finished:
            return
        self._finished = True
        run = bounded(run, 4000)
        badge, tone, reason = words.level_badge(run)
        self._console.print()
        self._line(words.headline(run), "bold")
        self._line(f"{badge}{': ' + reason if reason else ''}", _COLOURS[tone])
        self._line(words.run_line(run), "dim")
        for line in words.usage_lines(run.usage):
            self._line(line, "dim")

    def _answer(self, current: Round) -> None:
        answer = current.answer
        # An answer is sent again once its code has run, with its final answer.
        if answer is None or self._progress.number in self._answers:
            return
        self._answers.add(self._progress.number)
        if answer.code is None:
            self._block(words.clip(answer.text, 2000)[0])
        elif self._code:
            self._source(words.clip(answer.code, 4000)[0])

    def _check(self, event: CheckFinished, current: Round) -> None:
        if event.name == "symbolic" and current.checks.symbolic is not None:
            line, tone = words.symbolic_line(current.checks.symbolic)
            self._line(f"  symbolic checker: {line}", _COLOURS[tone])
        elif event.name == "self_answer" and current.checks.self_answer is not None:
            line, tone = words.self_answer_line(current.checks.self_answer)
            self._line(f"  self-answer checker: {words.clip(line, 600)[0]}", _COLOURS[tone])
        elif isinstance(event.report, dict) and isinstance(event.report.get("findings"), list):
            for finding in event.report["findings"][:20]:
                self._line(f"  {event.name}: {words.clip(words.finding_text(finding), 300)[0]}")

    def _phase(self, title: str) -> None:
        if not self._console.is_terminal:
            return
        if self._status is None:
            self._status = self._console.status("")
            self._status.start()
        self._status.update(words.visible(title))

    def _quiet(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _line(self, text: str, style: str = "default") -> None:
        self._console.print(words.visible(text), style=style)

    def _block(self, text: str) -> None:
        for line in text.strip("\n").split("\n"):
            self._line(f"    {line}")

    def _source(self, code: str) -> None:
        if not self._console.is_terminal:
            self._block(code)
            return
        from rich.padding import Padding
        from rich.syntax import Syntax

        coloured: Any = Syntax(words.visible(code), "python", background_color="default")
        self._console.print(Padding(coloured, (0, 0, 0, 4)))


def show_run(trajectory: Trajectory, stream: IO[str] | None = None, *, code: bool = True) -> None:
    """Print a finished run as it would have been printed while it went on."""
    view = TerminalView(stream, code=code)
    for event in _replayed(trajectory):
        view.on_event(event)
    view.finish(trajectory)


def _replayed(trajectory: Trajectory) -> Iterator[Event]:
    bare = dataclasses.replace(trajectory, rounds=(), unfinished=None, stop=None, notices=())
    yield RunStarted(bare)
    for number, current in enumerate(trajectory.all_rounds, 1):
        yield RoundStarted(number, current.id)
        if current.guidance is not None:
            yield GuidanceDecided(current.guidance)
        if current.answer is not None:
            yield AnswerFinished(current.answer)
        for notice in trajectory.notices:
            if notice.get("round") == number:
                yield Noticed(str(notice.get("kind")), str(notice.get("message")), number)
        if current.execution is not None:
            yield ExecutionFinished(current.execution)
        for name, report in to_json(current.checks).items():
            if report is not None:
                yield CheckFinished(name, report)
        for role in ("guide", "task", "checker"):
            yield UsageAdded(role, getattr(current.usage, role))
        if number <= len(trajectory.rounds):
            yield RoundFinished(number, current.seconds)
