"""An executor that protects nothing: it shows that every attempt can succeed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from codesteer_jupyter.steering.execution import Fit, Limits, Output
from codesteer_jupyter.steering.trajectory import ExecutionError, Execution, Json

HEAD = "globals().update(__import__('json').loads({facts!r}))\n"


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
        program.write_text(HEAD.format(facts=json.dumps(dict(variables or {}))) + code)
        report, inherited = os.pipe()
        os.set_inheritable(inherited, True)
        os.set_blocking(report, False)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(program)),
            cwd=scratch,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            close_fds=False,
        )
        assert process.stdout and process.stderr
        # Survivors hold the pipes: what was written when the program ended is what counts.
        texts = await asyncio.gather(
            *(self._read(stream, process) for stream in (process.stdout, process.stderr))
        )
        code_ = await process.wait()
        facts: Json = {}
        with contextlib.suppress(OSError, ValueError):
            facts = json.loads(os.read(report, 65536))
        os.close(report)
        os.close(inherited)
        stdout, stderr = texts
        last = (stderr.strip().splitlines() or [f"exit code {code_}"])[-1]
        yield Execution(
            status="ok" if code_ == 0 else "error",
            stdout=stdout,
            stderr=stderr,
            error=None if code_ == 0 else ExecutionError("Failed", last, ""),
            limit=None,
            seconds=0.0,
            executor=self.name,
            isolation=tuple(facts.get("isolation", ("process",))),
        )

    async def _read(
        self, stream: asyncio.StreamReader, process: asyncio.subprocess.Process
    ) -> str:
        data = b""
        ended = asyncio.ensure_future(process.wait())
        while True:
            part = asyncio.ensure_future(stream.read(2**16))
            await asyncio.wait({part, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not part.done():
                await asyncio.wait({part}, timeout=0.02)
            if not part.done() or not part.result():
                part.cancel()
                return data.decode(errors="replace")
            data += part.result()

    async def close(self) -> None:
        pass
