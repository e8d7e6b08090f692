"""What a program in a snapshot can cost the kernel it was forked from: processes, memory, time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from codesteer_jupyter.execution.child import ChildExecutor
from codesteer_jupyter.execution.script import SubprocessExecutor
from codesteer_jupyter.steering.execution import Limits
from codesteer_jupyter.steering.trajectory import Execution
from tests.execution.forking import SETUP, KernelFork
from tests.execution.running import LIMITS, gone, run
from tests.kernels import Kernel, start_kernel


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with start_kernel() as started:
        started.execute(SETUP).check()
        yield started


@pytest.fixture
def fork(kernel: Kernel) -> KernelFork:
    made = KernelFork(kernel)
    made.make()
    return made


def ask(fork: KernelFork, code: str, limits: Limits = LIMITS, **variables: Any) -> Execution:
    return asyncio.run(run(fork, code, limits, variables))


# -- processes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), 11)"])
def test_what_a_program_that_ended_itself_left_is_ended(fork: KernelFork, end: str) -> None:
    code = (
        "import os, time\nchild = os.fork()\nif child == 0:\n    time.sleep(60); os._exit(0)\n"
        f"print(child, flush=True)\n{end}"
    )
    result = ask(fork, code)
    assert result.status == "killed"
    assert gone(int(result.stdout))


# -- memory ----------------------------------------------------------------------------------------


def test_the_kernels_own_memory_does_not_count(fork: KernelFork, kernel: Kernel) -> None:
    """Nor that of processes the program forks, which share it, too."""
    limits = Limits(memory=150 * 2**20)
    kernel.execute("big = bytearray(b'x') * 600_000_000").check()
    try:
        quiet = "import os, time\nchildren = []\n"
        assert ask(fork, f"{quiet}time.sleep(0.4)", limits).status == "ok"
        forked = "for _ in range(3):\n    if os.fork() == 0: time.sleep(0.5); os._exit(0)\n"
        assert ask(fork, f"{quiet}{forked}time.sleep(0.4)", limits).status == "ok"
        written = ask(
            fork, "for at in range(0, len(big), 4096): big[at] = 1\nwhile True: pass", limits
        )
        assert written.limit is not None and written.limit.name == "memory"
    finally:
        kernel.execute("del big")


def test_memory_shared_by_the_programs_own_processes_counts_once(fork: KernelFork) -> None:
    code = (
        "import os, time\nheld = []\n"
        "for _ in range({}):\n    held.append(bytearray(os.urandom(1024)) * 80_000)\n"
        "    if os.fork() == 0: time.sleep(60); os._exit(0)\n"
        "time.sleep(0.5)"
    )
    limits = Limits(memory=300 * 2**20)
    assert ask(fork, code.format(2), limits).status == "ok"
    more = ask(fork, code.format(6), limits)
    assert more.limit is not None and more.limit.name == "memory"


# -- the socket it reports by ----------------------------------------------------------------------

SAY = """
import gc, json, os, struct, time
ends = [getattr(s, '_end', None) or s._socket for s in gc.get_objects()
        if type(s).__name__ in ('Sender', 'Channel')]
[end] = [end for end in ends if end.fileno() >= 0]
def say(m):
    d = m if isinstance(m, bytes) else json.dumps(m).encode()
    end.sendall(struct.pack('!I', len(d)) + d)
