"""Answers from a finished run, so that it re-runs with no model.

What is matched, in this order:

1. The request whose messages equal, text for text, a prompt rebuilt from the record with the
   profile and procedure it names gets the recorded turn: a round's answer, the guide's words
   (where the task model also steers), or the program of a self-answer check. A round's answer and
   the guide's words are given once each; a check's program as often as its prompt comes.
2. Otherwise (an output differs by a time or an address, or the profile is not here) the next
   unused turn of each role is compared with the request by the words of the last message; the
   most similar is given, when at least half of the words agree, with a notice.
3. Otherwise the replay ends with an error: what was recorded does not go on like this.

A record keeps only the last program of a check, not the wording around it nor the programs that
failed before, so a check is answered by that program alone. Usage counts calls and no tokens:
nothing was generated.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from codesteer_jupyter.errors import CodeSteerError, RecordError, TaskModelError, UsageError
from codesteer_jupyter.steering.checks import CheckInput
from codesteer_jupyter.steering.completion import (
    Completion,
    Decoding,
    Delta,
    Message,
    Notice,
)
from codesteer_jupyter.steering.dialogue import check_messages, task_messages
from codesteer_jupyter.steering.events import Event, event_from_dict, fold
from codesteer_jupyter.steering.guide_dialogue import guide_messages
from codesteer_jupyter.steering.procedure import PROCEDURES
from codesteer_jupyter.steering.profile import load_profile
from codesteer_jupyter.steering.trajectory import Round, Trajectory, Usage

__all__ = ["ReplayModel", "read_run"]

_CHUNK = 400
_ALIKE = 0.5


@dataclass
class _Turn:
    """A recorded turn and the prompt it answered (None where it could not be rebuilt)."""

    role: Literal["guide", "task", "check"]
    messages: tuple[Message, ...]
    text: str
    reasoning: str | None = None
    finish_reason: str | None = "stop"
    used: bool = False


class ReplayModel:
    """A task model that gives the recorded turns of `run` again."""

    def __init__(self, run: Trajectory, *, name: str = "") -> None:
        if not any(item.answer is not None for item in run.all_rounds):
            raise UsageError(f"The run {run.id} holds no answer, so there is nothing to replay.")
        self.name = name or f"replay:{run.id}"
        self.run = run
        self._turns = list(_turns(run))

    async def complete(
        self, messages: Sequence[Message], decoding: Decoding
    ) -> AsyncIterator[Delta | Notice | Completion]:
        """Stream the recorded turn that answers `messages`; see the module for what matches."""
        began = time.monotonic()
        turn, exact = self._find(tuple(messages))
        turn.used = True
        if not exact:
            yield Notice(
                "replay",
                f"The recorded {turn.role} turn is replayed although its prompt was not the same.",
            )
        for text, reasoning in ((turn.reasoning or "", True), (turn.text, False)):
            for start in range(0, len(text), _CHUNK):
                await asyncio.sleep(0)
                yield Delta(text[start : start + _CHUNK], reasoning)
        usage = Usage(calls=1, seconds=time.monotonic() - began)
        yield Completion(turn.text, turn.reasoning, turn.finish_reason, usage)

    async def close(self) -> None:
        """Nothing to free."""

    def _find(self, messages: tuple[Message, ...]) -> tuple[_Turn, bool]:
        same = [turn for turn in self._turns if turn.messages == messages]
        for turn in same:
            if not turn.used or turn.role == "check":
                return turn, True
        best: tuple[float, _Turn] | None = None
        for role in ("task", "guide", "check"):
            turns = [turn for turn in self._turns if turn.role == role]
            following = next((turn for turn in turns if not turn.used), None)
            if following is None and role == "check" and turns:
                following = turns[-1]
            if following is not None:
                likeness = _alike(following.messages, messages)
                if best is None or likeness > best[0]:
                    best = (likeness, following)
        if best is not None and best[0] >= _ALIKE:
            return best[1], False
        left = sum(not turn.used for turn in self._turns)
        raise TaskModelError(
            f"{self.name}: the recorded run does not go on like this ({left} recorded turns are "
            "left, none answers this prompt); replay it with the question and options it was "
            "recorded with, or choose a model with --model.",
            kind="replay_exhausted",
        )


def _alike(recorded: Sequence[Message], given: Sequence[Message]) -> float:
    """Share of words that the last messages have in common, 0 to 1 (Dice, with repetitions)."""
    if not recorded or not given:
        return 0.0
    one, two = Counter(recorded[-1].content.split()), Counter(given[-1].content.split())
    total = sum(one.values()) + sum(two.values())
    return 2 * sum((one & two).values()) / total if total else 1.0


def _turns(run: Trajectory) -> Iterator[_Turn]:
    """Every recorded turn of a model, in the order they were given."""
    procedure = PROCEDURES.get(run.procedure, PROCEDURES["default"])
    try:
        profile = load_profile(run.profile.name)
    except CodeSteerError:
        # Worded by a profile that is not here: prompts then only resemble the recorded ones.
        profile = load_profile()
    rounds = run.all_rounds
    for at, item in enumerate(rounds):
        before = dataclasses.replace(run, rounds=rounds[:at], unfinished=None)
        if item.guidance is not None and item.guidance.by == "guide" and item.guidance.raw:
            prompt = tuple(guide_messages(before, profile, procedure))
            yield _Turn("guide", prompt, item.guidance.raw)
        if item.answer is None or item.guidance is None:
            continue
        now = dataclasses.replace(before, unfinished=item)
        answer = item.answer
        yield _Turn(
            "task",
            tuple(task_messages(now, profile, procedure)),
            answer.text,
            answer.reasoning,
            answer.finish_reason,
        )
        program = item.checks.self_answer.code if item.checks.self_answer else None
        if program is not None:
            prompt = tuple(check_messages(_check_input(now, item), profile))
            yield _Turn("check", prompt, f"```python\n{program}\n```")
    if run.stop is not None and run.stop.by == "guide" and run.stop.raw:
        closed = dataclasses.replace(run, unfinished=None)
        yield _Turn("guide", tuple(guide_messages(closed, profile, procedure)), run.stop.raw)


def _check_input(run: Trajectory, item: Round) -> CheckInput:
    assert item.answer is not None  # noqa: S101 the caller has looked; narrows the type
    return CheckInput(run, item.answer, item.execution)


def read_run(path: str | Path) -> Trajectory:
    """A run from a file: a trajectory as JSON, a journal, or a notebook exported from a run.

    Raises:
        UsageError: no such file.
        RecordError: the file holds no run.
    """
    path = Path(path).expanduser()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise UsageError(
            f"The run {path} cannot be read ({reason}); give a run's id or its file."
        ) from error
    try:
        data: Any = json.loads(text)
    except ValueError:
        return _fold_lines(text, path)
    if isinstance(data, dict) and "nbformat" in data:
        data = data.get("metadata", {}).get("codesteer", {})
        data = data.get("trajectory", data) if isinstance(data, dict) else data
    if isinstance(data, dict) and ("event" in data or "type" in data):
        return _fold_lines(text, path)
    return Trajectory.from_dict(data)


def _fold_lines(text: str, path: Path) -> Trajectory:
    """The fold of a journal's lines; a torn last line is ignored."""
    run: Trajectory | None = None
    for line in text.split("\n"):
        try:
            data = json.loads(line)
        except ValueError:
            continue
        if not isinstance(data, dict):
            continue
        inner = data.get("event")
        event: Event | None = event_from_dict(inner if isinstance(inner, dict) else data)
        if event is not None:
            run = fold(run, event)
    if run is None:
        raise RecordError(f"{path} is neither a saved run nor a journal of one.")
    return run
