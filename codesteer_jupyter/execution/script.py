"""Generated code as a plain script in a process of its own (`--run subprocess`).

Each run is a new interpreter in a fresh scratch folder, with an allow-listed environment, limits
over the whole process tree, and confined by what the system offers (`confinement/`).
"""

from __future__ import annotations

import asyncio
import codecs
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

from codesteer_jupyter.errors import ExecutorError
from codesteer_jupyter.execution import confinement
from codesteer_jupyter.execution.access import checked, shortfalls
from codesteer_jupyter.execution.environment import (
    allowed_environment,
    import_paths,
    own_folders,
)
from codesteer_jupyter.execution.folder import PrivateFolder
from codesteer_jupyter.execution.limits import OutputCap, memory_bound
from codesteer_jupyter.execution.outcome import described, died, limited, reported
from codesteer_jupyter.execution.pipes import Pipe
from codesteer_jupyter.execution.supervised import Ending, Supervised
from codesteer_jupyter.execution.untrusted import parsed
from codesteer_jupyter.execution.values import MOST_BYTES, Packed
from codesteer_jupyter.execution.watch import Watch
from codesteer_jupyter.steering.execution import Access, Fit, Limits, Output
from codesteer_jupyter.steering.trajectory import Execution

__all__ = ["SubprocessExecutor"]

_HERE = Path(__file__).parent
_TICK = 0.02  # seconds between two looks at a silent program
_MOST_REPORT = 2**17
_GRACE = 1.0  # seconds an interrupted program has to end by itself; a machine may be busy


class SubprocessExecutor:
    """Runs each program in a new Python process.

    Args:
        values: `--with` values; copied now, rebuilt for every run.
        most_bytes: how much they may take together.
        access: what the code may do beyond the default confinement.

    Raises:
        UsageError: a value cannot be copied to another process, or a path does not exist.
    """

    name = "subprocess"
    reuses = False

    def __init__(
        self,
        values: Mapping[str, object] | None = None,
        *,
        most_bytes: int = MOST_BYTES,
        access: Access | None = None,
    ) -> None:
        self._access = checked(access)
        self._folder = PrivateFolder()
        try:
            self._values = Packed(values or {}, self._folder.inner, most_bytes)
        except BaseException:
            self._folder.remove()
            raise
        self._paths = import_paths()
        self._tree: Supervised | None = None
        self._busy = asyncio.Lock()
        self._closed = False

    async def preflight(self) -> Fit:
        """Any POSIX system will do."""
        if os.name != "posix":
            return Fit(False, "process trees can be limited on Linux and macOS only")
        return Fit(True, notes=await asyncio.to_thread(shortfalls, self._access))

    async def run(
        self, code: str, limits: Limits, variables: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Output | Execution]:
        """See `Executor.run`."""
        async with self._busy:
            if self._closed:
                raise ExecutorError("This executor is closed; start a new run.")
            program = self._folder.inner / "program.py"
            program.write_bytes(code.encode("utf-8", "surrogatepass"))
            request = {
                "program": str(program),
                "paths": self._paths,
                "values": self._values.names,
                "descriptor": self._values.descriptor,
                "variables": dict(variables or {}),
            }
            inner = _Run(limits, self._access)
            try:
                self._tree = inner.start(request, self._folder)
                async for item in inner.outputs():
                    yield item
                yield inner.execution(self.name)
            finally:
                # However this ends, also by cancelling: the tree is gone before it returns.
                if self._tree is not None:
                    self._tree.kill()
                    self._tree = None
                inner.close()

    async def close(self) -> None:
        """End the running program, if any, and remove the private folder."""
        self._closed = True
        if self._tree is not None:
            self._tree.kill()
        self._values.close()
        self._folder.remove()


