"""The measurements of `execution.py`, made inside a kernel."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import mmap
import os
import pickle
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from codesteer_jupyter.execution.child import ChildExecutor
from codesteer_jupyter.execution.main_thread import main_thread
from codesteer_jupyter.execution.pool import kernel_pool
from codesteer_jupyter.steering.execution import Executor, Limits, Output
from codesteer_jupyter.steering.trajectory import Execution

PROGRAM = "import sympy, numpy, pandas; print(1)"
LOOP = "total = 0\nfor i in range(100_000):\n    total += i\nprint(total)"
FIB = "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\nprint(fib(17))"
LIMITS = Limits(wall=120.0, memory=8 * 2**30)
WITHOUT = "CODESTEER_CONFINEMENT_WITHOUT"
PAUSE = 0.05  # seconds between two rounds, in which a model would answer
BLOCKS = 5  # how often the large arrays come and go
MB, GIB = 10**6, 2**30

Timed = Callable[[], Awaitable[float]]


class Rows:
    """What was measured: rows for the table, results against the aims, what was skipped."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}
        self.found: dict[str, Any] = {"program": PROGRAM, "results": {}, "smolagents": "-"}
        for key in ("rows", "skipped", "layers", "layers_without"):
            self.found[key] = []

    async def turns(self, timed: dict[str, Timed], n: int) -> None:
        """Measure all of `timed` in turns, `n` times, in ms; the first turn is not counted."""
        for turn in range(n + 1):
            for what, measure in timed.items():
                gc.collect()
                milliseconds = await measure()
                if turn:
                    self.times.setdefault(what, []).append(milliseconds)
                await asyncio.sleep(PAUSE)
            print(f"\r{next(iter(timed))}: {turn}/{n} ", end="", flush=True)
        print()

    def row(self, what: str, unit: str = "ms") -> None:
        times = self.times[what]
        median, least = statistics.median(times), min(times)
        row = {"what": what, "median": median, "least": least, "n": len(times), "unit": unit}
        self.found["rows"].append(row)

    def ratio(self, name: str, over: str, under: str) -> None:
        a, b = self.times[over], self.times[under]
        self.result(name, statistics.median(a) / statistics.median(b), min(a) / min(b))

    def difference(self, name: str, more: str, less: str) -> None:
        a, b = self.times[more], self.times[less]
        self.result(name, statistics.median(a) - statistics.median(b), min(a) - min(b))

    def result(self, name: str, *values: float) -> None:
        self.found["results"][name] = values

    def skip(self, what: str, why: str) -> None:
        print(f"skipped: {what}: {why}")
        self.found["skipped"].append((what, why))


def measure(shell: Any, options: dict[str, Any], answer: str) -> None:
    """Called in a cell; writes what was found to the file `answer` as JSON."""
    warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork.*")
    main = main_thread()
    rows = Rows()
    part = _smolagents if options["part"] == "smolagents" else _rounds
    main.run(part(rows, shell, options))
    Path(answer).write_text(json.dumps(rows.found))


# -- ways to run a round --------------------------------------------------------------------------


async def _round(executor: Executor, code: str, whole: bool = False) -> tuple[float, Execution]:
    """Until the program's `Execution` is there; `whole`: until nothing of the program is."""
    started = time.perf_counter()
    last: Output | Execution | None = None
    milliseconds = 0.0
    async for item in executor.run(code, LIMITS):
        last = item
        milliseconds = (time.perf_counter() - started) * 1e3
    if whole:
        milliseconds = (time.perf_counter() - started) * 1e3
    if not isinstance(last, Execution) or last.status != "ok":
        raise RuntimeError(f"the round failed: {last}")
    return milliseconds, last


def _rounds_of(executor: Executor, code: str = PROGRAM, *, whole: bool = False) -> Timed:
    async def timed() -> float:
        return (await _round(executor, code, whole))[0]

    return timed


def _on_main(function: Callable[[], Any]) -> Timed:
    """Timed on the main thread itself, which is where a notebook's code forks."""

    def timed() -> float:
        started = time.perf_counter()
        function()
        return (time.perf_counter() - started) * 1e3

    async def called() -> float:
        return await main_thread().call(timed)

    return called


def _bare_fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _as_published(file: Path) -> Callable[[], None]:
    def run() -> None:
        done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True)
        if done.stdout != "1\n":
            raise RuntimeError(done.stderr)

    return run


