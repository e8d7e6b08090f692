"""Generated code in the notebook's own kernel (`--run live`): it sees and changes the user's names.

The code runs on the main thread, as a cell would, so plots, `display` and interrupts behave as
they do in a cell. Nothing isolates it: only time and output are limited, and a crash ends the
kernel (`WARNING` is for showing before the first such run).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NoReturn

from codesteer_jupyter.errors import ExecutorError
from codesteer_jupyter.execution.capture import Capture
from codesteer_jupyter.execution.changes import Names
from codesteer_jupyter.execution.inside import describe
from codesteer_jupyter.execution.limits import OutputCap, memory_bound
from codesteer_jupyter.execution.main_thread import MainThread
from codesteer_jupyter.execution.outcome import limited, reported
from codesteer_jupyter.execution.predefined import LEAVING, predefined
from codesteer_jupyter.steering.execution import Fit, Limits, Output
from codesteer_jupyter.steering.trajectory import Execution

__all__ = ["WARNING", "LiveExecutor"]

WARNING = (
    "With --run live, generated code runs in this notebook's kernel with your variables: it can "
    "change or delete them, and a crash or too much memory ends the kernel and loses its state. "
    "Use --run child to keep it apart."
)
_AGAIN = 0.5  # seconds until code that went on after an interrupt is interrupted again
_CANCEL = 0.8  # seconds a cancelled run waits for the code to stop


class LiveExecutor:
    """Runs programs in the kernel this process is.

    Args:
        main_thread: the way to the main thread, which waits in `MainThread.run`.
        namespace: the user's names, for the list of changes; the shell's by default.
        values: `--with` values; they are the user's own objects and are not copied.
    """

    name = "live"

    def __init__(
        self,
        main_thread: MainThread | None = None,
        namespace: dict[str, Any] | None = None,
        values: Mapping[str, object] | None = None,
    ) -> None:
        self._main = main_thread
        self._namespace = namespace
        self._values = dict(values or {})

    async def preflight(self) -> Fit:
        """Only inside a notebook, or another running IPython."""
        if self._main is None or _shell() is None:
            return Fit(False, "live runs code in a notebook's kernel, and this is not one")
        if not hasattr(signal, "pthread_kill"):
            return Fit(False, "running code can be interrupted on Linux and macOS only")
        return Fit(True)

    async def run(
        self, code: str, limits: Limits, variables: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Output | Execution]:
        """See `Executor.run`. An interrupt by the user raises asyncio.CancelledError here and
        KeyboardInterrupt on the main thread: it is never an outcome of the code.
        """
        shell = _shell()
        if self._main is None or shell is None:
            raise ExecutorError("--run live works inside a notebook only; use --run child.")
        loop = asyncio.get_running_loop()
        items: asyncio.Queue[Output | None] = asyncio.Queue()

        def emit(item: Output | None) -> None:
            loop.call_soon_threadsafe(items.put_nowait, item)

        namespace = self._namespace if self._namespace is not None else shell.user_ns
        names = {**self._values, **(variables or {})}
        job = _Job(shell, namespace, code, limits, names, emit)
        task = asyncio.ensure_future(self._main.call(job.execute))
        task.add_done_callback(lambda _: items.put_nowait(None))
        timer = asyncio.ensure_future(_repeat(job, limits.wall))
        try:
            while (item := await items.get()) is not None:
                yield item
            yield await task
        finally:
            timer.cancel()
            if not task.done():
                task.cancel()
                await _stopped(job)

    async def close(self) -> None:
        """There is nothing to end."""


async def _repeat(job: _Job, seconds: float) -> None:
    await job.started.wait()
    await asyncio.sleep(seconds)
    while job.stop("wall"):  # noqa: ASYNC110 - code that goes on is interrupted again
        await asyncio.sleep(_AGAIN)


async def _stopped(job: _Job) -> None:
    deadline = time.monotonic() + _CANCEL
    while job.stop("cancel") and time.monotonic() < deadline:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.1)


def _shell() -> Any:
    from IPython.core.getipython import get_ipython

    return get_ipython()


class _Job:
    """One program on the main thread."""

    def __init__(
        self,
        shell: Any,
        namespace: dict[str, Any],
        code: str,
        limits: Limits,
        names: Mapping[str, Any],
        emit: Callable[[Output], None],
    ) -> None:
        self._shell, self._namespace, self._code, self._limits = shell, namespace, code, limits
        self._names = {**LEAVING, **names}
        self._loop = asyncio.get_running_loop()
        self.started = asyncio.Event()
        self._running = threading.Lock()  # held by `stop` while it sends a signal
        self._active = False
        self._reason: str | None = None
        self._by_user = False
        self._capture = Capture(shell, OutputCap(limits.output), emit, self._overflow)

    # -- from anywhere ---------------------------------------------------------------------------

    def stop(self, reason: str) -> bool:
        """Interrupt the code; False where it is not running."""
        with self._running:
            if not self._active:
                return False
            self._reason = self._reason or reason
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            return True

    # -- on the main thread ----------------------------------------------------------------------

    def execute(self) -> Execution:
        """Run the code as a nested cell.

        Raises:
            KeyboardInterrupt: the user interrupted it.
            ExecutorError: this is not the main thread.
        """
        if threading.current_thread() is not threading.main_thread():
            raise ExecutorError("--run live needs the kernel's main thread; use --run child.")
        before = Names(self._namespace)
        started = time.monotonic()
        result = None
        with (
            predefined(self._namespace, self._names),
            self._interrupts(),
            contextlib.suppress(KeyboardInterrupt),
            self._capture.active(),
        ):
            result = self._shell.run_cell(self._code, store_history=False, silent=False)
        if self._by_user:
            raise KeyboardInterrupt
        if self._reason == "cancel":
            raise ExecutorError("The run was stopped.")  # nobody waits for this any more
        seconds = time.monotonic() - started
        error = None
        if result is not None:
            error = result.error_before_exec or result.error_in_exec
        facts = None if error is None else describe(error, _generated)
        memory = memory_bound(self._limits)
        if self._reason is not None:
            status, said, limit = limited(self._reason, self._limits, memory, facts)
        else:
            status, said, limit = reported(facts, self._limits, memory)
        return Execution(
            status=status,
            stdout=self._capture.text("stdout"),
            stderr=self._capture.text("stderr"),
            outputs=tuple(self._capture.outputs),
            error=said,
            limit=limit,
            seconds=seconds,
            executor=LiveExecutor.name,
            changes=before.changes(self._namespace),
        )

    def _overflow(self) -> None:
        self._reason = self._reason or "output"
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        self.stop("output")

    @contextlib.contextmanager
    def _interrupts(self) -> Any:
        """Tell the user's interrupts from ours while the code runs."""

        def on_interrupt(*_: object) -> NoReturn:
            if self._reason is None:
                self._by_user = True
            raise KeyboardInterrupt

        old = signal.signal(signal.SIGINT, on_interrupt)
        try:
            with self._running:
                self._active = True
            self._loop.call_soon_threadsafe(self.started.set)
            yield
        finally:
            # A signal on its way arrives before the handler is the old one again.
            for _ in range(2):
                with contextlib.suppress(KeyboardInterrupt):
                    with self._running:
                        self._active = False
                    signal.signal(signal.SIGINT, old)


def _generated(filename: str) -> bool:
    return filename.startswith("<ipython-input") or "ipykernel_" in filename
