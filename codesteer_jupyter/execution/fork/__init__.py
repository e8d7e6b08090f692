"""Generated code in a copy-on-write snapshot of the notebook's kernel (`--run fork`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codesteer_jupyter.execution.fork.executor import ForkExecutor

__all__ = ["ForkExecutor"]


def __getattr__(name: str) -> Any:
    if name == "ForkExecutor":
        from codesteer_jupyter.execution.fork.executor import ForkExecutor

        return ForkExecutor
    raise AttributeError(name)
