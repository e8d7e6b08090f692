"""Where code runs when nobody says: the reasons for and against a snapshot, and what is said."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from codesteer_jupyter.errors import UsageError
from codesteer_jupyter.execution.auto import AutoExecutor
from codesteer_jupyter.execution.fork.fit import Surroundings, hazard
from codesteer_jupyter.execution.limits import MIB
from codesteer_jupyter.execution.resolve import executor
from codesteer_jupyter.steering.execution import Fit, Limits, Output
from codesteer_jupyter.steering.trajectory import Execution
from tests.kernels import start_kernel


@pytest.mark.parametrize(
    ("here", "said"),
    [
        (Surroundings(platform="darwin"), "macOS"),
        (Surroundings(platform="win32"), "Windows"),
        (Surroundings(machine="riscv64"), "riscv64"),
        (Surroundings(notebook=False), "no notebook kernel"),
        (Surroundings(main_thread=False), "main thread"),
        (Surroundings(cuda=True), "CUDA is initialised"),
        (Surroundings(modules=("jax",)), "JAX"),
        (Surroundings(modules=("tensorflow",)), "TensorFlow"),
        (Surroundings(modules=("grpc",)), "gRPC"),
        (Surroundings(modules=("polars",)), "Polars"),
        (Surroundings(numba_threads=True), "numba"),
        (Surroundings(free=100 * MIB), "100 MiB of memory"),
        (Surroundings(missing="no seccomp"), "no seccomp"),
    ],
)
def test_each_hazard_has_its_reason(here: Surroundings, said: str) -> None:
    assert said in hazard(here)


def test_a_plain_linux_notebook_has_none() -> None:
    assert hazard(Surroundings()) == ""
    assert "MiB" in hazard(Surroundings(free=2**30), memory=2**31)


class RecordingExecutor:
    """Says that it ran, and runs nothing."""

    def __init__(self, name: str, fit: Fit | None = None) -> None:
        self.name, self.fit, self.ran, self.closed = name, fit or Fit(True), 0, False
        self.refused = ""

    def refusal(self, memory: int | None = None) -> str:
        return self.refused

    async def preflight(self) -> Fit:
        return self.fit

    async def warm(self) -> None:
        self.warmed = True

    async def run(
        self, code: str, limits: Limits, variables: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Output | Execution]:
        self.ran += 1
        yield Execution("ok", executor=self.name)

    async def diff(self) -> list[dict[str, str]]:
        return [{"name": "of_an_earlier_program"}]

    async def close(self) -> None:
        self.closed = True


def run(made: AutoExecutor) -> Execution:
    async def go() -> Execution:
        [item] = [item async for item in made.run("1", Limits())]
        assert isinstance(item, Execution)
        return item

    return asyncio.run(go())


def test_a_refusal_goes_to_the_child_and_says_why() -> None:
    fork, child = RecordingExecutor("fork"), RecordingExecutor("child")
    made = AutoExecutor(fork, lambda: child)  # type: ignore[arg-type]  # as much of one as is used
    fit = asyncio.run(made.preflight())
    assert fit.ok
    assert "snapshot" in fit.notes[0]
    assert run(made).executor == "fork"
    fork.refused = "CUDA is initialised in this kernel"
    told = run(made)
    assert told.executor == "child"
    assert "CUDA is initialised" in told.extra["executor_reason"]
    fork.refused = ""
    assert run(made).executor == "child"  # what ran there has left its state there
    assert "CUDA" in asyncio.run(made.preflight()).notes[0]
    asyncio.run(made.close())
    assert (fork.closed, child.closed) == (True, True)


def test_changes_are_those_of_the_last_program() -> None:
    fork, child = RecordingExecutor("fork"), RecordingExecutor("child")
    made = AutoExecutor(fork, lambda: child)  # type: ignore[arg-type]  # as above
    assert asyncio.run(made.diff()) == ()
    run(made)
    assert asyncio.run(made.diff())
    fork.refused = "CUDA is initialised in this kernel"
    run(made)
    assert asyncio.run(made.diff()) == ()
    with pytest.raises(UsageError, match="CUDA"):
        asyncio.run(made.adopt(["of_an_earlier_program"]))


def test_where_neither_can_work_the_reason_is_the_childs() -> None:
    fork, child = RecordingExecutor("fork"), RecordingExecutor("child", Fit(False, "no processes"))
    fork.refused = "this is Windows"
    made = AutoExecutor(fork, lambda: child)  # type: ignore[arg-type]  # as above
    assert asyncio.run(made.preflight()) == Fit(False, "no processes")


@pytest.mark.parametrize(("stateful", "name"), [(False, "subprocess"), (True, "child")])
async def test_outside_a_notebook_it_is_a_script(stateful: bool, name: str) -> None:
    made = executor("auto", stateful=stateful)
    assert made.name == name
    await made.close()


def test_in_real_kernels_it_chooses_by_what_is_loaded() -> None:
    setup = (
        "import json, sys, types\n"
        "from codesteer_jupyter.execution.main_thread import main_thread\n"
        "from codesteer_jupyter.execution.resolve import executor\n"
        "from codesteer_jupyter.steering.codec import to_json\n"
        "from codesteer_jupyter.steering.execution import Limits\n"
        "mt = main_thread()\n"
        "def look():\n"
        "    async def go():\n"
        "        made = executor('auto', main_thread=mt)\n"
        "        fit = await made.preflight()\n"
        "        async for item in made.run('print(1)', Limits()): last = item\n"
        "        await made.close()\n"
        "        return fit.notes[0], to_json(last)\n"
        "    print('@@' + json.dumps(mt.run(go())))\n"
    )
    # Stand-ins for what cannot be had on every machine: a torch that has used a GPU, and JAX.
    torch = (
        "torch = types.ModuleType('torch')\n"
        "torch.cuda = types.SimpleNamespace(is_initialized=lambda: True)\n"
        "sys.modules['torch'] = torch"
    )
    for loaded, name, said in (
        ("", "fork", "snapshot"),
        (torch, "child", "CUDA is initialised"),
        ("sys.modules['jax'] = types.ModuleType('jax')", "child", "JAX"),
        ("import psutil, subprocess; sys.platform = 'darwin'", "child", "macOS"),
    ):
        with start_kernel("new") as kernel:
            kernel.execute(f"{setup}{loaded}").check()
            reason, run_there = json.loads(kernel.execute("look()").check().stdout[2:])
            assert said in reason
            assert run_there["executor"] == name
            assert run_there["stdout"] == "1\n"
            assert (said in run_there.get("executor_reason", "")) == (name == "child")


def test_an_execution_keeps_the_reason_through_json() -> None:
    from codesteer_jupyter.steering.codec import from_json, to_json

    told = dataclasses.replace(Execution("ok"), extra={"executor_reason": "because"})
    assert from_json(Execution, to_json(told)).extra == {"executor_reason": "because"}