class _Run:
    """One program: its pipes, what it wrote, how it ended."""

    def __init__(self, limits: Limits, access: Access) -> None:
        self._limits, self._access = limits, access
        self._memory = memory_bound(limits)
        self._pipes = {name: Pipe() for name in ("stdout", "stderr", "report")}
        self._written: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._decoders = {
            name: codecs.getincrementaldecoder("utf-8")("replace") for name in self._written
        }
        self._cap = OutputCap(limits.output)
        self._report = b""
        self._hit: str | None = None

    def start(self, request: dict[str, Any], folder: PrivateFolder) -> Supervised:
        """Start the program in a fresh scratch folder."""
        scratch = folder.scratch()
        request_path = folder.inner / "request.json"
        plan = confinement.plan(
            self._access,
            folder.writable,
            memory=self._memory,
            file=self._limits.file,
            processes=self._limits.processes,
            pid_namespace=True,
            needed=[_HERE, folder.inner, *request["paths"]],
        )
        asked = {
            **request,
            "inside": str(_HERE / "inside.py"),
            "report": self._pipes["report"].write,
            "memory": self._memory,
            "file": self._limits.file,
            "rlimits": "rlimits" in plan["layers"],
        }
        request_path.write_text(json.dumps(asked), encoding="utf-8")
        # Command lines may be seen by others, so the folder's name is in none.
        seen = os.path.relpath(request_path, scratch)
        values = asked["descriptor"]
        self._tree = Supervised(
            [sys.executable, "-I", "-X", "utf8", str(_HERE / "runner.py"), seen],
            env={
                **allowed_environment(),
                **own_folders(scratch, folder.fonts),
                "MPLBACKEND": "agg",
            },
            cwd=scratch,
            plan=plan,
            folder=folder.path,
            stdout=self._pipes["stdout"].write,
            stderr=self._pipes["stderr"].write,
            pass_fds=(self._pipes["report"].write, *(() if values is None else (values,))),
        )
        for pipe in self._pipes.values():
            pipe.close_writer()
        self._watch = Watch(self._tree, self._limits, self._memory)
        return self._tree

    async def outputs(self) -> AsyncIterator[Output]:
        """What the program writes, until it ended or passed a limit."""
        while True:
            ended = self._tree.poll() is not None  # asked first: then the pipes hold everything
            some = False
            for item in self._arrived():
                some = True
                if item.text:
                    yield item
            hit = "output" if self._cap.exceeded else self._watch.hit()
            if hit is not None:
                self._hit = hit
                async for item in self._stop():
                    yield item
                return
            if some:
                await asyncio.sleep(0)
            elif ended:
                return
            else:
                await asyncio.sleep(_TICK)

    async def _stop(self) -> AsyncIterator[Output]:
        """Interrupt, so that buffered output is written, and soon end it."""
        if self._hit == "wall":
            self._tree.interrupt()
            await self._tree.wait(_GRACE)
        self._tree.kill()
        for _ in range(64):
            items = list(self._arrived())
            for item in items:
                if item.text:
                    yield item
            if not items:
                return

    def _arrived(self) -> Iterator[Output]:
        """One portion of each stream; an empty text says that bytes came that show nothing."""
        data = self._pipes["report"].take()
        if data and len(self._report) < _MOST_REPORT:
            self._report += data
        for name in ("stdout", "stderr"):
            data = self._pipes[name].take()
            if not data:
                continue
            text = self._decoders[name].decode(data)
            if self._cap.exceeded:
                text = ""
            elif text:
                text = self._cap.text(text)
                self._written[name].append(text)
            yield Output("stdout" if name == "stdout" else "stderr", text)

    def execution(self, name: str) -> Execution:
        """The whole run, after `outputs` is exhausted."""
        facts = self._facts()
        if facts is not None and "values" in facts:
            raise ExecutorError(
                f"A --with value could not be rebuilt in another process ({facts['values']}); "
                "use --run live, or pass it as plain data."
            )
        raised = described(facts.get("error")) if facts else None
        if self._hit is not None:
            status, error, limit = limited(self._hit, self._limits, self._memory, raised)
        elif facts is None or "error" not in facts:
            status, error, limit = died(self._tree.poll() or Ending())
        else:
            status, error, limit = reported(raised, self._limits, self._memory, self._tree.layers)
        rlimits = facts is not None and bool(facts.get("rlimits"))
        return Execution(
            status=status,
            stdout="".join(self._written["stdout"]),
            stderr="".join(self._written["stderr"]),
            error=error,
            limit=limit,
            seconds=self._watch.seconds,
            executor=name,
            isolation=tuple(
                confinement.ordered((*self._tree.layers, *(("rlimits",) if rlimits else ())))
            ),
        )

    def _facts(self) -> dict[str, Any] | None:
        facts: dict[str, Any] = {}
        for line in self._report.splitlines():
            facts.update(parsed(line) or {})
        return facts or None

    def close(self) -> None:
        for pipe in self._pipes.values():
            pipe.close()
