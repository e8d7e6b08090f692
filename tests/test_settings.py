"""One table: options, traits, environment, file and documentation agree, and precedence holds."""

from __future__ import annotations

import contextlib
import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traitlets import TraitError
from traitlets.config import Config

from codesteer_jupyter.cli.asking import ask, resume
from codesteer_jupyter.errors import CodeSteerError, UsageError
from codesteer_jupyter.settings import (
    SETTINGS,
    CodeSteer,
    Settings,
    help_text,
    parse_line,
    resolve,
    save_choice,
    settings_file,
    settings_table,
)
from codesteer_jupyter.settings.lines import flags_of
from codesteer_jupyter.steering.execution import Access
from codesteer_jupyter.steering.loop import Budget

ROWS = {row.name: row for row in SETTINGS}
# A value of each setting that is not its default, as text and as what it means.
SAMPLES: dict[str, tuple[str, Any]] = {
    "model": ("ollama:qwen3", "ollama:qwen3"),
    "guide": ("self", "self"),
    "run": ("child", "child"),
    "rounds": ("3", 3),
    "budget": ("seconds=60,tokens=20000,usd=0.5", Budget(60.0, 20000, 0.5)),
    "check": ("no", False),
    "procedure": ("paper", "paper"),
    "profile": ("/some/folder", "/some/folder"),
    "stateful": ("yes", True),
    "diff": ("all", "all"),
    "seed": ("7", 7),
    "temperature": ("0.5", 0.5),
    "max_tokens": ("100", 100),
    "wall": ("2.5", 2.5),
    "memory": ("512", 512),
    "processes": ("3", 3),
    "file_size": ("5", 5.0),
    "output_size": ("0.5", 0.5),
    "net": ("yes", True),
    "write": ("/a, ~/b c", ("/a", "~/b c")),
    "read": ("/a", ("/a",)),
    "stall_seconds": ("5", 5.0),
    "prices": ("openai:gpt-4o=2.5/10", {"openai:gpt-4o": (2.5, 10.0)}),
    "allow_download": ("1", True),
    "embedded_path": ("/m.gguf", "/m.gguf"),
    "threads": ("2", 2),
    "guide_memory": ("900", 900),
    "with_limit": ("10", 10),
    "journal": ("off", False),
    "store": ("id", "id"),
    "with_names": ("df, x", ("df", "x")),
    "into": ("out", "out"),
    "quiet": ("yes", True),
    "fail": ("yes", True),
    "json": ("yes", True),
    "notebook": ("x.ipynb", "x.ipynb"),
}
LASTING = [row for row in SETTINGS if "trait" in row.scope]


