"""One program in a snapshot, seen from the kernel: what it showed, and how it ended."""

from __future__ import annotations

import asyncio
import codecs
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from codesteer_jupyter.errors import ExecutorError
from codesteer_jupyter.execution.fork.reports import Report, display
from codesteer_jupyter.execution.fork.snapshot import Snapshot
from codesteer_jupyter.execution.limits import OutputCap, memory_bound
from codesteer_jupyter.execution.outcome import Outcome, died, limited, reported
from codesteer_jupyter.execution.supervised import Ending
from codesteer_jupyter.execution.watch import Watch
from codesteer_jupyter.steering.execution import Limits, Output
from codesteer_jupyter.steering.trajectory import Execution, Json

__all__ = ["Run"]

_TICK = 0.05  # seconds between two looks at a silent program
_GRACE = 0.3  # seconds an interrupted program has to end by itself
_PORTIONS = 4  # of a stream at one look; a pipe holds no more
_IDLE = 0.05  # share of the time a hanging program computes, at most


class Run:
    """Reads what a snapshot tells and writes while its program runs, within `limits`."""

    def __init__(self, snapshot: Snapshot, limits: Limits) -> None:
        self._snapshot, self._limits = snapshot, limits
        self._memory = memory_bound(limits)
        self._cap = OutputCap(limits.output)
        self._written: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._decoders = {
            name: codecs.getincrementaldecoder("utf-8")("replace") for name in self._written
        }
        self._displays: list[Json] = []
        self._report: Report | None = None
        self._begun = False
        self._new = not snapshot.isolation
        self._broken = ""
        self._hit: str | None = None
        self._ending: Ending | None = None
        self._woken = asyncio.Event()
        self._unread: set[int] = set()
        self._watch = Watch(snapshot.group, limits, self._memory)
        self._computed = 0.0
        self.stood_still = False

    @property
    def memory(self) -> int:
        """Bytes the program may hold."""
        return self._memory

    @property
    def reported(self) -> bool:
        """Whether the program came to its end and said how."""
        return self._report is not None and self._hit in (None, "output")

    async def outputs(self, code: str, variables: Mapping[str, Any]) -> AsyncIterator[Output]:
        """What the program shows, until it ended, died or passed a limit."""
        snapshot, loop = self._snapshot, asyncio.get_running_loop()
        watched = (snapshot.ended, snapshot.out, snapshot.err, snapshot.end.fileno())
        for number in watched:
            loop.add_reader(number, self._woken.set)
        self._unread = set(watched)
        request = {"do": "run", "code": code, "variables": dict(variables)}
        try:
            snapshot.command({**request, "output": self._limits.output})
            async for item in self._until_over():
                yield item
        finally:
            for number in watched:
                loop.remove_reader(number)

    async def _until_over(self) -> AsyncIterator[Output]:
        stop_at = None
        while True:
            ended = self._snapshot.poll()  # asked first: then everything it wrote is there
            for item in self._arrived():
                yield item
            if self._report is not None or self._broken:
                return
            if self._snapshot.frames.broken:  # the program wrote more than any message may hold
                self._hit = self._hit or "output"
                return
            if ended is not None:
                self._ending = ended
                return
            if stop_at is not None:
                if time.monotonic() >= stop_at:
                    return  # it did not listen: the whole group is killed
            else:
                hit = "output" if self._cap.exceeded else self._watch.hit()
                self._hit = self._hit or hit
                if hit in ("memory", "processes"):
                    return
                if hit is not None:
                    self._look_for_a_hang(hit)
                    self._snapshot.interrupt()
                    stop_at = time.monotonic() + _GRACE
            await self._wait()

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        for number in self._unread & self._snapshot.over:  # readable for ever
            loop.remove_reader(number)
        self._unread -= self._snapshot.over
        timer = loop.call_later(_TICK, self._woken.set)
        try:
            await self._woken.wait()
        finally:
            timer.cancel()
            self._woken.clear()

    def _look_for_a_hang(self, hit: str) -> None:
        """A program that used its time without computing may wait for a lock that was held by a
        thread of the kernel when it was forked. One that sleeps looks the same.
        """
        if hit != "wall":
            return
        computed = self._snapshot.group.computed() - self._computed
        idle = computed <= max(_IDLE * self._limits.wall, 0.02)
        self.stood_still = idle and self._snapshot.group.waits_for_a_lock()

    def _arrived(self) -> Iterator[Output]:
        for message in self._snapshot.messages():
            item = self._take(message)
            if item is not None:
                yield item
        for name in self._written:
            for _ in range(_PORTIONS):
                data = self._snapshot.written(name)
                if not data:
                    break
                item = self._text(name, self._decoders[name].decode(data))
                if item is not None:
                    yield item
                if self._cap.exceeded:
                    break

    def _take(self, message: Mapping[str, Any]) -> Output | None:
        # The program can say all of this, too: nothing it says may change what was said before.
        kind = message.get("kind")
        if kind == "ready" and not self._snapshot.isolation:
            layers = message.get("isolation")
            self._snapshot.isolation = tuple(map(str, layers)) if isinstance(layers, list) else ()
        elif kind == "begun" and not self._begun:
            self._begun = True
            self._watch.restart()
            self._computed = self._snapshot.group.computed()
        elif kind == "display" and (shown := display(message.get("output"))) is not None:
            kept = self._cap.display(shown)
            if kept is not None:
                self._displays.append(kept)
                return Output("display", output=kept)
        elif kind == "overflow":
            self._hit = self._hit or "output"
        elif kind == "report" and self._report is None:
            self._report = Report.of(message, self._limits.output)
        elif kind == "broken" and self._new and not self._begun:
            self._broken = str(message.get("reason", ""))
        return None

    def _text(self, name: str, text: str) -> Output | None:
        if not text or self._cap.exceeded:
            return None
        kept = self._cap.text(text)
        self._written[name].append(kept)
        return Output("stdout" if name == "stdout" else "stderr", kept)

    def execution(self, name: str) -> Execution:
        """The whole run, after `outputs` is exhausted.

        Raises:
            ExecutorError: the snapshot itself broke before the program began.
        """
        if self._broken:
            raise ExecutorError(
                f"A snapshot of the kernel could not be made ready ({self._broken[:300]}); "
                "use --run child."
            )
        report = self._report
        status, error, limit = self._outcome()
        seconds = report.seconds if report is not None else None
        return Execution(
            status=status,
            stdout="".join(self._written["stdout"]),
            stderr="".join(self._written["stderr"]),
            outputs=tuple(self._displays) if report is None else report.outputs,
            error=error,
            limit=limit,
            seconds=self._watch.seconds if seconds is None else seconds,
            executor=name,
            isolation=self._snapshot.isolation,
            changes=() if report is None else report.changes,
            extra={} if report is None else report.extra,
        )

    def _outcome(self) -> Outcome:
        raised = None if self._report is None else self._report.error
        if self._hit is not None:
            return limited(self._hit, self._limits, self._memory, raised)
        if self._report is None:
            return died(self._ending or Ending())
        return reported(raised, self._limits, self._memory, self._snapshot.isolation)
