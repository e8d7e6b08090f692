"""Importing the wording of others: read with ast, never run."""

from __future__ import annotations

from pathlib import Path

import pytest

from codesteer_jupyter.errors import UsageError
from codesteer_jupyter.steering.completion import Message
from codesteer_jupyter.steering.dialogue import task_messages
from codesteer_jupyter.steering.events import fold_all
from codesteer_jupyter.steering.guidance import Advice
from codesteer_jupyter.steering.guide_dialogue import guide_messages
from codesteer_jupyter.steering.loop import new_run, steer
from codesteer_jupyter.steering.profile import load_profile
from codesteer_jupyter.steering.profile_import import import_profile, string_constants
from tests.steering.parts import ScriptedGuide, ScriptedReplies, parts, program

PROMPTS = '''
import this_module_does_not_exist
raise SystemExit("importing runs me")
head = "Choose. "
code_text_choice_prompt = head + """Say <<<Code>>> or <<<Text>>>. {{question}} braces.
"""
text_output_prompt: str = "Only words."
with_COT_code_output_prompt = ("Write "
    "a program.")
unrelated = 3
computed = "a".upper()
'''
RUNNER = '''
def run(response, check_result, code_complexity_summary, output, errors):
    response = response + f"\\nRan: {output} / {errors}"
    if True:
        prompt = f"""Reply: {response} | Check: {check_result} | """ + (
            f"""Code: {code_complexity_summary}\\n""" + f"""End."""
        )
    else:
        prompt = f"""Reply: {response} | Check: {check_result}\\n""" + f"""End."""
'''


def test_constants_without_running_the_file() -> None:
    found = string_constants(PROMPTS)
    assert found["code_text_choice_prompt"].startswith("Choose. Say <<<Code>>>")
    assert found["with_COT_code_output_prompt"] == "Write a program."
    assert "computed" not in found


async def test_imported_profile_words_the_run(tmp_path: Path) -> None:
    (tmp_path / "prompt.py").write_text(PROMPTS)
    (tmp_path / "runner.py").write_text(RUNNER)
    folder = import_profile(
        tmp_path / "prompt.py",
        tmp_path / "published",
        runner=tmp_path / "runner.py",
        trained_for=["someone/their-8b"],
    )
    profile = load_profile(str(folder))
    assert profile.trained_for == ("someone/their-8b",)
    first = profile.parse_advice("Needs search. <<<Code>>>")
    assert first.action == "code"
    given = parts(
        ScriptedGuide(first, Advice("refine", raw="<<<Sum again.>>>", text="<<<Sum again.>>>")),
        ScriptedReplies(program("print(6)"), "words <<<7>>>"),
        name="released",
    )
    given = type(given)(**{**vars(given), "profile": profile})
    done = fold_all([event async for event in steer(new_run("Q?", given, version="0"), given)])
    sent = task_messages(done, profile, given.procedure)
    assert sent == [
        Message("user", "Needs search. <<<Code>>>Q?"),
        Message("assistant", program("print(6)")),
        Message("user", "<<<Sum again.>>>"),
    ]
    guide = [message.content for message in guide_messages(done, profile, given.procedure)]
    assert guide[0] == "Choose. Say <<<Code>>> or <<<Text>>>. { {question} } braces.\nQ?"
    assert guide[2] == f"Reply: {program('print(6)')}\nRan: 6\n /  | Check:  | Code: \nEnd."
    assert guide[4] == "Reply: words <<<7>>> | Check: \nEnd."


def test_unknown_names_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text("a = 'choose'\nb = 'code'\nc = 'text'\n")
    with pytest.raises(UsageError, match="--role choice=NAME"):
        import_profile(tmp_path / "p.py", tmp_path / "one")
    asked: list[str] = []

    def ask(question: str, names: object) -> str:
        asked.append(question)
        return "abc"[len(asked) - 1]

    folder = import_profile(tmp_path / "p.py", tmp_path / "two", ask=ask)
    assert load_profile(str(folder)).templates["task_text"] == "text"
    assert len(asked) == 3


@pytest.mark.parametrize("text", ["def", "\x00", "x = 1\n"])
def test_unusable_files_say_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.py").write_text(text)
    with pytest.raises(UsageError):
        import_profile(tmp_path / "p.py", tmp_path / "out")
    assert not (tmp_path / "out").exists()
