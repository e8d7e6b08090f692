"""An executor that protects nothing: it shows that every attempt can succeed."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from codesteer_jupyter.steering.execution import Fit, Limits, Output
from codesteer_jupyter.steering.trajectory import Execution, ExecutionError, Json

# As libraries do that run code in their own process: the key is a local variable above.
PROGRAM = """
import json, os
def run(api_key):
    exec(compile({code!r}, "program", "exec"), {{"__name__": "__main__", **json.loads({facts!r})}})
run(os.environ.get("OPENAI_API_KEY", ""))
"""


class Unprotected:
    """`python file.py` with the asker's environment, descriptors, session and folder rights.

    What it reads from an inherited pipe it believes; no limit is kept.
    """

    name = "unprotected"

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp())
        self._rounds = 0

    async def preflight(self) -> Fit:
        return Fit(True)

    async def run(
        self, code: str, limits: Limits, variables: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Output | Execution]:
        self._rounds += 1
        scratch = self._folder / f"w{self._rounds}"
        scratch.mkdir()
        program = self._folder / "program.py"
        facts = json.dumps(dict(variables or {}))
        program.write_text(PROGRAM.format(code=code, facts=facts))
        report, inherited = os.pipe()
        os.set_inheritable(inherited, True)
        os.set_blocking(report, False)
        # Files, not pipes, which survivors would hold open.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                [sys.executable, str(program)],
                cwd=scratch,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                close_fds=False,
            )
            while process.poll() is None:
                await asyncio.sleep(0.005)
            out.seek(0)
            err.seek(0)
            stdout, stderr = (file.read().decode(errors="replace") for file in (out, err))
        report_: Json = {}
        with contextlib.suppress(OSError, ValueError):
            report_ = json.loads(os.read(report, 65536))
        os.close(report)
        os.close(inherited)
        last = (stderr.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
        yield Execution(
            status="ok" if process.returncode == 0 else "error",
            stdout=stdout,
            stderr=stderr,
            error=None if process.returncode == 0 else ExecutionError("Failed", last, ""),
            limit=None,
            seconds=0.0,
            executor=self.name,
            isolation=tuple(report_.get("isolation", ("process",))),
        )

    async def close(self) -> None:
        pass


class Reused(Unprotected):
    """Runs every program in the asker's own process, which it keeps."""

    name = "reused"

    async def run(
        self, code: str, limits: Limits, variables: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Output | Execution]:
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            exec(code, dict(variables or {}))
        yield Execution(
            status="ok",
            stdout=shown.getvalue(),
            stderr="",
            error=None,
            limit=None,
            seconds=0.0,
            executor=self.name,
            isolation=(),
        )


class Broken(Unprotected):
    """Runs nothing."""

    async def run(
        self, code: str, limits: Limits, variables: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Output | Execution]:
        raise RuntimeError("broken")
        yield  # pragma: no cover - makes this a generator