@contextlib.contextmanager
def _unconfined() -> Iterator[None]:
    """Every layer that can be left out is, as far as the testing aid goes."""
    from codesteer_jupyter.execution.confinement import LAYERS

    before = os.environ.get(WITHOUT)
    os.environ[WITHOUT] = ",".join(LAYERS)
    try:
        yield
    finally:
        if before is None:
            del os.environ[WITHOUT]
        else:
            os.environ[WITHOUT] = before


# -- rounds ---------------------------------------------------------------------------------------


async def _rounds(rows: Rows, shell: Any, options: dict[str, Any]) -> None:
    import numpy  # noqa: F401
    import pandas  # noqa: F401
    import sympy  # noqa: F401

    n = options["n"]
    child = ChildExecutor()
    await child.warm()
    await _pool_memory(rows)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "program.py"
        file.write_text(PROGRAM)
        published = "as published: `subprocess.run([python, file])`"
        timed: dict[str, Timed] = {
            published: _on_main(_as_published(file)),
            "warm `child`": _rounds_of(child),
            "warm `child`, until its process has ended": _rounds_of(child, whole=True),
            "bare fork-exit-wait of the kernel": _on_main(_bare_fork),
        }
        fork = await _fork_executor(rows, shell)
        plain = None
        if fork is not None:
            timed["`fork`, confined"] = _rounds_of(fork)
            plain, timed["`fork`, unconfined"] = await _plain_fork(rows, shell, fork)
        await rows.turns(timed, n)
    for what in timed:
        rows.row(what)
    rows.result("child", *_both(rows.times["warm `child`"]))
    await child.close()
    if fork is None:
        return
    rows.ratio("upstream_over_fork", published, "`fork`, confined")
    rows.ratio("fork_over_bare", "`fork`, confined", "bare fork-exit-wait of the kernel")
    rows.difference("confinement_adds", "`fork`, confined", "`fork`, unconfined")
    if plain is not None:
        await plain.close()
    await _large(rows, shell, fork, options)
    await _adopting(rows, shell, fork, n)
    await fork.close()


def _both(times: list[float]) -> tuple[float, float]:
    return statistics.median(times), min(times)


async def _fork_executor(rows: Rows, shell: Any) -> Any:
    try:
        from codesteer_jupyter.execution.fork import ForkExecutor
    except ImportError as error:
        rows.skip("everything about `fork`", f"there is no such executor here ({error})")
        return None
    made = ForkExecutor(main_thread=main_thread(), namespace=shell.user_ns)
    fit = await made.preflight()
    if not fit.ok and WITHOUT not in os.environ:  # it rightly refuses to run unconfined
        rows.skip("everything about `fork`", fit.reason)
        return None
    await made.warm()
    return made


async def _plain_fork(rows: Rows, shell: Any, confined: Any) -> tuple[Any, Timed]:
    with _unconfined():
        plain = await _fork_executor(rows, shell)

    async def timed() -> float:
        with _unconfined():
            milliseconds, _ = await _round(plain, PROGRAM)
            await asyncio.sleep(PAUSE)  # the next round's plan is made now
        return milliseconds

    rows.found["layers"] = list((await _round(confined, PROGRAM))[1].isolation)
    with _unconfined():
        await asyncio.sleep(PAUSE)
        rows.found["layers_without"] = list((await _round(plain, PROGRAM))[1].isolation)
        await asyncio.sleep(PAUSE)
    return plain, timed


async def _pool_memory(rows: Rows) -> None:
    what = "idle pool: supervisor and kernel, PSS"
    await asyncio.sleep(2.0)
    for kernel in kernel_pool().spares:
        await kernel.ready()
        supervisor = psutil.Process(kernel.tree.pid)
        tree = [supervisor, *supervisor.children(recursive=True)]
        pss = [getattr(process.memory_full_info(), "pss", 0) for process in tree]
        if not all(pss):
            rows.skip(what, "this system does not tell proportional set sizes")
            return
        rows.times.setdefault(what, []).append(sum(pss) / MB)
    rows.row(what, "MB")
    rows.result("pool_pss", *_both(rows.times[what]))


# -- large namespaces -----------------------------------------------------------------------------


def _small_pages(size: int) -> Any:
    """An array of `size` bytes in 4 KiB pages, private as numpy's own memory is."""
    import numpy

    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        pages.madvise(mmap.MADV_NOHUGEPAGE)
    array = numpy.frombuffer(pages, dtype=numpy.float64)
    array[:] = 1.0
    return array


