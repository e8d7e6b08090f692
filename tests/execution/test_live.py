"""Live execution in real kernels, on the newest ipykernel and on 6.31."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kernels import KERNELS, Kernel, start_kernel

SETUP = """
import json
from codesteer_jupyter.execution.live import LiveExecutor
from codesteer_jupyter.execution.main_thread import main_thread
from codesteer_jupyter.steering.codec import to_json
from codesteer_jupyter.steering.execution import Limits
from codesteer_jupyter.steering.trajectory import Execution
_mt = main_thread()

def ask(code, variables=None, **limits):
    async def go():
        made = LiveExecutor(_mt)
        assert (await made.preflight()).ok
        streamed, rounds = [], []
        async for item in made.run(code, Limits(**limits), variables):
            (rounds if isinstance(item, Execution) else streamed).append(to_json(item))
        [execution] = rounds
        return {**execution, "streamed": streamed}
    print("@@" + json.dumps(_mt.run(go())))
"""


@pytest.fixture(scope="module", params=KERNELS)
def kernel(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    with start_kernel(request.param) as started:
        version = started.execute("import ipykernel; print(ipykernel.__version__)").stdout
        assert version.startswith("6.31") == (request.param == "6.31")
        started.execute(SETUP).check()
        yield started


def ask(kernel: Kernel, code: str, variables: Any = None, **limits: Any) -> dict[str, Any]:
    """The Execution; nothing else may be shown in the cell around it."""
    cell = kernel.execute(f"ask({code!r}, {variables!r}, **{limits!r})").check()
    # One print may arrive in two messages, when the kernel flushes between text and line end.
    assert all(output.get("name") == "stdout" for output in cell.outputs), cell.outputs
    assert cell.stdout.startswith("@@")
    found: dict[str, Any] = json.loads(cell.stdout[2:])
    return found


def changes(result: dict[str, Any]) -> dict[str, tuple[str, str | None, str | None]]:
    return {c["name"]: (c["kind"], c["before"], c["after"]) for c in result["changes"]}


def test_what_cannot_be_written_out_is_no_failure(kernel: Kernel) -> None:
    result = ask(kernel, "facts = [10**5000]")
    assert changes(result) == {"facts": ("new", None, "list of 1")}
    assert ask(kernel, "del facts")["status"] == "ok"
    result = ask(kernel, "x = '\ud800'")
    assert (result["status"], result["error"]["name"]) == ("error", "UnicodeEncodeError")


def test_sees_and_changes_the_users_names(kernel: Kernel) -> None:
    kernel.execute("x = 5; items = [1]; unused = 'a'; other = 1").check()
    result = ask(kernel, "print(x)\ny = x + 1\nx = 9\nitems.append(2)\ndel unused\ny")
    assert result["status"] == "ok"
    assert result["stdout"] == "5\n"
    assert result["isolation"] == []
    assert result["outputs"][0]["data"] == {"text/plain": "6"}
    assert changes(result) == {
        "items": ("mutated", "[1]", "[1, 2]"),
        "unused": ("deleted", "'a'", None),
        "x": ("rebound", "5", "9"),
        "y": ("new", None, "6"),
    }
    assert kernel.execute("(x, y, items)").result == "(9, 6, [1, 2])"


def test_predefined_names_give_way_again(kernel: Kernel) -> None:
    kernel.execute("ANSWER = 'mine'").check()
    result = ask(kernel, "print(ANSWER, extra)", {"ANSWER": "42", "extra": 1})
    assert result["stdout"] == "42 1\n"
    assert changes(result) == {}
    assert kernel.execute("(ANSWER, 'extra' in globals())").result == "('mine', False)"


def test_top_level_await(kernel: Kernel) -> None:
    code = "import asyncio\nasync def f():\n    await asyncio.sleep(0.01)\n    return 7\nawait f()"
    result = ask(kernel, code)
    assert result["status"] == "ok", result
    assert result["outputs"][0]["data"] == {"text/plain": "7"}
    assert kernel.execute("await f()").result == "7"  # the kernel's own loop still works


def test_rich_output_is_caught(kernel: Kernel) -> None:
    code = (
        "from IPython.display import HTML, display\nimport sys\n"
        "h = display(HTML('<b>1</b>'), display_id=True)\nh.update(HTML('<b>2</b>'))\n"
        "print('to stderr', file=sys.stderr)"
    )
    result = ask(kernel, code)
    assert [o["data"]["text/html"] for o in result["outputs"]] == ["<b>2</b>"]
    assert result["stderr"] == "to stderr\n"
    assert [s["name"] for s in result["streamed"]] == ["display", "display", "stderr"]
    assert kernel.execute("print('shown')").stdout == "shown\n"


def test_errors_are_reported_not_shown(kernel: Kernel) -> None:
    result = ask(kernel, "def f():\n    return 1 / 0\nf()")
    assert result["status"] == "error"
    assert result["error"]["name"] == "ZeroDivisionError"
    assert "line 2, in f" in result["error"]["traceback"]
    assert "IPython" not in result["error"]["traceback"]
    assert ask(kernel, "x = (")["error"]["name"] == "SyntaxError"
    assert kernel.execute("1/0").error is not None  # ordinary cells show theirs again


def test_leaving_does_not_end_the_kernel(kernel: Kernel) -> None:
    assert ask(kernel, "exit()")["status"] == "ok"
    assert ask(kernel, "import sys; sys.exit(3)")["error"]["name"] == "SystemExit"
    assert "not available" in ask(kernel, "input('?')")["error"]["message"]
    assert kernel.execute("1 + 1").result == "2"


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(30)",
        "while True: pass",
        "import asyncio; await asyncio.sleep(30)",
        # Goes on after the first interrupt, and is interrupted again.
        "import time\ntry:\n    time.sleep(30)\nexcept KeyboardInterrupt:\n    time.sleep(30)",
    ],
)
def test_time_limit_is_an_outcome(kernel: Kernel, code: str) -> None:
    result = ask(kernel, code, wall=0.5)
    assert result["status"] == "timeout"
    assert result["limit"] == {"name": "wall", "value": 0.5, "unit": "s"}
    assert result["seconds"] < 4
    assert kernel.execute("await __import__('asyncio').sleep(0, 'on')").result == "'on'"


def test_output_limit(kernel: Kernel) -> None:
    result = ask(kernel, "while True: print('y' * 99)", output=10_000)
    assert result["status"] == "limit"
    assert result["limit"]["name"] == "output"
    assert len(result["stdout"]) < 10_100


@pytest.mark.parametrize(
    "code",
    [
        "print('go'); import time; time.sleep(30)",
        "print('go')\nwhile True: pass",
        "print('go')\nimport asyncio; await asyncio.sleep(30)",
        # Catching the interrupt does not make it an ordinary outcome.
        "import time\ntry:\n    time.sleep(30)\nexcept BaseException:\n    pass",
    ],
)
def test_the_users_interrupt_ends_the_run(kernel: Kernel, code: str) -> None:
    sent = kernel.send(f"ask({code!r})")
    time.sleep(0.6)
    started = time.monotonic()
    kernel.interrupt()
    cell = kernel.collect(sent, timeout=20)
    assert time.monotonic() - started < 3
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert "@@" not in cell.stdout  # it did not become an Execution to repair
    assert ask(kernel, "1")["status"] == "ok"


def test_stopping_from_the_worker_stops_the_code(kernel: Kernel) -> None:
    code = (
        "import asyncio, time\n"
        "async def go():\n"
        "    stream = LiveExecutor(_mt).run('import time; time.sleep(30)', Limits())\n"
        "    try:\n"
        "        await asyncio.wait_for(anext(stream), 0.4)\n"
        "    except TimeoutError:\n"
        "        return 'stopped'\n"
        "started = time.monotonic()\n"
        "try:\n    outcome = _mt.run(go())\nexcept KeyboardInterrupt:\n    outcome = 'interrupt'\n"
        "print(outcome, time.monotonic() - started < 3)"
    )
    assert kernel.execute(code).check().stdout == "stopped True\n"
    assert ask(kernel, "1")["status"] == "ok"


def test_frames_are_named_by_shape(kernel: Kernel) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed (extra: test)")
    kernel.execute("import pandas; df = pandas.DataFrame({'a': [1, 2]})").check()
    result = ask(kernel, "df['b'] = 0")
    assert changes(result)["df"] == ("mutated", "DataFrame 2 x 1", "DataFrame 2 x 2")


def test_a_nested_run_is_refused(kernel: Kernel) -> None:
    result = ask(kernel, "async def nothing(): pass\n_mt.run(nothing())")
    assert result["error"]["name"] == "UsageError"
    assert "already running" in result["error"]["message"]
