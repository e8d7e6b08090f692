"""One question, asked from a cell: from its text and options to the cell's value.

The loop works on a thread of its own; the main thread waits here, draws what happens and executes
code that has to run in this kernel. So an interrupt reaches the waiting main thread at any moment.
"""

from __future__ import annotations

import _thread
import contextlib
import functools
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from codesteer_jupyter.data.interpolation import interpolate
from codesteer_jupyter.data.variables import context_of
from codesteer_jupyter.errors import CodeSteerError, UsageError
from codesteer_jupyter.magic.cell import announcement
from codesteer_jupyter.magic.files import export_run
from codesteer_jupyter.magic.outcome import (
    Begun,
    Interrupted,
    closed,
    kept,
    raise_unless_good,
    undisturbed,
)
from codesteer_jupyter.result import Result
from codesteer_jupyter.session import Session
from codesteer_jupyter.settings import Settings, resolve
from codesteer_jupyter.steering.trajectory import Context, Trajectory
from codesteer_jupyter.views.display import current_cell, say

if TYPE_CHECKING:
    from codesteer_jupyter.execution.main_thread import MainThread
    from codesteer_jupyter.steering.execution import Fit

__all__ = ["Notebook"]


class Notebook:
    """What the cells of one kernel share: the settings, the last run, the worker thread.

    Args:
        shell: the IPython shell.
        traits: the `CodeSteer` configurable of this kernel.
    """

    def __init__(self, shell: Any, traits: Any = None) -> None:
        self.shell = shell
        self.traits = traits
        self.last: Result | None = None
        self.running = False
        self._told_live = False

    # -- settings and parts -----------------------------------------------------------------------

    def settings(
        self, flags: Mapping[str, Any] | None = None, base: Mapping[str, Any] | None = None
    ) -> Settings:
        """What a run with these options would use."""
        return resolve(flags, traits=self.traits, base=base)

    @property
    def namespace(self) -> dict[str, Any]:
        """The user's variables."""
        found: dict[str, Any] = self.shell.user_ns
        return found

    @property
    def worker(self) -> MainThread:
        """The thread the loop works on, and the way back from it."""
        from codesteer_jupyter.execution.main_thread import main_thread

        return main_thread()

    def check_model(self, model: str) -> None:
        """Raise what a run with this model would raise before it begins.

        Raises:
            CodeSteerError: no such model, or a key or an extra is missing.
        """
        from codesteer_jupyter.models.resolve import task_model

        self.worker.run(task_model(model).close())

    def check_executor(self, settings: Settings) -> tuple[str, Fit]:
        """Where code would run with these settings, and whether it can.

        Raises:
            CodeSteerError: no such executor.
        """
        from codesteer_jupyter.execution.resolve import executor

        made = executor(settings.run, main_thread=self.worker, namespace=self.namespace)

        async def look() -> Fit:
            try:
                return await made.preflight()
            finally:
                await made.close()

        fit: Fit = self.worker.run(look())
        return made.name, fit

    # -- asking -----------------------------------------------------------------------------------

    def ask(self, question: str, flags: Mapping[str, Any], line: str = "") -> Result | None:
        """Ask `question`, as written in the cell; the cell's value.

        Raises:
            CodeSteerError: nothing could be run, or `--fail` was given and the answer is missing
                or refuted.
            Interrupted: the cell was interrupted; the finished rounds are shown and kept.
        """
        self._refuse_nested()
        settings = self.settings(flags)
        given = interpolate(question, self.namespace)
        names = settings.with_names
        context = context_of(names, self.namespace) if names else None
        values = self._values(names)
        if not settings.quiet and not settings.json:
            lines = announcement(question, given, context, self.namespace, line)
            if lines:
                say("\n".join(lines))
        return self._conduct(given.text, settings, context, values, None)

    def resume(self, wanted: str, flags: Mapping[str, Any]) -> Result | None:
        """Go on with a recorded run. The variables it was given are taken from here if they are
        here; missing ones are named.

        Raises:
            CodeSteerError: as `ask`; also an unknown run, or one that is finished.
        """
        from codesteer_jupyter.journal import read, resume_point

        self._refuse_nested()
        _, run = read(wanted)
        settings = self.settings(flags, base=Settings.from_record(run.settings))
        point = resume_point(run, settings.most_rounds)
        recorded = run.context.names if run.context is not None else ()
        here = [name for name in recorded if name in self.namespace]
        names = tuple(dict.fromkeys([*here, *settings.with_names]))
        values = self._values(names)
        context = context_of(names, self.namespace) if names and settings.with_names else None
        if not settings.quiet and not settings.json:
            say(point.sentence)
        return self._conduct(run.question, settings, context, values, run)

    def _conduct(
        self,
        question: str,
        settings: Settings,
        context: Context | None,
        values: Mapping[str, Any],
        resume: Trajectory | None,
    ) -> Result | None:
        from codesteer_jupyter.views.live import open_view

        hidden = settings.quiet or settings.json
        view = Begun(
            open_view(
                "none" if hidden else "auto",
                on_stop=self._stop_clicked,
                store=settings.store,  # type: ignore[arg-type]  # one of its choices, checked
            )
        )
        session = Session(
            question,
            settings,
            context=context,
            values=values,
            main_thread=self.worker,
            namespace=self.namespace,
            resume=resume,
        )
        if settings.run == "live" and not self._told_live:
            self._told_live = True
            from codesteer_jupyter.execution.live import WARNING

            say(WARNING)
        stopped = False
        with self._busy():
            try:
                self.worker.run(self._events(session, view))
            except KeyboardInterrupt:
                stopped = True
        run = closed(session.trajectory)
        return self._deliver(run, view, settings, values, stopped)

    async def _events(self, session: Session, view: Begun) -> None:
        async with contextlib.aclosing(session.events()) as events:
            async for event in events:
                # Displays belong to the cell, and the cell to the main thread.
                self.worker.post(functools.partial(view.on_event, event))

    def _deliver(
        self,
        run: Trajectory,
        view: Begun,
        settings: Settings,
        values: Mapping[str, Any],
        stopped: bool,
    ) -> Result | None:
        """Show what stays, set names, write files; raise what has to be raised."""
        problem: CodeSteerError | None = None
        with undisturbed():
            shown = current_cell() if view.finish(run) else None
            result = Result(run, values, shown_in=shown, quiet=settings.quiet)
            if view.begun or stopped:
                self.last = result
            if settings.into:
                self.namespace[settings.into] = result
            if settings.json:
                print(json.dumps(run.to_dict(), ensure_ascii=False))
            if settings.notebook:
                try:
                    export_run(run, settings.notebook, values)
                except CodeSteerError as error:
                    problem = error
        if stopped:
            raise Interrupted(kept(run))
        if run.error is not None and (settings.fail or not view.begun):
            raise CodeSteerError(run.error.message, kind=run.error.kind)
        if settings.fail:
            raise_unless_good(run)
        if problem is not None:
            raise problem
        return None if settings.json or (settings.quiet and settings.into) else result

    def _values(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: self.namespace[name] for name in names if name in self.namespace}

    # -- records ----------------------------------------------------------------------------------

    def result_of(self, wanted: str | None) -> Result:
        """A recorded run by id; without one the last of this kernel, else the last recorded.

        Raises:
            RecordError: there is none.
        """
        if wanted is None and self.last is not None:
            return Result(self.last.trajectory, self.values_of(self.last.trajectory))
        from codesteer_jupyter.journal import read

        if wanted is not None and self.last is not None and self.last.id.endswith(wanted):
            run = self.last.trajectory
        else:
            run = read(wanted or "last")[1]
        return Result(run, self.values_of(run))

    def values_of(self, run: Trajectory) -> dict[str, Any]:
        """The variables a run was given, as far as they are here now."""
        return self._values(run.context.names) if run.context is not None else {}

    # -- one at a time ----------------------------------------------------------------------------

    def _refuse_nested(self) -> None:
        if self.running:
            raise UsageError(
                "A %%codesteer run is going on in this kernel and cannot hold another; ask in a "
                "cell of its own when it is done.",
                kind="nested",
            )

    @contextlib.contextmanager
    def _busy(self) -> Iterator[None]:
        self.running = True
        try:
            yield
        finally:
            self.running = False

    def stop(self) -> bool:
        """Interrupt what runs, from whatever thread; whether anything did."""
        if not self.running:
            return False
        _thread.interrupt_main()
        # The main thread may be waiting for work; give it some, so that it sees the interrupt.
        self.worker.post(_nothing)
        return True

    def _stop_clicked(self) -> None:
        self.stop()

    def close(self) -> None:
        """Stop what runs, and end the kernels that wait; the magics are going away."""
        from codesteer_jupyter.execution.pool import close_pool

        self.stop()
        close_pool()


def _nothing() -> None:
    """Wakes the main thread."""
