"""The executor: where generated code runs, as the loop sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from codesteer_jupyter.steering.trajectory import Execution, Json

__all__ = ["Access", "Executor", "Fit", "Limits", "Output", "Transactional"]

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Bounds on one run of generated code. Hitting one is a named outcome, never an exception.

    Attributes:
        wall: seconds of wall time.
        memory: bytes over the whole process tree; None means half of what is free, at most 4 GiB.
        processes: how many processes may exist beside the first.
        file: bytes of the largest file that may be written.
        output: bytes of stdout, stderr and displayed data together; the rest is dropped.
    """

    wall: float = 30.0
    memory: int | None = None
    processes: int = 64
    file: int = 100 * 10**6
    output: int = 10**6


@dataclass(frozen=True)
class Access:
    """What generated code is allowed beyond the default confinement: nothing, unless widened.

    Attributes:
        net: the network may be used.
        write: folders and files that may be written to beside the scratch folder.
        read: folders and files that may be read although they are kept closed: hidden ones in
            home directories, other users' homes, sockets and credentials of the system.
    """

    net: bool = False
    write: tuple[str, ...] = ()
    read: tuple[str, ...] = ()

    def words(self) -> str:
        """What is wider than the default, for the user; empty where nothing is."""
        parts = ["use the network"] if self.net else []
        parts += [f"write to {', '.join(self.write)}"] if self.write else []
        parts += [f"read {', '.join(self.read)}"] if self.read else []
        return " and ".join(parts)


@dataclass(frozen=True)
class Output:
    """A piece of output while code runs."""

    name: Literal["stdout", "stderr", "display"]
    text: str = ""
    output: Json | None = None


@dataclass(frozen=True)
class Fit:
    """Whether an executor can work here and now, and if not, why. `notes` are sentences the user
    should see although it can.
    """

    ok: bool
    reason: str = ""
    notes: tuple[str, ...] = ()


class Executor(Protocol):
    """Runs whole programs. Each run starts from the same base state (the `--with` values), unless
    the executor is stateful. `name` is what the record calls it.

    Two methods are optional: `async warm()`, called when the task model begins to answer, and
    `async prepare(code)`, called with pieces of its answer that may hold imports. So is the
    attribute `reuses`: whether one program can change what the next computes, as where one process
    runs both. Programs that verify answers then get another executor of
    the same kind. Without it, that is taken to be so.
    """

    @property
    def name(self) -> str: ...

    async def preflight(self) -> Fit:
        """Whether this executor can be used here; cheap, runs no generated code."""
        ...

    def run(
        self, code: str, limits: Limits, variables: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Output | Execution]:
        """Run `code` with `variables` (JSON values) predefined beside the base state. Streams
        outputs; the last item is the `Execution`. Cancelling stops the code within a second.

        Raises:
            ExecutorError: the code could not be started at all.
        """
        ...

    async def close(self) -> None:
        """End every process this executor started; calling it twice is fine."""
        ...


@runtime_checkable
class Transactional(Protocol):
    """Optional part of an executor that can show, take over or drop what the last run changed."""

    async def diff(self) -> Sequence[Json]: ...

    async def adopt(self, names: Sequence[str]) -> None: ...

    async def discard(self) -> None: ...
