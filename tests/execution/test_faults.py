"""Programs that misbehave: each ends in a named outcome, and the next program runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio

from codesteer_jupyter.execution.child import ChildExecutor
from codesteer_jupyter.execution.pool import close_pool
from codesteer_jupyter.execution.resolve import executor as resolve
from codesteer_jupyter.execution.script import SubprocessExecutor
from codesteer_jupyter.steering.execution import Executor, Limits
from codesteer_jupyter.steering.trajectory import Execution
from tests.execution.forking import SETUP, KernelFork
from tests.execution.running import LIMITS, gone, processes, run
from tests.kernels import start_kernel

# Their numbers are not those that this process sees, where they are in a pid namespace.
LEFT_BEHIND = """
import subprocess, sys
p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300) # codesteer-left'],
                     start_new_session=True)
q = subprocess.Popen([sys.executable, '-c', '''
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(300) # codesteer-left
os._exit(0)
'''], stdout=subprocess.PIPE, text=True)
print(q.stdout.readline().strip())
print(p.pid, flush=True)
"""


def left_behind() -> list[psutil.Process]:
    """The processes of LEFT_BEHIND that are there, of any run."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and any(
                "codesteer-left" in word for word in process.cmdline()[2:3]
            ):
                found.append(process)
    return found


def nothing_is_left() -> bool:
    return all(gone(process.pid) for process in left_behind())


# One executor for all tests of a kind: each test also shows that the one before did no harm.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(params=["child", "subprocess", "fork"], scope="module", loop_scope="module")
async def executor(request: pytest.FixtureRequest) -> AsyncIterator[Executor]:
    if request.param == "fork":
        with start_kernel("new") as kernel:
            kernel.execute(SETUP).check()
            made = KernelFork(kernel)
            assert (await made.preflight()).ok
            yield made
            await made.close()
            assert kernel.execute("6 * 7").result == "42"
        return
    made = resolve(request.param)
    assert (await made.preflight()).ok
    yield made
    await made.close()


async def still_works(executor: Executor) -> None:
    after = await run(executor, "print('well', 6 * 7)")
    assert (after.status, after.stdout) == ("ok", "well 42\n")


async def test_syntax_error_names_its_line(executor: Executor) -> None:
    result = await run(executor, "a = 1\nfor x in:\n    pass\n")
    assert result.status == "error"
    assert result.error is not None
    assert result.error.name == "SyntaxError"
    assert "line 2" in result.error.traceback
    assert "for x in:" in result.error.traceback


async def test_half_a_character_is_an_error_of_the_program(executor: Executor) -> None:
    result = await run(executor, "x = '\ud800'\nprint(1)")
    assert (result.status, result.stdout) == ("error", "")
    assert result.error is not None
    assert "utf-8" in result.error.message


async def test_error_shows_only_generated_frames_without_colours(executor: Executor) -> None:
    code = "import json\ndef parse(text):\n    return json.loads(text)\nparse('{')\n"
    result = await run(executor, code)
    assert result.error is not None
    assert result.error.name == "JSONDecodeError"
    assert "line 3, in parse" in result.error.traceback
    for foreign in ("json/decoder.py", "IPython", "ipykernel", "runner.py", "\x1b"):
        assert foreign not in result.error.traceback


async def test_endless_loop_is_stopped_in_time(executor: Executor) -> None:
    result = await run(executor, "print('go')\nwhile True: pass", Limits(wall=1.0))
    assert result.status == "timeout"
    assert result.limit is not None
    assert (result.limit.name, result.limit.value, result.limit.unit) == ("wall", 1.0, "s")
    assert result.stdout == "go\n"
    assert result.seconds < 4
    assert result.error is not None
    assert "while True" in result.error.traceback  # where it was interrupted
    await still_works(executor)


@pytest.mark.parametrize(
    "code",
    [
        "sum(range(10**12))",  # a loop in C does not see the interrupt
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(60)",
        "import time\nwhile True:\n  try:\n    time.sleep(60)\n  except BaseException: pass",
    ],
)
async def test_code_that_ignores_the_interrupt_is_killed(executor: Executor, code: str) -> None:
    result = await run(executor, code, Limits(wall=0.8))
    assert result.status == "timeout"
    assert result.seconds < 4
    await still_works(executor)


async def test_endless_output_is_cut_and_stopped(executor: Executor) -> None:
    result = await run(executor, "while True: print('y' * 99)", Limits(output=20_000))
    assert result.status == "limit"
    assert result.limit is not None
    assert result.limit.name == "output"
    assert 20_000 <= len(result.stdout) < 20_100
    assert result.stdout.endswith("[output cut here]\n")
    assert result.seconds < 10
    await still_works(executor)


