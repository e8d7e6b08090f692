"""The stream of one run as its readers get it: secrets taken out, every event in the journal."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import secrets
from collections.abc import AsyncGenerator, Iterator, Mapping
from datetime import datetime
from typing import Any

import codesteer_jupyter
from codesteer_jupyter.errors import CodeSteerError
from codesteer_jupyter.journal import JournalWriter
from codesteer_jupyter.redact import EventRedactor, Redactor, known_secrets
from codesteer_jupyter.session.ahead import Ahead
from codesteer_jupyter.session.parts import Opened, missing_values, open_parts
from codesteer_jupyter.settings import Settings
from codesteer_jupyter.steering.control import Control
from codesteer_jupyter.steering.events import (
    NOT_RECORDED,
    Event,
    Noticed,
    RunStarted,
    RunStopped,
    fold,
)
from codesteer_jupyter.steering.execution import Executor
from codesteer_jupyter.steering.loop import interrupted, new_run, steer
from codesteer_jupyter.steering.trajectory import (
    Context,
    ErrorInfo,
    ProfileRef,
    RunUsage,
    Stop,
    Trajectory,
)

__all__ = ["Session", "branch", "not_run", "run"]

_log = logging.getLogger(__name__)


class Session:
    """One run. Read `events()` once; `trajectory` is the fold of what it has yielded so far.

    Args:
        question: after interpolation; with `resume` the record's own question is taken.
        settings: resolved.
        context: what `--with` sends to the model.
        values: what `--with` gives to the code, by name.
        main_thread: where an executor in this process runs code.
        namespace: of the notebook, for that executor.
        control: who decides at the gates; automatic by default.
        resume: a run to go on with: its finished rounds stay, no code is run again.
        group: the benchmark instance it belongs to.
        executor: one that outlives the run.
        opened: parts made elsewhere, closed with the run; `settings` are then only recorded.
    """

    def __init__(
        self,
        question: str,
        settings: Settings,
        *,
        context: Context | None = None,
        values: Mapping[str, Any] | None = None,
        main_thread: Any = None,
        namespace: dict[str, Any] | None = None,
        control: Control | None = None,
        resume: Trajectory | None = None,
        group: str | None = None,
        executor: Executor | None = None,
        opened: Opened | None = None,
    ) -> None:
        self.question = resume.question if resume is not None else question
        self.settings = settings
        self._context = context
        self._values = values
        self._here = {
            "main_thread": main_thread,
            "namespace": namespace,
            "control": control,
            "executor": executor,
        }
        self._resume = resume
        self._group = group
        self._opened = opened
        self._redactor = EventRedactor(Redactor(known_secrets(namespace)))
        self._journal: JournalWriter | None = None
        self._told_unrecorded = False
        self.trajectory: Trajectory | None = None

    async def events(self) -> AsyncGenerator[Event, None]:
        """Run it. Parts that cannot be had, and parts that break, end in a `failed` run, never in
        an exception. When it is cancelled, the last event says `interrupted`, and then
        cancellation goes on.
        """
        try:
            try:
                opened = await self._open()
            except CodeSteerError as error:
                for event in self._failed(error.kind, error.message):
                    yield event
                return
            except Exception as error:
                _log.exception("the parts of a run could not be made")
                reason = f"A part of this run broke ({type(error).__name__}: {error})."
                for event in self._failed("internal", reason):
                    yield event
                return
            async with contextlib.aclosing(self._steered(opened)) as events:
                async for event in events:
                    yield event
        except asyncio.CancelledError:
            for event in self._interrupted():
                yield event
            raise
        finally:
            # No await in here for a generator that is simply dropped: this is the record.
            for _ in self._interrupted():
                pass
            if self._journal is not None:
                self._journal.close()
            if self._opened is not None:
                await asyncio.shield(self._opened.close())

    async def _open(self) -> Opened:
        if self._opened is None:
            self._opened = await open_parts(self.settings, values=self._values, **self._here)
        return self._opened

    async def _steered(self, opened: Opened) -> AsyncGenerator[Event, None]:
        header = self._header(opened)
        notices = [*opened.notices]
        if self.settings.journal:
            try:
                self._journal = JournalWriter(header.id)
            except CodeSteerError as error:
                for event in self._failed(error.kind, error.message):
                    yield event
                return
        if self._journal is None or not self._journal.ok:
            header = dataclasses.replace(header, resumable=False)
        if self._resume is not None:
            missing = missing_values(header, self._values)
            notices += [missing] if missing is not None else []
        opened.warm()
        ahead = Ahead(opened.parts)
        async with contextlib.aclosing(steer(header, opened.parts)) as events:
            async for event in events:
                await ahead.on_event(event)
                for ready in self._emit(event):
                    yield ready
                if isinstance(event, RunStarted):
                    for notice in notices:
                        for ready in self._emit(notice):
                            yield ready
        for ready in self._flush():
            yield ready

    def _header(self, opened: Opened) -> Trajectory:
        parts = opened.parts
        if self._resume is None:
            return new_run(
                self.question,
                parts,
                version=codesteer_jupyter.__version__,
                settings=opened.record,
                context=self._context,
                group=self._group,
            )
        return dataclasses.replace(
            self._resume,
            version=codesteer_jupyter.__version__,
            model=parts.task_model.name,
            guide=parts.guide.name,
            procedure=parts.procedure.name,
            profile=parts.profile.ref,
            settings=opened.record,
            context=self._context or self._resume.context,
            resumable=True,
        )

    # -- what every event goes through ----------------------------------------------------------

    def _emit(self, event: Event) -> Iterator[Event]:
        for ready in self._redactor.add(event):
            yield from self._take(ready)

    def _flush(self) -> Iterator[Event]:
        for ready in self._redactor.flush():
            yield from self._take(ready)

    def _take(self, event: Event) -> Iterator[Event]:
        self.trajectory = fold(self.trajectory, event)
        if self._journal is not None:
            self._journal.write(event)
        yield event
        yield from self._unrecorded()

    def _unrecorded(self) -> Iterator[Event]:
        journal = self._journal
        if journal is None or journal.ok or self._told_unrecorded or self.trajectory is None:
            return
        self._told_unrecorded = True
        where = journal.path.parent if journal.path is not None else "its folder"
        message = (
            f"The run can no longer be recorded in {where} ({journal.problem}); it goes on but "
            "cannot be resumed. Make room there, or set CODESTEER_HOME to a folder of yours."
        )
        yield from self._take(Noticed(NOT_RECORDED, message))

    def _interrupted(self) -> Iterator[Event]:
        """Close the record of a run that was cut short; nothing if it is closed already."""
        if self.trajectory is None or self.trajectory.stop is not None:
            return
        yield from self._flush()
        yield from self._take(interrupted(self.trajectory))

    def _failed(self, kind: str, message: str) -> Iterator[Event]:
        """The stream of a run that could not begin. It is not in the journal: there is nothing
        to go on with.
        """
        header = self._resume or _bare_header(
            self.question, self.settings, context=self._context, group=self._group
        )
        # A run that was to go on keeps the answer it had.
        stopped = RunStopped(
            stop=Stop(by="error", reason=message),
            status="failed",
            answer=header.answer,
            answer_round=header.answer_round,
            verification=header.verification,
            error=ErrorInfo(kind, message),
        )
        yield from self._emit(RunStarted(header))
        yield from self._emit(stopped)


def _bare_header(question: str, settings: Settings, **given: Any) -> Trajectory:
    now = datetime.now().astimezone()
    return Trajectory(
        id=_new_id(now),
        created=now.isoformat(timespec="seconds"),
        version=codesteer_jupyter.__version__,
        question=question,
        model=settings.model,
        guide=settings.guide,
        procedure=settings.procedure,
        profile=ProfileRef(settings.profile, ""),
        settings=settings.to_dict(),
        resumable=False,
        **given,
    )


def _new_id(now: datetime) -> str:
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def not_run(question: str, kind: str, message: str, *, by_user: bool = False) -> Trajectory:
    """The record of a question that never became a run: the options or settings around it were
    wrong, or (`by_user`) it was interrupted before it began.
    """
    stop = Stop(by="user" if by_user else "error", reason=message)
    return dataclasses.replace(
        _bare_header(question, Settings()),
        status="interrupted" if by_user else "failed",
        stop=stop,
        error=None if by_user else ErrorInfo(kind, message),
    )


async def run(question: str, settings: Settings, **options: Any) -> AsyncGenerator[Event, None]:
    """The events of one run; `options` as of `Session`."""
    async with contextlib.aclosing(Session(question, settings, **options).events()) as events:
        async for event in events:
            yield event


def branch(trajectory: Trajectory, rounds: int) -> Trajectory:
    """A new run whose first `rounds` rounds are copies of those of `trajectory`, to be given to
    `Session(resume=…)`; its `parent` says where it comes from.
    """
    now = datetime.now().astimezone()
    kept = trajectory.rounds[:rounds]
    usage = RunUsage()
    for item in kept:
        usage = usage.add("guide", item.usage.guide)
        usage = usage.add("task", item.usage.task)
        usage = usage.add("checker", item.usage.checker)
    return dataclasses.replace(
        trajectory,
        id=_new_id(now),
        created=now.isoformat(timespec="seconds"),
        parent={"id": trajectory.id, "round": len(kept)},
        rounds=kept,
        unfinished=None,
        usage=usage,
        stop=None,
        status="interrupted",
        answer=None,
        answer_round=None,
        error=None,
        notices=(),
    )
