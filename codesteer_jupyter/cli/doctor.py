"""`codesteer doctor`: prints what was looked at, each fault with its cure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from codesteer_jupyter.errors import UsageError
from codesteer_jupyter.settings import Settings, resolve

if TYPE_CHECKING:
    from codesteer_jupyter.steering.execution import Fit

__all__ = ["doctor"]


@click.command()
@click.option(
    "--prove",
    is_flag=True,
    help="Try to escape from where generated code runs, in every way known here, at bait only.",
)
@click.option("--json", "as_json", is_flag=True, help="With --prove: print one object.")
@click.option(
    "--run",
    "executors",
    multiple=True,
    metavar="EXECUTOR",
    help="With --prove: the executor, auto by default; may be given several times.",
)
def doctor(prove: bool, as_json: bool, executors: Sequence[str]) -> int:
    """Look for what is missing or broken here. Exit code 1 where something needs a cure, or
    where --prove found a layer that does not keep what it claims.
    """
    if prove:
        return _prove(executors, as_json)
    if as_json or executors:
        raise UsageError("--json and --run of doctor belong to --prove; add it.")
    from codesteer_jupyter.diagnosis import TERMINAL, Checks, findings

    found = findings(TERMINAL, Checks(resolve, _check_model, _check_executor))
    width = max(len(item.about) for item in found)
    for item in found:
        mark = "!" if item.cure else " "
        click.echo(f"{mark} {item.about:<{width}}  {item.fact}")
        if item.cure:
            click.echo(f"  {'':<{width}}  -> {item.cure}")
    return 1 if any(item.cure for item in found) else 0


def _prove(executors: Sequence[str], as_json: bool) -> int:
    from codesteer_jupyter.diagnosis.proof import Proof
    from codesteer_jupyter.journal import dumps

    proof = Proof(executors)
    if as_json:
        click.echo(dumps(proof.data(), indent=2))
    else:
        for line in proof.text():
            click.echo(line)
    return 0 if proof.holds else 1


def _check_model(model: str) -> None:
    from codesteer_jupyter.models.resolve import task_model

    asyncio.run(task_model(model).close())


def _check_executor(settings: Settings) -> tuple[str, Fit]:
    from codesteer_jupyter.execution.resolve import executor

    async def look() -> tuple[str, Fit]:
        here = executor(settings.run)
        try:
            return here.name, await here.preflight()
        finally:
            await here.close()

    return asyncio.run(look())