@pytest.fixture(autouse=True)
def no_settings_of_this_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for row in SETTINGS:
        if row.env:
            monkeypatch.delenv(row.env, raising=False)
    monkeypatch.delenv("CODESTEER_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_every_setting_has_a_sample_so_that_all_tests_here_see_it() -> None:
    assert set(SAMPLES) == set(ROWS)
    for name, (_, value) in SAMPLES.items():
        assert value != ROWS[name].default


def test_options_traits_environment_and_documentation_are_the_same_settings() -> None:
    lasting = {row.name for row in LASTING}
    assert set(CodeSteer.class_trait_names(config=True)) == lasting
    assert {row.name for row in SETTINGS if row.env} == lasting
    magic = {row.name for row, _ in flags_of("magic").values()}
    assert magic == {row.name for row in SETTINGS if "magic" in row.scope}
    for command in (ask, resume):
        options = {
            item.name.removeprefix("_")
            for item in command.params
            if item.name is not None and item.name.startswith("_")
        }
        assert options == {row.name for row in SETTINGS if "cli" in row.scope}
    table = settings_table()
    for row in SETTINGS:
        assert all(f"{flag}" in table for flag in row.flags)
        assert row.env is None or f"`{row.env}`" in table
        assert row.flags[0] in help_text("magic") or "magic" not in row.scope


def test_no_two_settings_share_an_option() -> None:
    flags = [flag for row in SETTINGS for flag in (*row.flags, row.off) if flag]
    assert len(flags) == len(set(flags))
    assert all(row.help and (row.metavar or not row.takes_value) for row in SETTINGS)


@pytest.mark.parametrize("row", LASTING, ids=lambda row: row.name)
def test_each_source_sets_each_setting(row: Any, tmp_path: Path) -> None:
    text, value = SAMPLES[row.name]
    assert getattr(resolve(environ={row.env: text}), row.name) == value
    path = save_choice(tmp_path / "saved.json", **{row.name: text})
    assert getattr(resolve(environ={}, file=path), row.name) == value
    assert getattr(resolve(traits=CodeSteer(**{row.name: text}), environ={}), row.name) == value
    assert getattr(resolve({row.name: value}, environ={}), row.name) == value
    # The record of a run sets the same again.
    recorded = Settings.from_record(json.loads(json.dumps(resolve({row.name: value}).to_dict())))
    assert getattr(resolve(base=recorded, environ={}), row.name) == value


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row.name)
def test_the_line_of_the_magic_sets_each_setting(row: Any) -> None:
    text, value = SAMPLES[row.name]
    if "magic" not in row.scope:
        with pytest.raises(UsageError):
            parse_line(f"{row.flags[0]} {text}")
        return
    if row.takes_value:
        for line in (f'{row.flags[0]} "{text}"', f'{row.flags[0]}="{text}"'):
            assert parse_line(line).values == {row.name: value}
    else:
        flag = row.flags[0] if value else row.off
        assert parse_line(flag).values == {row.name: value}


def test_later_sources_win(tmp_path: Path) -> None:
    file = save_choice(tmp_path / "s.json", model="a", guide="self", rounds=2, seed=1, run="child")
    environ = {"CODESTEER_GUIDE": "rules", "CODESTEER_ROUNDS": "3", "CODESTEER_SEED": "2"}
    traits = CodeSteer(rounds=4, seed=3)
    found = resolve({"seed": 4}, traits=traits, environ=environ, file=file)
    assert (found.model, found.guide, found.rounds, found.seed) == ("a", "rules", 4, 4)
    resumed = resolve(base={"run": "subprocess", "guide": "self"}, environ=environ, file=file)
    assert (resumed.run, resumed.guide) == ("subprocess", "self")


def test_a_trait_set_to_the_default_on_purpose_stands_above_the_environment() -> None:
    traits = CodeSteer()
    environ = {"CODESTEER_RUN": "child"}
    assert resolve(traits=traits, environ=environ).run == "child"
    traits.run = "auto"
    assert resolve(traits=traits, environ=environ).run == "auto"


def test_configuration_files_set_traits() -> None:
    traits = CodeSteer(config=Config({"CodeSteer": {"model": "vllm:x", "rounds": 2}}))
    assert traits.given() == {"model": "vllm:x", "rounds": 2}
    traits.update_config(Config({"CodeSteer": {"budget": "seconds=5"}}))
    assert resolve(traits=traits, environ={}).budget == Budget(seconds=5.0)