"""
FLOODS = {
    "begun": "while True:\n    say({'kind': 'begun'}); time.sleep(0.01)",
    "nothing": "while True: end.sendall((struct.pack('!I', 2) + b'{}') * 50_000)",
    "too_long": "end.sendall(b'\\xff' * 4)\nwhile True: end.sendall(bytes(2**20))",
    "output": "while True: os.write(1, b'x' * 65536)",
}


@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.parametrize("name", ["fork", "child"])
def test_what_it_writes_without_end_lifts_no_limit(
    fork: KernelFork, kernel: Kernel, name: str, flood: str
) -> None:
    limits = Limits(wall=1.5, output=10**6)
    code = SAY + FLOODS[flood]
    started = time.monotonic()
    if name == "fork":
        before = psutil.Process(kernel.pid).memory_info().rss
        result = ask(fork, code, limits)
        assert psutil.Process(kernel.pid).memory_info().rss < before + 100 * 2**20
        assert ask(fork, "print(1)").stdout == "1\n"
    else:
        result = asyncio.run(run_in_child(code, limits))
    assert time.monotonic() - started < 20  # a busy machine may take long to start a kernel
    assert result.limit is not None
    assert result.limit.name in ("wall", "output")


async def run_in_child(code: str, limits: Limits) -> Execution:
    executor = ChildExecutor()
    try:
        return await run(executor, code, limits)
    finally:
        await executor.close()


@pytest.mark.parametrize(
    "fields",
    [
        "error={'name': 'OSError', 'message': 5, 'errno': [1], 'traceback': ['x'], 'exit': {}}",
        "error='x', changes=[3, {'name': 1}], seconds=1e999",
        "outputs=[1, {'output_type': 'display_data', 'data': {'text/plain': 'x' * 3_000_000}}]",
        "changes=[{'kind': 'new', 'name': 'n', 'type': 't' * 10_000_000}]",
    ],
)
def test_a_forged_report_breaks_nothing(fork: KernelFork, fields: str) -> None:
    before = "say(b'[' * 100_000); say({'kind': 'broken', 'reason': 'x'})\n"
    code = f"{SAY}{before}say(dict({fields}, kind='report')); time.sleep(60)"
    result = ask(fork, code)
    assert result.status in ("ok", "error")
    assert not result.outputs
    assert 0 < result.seconds < LIMITS.wall
    assert all(len(change["type"]) < 1000 for change in result.changes)


def test_a_forged_report_of_a_script_breaks_nothing() -> None:
    code = (
        "import os, time\n"
        "for number in range(3, 30):\n"
        "    try: os.write(number, b'\\n' + b'[' * 9000 + b'\\n{\"error\": \"x\"}\\n')\n"
        "    except OSError: pass\n"
        "os._exit(0)"
    )

    async def forged() -> Execution:
        executor = SubprocessExecutor()
        try:
            return await run(executor, code)
        finally:
            await executor.close()

    assert asyncio.run(forged()).executor == "subprocess"


# -- interrupts ------------------------------------------------------------------------------------

HOLDINGS = """
import asyncio, gc, os, signal, time
from codesteer_jupyter.execution.fork import taking as _taking
def _children():
    found = []
    for name in os.listdir('/proc/self/task'):
        found += open(f'/proc/self/task/{name}/children').read().split()
    return set(found)
def _file(number):
    try: return os.readlink(f'/proc/self/fd/{number}').startswith('/')  # the history's come and go
    except OSError: return True
def _holdings():
    return _children(), len([n for n in os.listdir('/proc/self/fd') if not _file(n)])
def _no_more(before):  # what earlier tests left may have gone meanwhile
    for _ in range(200):
        gc.collect()
        now = _holdings()
        if now[0] <= before[0] and now[1] <= before[1]: return True
        time.sleep(0.05)
    return now, before
async def _drain(code='1'):
    async for _ in _made.run(code, _Limits(wall=5.0)): pass
async def _drain_and_wait(code='1'):
    await _drain(code)
    await _made._readying
