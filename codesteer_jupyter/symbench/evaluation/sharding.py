"""A run plan on several processes or machines, by Ray (extra `ray`).

What is left of the plan is cut into shards of a few questions. Workers take the next shard when
they are free; the shard of a worker that died is given to another, which finds what was answered
already where it can see the dead worker's folder. Each shard has a folder of logs, and the logs of
all of them are read as one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from codesteer_jupyter.errors import UsageError
from codesteer_jupyter.symbench.evaluation.logs import outcomes, read_outcomes
from codesteer_jupyter.symbench.evaluation.plan import Plan
from codesteer_jupyter.symbench.evaluation.running import (
    Job,
    Progress,
    arm_of,
    arun_jobs,
    claim,
    jobs,
)

__all__ = ["run_on_ray", "shards"]

SHARDS = "shards"
_RETRIES = 5


def shards(work: list[Job], size: int) -> list[Job]:
    """Jobs of at most `size` questions each."""
    return [
        Job(job.arm, job.task, job.instances[at : at + size], job.epoch)
        for job in work
        for at in range(0, len(job.instances), size)
    ]


def run_on_ray(
    plan: Plan,
    log_dir: str | Path,
    *,
    workers: int | None = None,
    address: str | None = None,
    size: int = 5,
    machine: Mapping[str, Any] | None = None,
    progress: Callable[[Progress], None] | None = None,
    resume: bool = True,
) -> Path:
    """Run what is left of the plan on a Ray cluster.

    Args:
        plan: the run plan. Its model string must mean the same model on every machine.
        log_dir: folder of the logs, as of `run`.
        workers: processes on this machine, where no cluster is named; by default one a core.
        address: of a running cluster (`auto`, `ray://HOST:PORT`).
        size: questions a shard.
        machine: settings of the machines, see `arun_jobs`.
        progress: called after every shard.
        resume: go on in a folder that holds logs of this plan; else that is an error.

    Raises:
        UsageError: Ray is not installed, or the folder belongs to another plan.
    """
    try:
        import ray
    except ImportError:
        raise UsageError(
            "Running on several processes needs an extra: pip install 'codesteer_jupyter[ray]'."
        ) from None
    folder = Path(log_dir).expanduser().absolute()
    claim(plan, folder, resume)
    state = _earlier(plan, folder)
    work = shards(jobs(plan, folder), size)
    if not work:
        return folder  # no cluster is started for nothing
    state.total += sum(len(job.instances) for job in work)
    begun = not ray.is_initialized()
    if begun:
        ray.init(
            address=address,
            num_cpus=None if address else workers,
            include_dashboard=False if address is None else None,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    try:
        step = ray.remote(_shard).options(num_cpus=1, max_retries=_RETRIES, name="symbench_shard")
        first = len(list((folder / SHARDS).glob("*")))
        waiting = {
            step.remote(plan.to_json(), job, str(_folder(folder, first + at)), dict(machine or {}))
            for at, job in enumerate(work)
        }
        while waiting:
            done, rest = ray.wait(list(waiting))
            waiting = set(rest)
            for ref in done:
                _merge(plan, ray.get(ref), state)
            if progress is not None:
                progress(state)
    finally:
        if begun:
            ray.shutdown()
    return folder


def _folder(folder: Path, number: int) -> Path:
    return folder / SHARDS / f"{number:05d}"


def _shard(
    plan_data: dict[str, Any], job: Job, folder: str, machine: dict[str, Any]
) -> tuple[str, dict[str, bytes]]:
    """What a worker does. Returns its folder and its logs, for machines that share no disk."""
    import asyncio

    plan = Plan.read(plan_data)
    here = Path(folder)
    here.mkdir(parents=True, exist_ok=True)
    # Left by a worker that died: a question whose outcome is on disk is not asked again.
    done = {row.instance for row in read_outcomes(here) if row.epoch == job.epoch}
    left = tuple(item for item in job.instances if item not in done)
    if left:
        rest = Job(job.arm, job.task, left, job.epoch)
        # One at a time: Ray has as many workers as there is room for.
        asyncio.run(arun_jobs(plan, [rest], here, machine=machine, workers=1))
    return folder, {path.name: path.read_bytes() for path in sorted(here.glob("*.eval"))}


def _merge(plan: Plan, made: tuple[str, dict[str, bytes]], state: Progress) -> None:
    folder, logs = Path(made[0]), made[1]
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in logs.items():
        path = folder / name
        if not path.is_file():
            path.write_bytes(data)
    for row in outcomes(folder):
        state.add(row, arm_of(plan, row))


def _earlier(plan: Plan, folder: Path) -> Progress:
    state = Progress(total=0)
    for row in outcomes(folder):
        if row.plan == plan.sha256:
            state.total += 1
            state.add(row, arm_of(plan, row))
    return state