def test_an_empty_variable_is_not_set() -> None:
    assert resolve(environ={"CODESTEER_ROUNDS": " ", "CODESTEER_MODEL": ""}) == Settings()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--modle x", "--model"),
        ("--nocheck", "--no-check"),
        ("--round 3", "--rounds"),
        ("--zzzz", "--help"),
        ("--rounds", "needs a value"),
        ("--model --rounds 3", "needs a value"),
        ("--rounds 0", "whole number from 1"),
        ("--rounds 2.5", "whole number from 1"),
        ("--wall nan", "number above 0"),
        ("--wall -1", "number above 0"),
        ("--procedure papers", "did you mean paper"),
        ("--budget seconds=x", "for seconds"),
        ("--budget minutes=3", "seconds=60"),
        ("--budget seconds=1,seconds=2", "each once"),
        ("--price gpt=1", "IN/OUT"),
        ("--with 'a b'c-d", "names of variables"),
        ("--into 3x", "name of a variable"),
        ("--no-check=1", "takes no value"),
        ("--model 'x", "close it"),
    ],
)
def test_a_wrong_option_is_one_sentence_with_the_cure(line: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_line(line)
    assert says in caught.value.message
    assert "\n" not in caught.value.message


def test_words_that_are_no_options_are_kept() -> None:
    given_ = parse_line("what is 'a b' --quiet -- --model")
    assert given_.words == ("what", "is", "a b", "--model")
    assert given_.values == {"quiet": True}
    assert parse_line("--help").help


@given(st.text(max_size=40))
def test_no_line_breaks_the_parser(line: str) -> None:
    # Only a usage error may come out; everything else fails this test by itself.
    with contextlib.suppress(UsageError):
        assert parse_line(line) is not None


@given(st.sampled_from(SETTINGS), st.text(max_size=12) | st.integers() | st.floats() | st.none())
def test_no_value_breaks_a_setting(row: Any, value: Any) -> None:
    with contextlib.suppress(UsageError):
        row.read(value, row.name)


def test_wrong_values_say_where_they_were_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="CODESTEER_ROUNDS takes"):
        resolve(environ={"CODESTEER_ROUNDS": "many"})
    file = tmp_path / "s.json"
    file.write_text('{"rounds": "many", "of_a_later_version": 1}')
    with pytest.raises(UsageError, match=r"rounds in .*s\.json takes"):
        resolve(environ={}, file=file)
    file.write_text("{")
    with pytest.raises(UsageError, match="mend or delete"):
        resolve(environ={}, file=file)
    with pytest.raises(TraitError, match=r"CodeSteer\.rounds takes"):
        CodeSteer().rounds = "many"
    with pytest.raises(UsageError, match="did you mean 'rounds'"):
        resolve({"round": 3})


def test_saved_choices_are_private_and_never_one_call_only(tmp_path: Path) -> None:
    path = save_choice(model="ollama:a", rounds=3)
    assert path == settings_file()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    save_choice(rounds=None)
    assert json.loads(path.read_text()) == {"model": "ollama:a"}
    with pytest.raises(UsageError, match="one call"):
        save_choice(into="x")
    assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_saved_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="XDG_CONFIG_HOME"):
        save_choice(tmp_path / "file" / "settings.json", model="x")


def test_the_record_of_the_settings_is_plain_and_holds_no_call(tmp_path: Path) -> None:
    data = resolve({"budget": "usd=1", "notebook": "x", "into": "y"}, environ={}).to_dict()
    assert json.loads(json.dumps(data)) == data
    assert set(data) == {row.name for row in LASTING}


def test_the_documentation_holds_the_table_as_it_is() -> None:
    page = Path(__file__).parents[1] / "README.md"
    assert settings_table().strip() in page.read_text("utf-8"), "codesteer docs-settings prints it"


def test_settings_need_nothing_heavy() -> None:
    code = (
        "import sys, codesteer_jupyter.settings as s; s.resolve({}); s.help_text();"
        "print(sorted({'traitlets','IPython','openai','numpy','click'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_errors_of_settings_are_usage_errors() -> None:
    assert issubclass(UsageError, CodeSteerError)
    assert UsageError.kind == "usage"


def test_what_code_may_do_is_given_per_run_and_not_taken_from_a_record() -> None:
    settings = resolve({"net": True, "write": "/a,/b"}, environ={"CODESTEER_NET": "yes"})
    assert settings.access == Access(net=True, write=("/a", "/b"))
    assert settings.access.words() == "use the network and write to /a, /b"
    assert Settings().access.words() == ""
    assert Settings.from_record({**settings.to_dict(), "net": True}).get("net") is None
    assert resolve(environ={"CODESTEER_NET": "yes"}).access == Access()
