"""Generated code in a copy-on-write snapshot of the notebook's kernel.

The code sees the user's variables as they are now and may change them as it likes: the live ones
stay as they were. What it would change is shown; the user applies it, takes single values over, or
does nothing, which discards it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
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
from codesteer_jupyter.execution.fork.run import Run
from codesteer_jupyter.execution.fork.scrub import Place, find, not_given
from codesteer_jupyter.execution.fork.snapshot import Snapshot
from codesteer_jupyter.execution.fork.taking import Taken, take
from codesteer_jupyter.execution.limits import for_good, memory_bound
from codesteer_jupyter.execution.main_thread import MainThread
from codesteer_jupyter.redact import known_secrets
from codesteer_jupyter.steering.execution import Fit, Limits, Output
from codesteer_jupyter.steering.trajectory import Execution, Json

__all__ = ["ForkExecutor"]

_INLINE = "module://matplotlib_inline.backend_inline"
_WITHOUT = {"pidns": "a snapshot has no pid namespace"}


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
        said = await asyncio.to_thread(shortfalls, self._access, without=_WITHOUT)
        return Fit(True, notes=said)

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
            self._last = None  # what is shown and adopted is the last program's
            snapshot = self._left() or await self._fork(limits)
            inner = Run(snapshot, limits)
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

    def _left(self) -> Snapshot | None:
        """The snapshot of the earlier programs, if it is there."""
        session, self._session = self._session, None
        if session is not None and not session.alive:
            session.dismiss()
            return None
        return session

    def _afterwards(
        self, snapshot: Snapshot, inner: Run, code: str, finished: Execution | None
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
        held().put(self._last, inner.memory, shared=self._stateful)

    async def _fork(self, limits: Limits) -> Snapshot:
        shell, main = _shell(), self._main
        if main is None or shell is None:
            raise ExecutorError("--run fork works inside a notebook only; use --run child.")
        ready, taken = await self._ready_for(limits), Taken()
        plan, scratch = ready.plan, ready.scratch
        environment = {**own_folders(scratch, self._folder.fonts), "MPLBACKEND": _INLINE}

        def make(end: Any, out: int, err: int) -> Given:
            return Given(
                shell,
                *(end, out, err, scratch, plan, environment),
                *(self._values, ready.secrets, ready.places, self._diff),
            )

        try:
            await main.call(lambda: take(make, taken))
            return taken.claim()
        except OSError as error:
            raise ExecutorError(
                f"The kernel could not be forked ({error.strerror or error}); free some memory or "
                "processes, or use --run child."
            ) from error
        finally:
            taken.leave()
            confinement.release(plan)

    async def _ready_for(self, limits: Limits) -> _Ready:
        """What was made ready, if it fits these limits and the folder the kernel is in."""
        ready, self._ready = self._ready, None
        if ready is not None and ready.fits == _fitting(limits):
            return ready
        if ready is not None:
            confinement.release(ready.plan)
        return await self._made_ready(limits)

    async def _made_ready(self, limits: Limits) -> _Ready:
        making = asyncio.ensure_future(asyncio.to_thread(self._make_ready, limits))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            making.add_done_callback(_unused)  # a thread is not cancelled: its plan will be there
            raise

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
            protected=[guardian().start()],
        )
        try:
            confinement.prepare(plan)
            known = frozenset(known_secrets(self._names()))
            places = tuple(find(not_given(known, self._values)))
            return _Ready(_fitting(limits), scratch, plan, known, places)
        except BaseException:
            confinement.release(plan)
            raise

    def _names(self) -> dict[str, Any]:
        return self._namespace if self._namespace is not None else _shell().user_ns

    async def _get_ready(self, limits: Limits) -> None:
        async with self._busy:
            if not self._closed and self._ready is None and self._session is None:
                self._store(await self._made_ready(limits))

    def _store(self, ready: _Ready) -> None:
        if self._closed:  # meanwhile
            confinement.release(ready.plan)
        else:
            self._ready = ready

    def _release(self) -> None:
        ready, self._ready = self._ready, None
        if ready is not None:
            confinement.release(ready.plan)

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
        namespace = self._names()
        namespace.update(await self._last.values(names, namespace))

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
        try:
            if self._readying is not None:
                await asyncio.wait({self._readying})
        finally:
            self._end()

    def _end(self) -> None:
        self._release()
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


def _unused(making: asyncio.Future[_Ready]) -> None:
    if not making.cancelled() and making.exception() is None:
        confinement.release(making.result().plan)


def _fitting(limits: Limits) -> tuple[object, ...]:
    try:
        folder = os.getcwd()
    except OSError:  # the folder was removed
        folder = ""
    return *for_good(limits), folder
