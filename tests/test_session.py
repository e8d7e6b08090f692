"""One run from settings: parts, journal, secrets, and every way a run can end early."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from codesteer_jupyter.checkers.data import DataChecker
from codesteer_jupyter.checkers.proving import execute
from codesteer_jupyter.checkers.self_answer import SelfAnswerChecker
from codesteer_jupyter.errors import TaskModelError, UsageError
from codesteer_jupyter.execution.script import SubprocessExecutor
from codesteer_jupyter.journal import list_runs, read, runs_folder
from codesteer_jupyter.journal import writer as writer_module
from codesteer_jupyter.session import Session, aask, ask, branch, default_model, open_parts, run
from codesteer_jupyter.settings import SETTINGS, Settings, resolve
from codesteer_jupyter.steering.control import Decision
from codesteer_jupyter.steering.events import (
    AnswerDelta,
    Event,
    ExecutionFinished,
    Noticed,
    RoundFinished,
    RunStarted,
    RunStopped,
    fold_all,
)
from codesteer_jupyter.steering.execution import Access
from codesteer_jupyter.steering.trajectory import Context, Trajectory
from tests.schema import valid_run
from tests.scripts import CHECK, RIGHT, WRONG, fenced, script

QUESTION = "Which is larger, 9.11 or 9.9?"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for row in SETTINGS:
        if row.env:
            monkeypatch.delenv(row.env, raising=False)
    monkeypatch.setenv("CODESTEER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def chosen(model: str, **flags: Any) -> Settings:
    return resolve({"model": model, "guide": "rules", "run": "subprocess", **flags})


async def collect(session: Session) -> list[Event]:
    async with contextlib.aclosing(session.events()) as events:
        return [event async for event in events]


def whole(session: Session) -> Trajectory:
    assert session.trajectory is not None
    valid_run(session.trajectory.to_dict())
    return session.trajectory


async def test_a_run_is_answered_recorded_and_the_fold_of_its_events(tmp_path: Path) -> None:
    session = Session(QUESTION, chosen(script(tmp_path, CHECK, RIGHT), seed=7))
    events = await collect(session)
    found = whole(session)
    assert found.status == "answered"
    assert found.answer == "9.9"
    assert found.verified is True
    assert fold_all(events) == found
    assert read(found.id)[1] == found
    assert found.settings["seed"] == 7
    assert found.settings["limits"]["wall"] == 30.0
    assert found.settings["switches"]["task_temperature"] == 0.0
    assert found.rounds[0].execution is not None
    assert found.rounds[0].execution.executor == "subprocess"


async def test_a_wrong_answer_is_refuted_and_steered_to_right_code(tmp_path: Path) -> None:
    session = Session(QUESTION, chosen(script(tmp_path, CHECK, WRONG, RIGHT)))
    await collect(session)
    found = whole(session)
    assert [item.answer.final for item in found.rounds if item.answer] == ["9.11", "9.9"]
    first = found.rounds[0].checks.self_answer
    assert first is not None
    assert first.verdict == "incorrect"
    assert found.answer == "9.9"


async def test_no_check_means_no_check_and_no_claim(tmp_path: Path) -> None:
    session = Session(QUESTION, chosen(script(tmp_path, RIGHT), check=False, rounds=1))
    await collect(session)
    found = whole(session)
    assert found.rounds[0].checks.self_answer is None
    assert found.rounds[0].checks.symbolic is not None
    assert found.verified is None
    assert found.usage.checker.calls == 0


async def test_settings_reach_the_loop(tmp_path: Path) -> None:
    slow = fenced("import time; time.sleep(60)")
    session = Session(QUESTION, chosen(script(tmp_path, slow), wall=0.5, rounds=1, check=False))
    await collect(session)
    execution = whole(session).rounds[0].execution
    assert execution is not None
    assert execution.status in ("timeout", "limit")
    assert execution.limit is not None
    assert execution.limit.value == 0.5


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        ({"model": "nonsense:x"}, "usage"),
        ({"model": "scripted:/not/there.json"}, "usage"),
        ({"guide": "ruler"}, "usage"),
        ({"run": "chidl"}, "usage"),
        ({"profile": "/not/there"}, "usage"),
    ],
)
async def test_parts_that_cannot_be_had_end_in_a_failed_run(
    tmp_path: Path, flags: dict[str, Any], kind: str
) -> None:
    settings = resolve({"model": script(tmp_path, RIGHT), "run": "subprocess", **flags})
    session = Session(QUESTION, settings)
    events = await collect(session)
    found = whole(session)
    assert [type(event) for event in events] == [RunStarted, RunStopped]
    assert found.status == "failed"
    assert found.error is not None
    assert found.error.kind == kind
    assert list_runs() == []


async def test_a_part_that_breaks_while_it_is_made_ends_in_a_failed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("by a defect")

    monkeypatch.setattr("codesteer_jupyter.models.resolve.task_model", broken)
    session = Session(QUESTION, chosen("scripted:x"))
    await collect(session)
    found = whole(session)
    assert found.error is not None
    assert found.error.kind == "internal"
    assert "ZeroDivisionError" in found.error.message


async def test_a_failing_model_keeps_the_rounds_before(tmp_path: Path) -> None:
    model = script(tmp_path, CHECK, WRONG, {"error": {"kind": "unreachable", "message": "Gone."}})
    session = Session(QUESTION, chosen(model))
    await collect(session)
    found = whole(session)
    assert found.status == "failed"
    assert len(found.rounds) == 1
    assert found.error is not None
    assert found.error.kind == "unreachable"
    assert read(found.id)[1] == found


def test_without_any_model_one_sentence_lists_the_cures(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "xllamacpp" else real(name, *rest),
    )
    found = ask(QUESTION, run="subprocess")
    assert found.status == "failed"
    assert found.error is not None
    assert found.error.kind == "no_model"
    for cure in ("--model", "CODESTEER_MODEL", "codesteer setup", "codesteer_jupyter[embedded]"):
        assert cure in found.error.message
    valid_run(found.to_dict())


def test_the_embedded_model_is_the_default_only_where_it_is_at_hand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CODESTEER_CACHE", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: object())
    with pytest.raises(TaskModelError, match="--allow-download"):
        default_model()
    assert default_model(Settings(allow_download=True)) == "embedded"
    from codesteer_jupyter.models import weights

    monkeypatch.setattr(weights, "cached", lambda _: tmp_path)
    assert default_model() == "embedded"


async def read_until(session: Session, count: int, seen: list[Event]) -> None:
    """Read into `seen`, and be cancelled at its `count`-th event."""
    task = asyncio.current_task()
    assert task is not None
    async with contextlib.aclosing(session.events()) as events:
        async for event in events:
            seen.append(event)
            if len(seen) == count:
                task.cancel()


async def test_cancelling_at_every_event_leaves_a_consistent_closed_record(tmp_path: Path) -> None:
    settings = chosen(script(tmp_path, CHECK, WRONG, RIGHT))
    total = len(await collect(Session(QUESTION, settings)))
    for count in range(1, total, 6):
        session = Session(QUESTION, settings)
        seen: list[Event] = []
        task = asyncio.ensure_future(read_until(session, count, seen))
        with contextlib.suppress(asyncio.CancelledError):
            await task
        found = whole(session)
        assert isinstance(seen[-1], RunStopped)
        assert fold_all(seen) == found
        assert read(found.id)[1] == found
        assert found.stop is not None
        if count < total - 3:
            assert task.cancelled()
            assert found.status == "interrupted"
            done = [event for event in seen if isinstance(event, RoundFinished)]
            assert len(found.rounds) == len(done)


async def test_a_stream_that_is_dropped_is_closed_in_the_record(tmp_path: Path) -> None:
    session = Session(QUESTION, chosen(script(tmp_path, CHECK, WRONG, RIGHT)))
    async with contextlib.aclosing(session.events()) as events:
        async for event in events:
            if isinstance(event, RoundFinished):
                break
    found = whole(session)
    assert found.status == "interrupted"
    assert len(found.rounds) == 1
    assert read(found.id)[1] == found


async def test_resume_keeps_rounds_runs_no_code_again_and_finishes(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marking = fenced(f"open({str(marks)!r}, 'a').write('x')\nprint(9.11)")
    settings = chosen(script(tmp_path, CHECK, marking, RIGHT), write=(str(tmp_path),))
    session = Session(QUESTION, settings)
    async with contextlib.aclosing(session.events()) as events:
        async for event in events:
            if isinstance(event, RoundFinished):
                break
    before = read(whole(session).id)[1]
    base = Settings.from_record(before.settings)
    again = resolve({"model": script(tmp_path, CHECK, RIGHT, name="again.json")}, base=base)
    assert again.run == "subprocess"
    assert again.access == Access()  # what was opened was opened for that run
    resumed = Session("not this", again, resume=before)
    seen = await collect(resumed)
    found = whole(resumed)
    assert found.id == before.id
    assert found.question == QUESTION
    assert found.rounds[0] == before.rounds[0]
    assert found.answer == "9.9"
    assert marks.read_text() == "x"
    assert read(found.id)[1] == found
    assert sum(isinstance(event, ExecutionFinished) for event in seen) == len(found.rounds) - 1


async def test_resume_names_values_that_are_missing(tmp_path: Path) -> None:
    model = script(tmp_path, CHECK, WRONG, {"error": "gone"})
    context = Context(("df", "x"), {"df": "a frame", "x": "1"})
    session = Session(QUESTION, chosen(model), context=context, values={"df": 1, "x": 2})
    await collect(session)
    settings = chosen(script(tmp_path, CHECK, RIGHT, name="again.json"))
    resumed = Session("", settings, resume=whole(session), values={"x": 2})
    notices = [event.message for event in await collect(resumed) if isinstance(event, Noticed)]
    assert any("given df" in message for message in notices)
    assert whole(resumed).context == context


async def test_a_branch_is_a_run_of_its_own(tmp_path: Path) -> None:
    session = Session(QUESTION, chosen(script(tmp_path, CHECK, WRONG, RIGHT)))
    await collect(session)
    first = whole(session)
    model = script(tmp_path, CHECK, RIGHT, name="branch.json")
    branched = Session("", chosen(model), resume=branch(first, 1))
    await collect(branched)
    found = whole(branched)
    assert found.parent == {"id": first.id, "round": 1}
    assert found.id != first.id
    assert found.rounds[0] == first.rounds[0]
    assert read(first.id)[1] == first
    assert read(found.id)[1] == found


async def test_a_journal_folder_that_cannot_be_written_costs_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CODESTEER_HOME", str(tmp_path / "file"))
    session = Session(QUESTION, chosen(script(tmp_path, CHECK, RIGHT)))
    events = await collect(session)
    found = whole(session)
    assert found.status == "answered"
    assert found.resumable is False
    warned = [event for event in events if isinstance(event, Noticed)]
    assert len(warned) == 1
    assert "CODESTEER_HOME" in warned[0].message


async def test_a_disk_that_fills_up_in_the_middle_costs_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, count = os.write, 0

    def full(handle: int, data: bytes) -> int:
        # Fault injection: no room from the tenth line on.
        nonlocal count
        count += 1
        if count > 10:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(handle, data)

    monkeypatch.setattr(writer_module.os, "write", full)
    session = Session(QUESTION, chosen(script(tmp_path, CHECK, WRONG, RIGHT)))
    events = await collect(session)
    monkeypatch.undo()
    found = whole(session)
    assert found.status == "answered"
    assert found.resumable is False
    warned = [event for event in events if isinstance(event, Noticed)]
    assert len(warned) == 1
    assert os.strerror(errno.ENOSPC) in warned[0].message


async def test_without_a_journal_nothing_is_written(tmp_path: Path) -> None:
    session = Session(QUESTION, chosen(script(tmp_path, CHECK, RIGHT), journal=False))
    events = await collect(session)
    assert whole(session).resumable is False
    assert not runs_folder().exists()
    assert not any(isinstance(event, Noticed) for event in events)


async def test_known_secrets_are_neither_shown_nor_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "sesame-open-sesame"
    monkeypatch.setenv("SOME_SERVICE_TOKEN", secret)
    leak = {"reply": fenced(f"print('{secret}')"), "chunk": 3}
    session = Session(f"Is {secret} a word?", chosen(script(tmp_path, leak), check=False, rounds=1))
    events = await collect(session)
    found = whole(session)
    assert secret not in repr(events)
    streamed = "".join(event.text for event in events if isinstance(event, AnswerDelta))
    assert secret not in streamed
    assert "[hidden: SOME_SERVICE_TOKEN]" in streamed
    assert secret not in (runs_folder() / f"{found.id}.jsonl").read_text()
    assert found.answer == "[hidden: SOME_SERVICE_TOKEN]"


async def test_a_bound_in_usd_without_a_price_is_said(tmp_path: Path) -> None:
    model = script(tmp_path, CHECK, RIGHT)
    opened = await open_parts(chosen(model, budget="usd=1"))
    await opened.close()
    assert "--price" in opened.notices[0].message
    opened = await open_parts(chosen(model, budget="usd=1", prices=f"{model}=1/2"))
    await opened.close()
    assert opened.notices == []


async def test_parts_are_closed_however_the_run_ends(tmp_path: Path) -> None:
    settings = chosen(script(tmp_path, CHECK, RIGHT))
    opened = await open_parts(settings)
    closed: list[str] = []

    async def close() -> None:
        closed.append("closed")

    async def breaks() -> None:
        raise RuntimeError("a part that cannot end")

    opened.closers += [close, breaks]
    session = Session(QUESTION, settings, opened=opened)
    async with contextlib.aclosing(session.events()) as events:
        async for _ in events:
            break
    assert closed == ["closed"]
    await opened.close()


def test_ask_in_a_script(tmp_path: Path) -> None:
    seen: list[Event] = []
    found = ask(
        QUESTION, model=script(tmp_path, CHECK, RIGHT), run="subprocess", on_event=seen.append
    )
    assert found.answer == "9.9"
    assert fold_all(seen) == found


async def test_ask_where_an_event_loop_runs_already(tmp_path: Path) -> None:
    model = script(tmp_path, CHECK, RIGHT)
    assert ask(QUESTION, model=model, run="subprocess").answer == "9.9"
    assert (await aask(QUESTION, model=model, run="subprocess")).answer == "9.9"


def test_ask_gives_values_to_the_code_and_their_summary_to_the_model(tmp_path: Path) -> None:
    found = ask(
        "How many are in x?",
        values={"x": [1, 2, 3]},
        model=script(tmp_path, fenced("print(len(x))")),
        run="subprocess",
        check=False,
        rounds=1,
    )
    assert found.answer == "3"
    assert found.context is not None
    assert found.context.names == ("x",)


async def test_asking_wrongly_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="empty"):
        await aask("  ")
    with pytest.raises(UsageError, match="did you mean 'rounds'"):
        await aask(QUESTION, round=3)


async def test_run_is_the_stream_alone(tmp_path: Path) -> None:
    events = [event async for event in run(QUESTION, chosen(script(tmp_path, CHECK, RIGHT)))]
    assert fold_all(events).answer == "9.9"


async def test_checks_leave_no_name_where_rounds_build_on_each_other(tmp_path: Path) -> None:
    kept = fenced("kept = min(9.11, 9.9)\nprint(kept)")
    second = fenced("print('leak' in globals(), kept)")
    check = {**CHECK, "reply": CHECK["reply"].replace("try:", "leak = 1\ntry:", 1)}
    model = script(tmp_path, check, kept, second)
    done = await aask(QUESTION, model=model, guide="rules", run="child", stateful=True, rounds=2)
    first, last = done.rounds
    assert first.checks.self_answer is not None
    assert first.checks.self_answer.verdict == "incorrect"
    assert last.execution is not None
    assert last.execution.stdout == "False 9.11\n"


SPOIL = "import math\nmath.isclose = lambda *_, **__: True\n"
LOOK = "import math\nprint(math.isclose(1, 2))"


async def test_a_program_does_not_change_what_its_check_computes(tmp_path: Path) -> None:
    reply = fenced(
        "import math\ntry:\n    right = math.isclose(float(ANSWER), 9.9)\n"
        "except ValueError:\n    right = False\nprint('Correct' if right else 'Incorrect: no')"
    )
    model = script(tmp_path, {**CHECK, "reply": reply}, fenced(f"{SPOIL}print(min(9.11, 9.9))"))
    done = await aask(QUESTION, model=model, guide="rules", run="child", rounds=1)
    assert done.rounds[0].checks.self_answer is not None
    assert done.rounds[0].checks.self_answer.verdict == "incorrect"


@pytest.mark.parametrize("name", ["child", "auto", "subprocess"])
async def test_answers_and_the_programs_that_verify_them_share_no_process(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codesteer_jupyter.execution.fork.fit.hazard", lambda *_: "none here")
    settings = chosen(script(tmp_path, RIGHT), run=name)
    opened = await open_parts(settings, main_thread=object() if name == "auto" else None)
    try:
        parts = opened.parts
        by_name = {checker.name: checker for checker in parts.checkers}
        verify, again = by_name["self_answer"], by_name["data"]
        assert isinstance(verify, SelfAnswerChecker)
        assert isinstance(again, DataChecker)
        for executor in (parts.executor, again._executor):
            assert (await execute(executor, SPOIL, parts.limits, {})).status == "ok"
            looked = await execute(verify._executor, LOOK, parts.limits, {})
            assert looked.stdout == "False\n"
    finally:
        await opened.close()


async def test_an_executor_of_the_callers_verifies_what_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may hold what no other of its name would, and be of before `reuses`."""
    monkeypatch.delattr(SubprocessExecutor, "reuses")
    given = SubprocessExecutor({"only_here": 1})
    opened = await open_parts(chosen(script(tmp_path, RIGHT)), executor=given)
    (verify,) = [each for each in opened.parts.checkers if isinstance(each, SelfAnswerChecker)]
    result = await execute(verify._executor, "print(only_here)", opened.parts.limits, {})
    assert result.stdout == "1\n"
    await opened.close()
    await given.close()


class Decides:
    async def decide(self, gate: Any, proposal: Any, run: Trajectory) -> Decision:
        return Decision()


@pytest.mark.parametrize("control", [None, Decides()])
async def test_what_the_answer_names_is_imported_while_it_is_written(
    tmp_path: Path, control: Any
) -> None:
    look = fenced("import sys\nprint('sympy' in sys.modules)")
    session = Session(
        QUESTION,
        chosen(script(tmp_path, f"import sympy\n\n{look}"), run="child", rounds=1, check=False),
        control=control,
    )
    await collect(session)
    execution = whole(session).rounds[0].execution
    assert execution is not None
    # Where somebody decides whether code runs, nothing of the answer is acted upon before.
    assert execution.stdout == f"{control is None}\n"
