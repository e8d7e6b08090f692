"""The one thread that computes: a request at a time, the clients taking turns.

A kernel with many requests under way delays its own later ones, not another kernel's first.
"""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Generic, TypeVar

__all__ = ["Busy", "Job", "Worker"]

T = TypeVar("T")
Say = Callable[[str], None]
Work = Callable[[Say, threading.Event], T]


class Busy(Exception):
    """Too many requests wait, or the server is about to end."""


class Job(Generic[T]):
    """One request's work, waiting or under way.

    Attributes:
        pieces: what the work said so far, then None.
        cancelled: set it to end the work at its next token, or before it begins.
        future: its result.
    """

    def __init__(self, client: str, work: Work[T]) -> None:
        self.client = client
        self.pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.cancelled = threading.Event()
        self.future: Future[T] = Future()
        self._work = work

    def run(self) -> None:
        try:
            if self.cancelled.is_set():
                raise CancelledError
            self.future.set_result(self._work(self.pieces.put, self.cancelled))
        except BaseException as error:  # told by whoever waits for the result
            self.future.set_exception(error)
        finally:
            self.pieces.put(None)


class Worker:
    """Runs jobs. `most_waiting` bounds those that have not begun."""

    def __init__(self, most_waiting: int = 64) -> None:
        self._most = most_waiting
        self._waiting: OrderedDict[str, deque[Job[object]]] = OrderedDict()
        self._change = threading.Condition()
        self._current: Job[object] | None = None
        self._ending = False
        self._thread = threading.Thread(target=self._loop, name="guide-worker", daemon=True)
        self._thread.start()

    def submit(self, client: str, work: Work[T]) -> Job[T]:
        """Queue `work(say, cancelled)` for `client`.

        Raises:
            Busy: see there.
        """
        job: Job[T] = Job(client, work)
        with self._change:
            if self._ending or sum(map(len, self._waiting.values())) >= self._most:
                raise Busy
            self._waiting.setdefault(client, deque()).append(job)  # type: ignore[arg-type]  # its result goes to its own future
            self._change.notify_all()
        return job

    def stop(self, patience: float) -> None:
        """Refuse what waits, let the running job end within `patience` seconds, then cancel it."""
        with self._change:
            self._ending = True
            left = [job for jobs in self._waiting.values() for job in jobs]
            self._waiting.clear()
            running = self._current
            self._change.notify_all()
        for job in left:
            job.cancelled.set()
            job.run()
        self._thread.join(patience)
        if running is not None:
            running.cancelled.set()
        self._thread.join(patience)

    def _next(self) -> Job[object] | None:
        """The next client's oldest job; its others wait until all clients had their turn."""
        with self._change:
            while not self._waiting:
                if self._ending:
                    return None
                self._change.wait()
            client, jobs = self._waiting.popitem(last=False)
            job = jobs.popleft()
            if jobs:
                self._waiting[client] = jobs
            self._current = job
            return job

    def _loop(self) -> None:
        while (job := self._next()) is not None:
            job.run()
            self._current = None
