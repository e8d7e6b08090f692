"""An executor whose reports hold no known secret: what a program printed goes into prompts, too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from codesteer_jupyter.redact import Redactor
from codesteer_jupyter.steering.execution import Executor, Fit, Limits, Output
from codesteer_jupyter.steering.trajectory import Execution

__all__ = ["Redacted"]


class Redacted:
    """`executor`, with `redactor` applied to each `Execution`. Streamed outputs pass as they are:
    the session redacts them as events, because a secret may be cut in two there.
    """

    def __init__(self, executor: Executor, redactor: Redactor) -> None:
        self._executor = executor
        self._redactor = redactor

    @property
    def name(self) -> str:
        return self._executor.name

    async def preflight(self) -> Fit:
        return await self._executor.preflight()

    async def warm(self) -> None:
        """As the executor's own, where it has one."""
        warm = getattr(self._executor, "warm", None)
        if warm is not None:
            await warm()

    async def prepare(self, code: str) -> None:
        """As the executor's own, where it has one."""
        prepare = getattr(self._executor, "prepare", None)
        if prepare is not None:
            await prepare(code)

    async def run(
        self, code: str, limits: Limits, variables: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Output | Execution]:
        stream = self._executor.run(code, limits, variables)
        try:
            async for item in stream:
                yield self._redactor.value(item) if isinstance(item, Execution) else item
        finally:
            # However the reader leaves, the program ends now, not when it is collected.
            aclose = getattr(stream, "aclose", None)
            if aclose is not None:
                await aclose()

    async def close(self) -> None:
        await self._executor.close()
