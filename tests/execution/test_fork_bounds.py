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


# -- memory ----------------------------------------------------------------------------------------


def test_the_kernels_own_memory_does_not_count(fork: KernelFork, kernel: Kernel) -> None:
    """Nor that of processes the program forks, which share it, too."""
    limits = Limits(memory=150 * 2**20)
    kernel.execute("big = bytearray(b'x') * 600_000_000").check()
    try:
        quiet = "import os, time\nchildren = []\n"
        assert ask(fork, f"{quiet}time.sleep(0.4)", limits).status == "ok"
        forked = "for _ in range(3):\n    if os.fork() == 0: time.sleep(0.5); os._exit(0)\n"
        assert ask(fork, f"{quiet}{forked}time.sleep(0.4)", limits).status == "ok"
        written = ask(
            fork, "for at in range(0, len(big), 4096): big[at] = 1\nwhile True: pass", limits
        )
        assert written.limit is not None and written.limit.name == "memory"
    finally:
        kernel.execute("del big")


def test_memory_shared_by_the_programs_own_processes_counts_once(fork: KernelFork) -> None:
    code = (
        "import os, time\nheld = []\n"
        "for _ in range({}):\n    held.append(bytearray(os.urandom(1024)) * 80_000)\n"
        "    if os.fork() == 0: time.sleep(60); os._exit(0)\n"
        "time.sleep(0.5)"
    )
    limits = Limits(memory=300 * 2**20)
    assert ask(fork, code.format(2), limits).status == "ok"
    more = ask(fork, code.format(6), limits)
    assert more.limit is not None and more.limit.name == "memory"
