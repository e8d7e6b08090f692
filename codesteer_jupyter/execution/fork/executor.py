"""Generated code in a copy-on-write snapshot of the notebook's kernel.

The code sees the user's variables as they are now and may change them as it likes: the live ones
stay as they were. What it would change is shown; the user applies it, takes single values over, or
does nothing, which discards it.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codesteer_jupyter.errors import ExecutorError, UsageError
from codesteer_jupyter.execution import confinement
from codesteer_jupyter.execution.access import Access, checked, shortfalls
from codesteer_jupyter.execution.environment import own_folders
from codesteer_jupyter.execution.folder import PrivateFolder
from codesteer_jupyter.execution.fork.fit import hazard, surroundings
from codesteer_jupyter.execution.fork.forked import Given
from codesteer_jupyter.execution.fork.guardian import guardian
from codesteer_jupyter.execution.fork.held import Held, held
from codesteer_jupyter.execution.fork.scrub import Place, find
from codesteer_jupyter.execution.fork.snapshot import Snapshot, take
from codesteer_jupyter.execution.limits import OutputCap, memory_bound
from codesteer_jupyter.execution.main_thread import MainThread
from codesteer_jupyter.execution.outcome import Outcome, died, limited, reported
from codesteer_jupyter.execution.supervised import Ending
from codesteer_jupyter.execution.watch import Watch
from codesteer_jupyter.redact import known_secrets
from codesteer_jupyter.steering.execution import Fit, Limits, Output
from codesteer_jupyter.steering.trajectory import Execution, Json

__all__ = ["ForkExecutor"]

_TICK = 0.05  # seconds between two looks at a silent program
_GRACE = 0.3  # seconds an interrupted program has to end by itself
_LOST = 2.0  # seconds a snapshot has to get ready
_INLINE = "module://matplotlib_inline.backend_inline"
_IDLE = 0.05  # share of the time a hanging program computes, at most


class ForkExecutor:
    """Runs each program in a fresh snapshot of this kernel, or, `stateful`, all in one.

    Args:
        main_thread: the way to the main thread, which forks; it waits in `MainThread.run`.
        namespace: the user's names; the shell's by default.
        values: `--with` values; they are the user's own objects, nothing is copied.
        stateful: one snapshot for all programs; what ends it starts anew from the live state.
        access: what the code may reach beyond the default.
        diff: look for changes in the values the program names (`named`), or in `all`.
        keep: hold snapshots that changed something, for `adopt`.
    """

    name = "fork"

    def __init__(
        self,
        main_thread: MainThread | None = None,
        namespace: dict[str, Any] | None = None,
        values: Mapping[str, object] | None = None,
        *,
        stateful: bool = False,
        access: Access | None = None,
        diff: str = "named",
        keep: bool = True,
    ) -> None:
        self._main = main_thread
        self._namespace = namespace
        self._values = dict(values or {})
        self._stateful = stateful
        self._access = checked(access)
        self._diff = diff
        self._keep = keep
        self._folder = PrivateFolder()
        self._session: Snapshot | None = None
        self._last: Held | None = None
        self._ready: _Ready | None = None
        self._readying: asyncio.Future[None] | None = None
        self._busy = asyncio.Lock()
        self._closed = False
        self.hung = False
        """Whether a program stood still without computing: a lock that a fork never frees."""
        if keep:
            held().clear()

    async def preflight(self) -> Fit:
        """Whether this kernel can be forked; see `fit.py` for the reasons against it."""
        reason = self.refusal()
        if reason:
            return Fit(False, reason)
        return Fit(True, notes=await asyncio.to_thread(shortfalls, self._access))

    def refusal(self, memory: int | None = None) -> str:
        """Why not, or ""."""
        if self.hung:
            return "an earlier program stood still in a snapshot, probably on a lock"
        notebook = self._main is not None and _shell() is not None
        return hazard(surroundings(notebook=notebook, main_thread=self._main is not None), memory)

    async def warm(self) -> None:
        """Start the guard, and find out what confinement there is, before code arrives."""
        await asyncio.to_thread(guardian().start)
        await self._get_ready(Limits())

    async def run(
        self, code: str, limits: Limits, variables: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Output | Execution]:
        """See `Executor.run`."""
        async with self._busy:
            if self._closed:
                raise ExecutorError("This executor is closed; start a new run.")
            snapshot = self._session or await self._fork(limits)
            self._session = None
            inner = _Run(snapshot, limits)
            finished: Execution | None = None
            try:
                async for item in inner.outputs(code, variables or {}):
                    yield item
                finished = inner.execution(self.name)
                self.hung = self.hung or inner.stood_still
                yield finished
            finally:
                self._afterwards(snapshot, inner, code, finished)
                if not self._stateful:
                    self._readying = asyncio.ensure_future(self._get_ready(limits))

    def _afterwards(
        self, snapshot: Snapshot, inner: _Run, code: str, finished: Execution | None
    ) -> None:
        """Keep the snapshot where it is of use, else end it with all it started."""
        alive = finished is not None and inner.reported and snapshot.poll() is None
        if not (alive and (self._stateful or (self._keep and finished and finished.changes))):
            snapshot.dismiss()
            return
        snapshot.sweep()
        self._last = Held(snapshot, code, finished.changes if finished else ())
        if self._stateful:
            snapshot.wake()
            self._session = snapshot
        held().put(self._last, shared=self._stateful)

    async def _fork(self, limits: Limits) -> Snapshot:
        shell, main = _shell(), self._main
        if main is None or shell is None:
            raise ExecutorError("--run fork works inside a notebook only; use --run child.")
        ready = await self._ready_for(limits)
        plan, scratch = ready.plan, ready.scratch
        environment = {**own_folders(scratch, self._folder.fonts), "MPLBACKEND": _INLINE}

        def make(end: Any, out: int, err: int) -> Given:
            return Given(
                shell,
                *(end, out, err, scratch, plan, environment),
                *(self._values, ready.secrets, ready.places, self._diff),
            )

        try:
            return await main.call(lambda: take(make))
        except OSError as error:
            raise ExecutorError(
                f"The kernel could not be forked ({error.strerror or error}); free some memory or "
                "processes, or use --run child."
            ) from error
        finally:
            confinement.release(plan)

    async def _ready_for(self, limits: Limits) -> _Ready:
        """What was made ready, if it fits these limits and the folder the kernel is in."""
        ready, self._ready = self._ready, None
        if ready is not None and ready.fits == _fitting(limits):
            return ready
        if ready is not None:
            confinement.release(ready.plan)
        return await asyncio.to_thread(self._make_ready, limits)

    def _make_ready(self, limits: Limits) -> _Ready:
        """A scratch folder and the plan of a confinement: milliseconds that the next program need
        not wait for.
        """
        scratch = str(self._folder.scratch())
        plan = confinement.plan(
            self._access,
            self._folder.writable,
            memory=memory_bound(limits),
            file=limits.file,
            processes=limits.processes,
            hold_group=True,
        )
        confinement.prepare(plan)
        known = frozenset(known_secrets(self._names()))
        return _Ready(_fitting(limits), scratch, plan, known, tuple(find(known)))

    def _names(self) -> dict[str, Any]:
        return self._namespace if self._namespace is not None else _shell().user_ns

    async def _get_ready(self, limits: Limits) -> None:
        async with self._busy:
            if not self._closed and self._ready is None and self._session is None:
                self._ready = await asyncio.to_thread(self._make_ready, limits)

    # -- the transaction --------------------------------------------------------------------------

    async def diff(self) -> Sequence[Json]:
        """What the last program changed in its snapshot; see `Names.changes`."""
        return self._last.changes if self._last is not None else ()

    async def adopt(self, names: Sequence[str]) -> None:
        """Put the values that `names` have in the last program's snapshot into the namespace. The
        caller has the user's consent: reading them can run code of theirs.

        Raises:
            UsageError: there is no such snapshot or name.
            ExecutorError: a value cannot be transferred.
        """
        if self._last is None:
            raise UsageError("No program has changed anything that could be adopted.")
        values = await self._last.values(names)
        self._names().update(values)

    async def discard(self) -> None:
        """Forget the last program's snapshot; the live kernel never saw it."""
        if self._last is not None:
            held().remove(self._last)
            if self._session is self._last.snapshot:
                self._session = None
            self._last = None

    async def close(self) -> None:
        """End what runs. Snapshots that are held for `adopt` stay until the next run."""
        self._closed = True
        if self._readying is not None:
            await self._readying
        if self._ready is not None:
            confinement.release(self._ready.plan)
            self._ready = None
        session, self._session = self._session, None
        if session is not None:
            if self._keep and self._last is not None and self._last.snapshot is session:
                session.suspend()
            else:
                session.dismiss()
        self._folder.remove()


