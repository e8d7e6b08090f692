"""The example notebooks and `make demo`, executed by real kernels."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from codesteer_jupyter.models.simulated import Skill
from codesteer_jupyter.models.weights import cache_folder
from codesteer_jupyter.symbench import task, task_names
from codesteer_jupyter.symbench.simulation import write
from tests.guides.tiny import make_tiny_llama
from tests.magic_cells import (
    PYTHON,
    ROOT,
    RUN_MIME,
    bundles,
    environment,
    execute,
    text_of,
)
from tests.schema import valid_run
from tests.scripts import fenced, script

EXAMPLES = ROOT / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
NUMBERS, FRAME, PUZZLE = r"9\.11 or 9\.9", "highest total revenue", "digits that add up to 14"


def check(words: str, right: str) -> dict[str, Any]:
    """The reply to the question for a verifying program: it computes `right` and compares."""
    body = f"right = str({right})\nprint('Correct' if ANSWER.strip() == right else 'Incorrect: no')"
    return {"match": f"(?s){words}.*ANSWER", "reply": fenced(body), "repeat": True}


def answer(words: str, right: str) -> dict[str, Any]:
    return {"match": words, "reply": fenced(f"print({right})"), "repeat": True}


LARGER = "max(9.11, 9.9)"
BEST = "(orders.units * orders.price).groupby(orders.region).sum().idxmax()"
COUNT = "sum(n % 7 == 0 and sum(map(int, str(n))) == 14 for n in range(1, 5001))"
QUICKSTART = (
    check(NUMBERS, LARGER),
    check(FRAME, BEST),
    check(PUZZLE, COUNT),
    answer(NUMBERS, LARGER),
    answer(FRAME, BEST),
    answer(PUZZLE, COUNT),
)


def runs_of(notebook: Any) -> list[dict[str, Any]]:
    """The runs shown in a notebook, in order; each is a valid record."""
    found = [
        output["data"][RUN_MIME]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if RUN_MIME in output.get("data", {})
    ]
    for run in found:
        valid_run(run)
    return found


def shown(notebook: Any, words: str) -> str:
    """Everything that the cell whose source holds `words` showed as text."""
    (cell,) = [cell for cell in notebook.cells if words in cell.source]
    return "".join(
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in cell.outputs
    )


def run_notebook(path: Path, folder: Path, seconds: int = 120, **env: str) -> Any:
    notebook = nbformat.read(path, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(folder, **env).items():
            patch.setenv(name, value)
        NotebookClient(
            notebook,
            timeout=seconds,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
        ).execute()
    nbformat.validate(notebook)
    return notebook


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_an_example_is_a_clean_notebook(path: Path) -> None:
    text = path.read_text("utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
    assert not re.search(r"/(home|root|work|tmp|Users)/", text)


def test_quickstart_answers_its_three_questions(tmp_path: Path) -> None:
    copied = nbformat.read(EXAMPLES / "quickstart.ipynb", as_version=4)
    types = "[type(run.value).__name__ for run in (bigger, region, puzzle)]"
    copied.cells.append(nbformat.v4.new_code_cell(types))
    nbformat.write(copied, tmp_path / "copied.ipynb")
    model = script(tmp_path, *QUICKSTART)
    notebook = run_notebook(tmp_path / "copied.ipynb", tmp_path, CODESTEER_MODEL=model)
    runs = runs_of(notebook)
    assert [run["answer"] for run in runs] == ["9.9", "south", "51"]
    for run in runs:
        assert run["status"] == "answered"
        assert run["verification"]["level"] == "checked"
        assert run["guide"] == "rules"
        first = run["rounds"][0]
        assert first["guidance"]["action"] == "code"
        assert first["answer"]["code"]
        assert first["execution"]["status"] == "ok"
    told = " ".join(shown(notebook, "bigger.value, bigger.verified").split())
    assert told.startswith("(9.9, True, 'A program verified it, and refused ")
    assert "copy" not in told
    assert shown(notebook, "puzzle.answer, len(") == "('51', 1)"
    assert shown(notebook, "type(run.value)") == "['float', 'NoneType', 'int']"
    # Only a summary of the frame was sent, and only to the question about it.
    assert [run["context"] is not None for run in runs] == [False, True, False]


def test_symbench_shows_a_task_and_judges_a_run(tmp_path: Path) -> None:
    instance = task("statistical_counting").generate(seed=7, difficulty=0.2)
    skill = Skill(right=1.0, lazy=0.0, brute=0.0, buggy=0.0, obeys=1.0, checks=1.0)
    write(tmp_path / "known.json", [instance], skill)
    model = f"simulated:{tmp_path / 'known.json'}"
    notebook = run_notebook(EXAMPLES / "symbench.ipynb", tmp_path, CODESTEER_MODEL=model)
    verdicts = shown(notebook, "8 / (3 - 8/3)").splitlines()
    assert [line[29:].split()[0] for line in verdicts] == [
        "correct",
        "incorrect",
        "correct",
        "incorrect",
    ]
    (run,) = runs_of(notebook)
    assert run["question"].strip() == task("statistical_counting").question(instance).strip()
    said = shown(notebook, "the verifier says").splitlines()
    assert said[1].split()[3] == "correct"
    assert said[2].split()[1] == f"<<<{run['answer']}>>>"
    assert "string_insertion" in task_names()  # what the explorer begins with


def test_self_and_a_local_guide_steer_in_a_notebook(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the extra [local] is not installed")
    tiny = make_tiny_llama(tmp_path / "tiny")
    model = script(
        tmp_path,
        {"match": "You steer", "reply": "<<<Code>>> Compare them as numbers.", "repeat": True},
        {"match": "<<<Return Answer>>> if", "reply": "<<<Return Answer>>>", "repeat": True},
        check(NUMBERS, LARGER),
        answer("", LARGER),
    )
    question = "Which number is larger, 9.11 or 9.9?"
    notebook = execute(
        [
            f"%%codesteer --guide self --no-check\n{question}",
            f"%%codesteer --guide local:{tiny} --rounds 2 --no-check\n{question}",
        ],
        tmp_path,
        environment(tmp_path, CODESTEER_MODEL=model),
    )
    (by_self,), (by_local,) = bundles(notebook, 0), bundles(notebook, 1)
    for run in (by_self, by_local):
        valid_run(run)
        assert (run["status"], run["answer"]) == ("answered", "9.9")
        assert run["usage"]["guide"]["calls"] >= 1
    assert by_self["rounds"][0]["guidance"]["action"] == "code"
    assert by_self["stop"]["by"] == "guide"
    # Untrained weights decide too, and it is said so. Their probabilities are in the title.
    guidance = by_local["rounds"][0]["guidance"]
    assert guidance["by"] == "guide"
    assert set(guidance["probabilities"]) == {"code", "text"}
    assert sum(guidance["probabilities"].values()) == pytest.approx(1)
    assert not guidance["calibrated"]
    chosen = guidance["action"]
    title = f"{chosen} {guidance['probabilities'][chosen]:.2f}"
    assert title in text_of(notebook, 1)
    assert "untrained_profile" in {notice["kind"] for notice in by_local["notices"]}
    for at in (0, 1):
        assert "Round 1" in text_of(notebook, at)


@pytest.mark.slow
def test_guides_with_a_real_model(tmp_path: Path) -> None:
    """Fetches SmolLM2 (98 MB) where the user's cache does not hold it."""
    notebook = run_notebook(
        EXAMPLES / "guides.ipynb",
        tmp_path,
        seconds=1500,
        CODESTEER_MODEL="embedded:smollm2",
        CODESTEER_CACHE=str(cache_folder()),
    )
    by_rules, by_self, by_local = runs_of(notebook)
    for run in (by_rules, by_self, by_local):
        assert run["rounds"]
        assert run["status"] in ("answered", "unanswered")
    assert (by_rules["guide"], by_self["guide"]) == ("rules", "self")
    assert by_local["guide"].startswith("local:")
    assert by_rules["usage"]["guide"]["calls"] == 0
    assert by_self["usage"]["guide"]["calls"] >= 1
    assert by_local["usage"]["guide"]["calls"] >= 1
    told = shown(notebook, "guidance.probabilities or").splitlines()
    assert told[0].startswith("round 1: ")
    assert sum(float(line.split()[-1]) for line in told[:2]) == pytest.approx(1, abs=0.02)


