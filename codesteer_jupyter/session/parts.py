"""From settings to the parts of a run: task model, guide, executor, checkers, profile."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from codesteer_jupyter.errors import ExecutorError, TaskModelError
from codesteer_jupyter.redact import Redactor, known_secrets
from codesteer_jupyter.session.redacted import Redacted
from codesteer_jupyter.settings import Settings
from codesteer_jupyter.steering.checks import Checker
from codesteer_jupyter.steering.codec import to_json
from codesteer_jupyter.steering.completion import TaskModel
from codesteer_jupyter.steering.control import Automatic, Control
from codesteer_jupyter.steering.events import Noticed
from codesteer_jupyter.steering.execution import Executor, Transactional
from codesteer_jupyter.steering.guidance import Guide
from codesteer_jupyter.steering.loop import Parts
from codesteer_jupyter.steering.procedure import Procedure, procedure
from codesteer_jupyter.steering.profile import Profile, load_profile
from codesteer_jupyter.steering.trajectory import Trajectory

__all__ = ["Opened", "default_model", "missing_values", "model_named", "open_parts"]

MIB = 2**20
_log = logging.getLogger(__name__)
_NO_MODEL = (
    "No task model is chosen: name one with --model (openai:NAME, ollama:NAME, "
    "http://HOST/v1#NAME …) or CODESTEER_MODEL, let `codesteer setup` look for one, or use the "
    "small local model: {embedded}."
)


@dataclass
class Opened:
    """The parts of one run, what its record says about how they were chosen, and what the user
    should be told. `close` ends everything that was opened for this run.
    """

    parts: Parts
    record: dict[str, Any] = field(default_factory=dict)
    notices: list[Noticed] = field(default_factory=list)
    closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    _warming: asyncio.Task[None] | None = None

    def warm(self) -> None:
        """Let the executor start its process while the task model answers."""
        start = getattr(self.parts.executor, "warm", None)
        if start is not None:
            self._warming = asyncio.ensure_future(_quietly(start))

    async def close(self) -> None:
        """End what was opened, in reverse order; a part that fails to end is only logged."""
        warming, self._warming = self._warming, None
        if warming is not None:
            warming.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await warming
        while self.closers:
            await _quietly(self.closers.pop())


async def _quietly(step: Callable[[], Awaitable[None]]) -> None:
    try:
        await step()
    except Exception:
        _log.warning("%s failed", getattr(step, "__qualname__", step), exc_info=True)


def default_model(settings: Settings | None = None) -> str:
    """The model string used when none is chosen: the embedded model, where it is at hand.

    Raises:
        TaskModelError: it is not; the sentence lists the cures.
    """
    import importlib.util

    if importlib.util.find_spec("xllamacpp") is None:
        cure = "pip install 'codesteer_jupyter[embedded]', then --model embedded"
        raise TaskModelError(_NO_MODEL.format(embedded=cure), kind="no_model")
    from codesteer_jupyter.models.weights import cached, weights_named

    weights = weights_named()
    allowed = settings is not None and (settings.allow_download or settings.embedded_path)
    if allowed or cached(weights) is not None:
        return "embedded"
    cure = f"--model embedded --allow-download (fetches {weights.size_text} once)"
    raise TaskModelError(_NO_MODEL.format(embedded=cure), kind="no_model")


def _load_run(run_id: str) -> Trajectory:
    from codesteer_jupyter.journal import read

    return read(run_id)[1]


def model_named(name: str, settings: Settings) -> TaskModel:
    """The task model of this model string, made as `settings` say."""
    from codesteer_jupyter.models.resolve import task_model

    prefix = name.partition(":")[0].strip()
    embedded: dict[str, Any] = {}
    if prefix == "embedded":
        embedded = {
            "path": settings.embedded_path or None,
            "threads": settings.threads,
            "allow_download": settings.allow_download,
        }
    return task_model(
        name,
        stall_seconds=settings.stall_seconds,
        prices=settings.prices,
        load_run=_load_run,
        **embedded,
    )


def _procedure(settings: Settings) -> Procedure:
    return procedure(
        settings.procedure,
        rounds=settings.rounds,
        execution_seconds=settings.wall,
        last_execution_seconds=settings.wall,
        task_temperature=settings.temperature,
        task_max_tokens=settings.max_tokens,
    )


def _guide(
    spec: str,
    settings: Settings,
    model: TaskModel,
    profile: Profile,
    switches: Procedure,
    models: Callable[[str], TaskModel],
) -> Guide:
    from codesteer_jupyter.guides.resolve import guide

    return guide(
        spec,
        task_model=model,
        profile=profile,
        procedure=switches,
        allow_download=settings.allow_download,
        guide_memory=settings.guide_bytes,
        seed=settings.seed,
        model=models,
    )


def _checkers(
    settings: Settings,
    model: TaskModel,
    watched: Executor,
    apart: Executor,
    profile: Profile,
    switches: Procedure,
) -> list[Checker]:
    from codesteer_jupyter.checkers.symbolic import SymbolicChecker

    found: list[Checker] = [SymbolicChecker(switches)]
    limits = dataclasses.replace(settings.limits, wall=switches.execution_seconds)
    if settings.check:
        from codesteer_jupyter.checkers.self_answer import SelfAnswerChecker

        found.append(SelfAnswerChecker(model, apart, limits, profile, switches))
    if switches.name == "default":
        # Not part of the published procedures, whose guides never saw such findings.
        from codesteer_jupyter.checkers.data import DataChecker

        found.append(DataChecker(watched, limits))
    return found


async def open_parts(
    settings: Settings,
    *,
    values: Mapping[str, Any] | None = None,
    main_thread: Any = None,
    namespace: dict[str, Any] | None = None,
    control: Control | None = None,
    executor: Executor | None = None,
    models: Callable[[str], TaskModel] | None = None,
) -> Opened:
    """Resolve `settings`. Nothing is loaded or connected yet, but what cannot work is found.

    Args:
        settings: of the run.
        values: what `--with` gives to the code, by name.
        main_thread: where an executor in this process runs code (`execution.main_thread`).
        namespace: of the notebook, for that executor.
        control: who decides at the gates; automatic by default.
        executor: one that outlives the run; it is not closed with it.
        models: makes a task model from its model string; as `models/resolve.py` does by default.

    Raises:
        CodeSteerError: a part cannot be had; the sentence has the cure.
    """
    notices: list[Noticed] = []
    switches = _procedure(settings)
    profile = load_profile(settings.profile)
    model_name = settings.model
    if not model_name:
        model_name = default_model(settings)
        notices.append(
            Noticed("model", "No task model is chosen; the embedded one (a small model) answers.")
        )
    closers: list[Callable[[], Awaitable[None]]] = []
    try:
        named = models if models is not None else (lambda name: model_named(name, settings))
        model = named(model_name)
        closers.append(model.close)
        from codesteer_jupyter.guides.resolve import default_guide
        from codesteer_jupyter.guides.rules import RulesGuide

        spec, why = default_guide(settings.guide or None)
        steering = _guide(spec, settings, model, profile, switches, named)
        closers.append(steering.close)
        if executor is None:
            executor = _executor(settings, values, main_thread, namespace)
            closers.append(executor.close)
            reuses = getattr(executor, "reuses", True)
        else:
            # Another one is no like of it, where it brought what only it has.
            reuses = getattr(executor, "reuses", False)
        fit = await executor.preflight()
        if not fit.ok:
            raise ExecutorError(
                f"Code cannot run on {executor.name} here: {fit.reason.rstrip('.')}; "
                "choose another --run."
            )
        notices += [Noticed("executor", note) for note in fit.notes]
        live = executor.name == "live"
        plain = dataclasses.replace(settings, run="child" if live else settings.run, stateful=False)

        def aside() -> Executor:
            made = _executor(plain, values, main_thread, namespace, keep=False)
            closers.append(made.close)
            return made

        # A verifying program and its tries on altered answers have no business in the notebook's
        # own kernel, nor among the names that stateful rounds build on, nor among the snapshots
        # whose changes can be taken over, nor where an answer's program may have left a module
        # that computes something else.
        snapshots = isinstance(executor, Transactional)
        kept = snapshots or live or settings.stateful or reuses
        apart = aside() if settings.check and kept else executor
        known = Redactor(known_secrets(namespace))
        # A second, watched run of a program must see what stateful rounds made. It is an answer's
        # program as well, so it does not go where those are verified.
        watched = Redacted(aside() if snapshots else executor, known)
        executor, apart = Redacted(executor, known), Redacted(apart, known)
        rules = isinstance(steering, RulesGuide)
        parts = Parts(
            guide=steering,
            task_model=model,
            executor=executor,
            profile=profile,
            procedure=switches,
            checkers=_checkers(settings, model, watched, apart, profile, switches),
            limits=settings.limits,
            budget=settings.budget,
            control=Automatic() if control is None else control,
            fallback_guide=None if rules else RulesGuide(profile, switches),
            seed=settings.seed,
        )
    except BaseException:
        while closers:
            await _quietly(closers.pop())
        raise
    if settings.budget.usd is not None and model_name not in (settings.prices or {}):
        notices.append(
            Noticed(
                "budget",
                f"The bound of {settings.budget.usd:g} USD cannot be kept: no price of "
                f"{model_name} is known; give --price {model_name}=IN/OUT.",
            )
        )
    wider = settings.access.words()
    if wider:
        notices.append(Noticed("access", f"Generated code may {wider} in this run."))
    record = {
        **settings.to_dict(),
        "model": model_name,
        "guide": spec,
        "guide_chosen": why,
        "run": executor.name,
        "access": to_json(settings.access),
        "limits": to_json(dataclasses.replace(settings.limits, wall=switches.execution_seconds)),
        "switches": to_json(switches),
    }
    return Opened(parts, record, notices, closers)


def _executor(
    settings: Settings,
    values: Mapping[str, Any] | None,
    main_thread: Any,
    namespace: dict[str, Any] | None,
    *,
    keep: bool = True,
) -> Executor:
    from codesteer_jupyter.execution.resolve import executor

    return executor(
        settings.run,
        values=values,
        stateful=settings.stateful,
        main_thread=main_thread,
        namespace=namespace,
        most_bytes=settings.with_limit * MIB,
        diff=settings.diff,
        keep=keep,
        access=settings.access,
    )


def missing_values(run: Trajectory, values: Mapping[str, Any] | None) -> Noticed | None:
    """What to say when a resumed run was about variables that are not here now."""
    names = run.context.names if run.context is not None else ()
    missing = [name for name in names if name not in (values or {})]
    if not missing:
        return None
    return Noticed(
        "missing_values",
        f"This run was given {', '.join(missing)}, which is not here now; code that uses "
        f"{'it' if len(missing) == 1 else 'them'} will fail.",
    )
