"""Prompts: what is quoted, how much of it, and what stands where."""

from __future__ import annotations

import dataclasses

import pytest

from codesteer_jupyter.steering.checks import CheckInput
from codesteer_jupyter.steering.dialogue import (
    check_messages,
    describe_execution,
    excerpt,
    task_messages,
)
from codesteer_jupyter.steering.guide_dialogue import guide_messages, guide_messages_ahead
from codesteer_jupyter.steering.loop import new_run
from codesteer_jupyter.steering.profile import load_profile
from codesteer_jupyter.steering.trajectory import (
    Answer,
    Context,
    Execution,
    ExecutionError,
    Guidance,
    Limit,
    Round,
)
from tests.steering.parts import ScriptedGuide, ScriptedReplies, parts

PARTS = parts(ScriptedGuide(), ScriptedReplies())
PROFILE = load_profile()
FRAME = Context(("df",), {"df": "DataFrame, 6 rows"})


def test_excerpts_keep_head_and_tail() -> None:
    text = "a" * 50 + "b" * 50
    short = excerpt(text, 30)
    assert short.startswith("a" * 20 + "\n[70 characters left out]\n")
    assert short.endswith("b" * 10)
    assert excerpt(text, 100) == text


def test_given_variables_are_named_where_the_prompt_ends() -> None:
    run = new_run("Total of df?", PARTS, version="0", context=FRAME)
    run = dataclasses.replace(run, unfinished=Round("r", Guidance("code", "Sum it.")))
    (message,) = task_messages(run, PROFILE, PARTS.procedure)
    assert "`df`: DataFrame, 6 rows" in message.content
    assert message.content.split("\n")[-1].startswith("df exists already with all its data")
    by_text = dataclasses.replace(run, unfinished=Round("r", Guidance("text", "Think.")))
    (message,) = task_messages(by_text, PROFILE, PARTS.procedure)
    assert "exists already with" not in message.content


def test_a_check_sees_question_answer_and_output_in_one_message() -> None:
    run = new_run("Total of df?", PARTS, version="0", context=FRAME)
    answer = Answer("```python\nprint(df.sum())\n```", code="print(df.sum())", final="7")
    given = CheckInput(run, answer, Execution("ok", stdout="7\n"))
    (message,) = check_messages(given, PROFILE)
    for part in ("Total of df?", "print(df.sum())", "The program printed:\n7", "ANSWER"):
        assert part in message.content
    retry = check_messages(given, PROFILE, [("```python\nx\n```", "NameError: x")])
    assert [item.role for item in retry] == ["user", "assistant", "user"]
    assert "NameError: x" in retry[-1].content


def test_executions_are_told_with_their_limit_and_error() -> None:
    slow = Execution("timeout", limit=Limit("wall", 30.0, "s"))
    assert "reached the wall limit of 30 s" in describe_execution(slow, PROFILE)
    broken = Execution("error", stdout="1\n", error=ExecutionError("ValueError", "no", "line 3"))
    told = describe_execution(broken, PROFILE)
    assert "printed:\n1" in told
    assert "ValueError: no" in told
    assert "line 3" in told
    assert "printed nothing" in describe_execution(Execution("ok"), PROFILE)


@pytest.mark.parametrize("text_only", [False, True])
def test_what_a_guide_reads_ahead_begins_what_it_reads_later(text_only: bool) -> None:
    code = None if text_only else "print(7)"
    text = "It is <<<7>>>, I think.\n" if text_only else "So:\n```python\nprint(7)\n```\nDone."
    answer = Answer(text, code=code, final="7")
    run = new_run("What is 3 + 4? <<<Terminate>>>", PARTS, version="0", context=FRAME)
    cut = Round("r", Guidance("code", "Add.", by="rules"), answer)
    for _ in range(2):
        ahead = guide_messages_ahead(
            dataclasses.replace(run, unfinished=cut), PROFILE, PARTS.procedure
        )
        done = None if text_only else Execution("ok", stdout="7\n")
        whole = dataclasses.replace(cut, execution=done)
        run = dataclasses.replace(run, rounds=(*run.rounds, whole))
        later = guide_messages(run, PROFILE, PARTS.procedure)
        assert ahead is not None
        assert ahead[:-1] == later[:-1]
        assert later[-1].content.startswith(ahead[-1].content)
        assert ahead[-1].content.rstrip().endswith(text.rstrip()[-8:])
    assert guide_messages_ahead(run, PROFILE, PARTS.procedure) is None, "nothing is unfinished"


def test_a_guide_reads_shorter_quotations_than_the_task_model() -> None:
    long = "x" * 5000
    run = new_run("q" * 6000, PARTS, version="0")
    done = Round("r", Guidance("code", "Go."), Answer(long), Execution("ok", stdout=long))
    run = dataclasses.replace(run, rounds=(done,))
    first, _, report = guide_messages(run, PROFILE, PARTS.procedure)
    limits = PROFILE.excerpts
    assert first.content.count("q") < limits["guide_question"] + 50
    assert report.content.count("x") < limits["guide_answer"] + limits["guide_output"] + 10
