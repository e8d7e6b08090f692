"""Generated code in a kernel of its own (`--run child`): rich outputs, state kept apart.

The kernel stays, the process that runs a program does not: each is a fork of the kernel's, and
starts from the `--with` values and what was imported ahead. `stateful` programs run in the kernel
itself, and so does one where a fork would not work; then the kernel runs no other. The kernel is
confined by what the system offers (`confinement/`), from its start on, and outlives neither its
run's limits nor its asker.
"""

from __future__ import annotations

import asyncio
import codecs
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from codesteer_jupyter.errors import ExecutorError
from codesteer_jupyter.execution.access import checked, shortfalls
from codesteer_jupyter.execution.folder import SharedFolder
from codesteer_jupyter.execution.imports import imported_modules
from codesteer_jupyter.execution.kernel import ChildKernel
from codesteer_jupyter.execution.limits import OutputCap, memory_bound
from codesteer_jupyter.execution.messages import Damaged
from codesteer_jupyter.execution.outcome import Outcome, described, died, limited, reported
from codesteer_jupyter.execution.pool import kernel_pool
from codesteer_jupyter.execution.supervised import Ending
from codesteer_jupyter.execution.values import MOST_BYTES, Packed
from codesteer_jupyter.execution.watch import Watch
from codesteer_jupyter.steering.execution import Access, Fit, Limits, Output
from codesteer_jupyter.steering.trajectory import Execution, Json

__all__ = ["ChildExecutor"]

_TICK = 0.05  # seconds between two looks at a silent program's use of memory and time
_GRACE = 1.0  # seconds an interrupted program has to give the kernel back; a machine may be busy
_BEGIN_SECONDS = 15.0  # a kernel is up in one, forked in milliseconds; a machine may be busy
_PRELOAD_SECONDS = 30.0  # what imports ahead may take; then they are left to the program
_BYTES_PER_SECOND = 50e6  # how fast values are rebuilt at the least
_LOOKS = 256  # at streams that may hold as many packets, if the program made them so
_REFILL_SECONDS = 0.5  # after a kernel was lost, before the next spare competes with the program


