"""A run plan run from the command line: what is needed is there, progress, a summary at the end."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from codesteer_jupyter.errors import CodeSteerError, UsageError

if TYPE_CHECKING:
    from codesteer_jupyter.settings import Settings
    from codesteer_jupyter.symbench.evaluation.plan import Plan
    from codesteer_jupyter.symbench.evaluation.running import Progress

__all__ = ["Place", "can_be_asked", "chosen_model", "execute", "parse_arm", "parse_setting"]

# Settings that say where things lie on this machine; they change no answer.
_MACHINE = ("stall_seconds", "prices", "allow_download", "embedded_path", "threads", "guide_memory")


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a plan is run.

    Args:
        out: folder of the logs.
        resume: go on in a folder that holds a run of the plan.
        again: ask those questions once more that ended in an error.
        workers: questions at once, or processes of Ray.
        ray: whether Ray runs it.
        address: of a Ray cluster.
    """

    out: Path
    resume: bool = False
    again: bool = False
    workers: int | None = None
    ray: bool = False
    address: str | None = None


def chosen_model(model: str | None, settings: Settings) -> str:
    """The model named, else the one chosen by `codesteer setup` or the environment.

    Raises:
        UsageError: there is none.
    """
    found = model or settings.model
    if not found:
        raise UsageError(
            "No task model is chosen; give --model, such as openai:gpt-4o, ollama:NAME or "
            "embedded, or choose one with codesteer setup."
        )
    return found


def parse_arm(text: str) -> dict[str, Any]:
    """`codesteer`, `codesteer+self`, `codesteer+rules+paper`, `all_code+max_tokens=500`: a method
    with what its guide, procedure and settings are here.
    """
    from codesteer_jupyter.steering.procedure import PROCEDURES

    method, *marks = text.strip().split("+")
    arm: dict[str, Any] = {"method": method}
    settings = {}
    guide = []
    for mark in marks:
        name, equals, value = mark.partition("=")
        if equals and name.isidentifier():
            settings[name] = parse_setting(value)
        elif mark in PROCEDURES:
            arm["procedure"] = mark
        else:
            guide.append(mark)  # local:MODEL+ADAPTER has a plus of its own
    if guide:
        arm["guide"] = "+".join(guide)
    if settings:
        arm["settings"] = settings
    return arm


def parse_setting(text: str) -> Any:
    """A number as a number, so that the plan's hash is that of the same plan in a file."""
    import json

    try:
        return json.loads(text)
    except ValueError:
        return text


def execute(plan: Plan, place: Place, settings: Settings) -> int:
    """Run what is left of the plan and tell what came of it; the exit code.

    Raises:
        UsageError: the plan cannot be run here.
        TaskModelError: a key or an extra is missing.
    """
    from codesteer_jupyter.symbench.evaluation.logs import outcomes
    from codesteer_jupyter.symbench.evaluation.running import run

    can_be_asked(plan, settings)
    machine = _machine(settings)
    try:
        with _shown(plan) as progress:
            if place.ray:
                _on_ray(plan, place, machine, progress)
            else:
                run(
                    plan,
                    place.out,
                    machine=machine,
                    progress=progress,
                    resume=place.resume,
                    again=place.again,
                    workers=place.workers,
                )
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo(f"Interrupted; the same command with --resume goes on in {place.out}.", err=True)
        return 130
    rows = [row for row in outcomes(place.out) if row.plan == plan.sha256]
    return _told(rows, place.out)


def _on_ray(
    plan: Plan, place: Place, machine: dict[str, Any], progress: Callable[[Progress], None]
) -> None:
    from codesteer_jupyter.symbench.evaluation.sharding import run_on_ray

    try:
        run_on_ray(
            plan,
            place.out,
            workers=place.workers,
            address=place.address,
            machine=machine,
            progress=progress,
            resume=place.resume,
        )
    except CodeSteerError:
        raise
    except Exception as error:  # a cluster fails in more ways than Ray has exceptions for
        why = " ".join(str(error).split())[:300]
        raise CodeSteerError(
            f"Ray could not run it ({type(error).__name__}: {why}); --resume goes on.", kind="ray"
        ) from error


def can_be_asked(plan: Plan, settings: Settings) -> None:
    """Make the clients of all models once, which finds out what is missing; nothing is asked.

    Raises:
        UsageError: there is no such kind of model.
        TaskModelError: a key or an extra is missing.
    """
    from codesteer_jupyter.session.parts import model_named
    from codesteer_jupyter.symbench.methods import METHODS

    guides = {arm.guide or plan.guide for arm in plan.methods if METHODS[arm.method].guided}
    endpoints = [guide.partition(":")[2] for guide in guides if guide.startswith("endpoint:")]
    for name in (plan.model, *endpoints):
        asyncio.run(model_named(name, settings).close())


def _machine(settings: Settings) -> dict[str, Any]:
    from codesteer_jupyter.settings import Settings

    plain = Settings()
    values = {name: getattr(settings, name) for name in _MACHINE}
    return {name: value for name, value in values.items() if value != getattr(plain, name)}


@contextlib.contextmanager
def _shown(plan: Plan) -> Iterator[Callable[[Progress], None]]:
    """Progress on standard error: a bar on a terminal, else a line at every tenth."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(plan.model, total=None)

        def told(state: Progress) -> None:
            bar.update(task, completed=state.done, total=state.total, description=_short(state))

        yield told


class _Lines:
    """A line whenever another tenth is done."""

    def __init__(self) -> None:
        self.tenth = -1

    def __call__(self, state: Progress) -> None:
        tenth = 10 * state.done // max(1, state.total)
        if tenth > self.tenth:
            self.tenth = tenth
            click.echo(state.line(), err=True)


def _short(state: Progress) -> str:
    return "  ".join(f"{arm} {state.correct[arm]}/{state.asked[arm]}" for arm in state.asked)


def _told(rows: list[Any], out: Path) -> int:
    """The summary; 1 where nothing at all could be answered."""
    from codesteer_jupyter.symbench.report import gather
    from codesteer_jupyter.symbench.report.scores import means
    from codesteer_jupyter.symbench.report.table import to_brief

    broke = [row for row in rows if row.verdict == "error"]
    for results in gather(rows):
        if results.questions:
            click.echo(to_brief(means(results), intervals=True))
    if broke:
        reason = " ".join((broke[0].error or broke[0].reason).split())
        click.echo(
            f"{len(broke)} of {len(rows)} broke and count as not right, the first with: {reason}",
            err=True,
        )
    click.echo(f"Logs: {out} ({len(rows)} outcomes). More: codesteer symbench report {out}")
    return 1 if broke and len(broke) == len(rows) else 0