_mt.run(_drain_and_wait())
_before = _holdings()
"""


def test_an_interrupt_at_the_fork_leaves_nothing(fork: KernelFork, kernel: Kernel) -> None:
    kernel.execute(HOLDINGS).check()
    for function in ("_fork", "guardian", "Snapshot"):
        cell = kernel.execute(
            f"_real = _taking.{function}\n"
            "def _late(*arguments):\n"
            "    made = _real(*arguments)\n"
            "    signal.raise_signal(signal.SIGINT)\n"
            "    return made\n"
            f"_taking.{function} = _late\n"
            "try: _mt.run(_drain())\n"
            f"finally: _taking.{function} = _real"
        )
        assert cell.error is not None and cell.error["ename"] == "KeyboardInterrupt"
        kernel.execute("_mt.run(_drain_and_wait())").check()
        assert kernel.execute("_no_more(_before)").result == "True"


def test_a_failure_after_the_fork_leaves_nothing(fork: KernelFork, kernel: Kernel) -> None:
    kernel.execute(HOLDINGS).check()
    cell = kernel.execute(
        "_real = _taking.Group\n"
        "def _fail(*arguments): raise OSError(24, 'Too many open files')\n"
        "_taking.Group = _fail\n"
        "try: _mt.run(_drain())\n"
        "finally: _taking.Group = _real"
    )
    assert cell.error is not None and "Too many open files" in cell.error["evalue"]
    kernel.execute("_mt.run(_drain_and_wait())").check()
    assert kernel.execute("_no_more(_before)").result == "True"


@pytest.mark.parametrize("slow", ["_taking.shared_at_fork", "_made._make_ready"])
def test_a_cancelled_round_leaves_nothing(fork: KernelFork, kernel: Kernel, slow: str) -> None:
    kernel.execute(HOLDINGS).check()
    kernel.execute(
        f"_real = {slow}\n"
        "def _slowly(*arguments):\n"
        "    time.sleep(0.5)\n"
        "    return _real(*arguments)\n"
        f"{slow} = _slowly\n"
        "async def _cancelled():\n"
        "    if _made._ready is not None and 'ready' in " + repr(slow) + ": _made._release()\n"
        "    task = asyncio.ensure_future(_drain())\n"
        "    await asyncio.sleep(0.2)\n"
        "    task.cancel()\n"
        "    await asyncio.wait({task})\n"
        "    await asyncio.sleep(0.6)\n"
        "try: _mt.run(_cancelled())\n"
        f"finally: {slow} = _real"
    ).check()
    kernel.execute("_mt.run(_drain_and_wait())").check()
    assert kernel.execute("_no_more(_before)").result == "True"


# -- one program after the other -------------------------------------------------------------------


def test_a_session_goes_on_after_its_values_were_taken_over(
    fork: KernelFork, kernel: Kernel
) -> None:
    fork.make(stateful=True)
    ask(fork, "taken = 1")
    kernel.execute("_mt.run(_made.adopt(['taken']))").check()
    assert ask(fork, "print(taken + 1)", Limits(wall=8.0)).stdout == "2\n"


def test_what_an_earlier_program_left_is_not_sought_in_the_next(
    fork: KernelFork, kernel: Kernel
) -> None:
    fork.make(stateful=True)
    code = "import subprocess; print(subprocess.run(['sleep', '0.5']).returncode)"
    cell = kernel.execute(
        "async def _both():\n"
        f"    for code in ('first = 1', {code!r}):\n"
        "        async for item in _made.run(code, _Limits()): pass\n"
        "    return item.stdout\n"
        "_mt.run(_both())"
    )
    assert cell.check().result == "'0\\n'"


def test_what_is_adopted_is_the_last_programs(fork: KernelFork, kernel: Kernel) -> None:
    for code in ("print(1)", "import os; os._exit(1)"):
        ask(fork, "earlier = 1")
        ask(fork, code)
        assert kernel.execute("_mt.run(_made.diff())").result == "()"
        cell = kernel.execute("_mt.run(_made.adopt(['earlier']))")
        assert cell.error is not None and cell.error["ename"] == "UsageError"


@pytest.mark.parametrize("closed", ["os.close(1)", f"{SAY}end.close()"])
def test_a_closed_stream_is_not_read_for_ever(
    fork: KernelFork, kernel: Kernel, closed: str
) -> None:
    process = psutil.Process(kernel.pid)
    before = sum(process.cpu_times()[:2])
    ask(fork, f"import os, time\n{closed}\ntime.sleep(3)", Limits(wall=3.0))
    assert sum(process.cpu_times()[:2]) - before < 1.0


def test_held_snapshots_are_within_one_limit_together(fork: KernelFork, kernel: Kernel) -> None:
    code = "import os; kept = bytearray(os.urandom(1024)) * 90_000"
    for _ in range(4):
        assert ask(fork, code, Limits(memory=200 * 2**20)).changes
    kernel.execute("from codesteer_jupyter.execution.fork.held import held as _held").check()
    sizes = kernel.execute("[*_held()._sizes.values()]").result
    assert len(json.loads(sizes)) == 2, sizes
    kernel.execute("_mt.run(_made.adopt(['kept']))").check()  # the newest is there
    fork.make()
