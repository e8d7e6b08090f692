"""Kernels that wait: who gets one, what is imported ahead, and that none is left."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from codesteer_jupyter.execution.child import ChildExecutor
from codesteer_jupyter.execution.confinement import probe
from codesteer_jupyter.execution.imports import imported_modules
from codesteer_jupyter.execution.kernel import ChildKernel
from codesteer_jupyter.execution.pool import close_pool, kernel_pool
from codesteer_jupyter.steering.execution import Access, Limits
from tests.execution.running import LIMITS, gone, run

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def fresh_pool() -> Iterator[None]:
    close_pool()
    yield
    close_pool()


@pytest.fixture
async def executor() -> AsyncIterator[ChildExecutor]:
    made = ChildExecutor()
    yield made
    await made.close()


def pids(kernel: ChildKernel) -> list[int]:
    """The supervisor and what is below it."""
    supervisor = psutil.Process(kernel.tree.pid)
    return [supervisor.pid, *(child.pid for child in supervisor.children(recursive=True))]


async def waiting() -> ChildKernel:
    """The kernel that waits, once it is up."""
    (spare,) = kernel_pool().spares
    await spare.ready()
    return spare


async def test_warming_starts_one_that_waits_and_the_next_executor_gets_it(
    executor: ChildExecutor,
) -> None:
    assert kernel_pool().spares == ()
    await executor.warm()
    spare = await waiting()
    assert (await run(executor, "print(1)")).stdout == "1\n"
    assert executor._kernel is not spare
    second = ChildExecutor()
    try:
        assert (await run(second, "print(2)")).stdout == "2\n"
        assert second._kernel is spare
        assert spare not in kernel_pool().spares
    finally:
        await second.close()


async def test_after_a_hang_the_waiting_kernel_takes_over(executor: ChildExecutor) -> None:
    await executor.warm()
    spare = await waiting()
    hung = await run(executor, "sum(range(10**12))", Limits(wall=0.3))
    assert hung.status == "timeout"
    assert (await run(executor, "print(1)")).stdout == "1\n"
    assert executor._kernel is spare
    for _ in range(100):  # and another one starts
        if kernel_pool().spares:
            break
        await asyncio.sleep(0.05)
    assert kernel_pool().spares not in ((), (spare,))


async def test_one_kernel_serves_programs_with_other_limits(executor: ChildExecutor) -> None:
    write = "print(open('f', 'wb').write(b'x' * 2_000_000))"
    assert (await run(executor, write, Limits(file=10**6))).status == "limit"
    first = executor._kernel
    assert (await run(executor, write, Limits(file=10**7))).stdout == "2000000\n"
    assert (await run(executor, write, Limits(file=10**6))).status == "limit"
    assert executor._kernel is first


async def test_state_is_kept_under_the_first_programs_limits() -> None:
    executor = ChildExecutor(stateful=True)
    try:
        await run(executor, "x = 1", Limits(file=10**6))
        result = await run(executor, "print(x)", Limits(file=10**7))
        assert result.stdout == "1\n"
    finally:
        await executor.close()


@pytest.mark.parametrize(
    "change",
    [
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))",
        "sys.kept = [mmap.mmap(-1, 600 * 2**20, flags=2) for _ in range(2)]",
    ],
)
async def test_a_program_takes_no_room_from_the_next(executor: ChildExecutor, change: str) -> None:
    await run(executor, "pass")
    first = executor._kernel
    assert (await run(executor, f"import mmap, resource, sys\n{change}")).status == "ok"
    look = "import resource; print(resource.getrlimit(resource.RLIMIT_FSIZE))"
    result = await run(executor, look)
    assert result.stdout == f"{(LIMITS.file, LIMITS.file)}\n"
    assert executor._kernel is first


async def test_only_a_kernel_that_ran_nothing_goes_back() -> None:
    unused, used = ChildExecutor(), ChildExecutor()
    unused_kernel, used_kernel = unused._ready(), used._ready()
    await run(used, "pass")
    await used.close()
    assert not used_kernel.alive
    assert kernel_pool().spares == ()
    await unused.close()
    assert kernel_pool().spares == (unused_kernel,)
    assert unused_kernel.alive


async def test_a_kernel_that_imported_ahead_does_not_go_back(executor: ChildExecutor) -> None:
    await executor.prepare("import sympy")
    kernel = executor._kernel
    await executor.close()
    assert kernel is not None
    assert not kernel.alive
    assert kernel_pool().spares == ()


@pytest.mark.parametrize("what", ["folder", "variable", "access"])
async def test_one_started_under_other_circumstances_is_not_used(
    executor: ChildExecutor, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel_pool().refill(Access())
    (spare,) = kernel_pool().spares
    if what == "folder":
        monkeypatch.syspath_prepend(str(tmp_path))
        (tmp_path / "neighbour.py").write_text("value = 5")
        program = "import neighbour; print(neighbour.value)"
    elif what == "variable":
        monkeypatch.setenv("TZ", "5")
        program = "import os; print(os.environ['TZ'])"
    else:
        executor._access = Access(write=(str(tmp_path),))
        program = f"open({str(tmp_path / 'x')!r}, 'w').write('12345'); print(5)"
    assert (await run(executor, program)).stdout == "5\n"
    assert not spare.alive


async def test_what_a_growing_program_imports_is_there_before_it_runs(
    executor: ChildExecutor,
) -> None:
    loaded = "import sys; print('sympy' in sys.modules)"
    assert (await run(executor, loaded)).stdout == "False\n"
    await executor.prepare("Let us see.\n```python\nfrom sympy import (\n")
    assert (await run(executor, loaded)).stdout == "True\n"


async def test_the_next_kernel_imports_what_the_last_programs_did(executor: ChildExecutor) -> None:
    await run(executor, "import sympy")
    other = ChildExecutor()
    try:
        await other.warm()
        assert (await run(other, "import sys; print('sympy' in sys.modules)")).stdout == "True\n"
    finally:
        await other.close()


async def test_files_of_the_user_are_not_imported_ahead(
    executor: ChildExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "neighbour.py").write_text("import builtins; builtins.trace = True")
    look = "import builtins, sys; print(hasattr(builtins, 'trace'), 'neighbour' in sys.modules)"
    await executor.prepare("import neighbour")
    assert (await run(executor, look)).stdout == "False False\n"
    assert (await run(executor, f"import neighbour\n{look}")).stdout == "True True\n"


async def test_an_import_ahead_that_fails_or_prints_changes_nothing(
    executor: ChildExecutor,
) -> None:
    result = await run(executor, "print(0)\nimport sympy.no_such_part, this")
    assert result.stdout == "0\n"
    assert result.error is not None
    assert result.error.name == "ModuleNotFoundError"


def test_imports_are_read_from_programs_and_from_pieces() -> None:
    program = "import os, numpy as np\ndef f():\n    from pandas.api import types\nfrom . import x"
    assert imported_modules(program) == ("numpy", "pandas.api")
    piece = "It is so:\n```python\nimport sympy, json  # all\nfrom scipy.stats import (\nx = '''"
    assert imported_modules(piece) == ("sympy", "scipy.stats")
    assert imported_modules("import duties are high\nfrom here on") == ()


@pytest.mark.parametrize(
    "bytes_written", ["b'\\xff' * 64", "(3).to_bytes(4, 'big') + b'{]}'", "(1).to_bytes(4, 'big')"]
)
async def test_bytes_on_the_socket_that_are_no_message_end_the_program(
    executor: ChildExecutor, bytes_written: str
) -> None:
    program = (
        "import os, stat, time\n"
        "for number in range(3, 4096):\n"
        "  try:\n"
        f"    if stat.S_ISSOCK(os.fstat(number).st_mode): os.write(number, {bytes_written})\n"
        "  except OSError: pass\n"
        "time.sleep(0.3)"
    )
    result = await run(executor, program, Limits(wall=5.0))
    assert result.status in ("limit", "timeout", "killed")
    assert (await run(executor, "print(1)")).stdout == "1\n"


async def test_closing_the_pool_leaves_nothing(executor: ChildExecutor) -> None:
    await executor.warm()
    spare = await waiting()
    left = pids(spare)
    folder, root = spare.folder, spare.folder.parent
    await executor.close()
    assert folder.is_dir()
    close_pool()
    close_pool()
    assert all(gone(pid) for pid in left)
    assert not root.exists()


ASKING = """
import asyncio, os, psutil, sys
from codesteer_jupyter.execution.child import ChildExecutor
from codesteer_jupyter.execution.pool import kernel_pool

