"""A run plan on two real Ray workers, one of them killed midway."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from codesteer_jupyter.errors import UsageError
from codesteer_jupyter.symbench import instances, task
from codesteer_jupyter.symbench.evaluation.logs import outcomes, read_outcomes
from codesteer_jupyter.symbench.evaluation.plan import Plan
from codesteer_jupyter.symbench.evaluation.running import Job
from codesteer_jupyter.symbench.evaluation.sharding import run_on_ray, shards

TASK = task("letters")
N = 8


def plan_of(folder: Path, delay: float) -> Plan:
    """Two methods on questions that a scripted model answers, slowly, each with its solution."""
    replies = [
        {
            "match": f"(?s){TASK.question(one)[:200]}".replace("?", r"\?").replace("[", r"\["),
            "reply": TASK.solve(one),
            "delay": delay,
            "chunk": 4,
            "repeat": True,
        }
        for one in instances(TASK, N, 0.1)
    ]
    replies.append({"reply": "<<<no>>>", "delay": delay, "repeat": True})
    path = folder / "script.json"
    path.write_text(json.dumps(replies))
    return Plan.read(
        {
            "tasks": ["letters"],
            "methods": ["only_question", "all_text"],
            "model": f"scripted:{path}",
            "n": N,
            "difficulty": 0.1,
        }
    )


def kill_one_worker(folder: Path, killed: list[int]) -> None:
    """Once a question is answered, kill -9 a process that has a shard in work."""
    end = time.monotonic() + 300
    while time.monotonic() < end and not killed:
        time.sleep(0.05)
        if not list(folder.rglob("*.eval")) or not list(read_outcomes(folder)):
            continue
        for process in psutil.Process().children(recursive=True):
            try:
                title = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if "symbench_shard" in title:
                process.kill()
                killed.append(process.pid)
                return


# Every worker imports Inspect anew, which takes long on busy cores.
@pytest.mark.timeout(600)
@pytest.mark.slow
def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    plan = plan_of(tmp_path, delay=0.03)
    logs = tmp_path / "logs"
    killed: list[int] = []
    killer = threading.Thread(target=kill_one_worker, args=(logs, killed))
    killer.start()
    seen: list[int] = []
    run_on_ray(plan, logs, workers=2, size=2, progress=lambda state: seen.append(state.done))
    killer.join()
    assert killed, "no worker was killed, so nothing was tested"
    asked = Counter((row.method, row.instance) for row in read_outcomes(logs))
    assert len(asked) == 2 * N
    assert set(asked.values()) == {1}
    rows = outcomes(logs)
    assert {row.plan for row in rows} == {plan.sha256}
    assert not [row.error for row in rows if row.error]
    assert seen[-1] == 2 * N
    # Nothing is left to do.
    run_on_ray(plan, logs, workers=1, size=3)
    assert len(list(read_outcomes(logs))) == 2 * N


def test_shards_are_small() -> None:
    parts = shards([Job("a", "t", tuple("abcde")), Job("b", "t", ("x",))], 2)
    assert [part.instances for part in parts] == [("a", "b"), ("c", "d"), ("e",), ("x",)]
    assert [part.arm for part in parts] == ["a", "a", "a", "b"]


def test_another_plans_folder_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    plan = plan_of(tmp_path, delay=0.0)
    Plan.read({**plan.to_json(), "n": 3}).save(tmp_path / "logs" / "plan.json")
    with pytest.raises(UsageError, match="another plan"):
        run_on_ray(plan, tmp_path / "logs", workers=1)