def _huge_pages(size: int) -> Any:
    """As numpy makes it: it advises huge pages where the system leaves that to programs."""
    import numpy

    return numpy.ones(size // 8)


async def _large(rows: Rows, shell: Any, fork: Any, options: dict[str, Any]) -> None:
    size = int(options["gigabytes"] * GIB) // 8 * 8
    gigabytes = f"{options['gigabytes']:g} GiB"
    each = max(2, options["n"] // BLOCKS)
    names = {
        "none": "`fork`, without large arrays",
        "huge": f"`fork`, {gigabytes} in huge pages",
        "small": f"`fork`, {gigabytes} in 4 KiB pages",
    }
    same = f"`fork`, {gigabytes}: `print(1)`"
    changed = f"`fork`, {gigabytes}: one element of it changed"
    make = {"none": lambda _: None, "huge": _huge_pages, "small": _small_pages}
    for _ in range(BLOCKS):
        for kind, what in names.items():
            shell.user_ns["big"] = make[kind](size)
            timed = {what: _rounds_of(fork)}
            if kind == "huge":
                timed[same] = _rounds_of(fork, "print(1)")
                timed[changed] = _rounds_of(fork, "big[12345] = 2.0\nprint(1)")
            await rows.turns(timed, each)
            await fork.discard()
            del shell.user_ns["big"]
            gc.collect()
    for what in (*names.values(), same, changed):
        rows.row(what)
    rows.ratio("huge_over_none", names["huge"], names["none"])
    rows.ratio("small_over_none", names["small"], names["none"])
    rows.difference("diff", changed, same)


# -- handing values back --------------------------------------------------------------------------


async def _adopting(rows: Rows, shell: Any, fork: Any, n: int) -> None:
    import numpy

    size = 400 * MB // 8
    adopting, pickling = "adopt of 400 MB", "400 MB pickled through a socket"

    async def adopt() -> float:
        await _round(fork, f"import numpy\nmade = numpy.ones({size})")
        started = time.perf_counter()
        await fork.adopt(["made"])
        milliseconds = (time.perf_counter() - started) * 1e3
        if shell.user_ns.pop("made").shape != (size,):
            raise RuntimeError("what was adopted is not what was made")
        await fork.discard()
        return milliseconds

    def through_a_socket() -> float:
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            try:
                made = numpy.ones(size)
                theirs.sendall(b"!")
                theirs.recv(1)
                with theirs.makefile("wb") as file:
                    pickle.dump(made, file, protocol=pickle.HIGHEST_PROTOCOL)
            finally:
                os._exit(0)
        ours.recv(1)
        theirs.close()
        started = time.perf_counter()
        ours.sendall(b"!")
        with ours.makefile("rb") as file:
            made = pickle.load(file)
        milliseconds = (time.perf_counter() - started) * 1e3
        ours.close()
        os.waitpid(child, 0)
        if made.shape != (size,):
            raise RuntimeError("what was unpickled is not what was made")
        return milliseconds

    async def piped() -> float:
        return await main_thread().call(through_a_socket)

    await rows.turns({adopting: adopt, pickling: piped}, max(3, n // 3))
    rows.row(adopting)
    rows.row(pickling)
    rows.ratio("adopt_over_pickle", adopting, pickling)


# -- beside smolagents ----------------------------------------------------------------------------


async def _smolagents(rows: Rows, shell: Any, options: dict[str, Any]) -> None:
    if options["smolagents"]:
        sys.path.append(options["smolagents"])
    try:
        from smolagents.local_python_executor import LocalPythonExecutor
    except ImportError as error:
        rows.skip(
            "smolagents' local executor",
            f"not importable ({error}); name its folder with --smolagents",
        )
        return
    rows.found["smolagents"] = version("smolagents")
    child = ChildExecutor()
    await child.warm()
    fork = await _fork_executor(rows, shell)
    for name, title, code in (("loop", "a loop of 100,000", LOOP), ("fib", "fib(17)", FIB)):

        def interpret(code: str = code) -> None:
            # By default it stops after 10 million operations and 30 seconds.
            interpreter = LocalPythonExecutor(additional_authorized_imports=[])
            interpreter.send_tools({})
            interpreter(code)

        theirs, ours = f"smolagents' local executor: {title}", f"warm `child`: {title}"
        timed = {theirs: _on_main(interpret), ours: _rounds_of(child, code)}
        if fork is not None:
            timed[f"`fork`, confined: {title}"] = _rounds_of(fork, code)
        await rows.turns(timed, max(3, options["n"] // 3))
        for what in timed:
            rows.row(what)
        rows.ratio(f"smol_{name}_child", theirs, ours)
        if fork is not None:
            rows.ratio(f"smol_{name}", theirs, f"`fork`, confined: {title}")
    await child.close()
    if fork is not None:
        await fork.close()
