"""Executors of other packages: found by their entry point, used like our own."""

from __future__ import annotations

import importlib
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from codesteer_jupyter.errors import ExecutorError, UsageError
from codesteer_jupyter.execution.resolve import GROUP, executor, executor_names
from codesteer_jupyter.session import aask
from codesteer_jupyter.steering.execution import Limits
from tests.execution.running import run
from tests.scripts import RIGHT, script

HERE = Path(__file__).parent


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution as pip leaves it: a module, and metadata that name its entry points."""
    shutil.copy(HERE / "example_executor.py", tmp_path / "plain_executor.py")
    facts = tmp_path / "plain_executor-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: plain-executor\nVersion: 1.0\n")
    entries = "plain = plain_executor:PlainExecutor\nbroken = plain_executor:NoSuchThing\n"
    (facts / "entry_points.txt").write_text(f"[{GROUP}]\n{entries}")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()


@pytest.mark.usefixtures("installed")
async def test_it_is_known_by_name_and_runs() -> None:
    assert {"plain", "child", "subprocess", "live"} <= set(executor_names())
    made = executor("plain", values={"rows": [1]}, main_thread=None)
    assert (await made.preflight()).ok
    result = await run(made, "print(ANSWER, 6 * 7)", variables={"ANSWER": "9.9"})
    assert (result.status, result.stdout, result.executor) == ("ok", "9.9 42\n", "plain")
    failed = await run(made, "1 / 0")
    assert failed.error is not None
    assert "ZeroDivisionError" in failed.error.message
    assert (await run(made, "while True: pass", Limits(wall=0.5))).status == "timeout"
    await made.close()


@pytest.mark.usefixtures("installed")
async def test_a_whole_run_uses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODESTEER_HOME", str(tmp_path / "home"))
    model = script(tmp_path, RIGHT)
    done = await aask("Which?", model=model, guide="rules", run="plain", check=False, rounds=1)
    assert done.rounds[0].execution is not None
    assert (done.answer, done.rounds[0].execution.executor) == ("9.9", "plain")


@pytest.mark.usefixtures("installed")
async def test_what_it_cannot_do_and_what_is_broken_is_said() -> None:
    fit = await executor("plain", stateful=True).preflight()
    assert (fit.ok, fit.reason) == (False, "every program is a new process")
    with pytest.raises(ExecutorError, match=r"'broken' could not be loaded.*--run auto"):
        executor("broken")


def test_without_the_package_it_is_not_known() -> None:
    with pytest.raises(UsageError, match="There is no executor 'plain'"):
        executor("plain")


@pytest.fixture
def gateway() -> Any:
    """The executor that CONTRIBUTING.md shows."""
    pytest.importorskip("jupyter_server", reason="jupyter_server is not installed (extra: lab)")
    page = (HERE.parents[1] / "CONTRIBUTING.md").read_text("utf-8")
    (source,) = re.findall(r"```python\n([^`]*class GatewayExecutor[^`]*)```", page)
    space: dict[str, Any] = {}
    exec(compile(source, "CONTRIBUTING.md", "exec"), space)
    return space["GatewayExecutor"]()


async def test_the_executor_of_the_page_says_what_it_needs(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JUPYTER_GATEWAY_URL", raising=False)
    fit = await gateway.preflight()
    assert (fit.ok, "JUPYTER_GATEWAY_URL" in fit.reason) == (False, True)


async def test_the_executor_of_the_page_runs_on_a_gateway(gateway: Any) -> None:
    if "JUPYTER_GATEWAY_URL" not in os.environ:
        pytest.skip("needs a Jupyter Kernel Gateway: set JUPYTER_GATEWAY_URL")
    result = await run(gateway, "print(ANSWER, 6 * 7)", variables={"ANSWER": "9.9"})
    assert (result.status, result.stdout) == ("ok", "9.9 42\n")
    failed = await run(gateway, "1 / 0")
    assert failed.error is not None
    assert failed.error.name == "ZeroDivisionError"
    assert (await run(gateway, "while True: pass", Limits(wall=2.0))).status == "timeout"
