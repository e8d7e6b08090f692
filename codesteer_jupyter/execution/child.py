"""Generated code in a kernel of its own (`--run child`): rich outputs, state kept apart.

The process is reused, the state is not: each run starts from the `--with` values and nothing
else, unless `stateful`. The process is confined by what the system offers (`confinement/`), from
its start on, and outlives neither its run's limits nor its asker.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

from codesteer_jupyter.errors import ExecutorError
from codesteer_jupyter.execution.access import checked, shortfalls
from codesteer_jupyter.execution.environment import import_paths
from codesteer_jupyter.execution.folder import PrivateFolder
from codesteer_jupyter.execution.kernel import ChildKernel
from codesteer_jupyter.execution.limits import OutputCap, memory_bound
from codesteer_jupyter.execution.outcome import Outcome, died, limited, reported
from codesteer_jupyter.execution.supervised import Ending
from codesteer_jupyter.execution.values import MOST_BYTES, pack
from codesteer_jupyter.execution.watch import Watch
from codesteer_jupyter.steering.execution import Access, Fit, Limits, Output
from codesteer_jupyter.steering.trajectory import Execution, Json

__all__ = ["ChildExecutor"]

REPORT = "application/vnd.codesteer.report+json"
_WIDGET = "application/vnd.jupyter.widget-view+json"
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_TICK = 0.05  # seconds between two looks at a silent program
_LOST = 1.0  # seconds after the reply until its end is taken as lost
_GRACE = 0.5  # seconds an interrupted program has to give the kernel back
_BEGIN_SECONDS = 5.0  # restoring takes milliseconds; values may take longer
_BYTES_PER_SECOND = 50e6  # how fast values are rebuilt at the least


class ChildExecutor:
    """Runs programs in a child kernel.

    Args:
        values: `--with` values; copied now, rebuilt for every run.
        stateful: keep names and modules from one run to the next.
        most_bytes: how much the values may take together.
        access: what the code may do beyond the default confinement.

    Raises:
        UsageError: a value cannot be copied to another process, or a path does not exist.
    """

    name = "child"

    def __init__(
        self,
        values: Mapping[str, object] | None = None,
        *,
        stateful: bool = False,
        most_bytes: int = MOST_BYTES,
        access: Access | None = None,
    ) -> None:
        self._access = checked(access)
        self._folder = PrivateFolder()
        try:
            self._values = pack(values or {}, self._folder.path / "values", most_bytes)
        except BaseException:
            self._folder.remove()
            raise
        size = sum(os.path.getsize(path) for path in self._values.values())
        self._begin_seconds = _BEGIN_SECONDS + size / _BYTES_PER_SECOND
        self._settings = {
            "token": secrets.token_hex(8),
            "paths": import_paths(),
            "values": self._values,
            "stateful": stateful,
        }
        self._stateful = stateful
        self._kernel: ChildKernel | None = None
        self._kernels = 0
        self._scratch: tuple[int, str] = (0, "")
        self._starting = asyncio.Lock()
        self._busy = asyncio.Lock()
        self._closed = False

    async def preflight(self) -> Fit:
        """Any POSIX system with ipykernel."""
        if os.name != "posix":
            return Fit(False, "process trees can be limited on Linux and macOS only")
        return Fit(True, notes=await asyncio.to_thread(shortfalls, self._access))

    async def warm(self) -> None:
        """Start the kernel now, so that the first run does not wait for it."""
        await self._ready()

    async def _ready(self) -> ChildKernel:
        async with self._starting:
            if self._closed:
                raise ExecutorError("This executor is closed; start a new run.")
            if self._kernel is not None and self._kernel.tree.poll() is None:
                return self._kernel
            self._drop()
            self._kernels += 1
            kernel = ChildKernel(self._folder, f"k{self._kernels}", self._access)
            self._kernel = kernel
            try:
                await kernel.prepare(self._settings)
            except BaseException:
                self._drop()
                raise
            return kernel

    def _drop(self) -> None:
        if self._kernel is not None:
            self._kernel.kill()
            self._kernel = None

    async def run(
        self, code: str, limits: Limits, variables: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Output | Execution]:
        """See `Executor.run`."""
        async with self._busy:
            kernel = await self._begin(limits, variables or {})
            inner = _Run(kernel, limits, str(self._settings["token"]))
            try:
                async for item in inner.outputs(code):
                    yield item
                yield inner.execution(self.name)
            finally:
                # Cancelled, dead, or code that is still there in a thread: the next run gets a
                # new kernel.
                if not inner.reusable or (inner.threads and not self._stateful):
                    self._drop()
                else:
                    kernel.tree.sweep()

    async def _begin(self, limits: Limits, variables: Mapping[str, Any]) -> ChildKernel:
        request = {
            "variables": dict(variables),
            "memory": memory_bound(limits),
            "file": limits.file,
            "processes": limits.processes,
        }
        reply: dict[str, Any] | None = None
        for _ in range(2):
            kernel = await self._ready()
            try:
                reply = await kernel.begin(
                    {**request, "folder": self._round_folder()}, self._begin_seconds
                )
            except BaseException:
                self._drop()
                raise
            if reply is not None and reply.get("status") == "ok":
                return kernel
            # What earlier code did to the process reaches further than can be restored.
            self._drop()
        said = f"{reply.get('evalue')}" if reply else "no answer in time"
        raise ExecutorError(
            f"The kernel for generated code could not be made ready ({said}); if a --with value "
            "is named, pass it as plain data or use --run live, else use --run subprocess."
        )

    def _round_folder(self) -> str:
        """A fresh one for each run, or for each kernel where state is kept."""
        if not self._stateful or self._scratch[0] != self._kernels:
            self._scratch = (self._kernels, str(self._folder.scratch()))
        return self._scratch[1]

    async def close(self) -> None:
        """End the kernel with everything it started, and remove the private folder."""
        self._closed = True
        self._drop()
        self._folder.remove()


class _Run:
    """One program in the kernel: what it showed, how it ended."""

    def __init__(self, kernel: ChildKernel, limits: Limits, token: str) -> None:
        self._kernel, self._limits, self._token = kernel, limits, token
        self._cap = OutputCap(limits.output)
        self._written: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._displays: list[tuple[str | None, Json]] = []
        self._facts: Mapping[str, Any] | None = None
        self._raised: Mapping[str, Any] | None = None
        self._hit: str | None = None
        self._ending: Ending | None = None
        self.reusable = False

    @property
    def threads(self) -> int:
        """How many threads the program left behind."""
        return int(self._facts["threads"]) if self._facts else 0

    async def outputs(self, code: str) -> AsyncIterator[Output]:
        """What the program shows, until it ended, died or passed a limit."""
        sent = self._kernel.execute(code)
        self._watch = Watch(self._kernel.tree, self._limits, memory_bound(self._limits))
        stop_at = replied_at = None
        while True:
            message = await self._kernel.message(_TICK)
            if message is not None and message["parent_header"].get("msg_id") == sent:
                content = message["content"]
                if message["msg_type"] == "status" and content["execution_state"] == "idle":
                    self.reusable = True
                    break
                item = self._take(message["msg_type"], content)
                if item is not None:
                    yield item
            if message is None:
                if self._kernel.tree.poll() is not None:
                    self._ending = self._kernel.tree.poll()
                    break
                replied_at = replied_at or (
                    self._watch.seconds if await self._kernel.replied(sent) else None
                )
                # The end was published but lost: the program broke its own output.
                if replied_at is not None and self._watch.seconds > replied_at + _LOST:
                    break
            if stop_at is not None:
                if self._watch.seconds >= stop_at:
                    break  # it did not listen: `run` ends the whole tree
                continue
            self._hit = "output" if self._cap.exceeded else self._watch.hit()
            if self._hit in ("memory", "processes"):
                break
            if self._hit is not None:
                self._kernel.tree.interrupt()
                stop_at = self._watch.seconds + _GRACE
        if self._cap.exceeded and self._hit is None:
            self._hit = "output"

    def _take(self, kind: str, content: Mapping[str, Any]) -> Output | None:
        if kind == "stream":
            name = content["name"]
            if self._cap.exceeded or name not in self._written:
                return None
            text = self._cap.text(content["text"])
            self._written[name].append(text)
            return Output(name, text)
        if kind == "error":
            self._raised = content
            return None
        if kind not in ("display_data", "execute_result", "update_display_data"):
            return None
        data = {mime: value for mime, value in content["data"].items() if mime != _WIDGET}
        report = data.get(REPORT)
        if isinstance(report, dict) and report.get("token") == self._token:
            self._facts = report
            return None
        if not data:
            return None
        output: dict[str, Any] = {
            "output_type": "execute_result" if kind == "execute_result" else "display_data",
            "data": data,
            "metadata": dict(content.get("metadata") or {}),
        }
        if kind == "execute_result":
            output["execution_count"] = None
        kept = self._cap.display(output)
        if kept is None:
            return None
        self._keep(kind, (content.get("transient") or {}).get("display_id"), kept)
        return Output("display", output=kept)

    def _keep(self, kind: str, display_id: str | None, output: Json) -> None:
        if kind == "update_display_data":
            for at, (known, _) in enumerate(self._displays):
                if known == display_id:
                    self._displays[at] = (known, output)
        else:
            self._displays.append((display_id, output))

    def execution(self, name: str) -> Execution:
        """The whole run, after `outputs` is exhausted."""
        status, error, limit = self._outcome()
        return Execution(
            status=status,
            stdout="".join(self._written["stdout"]),
            stderr="".join(self._written["stderr"]),
            outputs=tuple(output for _, output in self._displays),
            error=error,
            limit=limit,
            seconds=self._watch.seconds,
            executor=name,
            isolation=self._kernel.tree.layers,
        )

    def _outcome(self) -> Outcome:
        limits, memory = self._limits, self._watch.memory
        if self._hit is not None:
            return limited(self._hit, limits, memory, self._facts and self._facts["error"])
        if self._ending is not None:
            return died(self._ending)
        if self._facts is not None:
            return reported(self._facts["error"], limits, memory)
        if self._raised is None:
            return reported(None, limits, memory)
        # The report is missing where the program broke what makes it.
        plain = _ANSI.sub("", "\n".join(self._raised.get("traceback") or ()))
        return reported(
            {
                "name": self._raised.get("ename"),
                "message": _ANSI.sub("", str(self._raised.get("evalue"))),
                "traceback": plain[-8000:],
            },
            limits,
            memory,
        )