async def main():
    executor = ChildExecutor()
    await executor.warm()
    (spare,) = kernel_pool().spares
    await spare.ready()
    print(spare.folder.parent)
    while len(here := psutil.Process().children(recursive=True)) < {count}:
        await asyncio.sleep(0.01)
    print(*(p.pid for p in here), flush=True)
    {then}

asyncio.run(main())
"""


@pytest.mark.parametrize("then", ["return", "sys.exit(3)", "input()"])
def test_nothing_outlives_the_process(then: str, tmp_path: Path) -> None:
    asking = tmp_path / "asking.py"
    # Two kernels with their supervisors and the first processes of their pid namespaces; in one
    # a process waits for the first program.
    count = 1 + (4 if probe()["pidns"] else 6)
    asking.write_text(ASKING.format(then=then, count=count))
    process = subprocess.Popen(
        [sys.executable, str(asking)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    root = Path(process.stdout.readline().strip())
    left = [int(pid) for pid in process.stdout.readline().split()]
    assert len(left) == count
    if then == "input()":
        process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)
    assert all(gone(pid) for pid in left)
    assert not root.exists()


def test_a_fork_has_a_pool_of_its_own_and_ends_nothing_of_its_parent() -> None:
    pool = kernel_pool()
    pool.refill(Access())
    (spare,) = pool.spares
    code = textwrap.dedent(
        """
        ok = kernel_pool() is not pool and kernel_pool().spares == ()
        pool.close(); spare.kill(); close_pool()
        """
    )
    child = os.fork()
    if child == 0:
        given = {"kernel_pool": kernel_pool, "pool": pool, "spare": spare, "close_pool": close_pool}
        try:
            exec(code, given)
        finally:
            os._exit(0 if given.get("ok") else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert spare.alive
    assert spare.folder.is_dir()


def test_loading_the_extension_starts_nothing() -> None:
    code = (
        "import sys, psutil\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell()\n"
        "shell.run_line_magic('load_ext', 'codesteer_jupyter')\n"
        "print(psutil.Process().children(), 'codesteer_jupyter.execution.pool' in sys.modules)"
    )
    asked = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert asked.stdout == "[] False\n", asked.stderr
