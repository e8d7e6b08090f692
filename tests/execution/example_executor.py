"""A whole executor of another package, as small as can be: a plain `python -c`, no isolation."""

import asyncio
import sys
import time

from codesteer_jupyter.steering.execution import Fit, Output
from codesteer_jupyter.steering.trajectory import Execution, ExecutionError


class PlainExecutor:
    name = "plain"
    reuses = False  # no program runs where another one ran

    def __init__(self, stateful=False):  # of what the caller has it takes what it names here
        self.stateful = stateful

    async def preflight(self):
        return Fit(not self.stateful, "every program is a new process")

    async def run(self, code, limits, variables=None):
        names = "".join(f"{name} = {value!r}\n" for name, value in (variables or {}).items())
        pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
        started, status, out, err = time.monotonic(), "ok", b"", b""
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", names + code, **pipes)
        try:
            out, err = await asyncio.wait_for(process.communicate(), limits.wall)
        except TimeoutError:
            status = "timeout"
        finally:  # also when the run is cancelled
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = {"stdout": out.decode(), "stderr": err.decode()}
        for stream, written in text.items():
            yield Output(stream, written)
        error = ExecutionError("Error", text["stderr"]) if process.returncode else None
        status = "error" if error and status == "ok" else status
        seconds = time.monotonic() - started
        yield Execution(status, **text, error=error, seconds=seconds, executor=self.name)

    async def close(self):
        pass
