"""Two threads, one rule: model work waits on a worker's event loop, the main thread executes.

A notebook's main thread gets the interrupt, owns matplotlib and runs cells, so it must be free to
take work while a run waits for a server; and a kernel's own event loop cannot be interrupted
promptly. So one daemon thread per process owns an event loop for everything that waits, and the
main thread sits in `MainThread.run`, executing what the coroutine hands over.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import os
import queue
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from codesteer_jupyter.errors import UsageError

__all__ = ["MainThread", "main_thread"]

T = TypeVar("T")

_CLEANUP = 0.8  # seconds a cancelled run may use to stop its code and say where it stood
_NESTED = (
    "CodeSteer is already running in this notebook; let that run end, or interrupt it, "
    "before starting another (code that CodeSteer runs cannot start one either)."
)


class _Started:
    task: asyncio.Task[Any] | None = None


class MainThread:
    """The waiting side of a run, and the way back to it from the worker's event loop."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._active = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0

    # -- on the main thread ----------------------------------------------------------------------

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` on the worker's loop; meanwhile execute the jobs it hands over.

        On KeyboardInterrupt the coroutine is cancelled, jobs are served until it has cleaned up
        (0.8 s at most; a second interrupt ends the wait at once) and KeyboardInterrupt is raised
        again. What the coroutine does after that is no longer waited for.

        Raises:
            UsageError: a run is going on already.
            KeyboardInterrupt: see above.
        """
        if threading.current_thread() is self._thread or not self._active.acquire(blocking=False):
            coroutine.close()
            raise UsageError(_NESTED, kind="nested")
        try:
            return self._run(coroutine)
        finally:
            self._active.release()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        self._serve_rest(execute=False)  # of an earlier run that was not waited for to its end
        ended: concurrent.futures.Future[T] = concurrent.futures.Future()
        loop, started = self.loop(), _Started()

        def finish(task: asyncio.Task[T]) -> None:
            if task.cancelled():
                ended.set_exception(asyncio.CancelledError())
            elif (error := task.exception()) is not None:
                ended.set_exception(error)
            else:
                ended.set_result(task.result())
            self._jobs.put(None)

        def start() -> None:
            started.task = loop.create_task(coroutine)
            started.task.add_done_callback(finish)

        try:
            # The context goes along: a kernel finds the cell that output belongs to by it.
            loop.call_soon_threadsafe(start, context=contextvars.copy_context())
            while not ended.done():
                # Short: a signal that comes just before the wait begins does not end it.
                self._serve(timeout=0.5)
        except KeyboardInterrupt:
            loop.call_soon_threadsafe(lambda: started.task and started.task.cancel())
            deadline = time.monotonic() + _CLEANUP
            while not ended.done() and time.monotonic() < deadline:
                self._serve(timeout=0.02)
            raise
        self._serve_rest()
        return ended.result()

    def _serve(self, timeout: float) -> None:
        try:
            job = self._jobs.get(timeout=timeout)
        except queue.Empty:
            return
        if job is not None:
            job()

    def _serve_rest(self, execute: bool = True) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is not None and execute:
                    job()

    # -- from the worker's event loop ------------------------------------------------------------

    async def call(self, function: Callable[[], T]) -> T:
        """Execute `function` on the main thread and return what it returned.

        If the user interrupts it, this raises asyncio.CancelledError: the run is over.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(set_it: Callable[[Any], None], value: Any) -> None:
            if not answer.done():
                set_it(value)

        def job() -> None:
            if answer.cancelled():
                return
            try:
                result = function()
            except KeyboardInterrupt:
                loop.call_soon_threadsafe(answer.cancel)
                raise
            except BaseException as error:  # SystemExit too: it belongs to whoever asked
                if isinstance(error, (SystemExit, GeneratorExit, StopIteration)):
                    error = RuntimeError(f"{type(error).__name__} on the main thread: {error}")
                loop.call_soon_threadsafe(settle, answer.set_exception, error)
            else:
                loop.call_soon_threadsafe(settle, answer.set_result, result)

        self._jobs.put(job)
        return await answer

    def post(self, function: Callable[[], object]) -> None:
        """Have `function` executed on the main thread, in order, without waiting. An exception
        of it is dropped: a display that cannot be updated must not end a run.
        """

        def job() -> None:
            with contextlib.suppress(Exception):
                function()

        self._jobs.put(job)

    # -- the worker ------------------------------------------------------------------------------

    def loop(self) -> asyncio.AbstractEventLoop:
        """The worker's event loop; started on first use, and again in a forked process."""
        if self._loop is None or self._pid != os.getpid() or not self._alive():
            self._pid = os.getpid()
            loop = asyncio.new_event_loop()
            self._loop = loop
            self._thread = threading.Thread(
                target=self._work, args=(loop,), name="codesteer", daemon=True
            )
            self._thread.start()
        return self._loop

    def _alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @staticmethod
    def _work(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()


_shared: MainThread | None = None


def main_thread() -> MainThread:
    """The one `MainThread` of this process."""
    global _shared
    if _shared is None:
        _shared = MainThread()
    return _shared
