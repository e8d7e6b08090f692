"""What a program in a snapshot can cost the kernel it was forked from: processes, memory, time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from codesteer_jupyter.steering.execution import Limits
from codesteer_jupyter.steering.trajectory import Execution
from tests.execution.forking import SETUP, KernelFork
from tests.execution.running import LIMITS, gone, run
from tests.kernels import Kernel, start_kernel


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with start_kernel() as started:
        started.execute(SETUP).check()
        yield started


@pytest.fixture
def fork(kernel: Kernel) -> KernelFork:
    made = KernelFork(kernel)
    made.make()
    return made


def ask(fork: KernelFork, code: str, limits: Limits = LIMITS, **variables: Any) -> Execution:
    return asyncio.run(run(fork, code, limits, variables))


# -- processes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), 11)"])
def test_what_a_program_that_ended_itself_left_is_ended(fork: KernelFork, end: str) -> None:
    code = (
        "import os, time\nchild = os.fork()\nif child == 0:\n    time.sleep(60); os._exit(0)\n"
        f"print(child, flush=True)\n{end}"
    )
    result = ask(fork, code)
    assert result.status == "killed"
    assert gone(int(result.stdout))
