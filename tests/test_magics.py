"""`%codesteer`: its commands in a real kernel, one kernel for all of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from tests.guides.tiny import make_tiny_llama
from tests.magic_cells import RUN_MIME, environment, program, task_model
from tests.magic_kernel import Kernel, kernel
from tests.openai_server import OpenAIServer


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(task_model([program("print(6 * 7)")], answer="42")) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("commands")


@pytest.fixture(scope="module")
def nb(server: OpenAIServer, folder: Path) -> Iterator[Kernel]:
    with kernel(environment(folder, server), folder) as started:
        yield started


@pytest.fixture(scope="module")
def run_id(nb: Kernel) -> str:
    ran = nb.run("%%codesteer --run subprocess --into r\nWhat is 6*7?")
    assert ran.status == "ok", ran.text
    assert ran.shown["verification"]["level"] in ("checked", "agreed")
    return str(ran.shown["id"])


def test_without_a_command_there_is_a_short_help(nb: Kernel) -> None:
    text = nb.run("%codesteer").text
    for name in ("demo", "setup", "doctor", "resume ID", "export FILE", "guide load|unload"):
        assert name in text
    assert nb.run("%codesteer help").text == text


def test_the_options_are_listed_from_the_table(nb: Kernel) -> None:
    text = nb.run("%%codesteer --help\n-").text
    for option in ("--model", "--with NAMES", "--into NAME", "--fail", "--budget"):
        assert option in text


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("statsu", "did you mean %codesteer status?"),
        ("what is one plus one", "write %%codesteer with two percent signs"),
        ("show", "Write %codesteer show ID."),
        ("show nothing-like-it", "No run"),
        ("export run.docx", "should end in"),
        ("strip nowhere.ipynb", "cannot be read"),
        ("guide explode", "takes load, unload or status"),
        ("guide load", "takes no memory"),
        ("runs many", "not 'many'"),
        ("resume", "Write %codesteer resume ID"),
        ("resume last --rouns 3", "did you mean --rounds?"),
        ("setup opnai:gpt", "did you mean openai:gpt?"),
        ("demo nothing", "no recorded run 'nothing'"),
        ("show 'half", "close the quotation mark"),
    ],
)
def test_a_wrong_command_is_one_sentence(nb: Kernel, run_id: str, line: str, sentence: str) -> None:
    ran = nb.run(f"%codesteer {line}")
    assert ran.status == "error"
    (error,) = [m["content"] for m in ran.messages if m["msg_type"] == "error"]
    assert len(error["traceback"]) == 1
    assert sentence in error["traceback"][0]


def test_an_empty_cell_says_so(nb: Kernel) -> None:
    assert "empty" in nb.run("%%codesteer\n").text
    assert "The cell is empty" in nb.run("%%codesteer\n   \n").text


def test_runs_last_and_show(nb: Kernel, run_id: str) -> None:
    assert run_id in nb.run("%codesteer runs").text
    assert "What is 6*7?" in nb.run("%codesteer runs 1").text
    assert nb.run("%codesteer last").shown["id"] == run_id
    assert nb.run(f"%codesteer show {run_id}").shown["answer"] == "42"
    shown = nb.run(f"%codesteer show {run_id[-6:]}")
    assert sum(RUN_MIME in m["content"].get("data", {}) for m in shown.messages) == 1
    assert nb.run("%codesteer last\n_.value + 1").text.endswith("43")


def test_the_final_code_goes_into_a_new_cell_unrun(nb: Kernel, run_id: str) -> None:
    ran = nb.run("%codesteer code")
    (payload,) = ran.reply["content"]["payload"]
    assert payload["source"] == "set_next_input"
    assert payload["replace"] is False
    assert payload["text"].endswith("print(6 * 7)\n")
    assert run_id in payload["text"]
    assert "42" not in ran.text


def test_export(nb: Kernel, run_id: str, folder: Path) -> None:
    for name in ("run.json", "run.md", "run.html", "run.ipynb"):
        ran = nb.run(f"%codesteer export '{name}'")
        assert ran.status == "ok", ran.text
        assert run_id in ran.text
    assert json.loads((folder / "run.json").read_text())["answer"] == "42"
    assert "42" in (folder / "run.md").read_text()
    assert "<details" in (folder / "run.html").read_text()
    nbformat.validate(nbformat.read(folder / "run.ipynb", as_version=4))
    assert "cannot be written" in nb.run("%codesteer export /nowhere/run.md").text


def test_strip(nb: Kernel, run_id: str, folder: Path) -> None:
    bundle = nb.run(f"%codesteer show {run_id}").messages
    (data,) = [m["content"]["data"] for m in bundle if RUN_MIME in m["content"].get("data", {})]
    cell = nbformat.v4.new_code_cell("%%codesteer\nq")
    cell.outputs = [nbformat.v4.new_output("display_data", data=data)]
    path = folder / "shared.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    assert "Took 1 record" in nb.run("%codesteer strip shared.ipynb").text
    left = nbformat.read(path, as_version=4).cells[0].outputs[0]["data"]
    assert set(left) == {"text/markdown", "text/plain"}
    assert "nothing was changed" in nb.run("%codesteer strip shared.ipynb").text


def test_status_and_guide(nb: Kernel, run_id: str) -> None:
    text = nb.run("%codesteer status").text
    assert "openai:test-model" in text
    assert "rules" in text
    assert run_id in text
    assert "No local guide is in memory" in nb.run("%codesteer guide status").text
    assert "Nothing is running" in nb.run("%codesteer stop").text


def test_a_local_guide_loads_behind_the_notebook(nb: Kernel, folder: Path) -> None:
    pytest.importorskip("transformers", reason="the extra [local] is not installed")
    tiny = make_tiny_llama(folder / "tiny")
    nb.run(f"%config CodeSteer.guide = 'local:{tiny}'")
    told = nb.run("%codesteer guide load").text
    assert "of weights, about" in told
    assert "loads in the background" in told
    held = ""
    until = time.monotonic() + 100
    while "tokens at most" not in held and time.monotonic() < until:
        held = nb.run("%codesteer guide status").text
        assert "could not" not in held
        time.sleep(0.2)
    assert "MiB of weights as float32 on cpu" in held
    assert "is in memory" in nb.run("%codesteer guide load").text
    assert str(tiny) in nb.run("%codesteer guide unload").text
    assert "No local guide is in memory" in nb.run("%codesteer guide status").text
    nb.run(f"%config CodeSteer.guide = 'local:{folder / 'nothing'}'")
    assert "no model folder" in nb.run("%codesteer guide load").text
    nb.run("%config CodeSteer.guide = ''")


def test_doctor_says_what_is_and_what_to_do(nb: Kernel, server: OpenAIServer) -> None:
    text = nb.run("%codesteer doctor").text
    for fact in ("ipykernel", "interrupt button", "anywidget", "runs in fork", "home/runs"):
        assert fact in text
    assert f"openai:test-model at {server.base_url} answers" in text
    assert "%%codesteer --guide local:yongchao98/CodeSteer-v1 --allow-download" in text
    nb.run("%config CodeSteer.model = 'ollama:nobody'")
    nb.run("import os; os.environ['OLLAMA_HOST'] = '127.0.0.1:9'")
    text = nb.run("%codesteer doctor").text
    nb.run("%config CodeSteer.model = 'openai:test-model'")
    assert "cannot be reached" in text
    assert "->" in text


def test_config_is_the_same_table(nb: Kernel) -> None:
    assert "CodeSteer(" in nb.run("%config CodeSteer").text
    wrong = nb.run("%config CodeSteer.rounds = 0")
    assert "a whole number from 1" in wrong.text
    nb.run("%config CodeSteer.rounds = 2")
    ran = nb.run("%%codesteer --run subprocess --no-check\nWhat is 6*7?")
    assert ran.shown["settings"]["rounds"] == 2


def test_setup_keeps_a_choice(nb: Kernel, folder: Path) -> None:
    listed = nb.run("%codesteer setup").text
    assert "OPENAI_API_KEY is set" in listed
    assert "sk-test" not in listed
    assert "From now on openai:another" in nb.run("%codesteer setup openai:another").text
    saved = json.loads((folder / "settings.json").read_text())
    assert saved == {"model": "openai:another"}


def test_demo_says_that_it_is_recorded(nb: Kernel) -> None:
    from codesteer_jupyter.recorded_runs import recorded_runs

    ran = nb.run("%codesteer demo")
    if recorded_runs():
        assert "A recorded run, not a new one" in ran.text
        assert ran.shown["rounds"]
    else:
        assert "No recorded run ships with this installation" in ran.text


def test_unloading_takes_the_magics_away(server: OpenAIServer, folder: Path) -> None:
    with kernel(environment(folder, server), folder) as other:
        assert other.run("%reload_ext codesteer_jupyter").status == "ok"
        assert other.run("%unload_ext codesteer_jupyter").status == "ok"
        assert "not found" in other.run("%codesteer status").text
        assert other.run("%load_ext codesteer_jupyter\n%codesteer status").status == "ok"