class ChildExecutor:
    """Runs programs in a child kernel, taken from the pool of this process.

    Args:
        values: `--with` values; copied now, rebuilt for every run.
        stateful: keep names and modules from one run to the next, under the first one's limits.
        most_bytes: how much the values may take together.
        access: what the code may do beyond the default confinement.

    Raises:
        UsageError: a value cannot be copied to another process, or a path does not exist.
    """

    name = "child"
    reuses = False

    def __init__(
        self,
        values: Mapping[str, object] | None = None,
        *,
        stateful: bool = False,
        most_bytes: int = MOST_BYTES,
        access: Access | None = None,
    ) -> None:
        self._access = checked(access)
        self._folder = SharedFolder()
        try:
            self._values = Packed(values or {}, self._folder.path, most_bytes)
        except BaseException:
            self._folder.remove()
            raise
        self._begin_seconds = _BEGIN_SECONDS + self._values.size / _BYTES_PER_SECOND
        self._stateful = stateful
        self._kernel: ChildKernel | None = None
        self._memory = 0
        self._scratch: tuple[ChildKernel | None, str] = (None, "")
        self._busy = asyncio.Lock()
        self._closed = False

    async def preflight(self) -> Fit:
        """Any POSIX system with IPython."""
        if os.name != "posix":
            return Fit(False, "process trees can be limited on Linux and macOS only")
        return Fit(True, notes=await asyncio.to_thread(shortfalls, self._access))

    async def warm(self) -> None:
        """Have a kernel up, importing what the last programs imported, with a process for the next
        program, and a spare starting.
        """
        kernel = self._ready()
        await kernel.ready()
        kernel.prepare(ahead=not self._stateful)
        self._refill()

    async def prepare(self, code: str) -> None:
        """Let the kernel import what `code` imports, which may be the beginning of a program that
        is still being written. Nothing of the code is run, and nothing is waited for.
        """
        if not self._closed and not self._busy.locked() and (modules := imported_modules(code)):
            self._ready().prepare(modules, ahead=not self._stateful)

    def _ready(self) -> ChildKernel:
        if self._closed:
            raise ExecutorError("This executor is closed; start a new run.")
        if self._kernel is None or not self._kernel.alive:
            self._drop()
            self._kernel = kernel_pool().take(self._access)
        return self._kernel

    def _drop(self) -> None:
        if self._kernel is not None:
            self._kernel.kill()
            self._kernel = None

    async def run(
        self, code: str, limits: Limits, variables: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Output | Execution]:
        """See `Executor.run`."""
        async with self._busy:
            kernel = await self._begin(code, limits, variables or {})
            inner = _Run(kernel, limits, self._memory)
            try:
                async for item in inner.outputs():
                    yield item
                yield inner.execution(self.name)
            finally:
                # Cancelled, dead, or with something that goes on (a process that may start others
                # faster than they are found): the next run gets a new kernel, and with this one
                # everything below it ends.
                try:
                    over = inner.told and await kernel.over(_GRACE)
                except BaseException:
                    self._drop()
                    raise
                left = over and (kernel.tree.sweep() or kernel.spent)
                if not over or (left and not self._stateful):
                    self._drop()
                    asyncio.get_running_loop().call_later(_REFILL_SECONDS, self._refill)
                else:
                    kernel.prepare(ahead=not self._stateful)

    def _refill(self) -> None:
        if not self._closed:
            kernel_pool().refill(self._access)

    async def _begin(self, code: str, limits: Limits, variables: Mapping[str, Any]) -> ChildKernel:
        modules = imported_modules(code)
        request = {
            "code": code,
            "variables": dict(variables),
            "values": self._values.names,
            "stateful": self._stateful,
            "file": limits.file,
            "processes": limits.processes,
            "output": limits.output,
        }
        seconds = self._begin_seconds + _PRELOAD_SECONDS
        said = "no answer in time"
        # The kernel may have been killed, and an import ahead may hang: the second try is a new
        # kernel that imports nothing ahead.
        for ahead in (modules, ()):
            kernel = self._ready()
            self._memory = self._bound(kernel, limits)
            begun: Mapping[str, Any] | None = None
            try:
                asked = {**request, "memory": self._memory, "modules": ahead}
                asked["folder"] = self._round_folder(kernel)
                begun = await kernel.begin(asked, self._values.descriptor, seconds)
            finally:
                if begun is None or begun.get("told") != "begun":
                    self._drop()
            if begun is not None and begun.get("told") == "begun":
                # Where the process could not be forked, it may be these that prevent it.
                if self._stateful or not kernel.spent:
                    kernel_pool().imported(modules)
                return kernel
            if begun is not None:
                said = str(begun.get("reason") or f"it ended with {kernel.ended or 'nothing'}")
            seconds = self._begin_seconds
        raise ExecutorError(
            f"The kernel for generated code could not be made ready ({said}); if a --with value "
            "is named, pass it as plain data or use --run live, else use --run subprocess."
        )

    def _bound(self, kernel: ChildKernel, limits: Limits) -> int:
        """Bytes the program may hold. Where state is kept, it is in the process of the first one,
        whose bound holds for good.
        """
        memory = memory_bound(limits)
        return min(memory, self._memory) if self._stateful and not kernel.fresh else memory

    def _round_folder(self, kernel: ChildKernel) -> str:
        """One without anything in it for each run, or for each kernel where state is kept."""
        if not self._stateful or self._scratch[0] is not kernel:
            self._scratch = (kernel, str(kernel.area.scratch(again=True)))
        return self._scratch[1]

    async def close(self) -> None:
        """End the kernel with everything it started, and remove the private folder. A kernel that
        was asked for nothing goes back to the pool.
        """
        self._closed = True
        kernel, self._kernel = self._kernel, None
        if kernel is not None:
            kernel_pool().give_back(kernel)
        self._scratch = (None, "")
        self._values.close()
        self._folder.remove()