# -- make demo ------------------------------------------------------------------------------------


class Demo:
    """`examples/demo.py` as a process."""

    def __init__(self, folder: Path, model: str, notebook: Path | None = None) -> None:
        self.out = folder / "out"
        more = ["--notebook", str(notebook)] if notebook else []
        self.process = subprocess.Popen(
            [PYTHON, str(EXAMPLES / "demo.py"), "--model", model, "--out", str(self.out), *more],
            env=environment(folder),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def end(self, seconds: float = 120) -> tuple[int, str, str]:
        """Its exit code and what it printed."""
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, out, err

    def wait_for_event(self, words: str, seconds: float = 60) -> None:
        """Until the journal holds `words`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if any(words in path.read_text() for path in self.out.rglob("*.jsonl")):
                return
            assert self.process.poll() is None, self.end()
            time.sleep(0.05)
        raise AssertionError(f"{words!r} never happened")

    @property
    def notebook(self) -> Any:
        (path,) = self.out.glob("*.ipynb")
        found = nbformat.read(path, as_version=4)
        nbformat.validate(found)
        return found


@contextlib.contextmanager
def demo(folder: Path, model: str, notebook: Path | None = None) -> Iterator[Demo]:
    started = Demo(folder, model, notebook)
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.process.pid, signal.SIGKILL)
        started.process.communicate()


def cells(folder: Path, *sources: str) -> Path:
    path = folder / "cells.ipynb"
    loaded = ("%load_ext codesteer_jupyter", *sources)
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(item) for item in loaded])
    nbformat.write(made, path)
    return path


def test_the_demo_shows_rounds_and_leaves_notebook_and_page(tmp_path: Path) -> None:
    (tmp_path / "out" / "runs").mkdir(parents=True)
    older = tmp_path / "out" / "runs" / "mine.jsonl"
    older.write_text("kept")
    with demo(tmp_path, script(tmp_path, *QUICKSTART)) as ran:
        code, out, err = ran.end()
        assert code == 0, err
        assert [run["answer"] for run in runs_of(ran.notebook)] == ["9.9", "south", "51"]
        assert out.count("Round 1") == 3
        for words in ("9.9", "south", "51", "quickstart.html", "print(max(9.11, 9.9))"):
            assert words in out
        page = (ran.out / "quickstart.html").read_text()
    assert page.count("<details") >= 3
    assert "<summary" in page
    assert older.read_text() == "kept"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_demo_keeps_what_was_done(tmp_path: Path, number: signal.Signals) -> None:
    model = script(
        tmp_path,
        answer(NUMBERS, LARGER),
        {"match": "hang", "reply": "no answer yet", "delay": 60},
    )
    question = "%%codesteer --no-check --rounds 1 --run subprocess\n"
    path = cells(tmp_path, f"{question}9.11 or 9.9?", f"{question}hang", "print('never')")
    with demo(tmp_path, model, path) as ran:
        ran.wait_for_event('"question":"hang"')
        ran.process.send_signal(number)
        code, out, err = ran.end()
        assert code == 130, err
        assert err.strip().splitlines()[-1] == "Interrupted in cell 3; what was done is kept."
        assert "Traceback" not in err
        assert "The notebook with its rounds" in out
        done, cut = runs_of(ran.notebook)
        assert (done["status"], done["answer"]) == ("answered", "9.9")
        assert cut["status"] == "interrupted"
        assert ran.notebook.cells[3].outputs == []
        assert (ran.out / "cells.html").is_file()


def test_a_second_signal_ends_a_kernel_that_does_not_listen(tmp_path: Path) -> None:
    deaf = (
        "import pathlib, signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "pathlib.Path('deaf').touch()\ntime.sleep(300)"
    )
    with demo(tmp_path, script(tmp_path, "unused"), cells(tmp_path, deaf)) as ran:
        deadline = time.monotonic() + 60
        while not (tmp_path / "deaf").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        ran.process.send_signal(signal.SIGINT)
        time.sleep(1)
        assert ran.process.poll() is None
        ran.process.send_signal(signal.SIGINT)
        code, _, err = ran.end(30)
        assert code == 130, err
        assert "Traceback" not in err
        assert len(ran.notebook.cells) == 2


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("import os; os._exit(1)", "The kernel died in cell 2; perhaps there was not enough"),
        ("1 / 0", "Cell 2 failed with ZeroDivisionError: division by zero."),
    ],
)
def test_a_demo_that_fails_says_so_in_one_sentence(
    tmp_path: Path, source: str, sentence: str
) -> None:
    with demo(tmp_path, script(tmp_path, "unused"), cells(tmp_path, source)) as ran:
        code, _, err = ran.end()
        assert code == 1
        assert sentence in err.strip().splitlines()[-1]
        assert "Traceback" not in err
        assert ran.notebook.cells[0].execution_count == 1


@pytest.mark.parametrize(
    ("model", "file", "sentence"),
    [
        ("embedded:nothing", None, "There is no embedded model"),
        ("scripted:none.json", "nowhere.ipynb", "nowhere.ipynb: No such file"),
        ("scripted:none.json", "text.ipynb", "is no notebook"),
    ],
)
def test_a_demo_that_cannot_begin(
    tmp_path: Path, model: str, file: str | None, sentence: str
) -> None:
    (tmp_path / "text.ipynb").write_text("no JSON")
    with demo(tmp_path, model, tmp_path / file if file else None) as ran:
        code, _, err = ran.end()
    assert code == 1
    assert sentence in err
    assert len(err.strip().splitlines()) == 1