async def test_one_huge_output_is_cut(executor: Executor) -> None:
    result = await run(executor, "print('ü' * 5_000_000)")
    assert result.status == "limit"
    assert len(result.stdout.encode()) < 1_000_100
    await still_works(executor)


async def test_os_exit_is_named_and_what_was_printed_stays(executor: Executor) -> None:
    result = await run(executor, "import os\nprint('before')\nos._exit(7)")
    assert result.status == "killed"
    assert result.stdout == "before\n"
    assert result.error is not None
    assert "exit code 7" in result.error.message
    await still_works(executor)


async def test_segfault_is_named(executor: Executor) -> None:
    result = await run(executor, "import ctypes; ctypes.string_at(0)")
    assert result.status == "killed"
    assert result.error is not None
    assert "SIGSEGV" in result.error.message
    await still_works(executor)


@pytest.mark.parametrize("leave", ["import sys; sys.exit()", "exit()", "raise SystemExit(0)"])
async def test_leaving_with_zero_is_how_a_script_ends(executor: Executor, leave: str) -> None:
    result = await run(executor, f"print(1)\n{leave}\nprint(2)")
    assert (result.status, result.stdout, result.stderr) == ("ok", "1\n", "")
    await still_works(executor)


async def test_leaving_with_a_code_is_an_error(executor: Executor) -> None:
    for leave, said in (("3", "exit code 3"), ("'no way'", "exit code 1: no way")):
        result = await run(executor, f"import sys\nsys.exit({leave})")
        assert result.status == "error"
        assert result.error is not None
        assert result.error.name == "SystemExit"
        assert said in result.error.message


async def test_memory_hog_is_stopped(executor: Executor) -> None:
    code = "import time\nhog = []\nwhile True:\n  hog.append(bytearray(10**7)); time.sleep(.002)"
    result = await run(executor, code, Limits(memory=300 * 2**20))
    assert result.status == "limit"
    assert result.limit is not None
    assert (result.limit.name, result.limit.value) == ("memory", 300.0)
    await still_works(executor)


async def test_one_absurd_allocation_is_the_memory_limit(executor: Executor) -> None:
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("the size of a process's data is limited on Linux only")
    result = await run(executor, "a = bytearray(10**13)")
    assert result.limit is not None
    assert (result.status, result.limit.name) == ("limit", "memory")


async def test_memory_counts_the_whole_tree(executor: Executor) -> None:
    code = (
        "import os, time\n"
        "for _ in range(4):\n"
        "  if os.fork() == 0:\n"
        "    hog = bytearray(os.urandom(1024) * 150_000); time.sleep(60); os._exit(0)\n"
        "time.sleep(60)"
    )
    result = await run(executor, code, Limits(memory=400 * 2**20))
    assert result.limit is not None
    assert result.limit.name == "memory"
    await still_works(executor)


async def test_too_many_processes_are_ended(executor: Executor) -> None:
    before = set(psutil.pids())
    code = (
        "import subprocess, time\n"
        "for _ in range(60): subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
        "time.sleep(60)"
    )
    result = await run(executor, code, Limits(processes=10))
    assert result.status == "limit"
    assert result.limit is not None
    assert (result.limit.name, result.limit.value) == ("processes", 10.0)
    await still_works(executor)
    assert not sleepers(before)


def sleepers(before: set[int]) -> list[int]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid not in before and process.cmdline() == ["sleep", "300"]:
                found.append(process.pid)
    return [pid for pid in found if not gone(pid, 2.0)]


async def test_a_large_file_is_the_file_limit(executor: Executor) -> None:
    code = (
        "import os, tempfile\nos.chdir(tempfile.gettempdir())\n"
        "with open('f', 'wb') as f:\n    f.write(b'x' * 2_000_000)"
    )
    result = await run(executor, code, Limits(file=10**6))
    assert result.status == "limit"
    assert result.limit is not None
    assert (result.limit.name, result.limit.value, result.limit.unit) == ("file", 1.0, "MB")


async def test_limits_are_hard(executor: Executor) -> None:
    """The program cannot lift them; the next one may have more."""
    code = (
        "import os, resource, tempfile\nos.chdir(tempfile.gettempdir())\n"
        "for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_DATA):\n"
        "    hard = resource.getrlimit(kind)[1]\n"
        "    for wanted in (hard + 1, resource.RLIM_INFINITY):\n"
        "        try: resource.setrlimit(kind, (wanted, wanted))\n"
        "        except (ValueError, OSError): print('refused')\n"
        "with open('f', 'wb') as f:\n    f.write(b'x' * 2_000_000)"
    )
    for _ in range(2):
        result = await run(executor, code, Limits(file=10**6, memory=2**29))
        assert result.stdout == "refused\n" * 4
        assert result.status == "limit"
    result = await run(executor, code, Limits(file=10**7, memory=2**30))
    assert (result.status, result.stdout) == ("ok", "refused\n" * 4)


