"""The tests of confinement once more, as a user without any privilege."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import pytest

from codesteer_jupyter.execution.confinement import probe
from tests.execution.confined import ROOT

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="confinement needs Linux"),
    pytest.mark.timeout(600),  # each is a run of its own of many tests
]
FOLDER = ROOT / "tests/execution"


@pytest.mark.parametrize(
    "tests",
    [
        ["test_confinement_layers.py"],
        pytest.param(["test_confinement.py", "-k", "subprocess"], marks=pytest.mark.slow),
        ["test_confinement.py", "-k", "child and not network and not missing"],
    ],
    ids=["layers", "subprocess", "child"],
)
def test_confinement_holds_for_an_unprivileged_user(tests: list[str]) -> None:
    if os.getuid() != 0:
        pytest.skip("these tests are run by an unprivileged user already")
    if probe()["userns"]:
        pytest.skip(f"changing the user needs a mount namespace: {probe()['userns']}")
    file, *options = tests
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        done = subprocess.run(
            [
                *(sys.executable, str(FOLDER / "unprivileged.py"), folder, sys.executable),
                *("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT)),
                *("-c", str(ROOT / "pyproject.toml"), str(FOLDER / file), *options),
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
