"""Trying things out in a confined process, for the tests of confinement."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from codesteer_jupyter.execution.confinement import plan, probe
from codesteer_jupyter.steering.execution import Access

ROOT = Path(__file__).parents[2]
_APPLY = """
import json, sys
sys.path.insert(0, {root!r})
from codesteer_jupyter.execution import confinement
asked = json.load(sys.stdin)
confinement.prepare()
layers = confinement.apply(asked["plan"])
found = {{}}
def attempt(name, step):
    try:
        value = step()
        found[name] = value if isinstance(value, (int, str, bool, list, type(None))) else "done"
    except BaseException as error:
        found[name] = type(error).__name__
exec(asked["code"])
print(json.dumps([layers, found]))
"""


def needs(*layers: str) -> None:
    """Skip, with the reason, where this kernel lacks one of the layers."""
    found = probe()
    for layer in layers:
        if found[layer]:
            pytest.skip(f"{layer}: {found[layer]}")


def confined(
    code: str,
    scratch: Path,
    *,
    without: Iterable[str] = (),
    access: Access | None = None,
    change: dict[str, Any] | None = None,
    **options: Any,
) -> tuple[list[str], dict[str, Any]]:
    """The layers in force and what `attempt(name, step)` found in `code`, run in a process that
    applied a plan to itself: a value, `done`, or the name of the exception.
    """
    os.environ["CODESTEER_CONFINEMENT_WITHOUT"] = ",".join(without)
    try:
        made = plan(access or Access(), scratch, needed=[ROOT], **options)
    finally:
        del os.environ["CODESTEER_CONFINEMENT_WITHOUT"]
    made.update(change or {})
    done = subprocess.run(
        [sys.executable, "-c", _APPLY.format(root=str(ROOT))],
        input=json.dumps({"plan": made, "code": code}),
        stdout=subprocess.PIPE,
        text=True,
        cwd=scratch,
        timeout=60,
    )
    assert done.returncode == 0, (done.returncode, done.stdout)
    layers, found = json.loads(done.stdout)
    return layers, found
