"""Stop at any moment: idle soon, finished rounds kept and shown, `--into` set, nothing goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.magic_cells import asks_for_check, environment, program, task_model
from tests.magic_kernel import Kernel, Ran, kernel
from tests.openai_server import OpenAIServer, Reply

# A second is what is promised; a loaded machine gets some slack.
IDLE = 3.0
FIRST = program("print('first guess: 41')\nprint('<<<41>>>')")


@pytest.fixture(params=["newest", "6.31"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def marks(tmp_path: Path) -> Callable[[str], bool]:
    """Whether generated code has left the file of this name."""
    return lambda name: (tmp_path / name).exists()


def endless(folder: Path) -> str:
    return program(
        f"import time\nopen({str(folder / 'started')!r}, 'w').close()\n"
        "while True:\n    time.sleep(0.01)"
    )


@pytest.fixture
def notebook(tmp_path: Path, version: str) -> Iterator[Callable[[OpenAIServer], Kernel]]:
    opened = []

    def start(server: OpenAIServer) -> Kernel:
        context = kernel(environment(tmp_path, server), tmp_path, version)
        opened.append(context)
        return context.__enter__()

    yield start
    for context in opened:
        context.__exit__(None, None, None)


def assert_stopped(nb: Kernel, ran: Ran, rounds: int) -> None:
    assert ran.status == "error", ran.text
    assert ran.idle_after is not None
    assert ran.idle_after < IDLE
    assert ran.shown["status"] == "interrupted"
    assert len(ran.shown["rounds"]) == rounds
    assert "KeyboardInterrupt: run " in ran.text
    assert "Traceback" not in ran.text
    told = nb.run("print(r.status, len(r.rounds)); import codesteer_jupyter").text
    assert told.split() == ["interrupted", str(rounds)]
    # The kernel is as usable as before.
    assert nb.run("%codesteer last").shown["id"] == ran.shown["id"]


def test_while_the_model_is_waited_for(notebook: Callable[[OpenAIServer], Kernel]) -> None:
    wrong = Reply(FIRST)
    with OpenAIServer(task_model([wrong, Reply("x", stall_first=60)], answer="42")) as server:
        nb = notebook(server)

        def second_asked() -> bool:
            tasks = [item for item in server.chats if not asks_for_check(item.body)]
            return len(tasks) == 2

        ran = nb.run("%%codesteer --run subprocess --into r\nWhat is 6*7?", second_asked)
        assert_stopped(nb, ran, rounds=1)
        assert server.wait_disconnect()


@pytest.mark.parametrize("run", ["child", "subprocess"])
def test_while_generated_code_runs(
    notebook: Callable[[OpenAIServer], Kernel],
    tmp_path: Path,
    marks: Callable[[str], bool],
    run: str,
) -> None:
    with OpenAIServer(task_model([FIRST, endless(tmp_path)], answer="42")) as server:
        nb = notebook(server)
        cell = f"%%codesteer --run {run} --write {tmp_path} --into r\nWhat is 6*7?"
        ran = nb.run(cell, lambda: marks("started"))
        assert_stopped(nb, ran, rounds=1)
        asked = len(server.chats)
        time.sleep(0.5)
        assert len(server.chats) == asked, "a round went on after the interrupt"


def test_while_the_answer_is_checked(
    notebook: Callable[[OpenAIServer], Kernel], tmp_path: Path, marks: Callable[[str], bool]
) -> None:
    def reply(request: dict[str, object]) -> str:
        if asks_for_check(request):
            return endless(tmp_path).replace("import time", "import time\nprint(len(ANSWER))")
        return FIRST

    with OpenAIServer(reply) as server:
        nb = notebook(server)
        cell = f"%%codesteer --run subprocess --write {tmp_path} --into r\nWhat is 6*7?"
        ran = nb.run(cell, lambda: marks("started"))
        # The round under check is not finished; its answer and output are kept all the same.
        assert_stopped(nb, ran, rounds=0)
        assert ran.shown["unfinished"]["execution"]["stdout"].startswith("first guess")


def test_live_code_stops_the_run_and_is_not_repaired(
    notebook: Callable[[OpenAIServer], Kernel], tmp_path: Path, marks: Callable[[str], bool]
) -> None:
    with OpenAIServer(task_model([FIRST, endless(tmp_path)], answer="42")) as server:
        nb = notebook(server)
        ran = nb.run("%%codesteer --run live --into r\nWhat is 6*7?", lambda: marks("started"))
        assert_stopped(nb, ran, rounds=1)
        asked = len(server.chats)
        time.sleep(0.3)
        assert len(server.chats) == asked
