"""The process that asks for generated code to be run, with everything an attempt may aim at.

Run as `python -m codesteer_jupyter.execution.escapes.asker SPEC`, where SPEC is JSON: the name of
an executor (or `module:attribute`), a terminal, files to hold open, the descriptors of the pipes
it is spoken to by. Each line it reads is a program; each line it writes is how that ended.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import json
import os
import signal
import sys
from typing import Any

from codesteer_jupyter.execution.main_thread import main_thread
from codesteer_jupyter.steering.execution import Executor, Limits
from codesteer_jupyter.steering.trajectory import Execution

__all__: list[str] = []


_IN_KERNEL = ("fork",)  # executors that need a notebook's shell around them


def _executor(name: str) -> Executor:
    module, _, attribute = name.partition(":")
    if attribute:
        made: Executor = getattr(importlib.import_module(module), attribute)()
        return made
    from codesteer_jupyter.execution.resolve import executor

    return executor(name, main_thread=main_thread() if name in _IN_KERNEL else None)


def _shell() -> None:
    """A shell as a kernel has one; it keeps no history."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    InteractiveShell.instance(config=config)


async def _run(executor: Executor, request: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"failed": "the executor gave no result"}
    limits = Limits(**request["limits"])
    try:
        async for item in executor.run(request["code"], limits, request["variables"]):
            if isinstance(item, Execution):
                found = _facts(item)
    except Exception as error:
        found = {"failed": f"{type(error).__name__}: {error}"}
    if request["closes"]:
        await executor.close()
    return found


def _facts(execution: Execution) -> dict[str, Any]:
    return {
        "status": execution.status,
        "stdout": execution.stdout,
        "stderr": execution.stderr,
        "error": execution.error and dataclasses.asdict(execution.error),
        "limit": execution.limit and execution.limit.name,
        "isolation": list(execution.isolation),
    }


async def _serve(spec: dict[str, Any]) -> None:
    executor: Executor | None = None
    loop = asyncio.get_running_loop()
    with os.fdopen(spec["read"], "rb") as asked, os.fdopen(spec["write"], "wb") as said:
        while line := await loop.run_in_executor(None, asked.readline):
            request = json.loads(line)
            executor = executor or _executor(spec["executor"])
            answer = await _run(executor, request)
            if request["closes"]:
                executor = None
            said.write(json.dumps(answer).encode() + b"\n")
            said.flush()
    if executor is not None:
        await executor.close()


def main(text: str) -> None:
    spec = json.loads(text)
    for descriptor in (spec["read"], spec["write"]):
        os.set_inheritable(descriptor, False)
    # An attempt that interrupts this process is one that has succeeded.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A session leader that opens a terminal has it from then on.
    terminal = os.open(spec["terminal"], os.O_RDWR)
    held = [os.open(path, os.O_RDWR) for path in spec["held"]]
    for descriptor in (terminal, *held, spec["socket"]):
        os.set_inheritable(descriptor, True)
    if spec["executor"] in _IN_KERNEL:
        _shell()
    main_thread().run(_serve(spec))


if __name__ == "__main__":
    main(sys.argv[1])