def _shell() -> Any:
    from IPython.core.getipython import get_ipython

    return get_ipython()


@dataclass(frozen=True)
class _Ready:
    """Made before a program came: `fits` says for which limits and folder."""

    fits: tuple[object, ...]
    scratch: str
    plan: dict[str, Any]
    secrets: frozenset[str]
    places: tuple[Place, ...]


def _fitting(limits: Limits) -> tuple[object, ...]:
    try:
        folder = os.getcwd()
    except OSError:  # the folder was removed
        folder = ""
    return limits.memory, limits.file, limits.processes, folder


class _Run:
    """One program in a snapshot: what it showed, how it ended."""

    def __init__(self, snapshot: Snapshot, limits: Limits) -> None:
        self._snapshot, self._limits = snapshot, limits
        self._memory = memory_bound(limits)
        self._cap = OutputCap(limits.output)
        self._written: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._decoders = {
            name: codecs.getincrementaldecoder("utf-8")("replace") for name in self._written
        }
        self._displays: list[Json] = []
        self._report: Mapping[str, Any] | None = None
        self._broken = ""
        self._hit: str | None = None
        self._ending: Ending | None = None
        self._woken = asyncio.Event()
        self._watch = Watch(snapshot, limits, self._memory)
        self._computed = 0.0
        self.stood_still = False

    @property
    def reported(self) -> bool:
        """Whether the program came to its end and said how."""
        return self._report is not None and self._hit in (None, "output")

    async def outputs(self, code: str, variables: Mapping[str, Any]) -> AsyncIterator[Output]:
        """What the program shows, until it ended, died or passed a limit."""
        snapshot, loop = self._snapshot, asyncio.get_running_loop()
        watched = (snapshot.ended, snapshot.out, snapshot.err, snapshot.end.fileno())
        for number in watched:
            loop.add_reader(number, self._woken.set)
        request = {"do": "run", "code": code, "variables": dict(variables)}
        try:
            snapshot.command({**request, "output": self._limits.output})
            async for item in self._until_over():
                yield item
        finally:
            for number in watched:
                loop.remove_reader(number)

    async def _until_over(self) -> AsyncIterator[Output]:
        stop_at = None
        while True:
            ended = self._snapshot.poll()  # asked first: then everything it wrote is there
            for item in self._arrived():
                yield item
            if self._report is not None or self._broken:
                return
            if ended is not None:
                self._ending = ended
                return
            if stop_at is not None:
                if time.monotonic() >= stop_at:
                    return  # it did not listen: the whole group is killed
            else:
                hit = "output" if self._cap.exceeded else self._watch.hit()
                self._hit = self._hit or hit
                if hit in ("memory", "processes"):
                    return
                if hit is not None:
                    self._look_for_a_hang(hit)
                    self._snapshot.interrupt()
                    stop_at = time.monotonic() + _GRACE
            await self._wait()

    async def _wait(self) -> None:
        timer = asyncio.get_running_loop().call_later(_TICK, self._woken.set)
        try:
            await self._woken.wait()
        finally:
            timer.cancel()
            self._woken.clear()

    def _look_for_a_hang(self, hit: str) -> None:
        """A program that used its time without computing may wait for a lock that was held by a
        thread of the kernel when it was forked. One that sleeps looks the same.
        """
        if hit != "wall":
            return
        computed = self._snapshot.computed() - self._computed
        idle = computed <= max(_IDLE * self._limits.wall, 0.02)
        self.stood_still = idle and self._snapshot.waits_for_a_lock()

    def _arrived(self) -> Iterator[Output]:
        for message in self._snapshot.messages():
            item = self._take(message)
            if item is not None:
                yield item
        for name in self._written:
            while data := self._snapshot.written(name):
                item = self._text(name, self._decoders[name].decode(data))
                if item is not None:
                    yield item
                if self._cap.exceeded:
                    break

    def _take(self, message: Mapping[str, Any]) -> Output | None:
        kind = message.get("kind")
        if kind == "ready" and not self._snapshot.isolation:
            layers = message.get("isolation")
            self._snapshot.isolation = tuple(map(str, layers)) if isinstance(layers, list) else ()
        elif kind == "begun":
            self._watch.restart()
            self._computed = self._snapshot.computed()
        elif kind == "display" and isinstance(message.get("output"), dict):
            kept = self._cap.display(message["output"])
            if kept is not None:
                self._displays.append(kept)
                return Output("display", output=kept)
        elif kind == "overflow":
            self._hit = self._hit or "output"
        elif kind == "report" and self._report is None:
            self._report = message
        elif kind == "broken":
            self._broken = str(message.get("reason", ""))
        return None

    def _text(self, name: str, text: str) -> Output | None:
        if not text or self._cap.exceeded:
            return None
        kept = self._cap.text(text)
        self._written[name].append(kept)
        return Output("stdout" if name == "stdout" else "stderr", kept)

    def execution(self, name: str) -> Execution:
        """The whole run, after `outputs` is exhausted.

        Raises:
            ExecutorError: the snapshot itself broke before the program began.
        """
        if self._broken:
            raise ExecutorError(
                f"A snapshot of the kernel could not be made ready ({self._broken[:300]}); "
                "use --run child."
            )
        facts = self._report or {}
        status, error, limit = self._outcome(facts)
        shown = facts.get("outputs")
        changes = facts.get("changes")
        seconds = facts.get("seconds")
        return Execution(
            status=status,
            stdout="".join(self._written["stdout"]),
            stderr="".join(self._written["stderr"]),
            outputs=tuple(shown if isinstance(shown, list) else self._displays),
            error=error,
            limit=limit,
            seconds=float(seconds) if isinstance(seconds, (int, float)) else self._watch.seconds,
            executor=name,
            isolation=self._snapshot.isolation,
            changes=tuple(changes) if isinstance(changes, list) else (),
        )

    def _outcome(self, facts: Mapping[str, Any]) -> Outcome:
        raised = facts.get("error")
        raised = raised if isinstance(raised, dict) else None
        if self._hit is not None:
            return limited(self._hit, self._limits, self._memory, raised)
        if self._report is None:
            return died(self._ending or Ending())
        return reported(raised, self._limits, self._memory, self._snapshot.isolation)
