"""A finished run re-runs with no model."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from codesteer_jupyter.errors import RecordError, TaskModelError, UsageError
from codesteer_jupyter.models.replay import ReplayModel, read_run
from codesteer_jupyter.models.resolve import task_model
from codesteer_jupyter.models.scripted import ScriptedModel
from codesteer_jupyter.steering.answers import find_code
from codesteer_jupyter.steering.checks import CheckInput, CheckResult
from codesteer_jupyter.steering.completion import Completion, Decoding, Message, Notice
from codesteer_jupyter.steering.dialogue import check_messages
from codesteer_jupyter.steering.events import event_to_dict, fold_all
from codesteer_jupyter.steering.guidance import Advice
from codesteer_jupyter.steering.guide_dialogue import guide_messages
from codesteer_jupyter.steering.loop import new_run, steer
from codesteer_jupyter.steering.procedure import procedure
from codesteer_jupyter.steering.profile import load_profile
from codesteer_jupyter.steering.trajectory import SelfAnswerReport, Trajectory, Usage
from tests.steering.parts import parts

PROFILE = load_profile()
RULES = procedure("default")
FENCE = "```"


class ModelGuide:
    """A guide that asks the task model, as `self` does."""

    name = "model-guide"

    def __init__(self, model: Any) -> None:
        self.model = model

    async def prepare(self, trajectory: Trajectory) -> None:
        pass

    async def advise(self, trajectory: Trajectory):
        prompt = guide_messages(trajectory, PROFILE, RULES)
        async for item in self.model.complete(prompt, Decoding()):
            if isinstance(item, Completion):
                yield dataclasses.replace(PROFILE.parse_advice(item.text), by="guide")

    async def close(self) -> None:
        pass


class ModelChecker:
    """A checker that asks the task model for a program; the verdict is not what is tested."""

    name = "self_answer"
    needs = "answer"

    def __init__(self, model: Any) -> None:
        self.model = model

    async def check(self, given: CheckInput):
        async for item in self.model.complete(check_messages(given, PROFILE), Decoding()):
            if isinstance(item, Completion):
                code = find_code(item.text)
                yield CheckResult(SelfAnswerReport("incorrect", "no", code=code), Usage(calls=1))


def code(text: str) -> str:
    return f"Here:\n{FENCE}python\n{text}\n{FENCE}\n"


async def run_with(model: Any) -> tuple[Trajectory, list[Any]]:
    made = parts(ModelGuide(model), model, ModelChecker(model))
    events = [event async for event in steer(new_run("6*7?", made, version="1"), made)]
    return fold_all(events), events


async def recorded() -> tuple[Trajectory, list[Any]]:
    labels = {action: PROFILE.marker(action) for action in ("code", "text", "return_answer")}
    return await run_with(
        ScriptedModel(
            [
                f"{labels['code']}\nCompute it.",
                {"reply": code("print(41)"), "reasoning": "easy"},
                code("assert ANSWER == '42'"),
                f"{labels['text']}\nSay it.",
                "It is <<<42>>>.",
                code("print('Correct')"),
                labels["return_answer"],
            ]
        )
    )


def gist(run: Trajectory) -> list[Any]:
    return [
        (item.guidance.raw, item.answer.text, item.answer.reasoning, item.answer.final)
        for item in run.rounds
        if item.guidance and item.answer
    ] + [run.answer, run.stop.by if run.stop else None]


async def test_a_run_replays_exactly() -> None:
    run, _ = await recorded()
    assert run.status == "answered" and len(run.rounds) == 2 and run.answer is not None
    model = ReplayModel(run)
    again, _ = await run_with(model)
    assert gist(again) == gist(run)
    assert not again.notices
    assert again.usage.task.completion_tokens == 0 and model.name == f"replay:{run.id}"
    assert again.model == f"replay:{run.id}"


async def test_a_slightly_different_prompt_is_said(monkeypatch: Any) -> None:
    run, _ = await recorded()
    changed = dataclasses.replace(run, question="6*7? Please.")
    again, _ = await run_with(ReplayModel(changed))
    assert gist(again)[:1] == gist(run)[:1]
    assert any(notice["kind"] == "replay" for notice in again.notices)


async def test_another_question_is_refused() -> None:
    run, _ = await recorded()
    model = ReplayModel(run)
    with pytest.raises(TaskModelError, match="does not go on like this") as caught:
        async for _ in model.complete([Message("user", "Who wrote Faust?")], Decoding()):
            pass
    assert caught.value.kind == "replay_exhausted"


async def test_turns_are_given_once_but_checks_again() -> None:
    run, _ = await recorded()
    model = ReplayModel(run)
    now = dataclasses.replace(run, rounds=(), unfinished=run.rounds[0])
    first = run.rounds[0]
    assert first.answer is not None
    prompt = check_messages(CheckInput(now, first.answer, first.execution), PROFILE)
    for _ in range(2):
        items = [item async for item in model.complete(prompt, Decoding())]
        assert items[-1].text == f"{FENCE}python\nassert ANSWER == '42'\n{FENCE}"
        assert not any(isinstance(item, Notice) for item in items)


async def test_read_from_files(tmp_path: Path) -> None:
    run, events = await recorded()
    saved = tmp_path / "run.json"
    saved.write_text(json.dumps(run.to_dict()))
    journal = tmp_path / "run.jsonl"
    lines = [
        json.dumps({"schema": "codesteer.event/1", "seq": at, **event_to_dict(event)})
        for at, event in enumerate(events)
    ]
    journal.write_text("\n".join(lines) + '\n{"schema": "codesteer.ev')
    assert read_run(saved) == run
    assert gist(read_run(journal)) == gist(run)
    model = task_model(f"replay:{saved}")
    assert model.name == f"replay:{saved}"
    again, _ = await run_with(model)
    assert gist(again) == gist(run)
    model = task_model("replay:some-id", load_run=lambda run_id: run)
    assert model.name == "replay:some-id"


def test_files_that_hold_no_run(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    for text in ('{"a": 1}', "plain words"):
        wrong.write_text(text)
        with pytest.raises(RecordError):
            read_run(wrong)
    with pytest.raises(UsageError, match="cannot be read"):
        read_run(tmp_path / "none")


async def test_a_run_without_answers_is_refused() -> None:
    run, _ = await recorded()
    with pytest.raises(UsageError, match="no answer"):
        ReplayModel(dataclasses.replace(run, rounds=(), unfinished=None))


def test_advice_of_the_profile_is_read_back() -> None:
    assert isinstance(PROFILE.parse_advice(PROFILE.marker("code")), Advice)
