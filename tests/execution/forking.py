"""An executor of the tests' process whose programs run in a snapshot of a real kernel."""

from __future__ import annotations

import asyncio
import json
import textwrap
from collections.abc import AsyncIterator, Mapping
from typing import Any

from codesteer_jupyter.steering.codec import from_json, to_json
from codesteer_jupyter.steering.execution import Fit, Limits, Output
from codesteer_jupyter.steering.trajectory import Execution
from tests.kernels import Kernel

__all__ = ["SETUP", "KernelFork"]

SETUP = """
import json as _json
from codesteer_jupyter.execution.access import Access as _Access
from codesteer_jupyter.execution.fork import ForkExecutor as _ForkExecutor
from codesteer_jupyter.execution.main_thread import main_thread as _main_thread
from codesteer_jupyter.steering.codec import to_json as _to_json
from codesteer_jupyter.steering.execution import Limits as _Limits
from codesteer_jupyter.steering.trajectory import Execution as _Execution

_mt = _main_thread()
_made = _ForkExecutor(_mt)

def _make(values=(), access=None, **options):
    global _made
    _mt.run(_made.close())
    values = {name: globals()[name] for name in values}
    _made = _ForkExecutor(_mt, values=values, access=_Access(**(access or {})), **options)

def _ask(code, limits, variables=None):
    async def go():
        streamed = []
        async for item in _made.run(code, _Limits(**limits), variables):
            if isinstance(item, _Execution):
                return {"execution": _to_json(item), "streamed": _to_json(streamed)}
            streamed.append(item)
    print("@@" + _json.dumps(_mt.run(go())))
"""


class KernelFork:
    """Runs programs through a `ForkExecutor` in `kernel`, which must have executed `SETUP`."""

    name = "fork"

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    async def preflight(self) -> Fit:
        said = self.kernel.execute("_mt.run(_made.preflight())").check().result or ""
        return Fit("ok=True" in said, said)

    def make(self, *values: str, **options: Any) -> None:
        """A new executor in the kernel, given these of its variables."""
        self.kernel.execute(f"_make({values!r}, **{options!r})").check()

    async def run(
        self, code: str, limits: Limits, variables: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Output | Execution]:
        sent = self.kernel.send(f"_ask({code!r}, {to_json(limits)!r}, {variables!r})")
        try:
            cell = await asyncio.to_thread(self.kernel.collect, sent, 120.0)
        except asyncio.CancelledError:
            self.kernel.interrupt()
            raise
        cell.check()
        foreign = [output for output in cell.outputs if output.get("name") != "stdout"]
        assert not foreign, foreign  # nothing of the program may reach the cell around it
        assert cell.stdout.startswith("@@"), textwrap.shorten(cell.stdout, 500)
        found = json.loads(cell.stdout[2:])
        for item in found["streamed"]:
            yield from_json(Output, item)
        yield from_json(Execution, found["execution"])

    async def close(self) -> None:
        self.kernel.execute("_mt.run(_made.close())").check()