class _Run:
    """One program in the kernel: what it showed, how it ended."""

    def __init__(self, kernel: ChildKernel, limits: Limits, memory: int) -> None:
        self._kernel, self._limits = kernel, limits
        self._cap = OutputCap(limits.output)
        self._written: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._decoders = {
            name: codecs.getincrementaldecoder("utf-8")("replace") for name in self._written
        }
        self._displays: list[tuple[str | None, Json]] = []
        self._facts: Mapping[str, Any] | None = None
        self._hit: str | None = None
        self._ending: Ending | None = None
        self._watch = Watch(kernel.tree, limits, memory)

    @property
    def told(self) -> bool:
        """Whether the program's end was told, by itself or by the kernel."""
        return self._facts is not None or self._kernel.ended is not None

    async def outputs(self) -> AsyncIterator[Output]:
        """What the program shows, until it ended, died or passed a limit."""
        stop_at: float | None = None
        loop = asyncio.get_running_loop()
        with self._kernel.watched() as woken:
            while True:
                # First whether it ended, then what it told, then what it wrote: so what was
                # written before something was told is there before it.
                self._ending = self._kernel.tree.poll()
                try:
                    self._kernel.receive()
                except Damaged:
                    self._hit = "output"
                    break
                for item in self._arrived():
                    yield item
                if self.told or self._ending is not None:
                    for item in self._rest():
                        yield item
                    break
                if stop_at is None:
                    self._hit = "output" if self._cap.exceeded else self._watch.hit()
                    if self._hit in ("memory", "processes"):
                        break
                    if self._hit is not None:
                        self._kernel.tree.interrupt()
                        stop_at = self._watch.seconds + _GRACE
                elif self._watch.seconds >= stop_at:
                    break  # it did not listen: `run` ends the whole tree
                tick = loop.call_later(_TICK, woken.set)
                await woken.wait()
                tick.cancel()
                woken.clear()
        if self._cap.exceeded and self._hit is None:
            self._hit = "output"

    def _rest(self) -> Iterator[Output]:
        """What is still on its way when the program has said that it is over, or has ended."""
        try:
            self._kernel.receive(whole=True)
        except Damaged:
            self._hit = "output"
        for _ in range(_LOOKS):
            items = list(self._arrived())
            yield from items
            if not items or self._cap.exceeded:
                break

    def _arrived(self) -> Iterator[Output]:
        yield from self._streams()
        while self._facts is None and (told := self._kernel.next()) is not None:
            if told.get("told") == "result":
                self._facts = told
            elif told.get("told") == "display":
                item = self._display(told)
                if item is not None:
                    yield item

    def _streams(self) -> Iterator[Output]:
        for name in self._written:
            # A pipe holds 64 KiB; more of one stream at once would keep the other waiting.
            for _ in range(4):
                data = self._kernel.take(name)
                if not data:
                    break
                text = self._decoders[name].decode(data)
                if text and not self._cap.exceeded:
                    text = self._cap.text(text)
                    self._written[name].append(text)
                    yield Output("stdout" if name == "stdout" else "stderr", text)

    def _display(self, told: Mapping[str, Any]) -> Output | None:
        kind, data, metadata = (told.get(key) for key in ("kind", "data", "metadata"))
        if kind not in ("display_data", "execute_result", "update_display_data") or not isinstance(
            data, dict
        ):
            self._cap.exceeded = True  # too large to be sent, or sent by the program itself
            return None
        output: dict[str, Any] = {
            "output_type": "execute_result" if kind == "execute_result" else "display_data",
            "data": data,
            "metadata": dict(metadata) if isinstance(metadata, dict) else {},
        }
        if kind == "execute_result":
            output["execution_count"] = None
        kept = self._cap.display(output)
        if kept is None:
            return None
        self._keep(kind, told.get("id"), kept)
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
        error = described(self._facts.get("error")) if self._facts else None
        if self._hit is not None:
            return limited(self._hit, self._limits, self._watch.memory, error)
        if self._facts is None:
            return died(self._ending or self._kernel.ended or Ending())
        return reported(error, self._limits, self._watch.memory, self._kernel.tree.layers)
