"""Runs the attempts through an executor and says of each what became of it."""

from __future__ import annotations

import os
import queue
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from codesteer_jupyter.errors import CodeSteerError, UsageError
from codesteer_jupyter.execution.escapes.attempt import Attempt, Effect
from codesteer_jupyter.execution.escapes.bait import Bait
from codesteer_jupyter.execution.escapes.corpus import CORPUS
from codesteer_jupyter.execution.escapes.host import landlock_abi
from codesteer_jupyter.execution.escapes.needs import missing

__all__ = ["Finding", "Outcome", "prove"]

Outcome = Literal["blocked", "succeeded", "not applicable", "not run"]

_ALWAYS = ("limits", "views")
_ERRNO = re.compile(r"\[Errno (\d+)\]")
# What an answer of the kernel says about who gave it: number, layers in the order of likelihood.
_ANSWERS: tuple[tuple[tuple[int, ...], tuple[str, ...]], ...] = (
    ((13, 18), ("landlock", "seccomp", "userns")),  # EACCES, EXDEV
    ((1, 38, 97, 95), ("seccomp", "landlock", "userns", "pidns")),  # EPERM, ENOSYS, EAFNOSUPPORT
    ((3, 2, 6, 20), ("pidns", "mountns", "session", "ipcns", "landlock")),  # ESRCH, ENOENT, ENXIO
    ((101, 111, 99, 110), ("netns", "seccomp")),  # ENETUNREACH, ECONNREFUSED
    ((22, 28, 12, 11, 27), ("userns", "rlimits", "ipcns")),  # EINVAL, ENOSPC, ENOMEM, EAGAIN, EFBIG
)


@dataclass(frozen=True)
class Finding:
    """What became of one attempt.

    Attributes:
        attempt: the attempt.
        outcome: `not run` where the executor itself failed; that proves nothing.
        effects: what was seen outside; empty unless it succeeded.
        reported: what the program met, in its own words; or why it was not run.
        layer: the layer that most likely stopped it, "" where none is known to.
        claimed: layers that were active and claim to stop it.
        isolation: layers that were active.
    """

    attempt: Attempt
    outcome: Outcome
    effects: tuple[Effect, ...] = ()
    reported: str = ""
    layer: str = ""
    claimed: tuple[str, ...] = ()
    isolation: tuple[str, ...] = ()

    @property
    def broken(self) -> bool:
        """Whether an active layer failed to keep what it claims."""
        return self.outcome == "succeeded" and bool(self.claimed)


def prove(
    executor: str = "subprocess",
    attempts: Sequence[Attempt] = CORPUS,
    *,
    environment: Mapping[str, str] | None = None,
    shown: Callable[[str], str] = str,
    jobs: int | None = None,
) -> Iterator[Finding]:
    """Run `attempts` through `executor`; findings come as they are made, in no order.

    Everything that could be harmed is bait of this function's own: files in a temporary folder,
    processes it started, sockets on loopback.

    Args:
        executor: a name as for `--run`, or `module:attribute` of one that takes no arguments.
        attempts: those to run.
        environment: of the asking process; this process's own by default.
        shown: how text of a program is made fit for showing.
        jobs: how many run at a time, each with bait of its own.

    Raises:
        UsageError: not on this system.
        ExecutorError: the executor cannot run a harmless program.
    """
    if sys.platform != "linux":
        raise UsageError("Attempts to escape are made on Linux only; here nothing is confined.")
    waiting: queue.SimpleQueue[Attempt] = queue.SimpleQueue()
    made: queue.SimpleQueue[Finding | BaseException | None] = queue.SimpleQueue()
    for attempt in sorted(attempts, key=lambda each: not each.watched):  # the longest first
        waiting.put(attempt)
    given = dict(os.environ if environment is None else environment)
    workers = max(1, min(jobs or 2 * (os.cpu_count() or 1), 4, len(attempts)))
    stopped = threading.Event()

    def work() -> None:
        bait: Bait | None = None
        try:
            bait = Bait(executor, given, shown)
            while not stopped.is_set():
                try:
                    attempt = waiting.get_nowait()
                except queue.Empty:
                    return
                made.put(_finding(attempt, bait))
        except BaseException as error:
            made.put(error)
        finally:
            if bait is not None:
                bait.close()
            made.put(None)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(workers)]
    for thread in threads:
        thread.start()
    try:
        ended = 0
        while ended < workers:
            item = made.get()
            if item is None:
                ended += 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item
    finally:
        stopped.set()
        for thread in threads:
            thread.join(60)


def _finding(attempt: Attempt, bait: Bait) -> Finding:
    try:
        bait.ready()
        reason = missing(attempt, bait.reuses, bait.ports)
        if reason:
            return Finding(attempt, "not applicable", reported=reason)
        ended, effects = bait.attempt(attempt)
    except CodeSteerError as error:
        if bait.fresh:  # it never worked: nothing can be proven
            raise
        return Finding(attempt, "not run", reported=error.message)
    # Where the asking process did not live to say it: as in the harmless run before.
    isolation = tuple(ended.get("isolation") or bait.isolation)
    claimed = _claimed(attempt, isolation)
    reported = _reported(ended)
    if effects:
        return Finding(attempt, "succeeded", tuple(effects), reported, "", claimed, isolation)
    if "failed" in ended:
        return Finding(attempt, "not run", (), reported, "", (), isolation)
    layer = _likely(attempt, claimed, ended, reported)
    return Finding(attempt, "blocked", (), reported, layer, claimed, isolation)


def _claimed(attempt: Attempt, isolation: Sequence[str]) -> tuple[str, ...]:
    found = []
    for word in attempt.stopped_by:
        layer, _, least = word.partition("@")
        if (layer in isolation or layer in _ALWAYS) and int(least or 0) <= landlock_abi():
            found.append(layer)
    return tuple(found)


def _reported(ended: Mapping[str, Any]) -> str:
    if "failed" in ended:
        return str(ended["failed"])
    error = ended.get("error")
    if ended.get("limit"):
        return f"limit: {ended['limit']}"
    if error:
        return f"{error['name']}: {error['message']}".strip()[:200]
    if "refused" in str(ended.get("stdout")) or "Errno" in str(ended.get("stdout")):
        return str(ended["stdout"]).strip()[-200:]
    return "no error"


def _likely(
    attempt: Attempt, claimed: Sequence[str], ended: Mapping[str, Any], reported: str
) -> str:
    """The layer that most likely stopped it; each guess is one of those that claim to."""
    if ended.get("limit") and "limits" in claimed:
        return "limits"
    if "SIGSYS" in reported and "seccomp" in claimed:
        return "seccomp"
    number = _ERRNO.search(reported)
    if number is not None:
        for numbers, layers in _ANSWERS:
            if int(number[1]) in numbers:
                for layer in layers:
                    if layer in claimed:
                        return layer
    if reported == "no error" and attempt.family == "metadata" and "seccomp" in claimed:
        return "seccomp"  # reports success and does nothing
    return claimed[0] if claimed else ""
