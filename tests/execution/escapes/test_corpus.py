"""The attempts to escape: each can succeed where nothing protects, none where all layers hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from codesteer_jupyter.errors import ExecutorError, UsageError
from codesteer_jupyter.execution.confinement import LAYERS, WITHOUT, probe
from codesteer_jupyter.execution.escapes import CORPUS, Attempt, Finding, prove
from codesteer_jupyter.execution.escapes.bait import KINDS, Bait
from codesteer_jupyter.execution.escapes.needs import NEEDS
from codesteer_jupyter.execution.resolve import executor_names
from codesteer_jupyter.views.text import output_text
from tests.execution.unprivileged import NOBODY

ROOT = Path(__file__).parents[3]
ROOT_USER = hasattr(os, "geteuid") and os.geteuid() == 0
EXECUTORS = [name for name in ("child", "subprocess", "fork") if name in executor_names()]
# What no layer of an executor claims to stop: a snapshot has no pid namespace, and is a copy of
# the process that holds the key.
UNCLAIMED = {"fork": {"own_memory"}}
UNPROTECTED = "tests.execution.escapes.unprotected:Unprotected"

# All of them are made on `fork` and `child` in every run of the tests; elsewhere each third.
PARTS = pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])

linux = pytest.mark.skipif(sys.platform != "linux", reason="attempts are made on Linux only")


def told(findings: list[Finding]) -> str:
    return "\n".join(
        f"{item.attempt.name}: {item.outcome}; {[effect.text for effect in item.effects]}; "
        f"claimed by {item.claimed}; it said {item.reported!r}"
        for item in findings
    )


def named(name: str) -> Attempt:
    return next(attempt for attempt in CORPUS if attempt.name == name)


def test_the_corpus_is_well_formed() -> None:
    assert len(CORPUS) >= 60
    assert len({attempt.name for attempt in CORPUS}) == len(CORPUS)
    for attempt in CORPUS:
        compile(attempt.text, attempt.name, "exec")
        assert attempt.witness in KINDS, attempt.name
        assert attempt.tries.endswith(".") and attempt.tries.count(". ") == 0, attempt.name
        names = {word.partition("@")[0] for word in attempt.stopped_by}
        assert names <= {*LAYERS, "limits", "views"}, attempt.name
        assert set(attempt.needs) <= set(NEEDS), attempt.name


@pytest.mark.parametrize("name", ["SECURITY.md", "CHANGELOG.md"])
def test_the_documents_know_how_many_there_are(name: str) -> None:
    assert f"{len(CORPUS)} attempts to escape" in (ROOT / name).read_text("utf-8")


@linux
@PARTS
def test_every_attempt_succeeds_where_nothing_protects(every: int) -> None:
    """What cannot be tried on this host says which feature it lacks. The two that aim at the next
    program in the same process need an executor that keeps its process; see below.
    """
    findings = list(prove(UNPROTECTED, CORPUS[::every], environment=environment()))
    assert len(findings) == len(CORPUS[::every])
    tried = [item for item in findings if item.outcome != "not applicable"]
    assert len(tried) >= 60 // every
    failed = [
        item
        for item in tried
        if item.outcome != "succeeded"
        or item.attempt.witness not in {effect.kind for effect in item.effects}
    ]
    assert not failed, told(failed)


@linux
def test_the_next_program_in_the_same_process_is_seen_to_change() -> None:
    aimed = [attempt for attempt in CORPUS if "reuse" in attempt.needs]
    assert len(aimed) == 2
    found = list(prove("tests.execution.escapes.unprotected:Reused", aimed))
    assert [item.outcome for item in found] == ["succeeded"] * 2, told(found)


@linux
@pytest.mark.parametrize("executor", EXECUTORS)
def test_sizes_of_files_are_seen_where_nothing_bounds_them(executor: str) -> None:
    aimed = [named("file_size"), named("file_size_sparse")]
    found = list(prove(executor, aimed, environment={**environment(), WITHOUT: "rlimits"}))
    assert [item.outcome for item in found] == ["succeeded"] * 2, told(found)
    assert not any("rlimits" in item.isolation for item in found)


@linux
@pytest.mark.parametrize(
    ("executor", "every"),
    [
        *((name, 3 if name == "subprocess" else 1) for name in EXECUTORS),
        pytest.param("subprocess", 1, marks=pytest.mark.slow),
    ],
)
def test_none_succeeds_where_all_layers_hold(executor: str, every: int) -> None:
    attempts = CORPUS[::every]
    findings = list(prove(executor, attempts, environment=environment(), shown=output_text))
    assert len(findings) == len(attempts)
    complete = not any(probe().values())
    bad = [
        item
        for item in findings
        if item.outcome == "not run"
        or item.broken
        or (
            (item.outcome == "succeeded" and complete)
            and item.attempt.name not in UNCLAIMED.get(executor, ())
        )
    ]
    assert not bad, told(bad)
    blocked = [item for item in findings if item.outcome == "blocked"]
    assert all(item.layer for item in blocked if item.claimed)
    assert len(blocked) >= 60 // every or not complete


@linux
@pytest.mark.skipif(not ROOT_USER, reason="the tests run as an unprivileged user anyway")
@pytest.mark.parametrize("executor", ["child", pytest.param("subprocess", marks=pytest.mark.slow)])
def test_none_succeeds_as_an_unprivileged_user(executor: str) -> None:
    command = [sys.executable, "-P", "-m", "codesteer_jupyter", "doctor", "--prove", "--json"]
    with tempfile.TemporaryDirectory() as home:
        become = [sys.executable, "-m", "tests.execution.unprivileged", home]
        done = subprocess.run(
            [*become, *command, "--run", executor],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["host"]["uid"] == NOBODY
    complete = all(layer["available"] for layer in report["layers"].values())
    (found,) = report["executors"]
    bad = [
        row
        for row in found["attempts"]
        if row["outcome"] == "not run"
        or (row["outcome"] == "succeeded" and row["name"] not in UNCLAIMED.get(executor, ()))
    ]
    assert not bad or not complete, bad
    assert found["proven"]
    assert done.returncode == 0
    assert found["executor"] == executor
    assert sum(found["totals"].values()) == len(CORPUS)
    assert found["totals"]["blocked"] >= 60 or not complete


@linux
def test_an_executor_that_runs_nothing_proves_nothing() -> None:
    with pytest.raises(ExecutorError, match="could not run a harmless program"):
        list(prove("tests.execution.escapes.unprotected:Broken", [named("overwrite")]))


@linux
def test_bait_is_put_back_and_removed() -> None:
    """The same attempt twice finds the same bait; afterwards nothing of it is left."""
    bait = Bait(UNPROTECTED, environment(), str)
    shared = bait.shared
    try:
        for name in ("overwrite", "shared_victim", "kill_asker", "make_folder") * 2:
            attempt = named(name)
            _, effects = bait.attempt(attempt)
            assert attempt.witness in {effect.kind for effect in effects}, (name, effects)
        _, effects = bait.attempt(replace(named("overwrite"), program="print(1)"))
        assert not effects
    finally:
        bait.close()
    assert not bait.root.exists()
    assert not shared.exists()


def test_live_and_stray_options_are_refused() -> None:
    from codesteer_jupyter.diagnosis.proof import Proof

    with pytest.raises(UsageError, match="isolates nothing"):
        Proof(["live"])
    with pytest.raises(UsageError, match="no executor"):
        Proof(["chld"])


def environment() -> dict[str, str]:
    """Without the tests' own folder as the place of everything: paths of sockets are short."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@linux