async def test_input_fails_with_the_reason(executor: Executor) -> None:
    result = await run(executor, "name = input('Name? ')")
    assert result.status == "error"
    assert result.error is not None
    assert "input() is not available" in result.error.message
    assert (await run(executor, "import sys; print(repr(sys.stdin.read()))")).seconds < 10


async def test_a_refusal_names_the_cure(executor: Executor) -> None:
    result = await run(executor, "open('/etc/written', 'w')")
    if "landlock" not in result.isolation:
        pytest.skip("this Linux kernel has no Landlock")
    assert result.error is not None
    assert "--write" in result.error.message
    own = await run(executor, "raise ValueError('my own')")
    assert own.error is not None
    assert "--write" not in own.error.message


async def test_processes_left_behind_end_with_the_round(executor: Executor) -> None:
    result = await run(executor, LEFT_BEHIND)
    assert result.status == "ok", result
    assert len(result.stdout.split()) == 2
    assert nothing_is_left()
    await still_works(executor)


async def test_grandchildren_end_when_the_time_is_up(executor: Executor) -> None:
    result = await run(executor, LEFT_BEHIND + "\nwhile True: pass", Limits(wall=1.5))
    assert result.status == "timeout"
    assert len(result.stdout.split()) == 2
    assert nothing_is_left()


async def test_a_program_that_kills_its_parent_leaves_nothing(executor: Executor) -> None:
    """In a child that is the kernel, else what supervises the program."""
    code = LEFT_BEHIND + "\nimport os, signal, time\nos.kill(os.getppid(), 9)\ntime.sleep(60)"
    result = await run(executor, code, Limits(wall=5.0))
    if executor.name != "child" and {"landlock", "pidns"} & {*result.isolation}:
        assert result.error is not None
        assert result.error.name == "PermissionError"
    else:
        assert result.status == "killed"
    assert nothing_is_left()
    await still_works(executor)


@pytest.mark.parametrize("code", ["import time; time.sleep(60)", "sum(range(10**12))"])
async def test_cancelling_stops_the_code_within_a_second(executor: Executor, code: str) -> None:
    if executor.name == "fork":
        pytest.skip("its processes are another kernel's: see test_fork.py")
    await still_works(executor)  # started
    task = asyncio.ensure_future(run(executor, "print('x')\n" + code))
    await asyncio.sleep(0.5)
    here = processes()
    assert here
    started = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - started < 1.0
    assert all(gone(process.pid, 1.0) for process in here)
    await still_works(executor)


async def test_closing_the_stream_early_stops_the_code(executor: Executor) -> None:
    if executor.name == "fork":
        pytest.skip("its processes are another kernel's: see test_fork.py")
    stream = executor.run("print(1, flush=True)\nimport time; time.sleep(60)", LIMITS)
    assert not isinstance(await anext(stream), Execution)
    here = processes()
    await stream.aclose()  # type: ignore[attr-defined]  # an async generator
    assert all(gone(process.pid, 1.0) for process in here)
    await still_works(executor)


@pytest.mark.parametrize("kind", [ChildExecutor, SubprocessExecutor])
async def test_closing_leaves_neither_processes_nor_files(
    kind: type[ChildExecutor | SubprocessExecutor],
) -> None:
    before = set(processes())
    executor = kind({"a": [1]})
    await run(executor, "print(1)")
    folder = executor._folder.path
    assert folder.stat().st_mode & 0o777 in (0o300, 0o700)
    await executor.close()
    await executor.close()
    assert not folder.exists()
    assert set(processes()) <= before


@pytest.mark.parametrize("name", ["child", "subprocess"])
@pytest.mark.parametrize("by", ["blocking", "ignoring"])
async def test_an_interrupt_reaches_code_whose_asker_takes_none(name: str, by: str) -> None:
    old = signal.getsignal(signal.SIGINT)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT] if by == "blocking" else [])
    close_pool()  # a kernel that waits was started before
    made = resolve(name)
    try:
        if by == "ignoring":
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        result = await run(made, "while True: pass", Limits(wall=2.0))
    finally:
        signal.signal(signal.SIGINT, old)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        await made.close()
    assert result.status == "timeout"
    assert result.error is not None
    assert "while True" in result.error.traceback


@pytest.mark.parametrize("name", ["child", "subprocess"])
async def test_a_key_that_was_given_on_purpose_reaches_the_code(name: str) -> None:
    made = resolve(name, values={"my_token": "tok-given0123456789"})
    try:
        assert (await run(made, "print(my_token[::-1])")).stdout == "9876543210nevig-kot\n"
    finally:
        await made.close()
