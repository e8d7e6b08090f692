"""The attempts, by family."""

from __future__ import annotations

from codesteer_jupyter.execution.escapes.attempt import Attempt
from codesteer_jupyter.execution.escapes.corpus import (
    display,
    exhaustion,
    files,
    handles,
    kernel,
    links,
    metadata,
    network,
    persistence,
    privilege,
    processes,
)

__all__ = ["CORPUS"]

CORPUS: tuple[Attempt, ...] = (
    *files.ATTEMPTS,
    *links.ATTEMPTS,
    *metadata.ATTEMPTS,
    *processes.ATTEMPTS,
    *network.ATTEMPTS,
    *kernel.ATTEMPTS,
    *privilege.ATTEMPTS,
    *handles.ATTEMPTS,
    *exhaustion.ATTEMPTS,
    *display.ATTEMPTS,
    *persistence.ATTEMPTS,
)