def test_both_hosts_show_the_proof(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole corpus by few: what is shown, in the notebook too, and the exit code."""
    from click.testing import CliRunner

    from codesteer_jupyter.cli.doctor import doctor
    from codesteer_jupyter.diagnosis import proof
    from codesteer_jupyter.magic import doctor as magic

    few = [named(name) for name in ("overwrite", "inherited_files", "next_run_hook")]
    monkeypatch.setattr(
        proof, "prove", lambda name, shown: prove(name, few, environment=environment(), shown=shown)
    )
    monkeypatch.setattr(proof, "_called", lambda name: name)
    magic._prove(["subprocess"])
    text = capsys.readouterr().out
    assert "landlock_abi" in text and "active layers process" in text
    assert "no process serves more than one program" in text
    runner = CliRunner()
    done = runner.invoke(doctor, ["--prove", "--run", UNPROTECTED], standalone_mode=False)
    assert done.return_value == 1
    # Its layer `process` claims to keep descriptors apart; of files nothing claims anything.
    (broken,) = [line for line in done.output.splitlines() if "claimed by" in line]
    assert broken.startswith("!   inherited_files") and "NOT PROVEN" in done.output
    assert "no layer claims it" in done.output
    refused = runner.invoke(doctor, ["--json"], standalone_mode=False)
    assert isinstance(refused.exception, UsageError)
