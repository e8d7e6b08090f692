"""Running a program to its end, for the tests of the executors."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

import psutil

from codesteer_jupyter.execution.confinement import LAYERS, probe
from codesteer_jupyter.execution.pool import kernel_pool
from codesteer_jupyter.steering.execution import Executor, Limits, Output
from codesteer_jupyter.steering.trajectory import Execution

LIMITS = Limits(wall=20.0, memory=600 * 2**20)


async def run(
    executor: Executor,
    code: str,
    limits: Limits = LIMITS,
    variables: Mapping[str, Any] | None = None,
) -> Execution:
    """The Execution, after checking that the streamed outputs say the same."""
    streamed: list[Output] = []
    result: Execution | None = None
    async for item in executor.run(code, limits, variables):
        assert result is None, "nothing may follow the Execution"
        if isinstance(item, Execution):
            result = item
        else:
            streamed.append(item)
    assert result is not None
    for name, text in (("stdout", result.stdout), ("stderr", result.stderr)):
        assert "".join(item.text for item in streamed if item.name == name) == text
    return result


def processes() -> list[psutil.Process]:
    """What runs below this process, without the kernels that wait in the pool."""
    waiting = {kernel.tree.pid for kernel in kernel_pool().spares}
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if not waiting & {process.pid, *(parent.pid for parent in process.parents())}:
                found.append(process)
    return found


def expected_isolation(*without: str) -> tuple[str, ...]:
    """What a supervised run must record on this machine: everything that can be had here."""
    found = probe()
    lacking = {name for name, reason in found.items() if reason} | {*without, "process_group"}
    return tuple(name for name in LAYERS if name not in lacking)


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether the process `pid` ends within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False
