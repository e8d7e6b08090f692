"""Child kernel and script: what each program finds, what it shows, what outlives the asker."""

from __future__ import annotations

import asyncio
import base64
import fcntl
import gzip
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from codesteer_jupyter.errors import ExecutorError, UsageError
from codesteer_jupyter.execution import supervised
from codesteer_jupyter.execution.child import ChildExecutor
from codesteer_jupyter.execution.confinement import probe
from codesteer_jupyter.execution.environment import allowed_environment
from codesteer_jupyter.execution.folder import Area
from codesteer_jupyter.execution.hostile import HOSTILE
from codesteer_jupyter.execution.pool import close_pool
from codesteer_jupyter.execution.resolve import executor as resolve
from codesteer_jupyter.execution.script import SubprocessExecutor
from codesteer_jupyter.steering.execution import Access, Executor, Limits
from tests.execution.running import expected_isolation, gone, processes, run
from tests.execution.test_faults import left_behind

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["child", "subprocess"])
async def executor(request: pytest.FixtureRequest) -> AsyncIterator[Executor]:
    made = resolve(request.param, values={"rows": [1, 2], "double": lambda x: 2 * x})
    yield made
    await made.close()


@pytest.fixture
async def child() -> AsyncIterator[ChildExecutor]:
    made = ChildExecutor()
    yield made
    await made.close()


DAMAGE = """
import builtins, os, random, sys, warnings
rows.append(3); later = 1; double = None
builtins.print_it = print; builtins.divmod = lambda x, y: 99
os.environ['LATER'] = '1'; sys.path.insert(0, '/nowhere'); sys.argv.append('x')
open('left.txt', 'w').write('x'); open('local_module.py', 'w').write('value = 1')
import local_module
os.chdir('/'); random.random(); sys.setrecursionlimit(5000)
warnings.simplefilter('error'); sys.stdout = open(os.devnull, 'w')
"""
LOOK = """
import os, random, sys
print(rows, double(4), 'later' in globals(), 'print_it' in dir(__builtins__), divmod(5, 3))
print('LATER' in os.environ, '/nowhere' in sys.path, 'x' in sys.argv, os.listdir())
print('local_module' in sys.modules, sys.getrecursionlimit() < 5000, ANSWER)
"""


async def test_every_round_starts_from_the_same_base(executor: Executor) -> None:
    assert (await run(executor, DAMAGE)).status == "ok"
    result = await run(executor, LOOK, variables={"ANSWER": "42"})
    assert result.error is None, result.error
    assert result.stdout.splitlines() == [
        "[1, 2] 8 False False (1, 2)",
        "False False False []",
        "False True 42",
    ]
    gone_again = await run(executor, "ANSWER")
    assert gone_again.error is not None
    assert gone_again.error.name == "NameError"


@pytest.mark.parametrize(
    "damage",
    [
        "import os; os.dup2(os.open(os.devnull, os.O_WRONLY), 1)",
        "import os; os.close(1)",
        "import sys; sys.stdout.close()",
        "import sys; kept = sys.stdout.detach()",
        "get_ipython().events.register('pre_run_cell', lambda info: print('seen'))",
        "get_ipython().input_transformers_post.append(lambda lines: ['print(0)\n'])",
    ],
)
async def test_output_and_text_of_the_next_program_are_its_own(
    child: ChildExecutor, damage: str
) -> None:
    await run(child, damage)
    after = await run(child, "print('mine')")
    assert (after.status, after.stdout) == ("ok", "mine\n"), after


async def test_each_program_draws_its_own_random_numbers(child: ChildExecutor) -> None:
    draw = "import random, numpy.random\nprint(random.random(), numpy.random.random())"
    drawn = [(await run(child, draw)).stdout.split() for _ in range(3)]
    assert len({number for each in drawn for number in each}) == 6


async def test_stateful_keeps_names_and_folder() -> None:
    executor = ChildExecutor({"rows": [1]}, stateful=True)
    try:
        await run(executor, "x = 1; rows.append(2); open('f', 'w').write('kept')")
        result = await run(executor, "print(x, rows, open('f').read())")
        assert result.stdout == "1 [1, 2] kept\n"
    finally:
        await executor.close()


async def test_a_thread_left_behind_does_not_reach_the_next_round(child: ChildExecutor) -> None:
    await run(child, "pass")
    kernel = child._kernel
    code = (
        "import sys, threading, time\nsys.mark = 1\n"
        "def noise():\n  while True: time.sleep(.01); print('noise')\n"
        "threading.Thread(target=noise, daemon=True).start()"
    )
    await run(child, code)
    second = await run(child, "import sys, time; time.sleep(.3); print(hasattr(sys, 'mark'))")
    assert second.stdout == "False\n"
    assert child._kernel is kernel


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("import sys; sys.modules['codesteer_kernel_state'].State.begin = None", "ok"),
        ("import os; os._exit(7)", "killed"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed"),
        ("import ctypes; ctypes.string_at(0)", "killed"),
        ("import os; os.setsid(); os.closerange(3, 100)", "killed"),
    ],
)
async def test_a_kernel_outlives_its_programs(child: ChildExecutor, end: str, status: str) -> None:
    await run(child, "pass")
    kernel = child._kernel
    ended = await run(child, f"print('said')\n{end}")
    assert (ended.status, ended.stdout) == (status, "said\n")
    assert (await run(child, "print(1)")).stdout == "1\n"
    assert child._kernel is kernel


async def test_a_program_that_ends_its_kernel_ends_itself(child: ChildExecutor) -> None:
    ended = await run(child, "import os, time\nos.kill(os.getppid(), 9)\ntime.sleep(10)")
    assert ended.status == "killed"
    assert child._kernel is None
    assert (await run(child, "print(1)")).stdout == "1\n"


async def test_a_program_that_stops_its_kernel_costs_no_other(child: ChildExecutor) -> None:
    stopped = await run(child, "import os; os.kill(os.getppid(), 19); print(1)")
    assert (stopped.status, stopped.stdout) == ("ok", "1\n")
    assert child._kernel is None
    assert (await run(child, "print(2)")).stdout == "2\n"


LEAVE = {
    "packets": """
import fcntl, gc, json, os, time
fcntl.fcntl(1, 1031, 1 << 20)  # F_SETPIPE_SZ
fcntl.fcntl(1, fcntl.F_SETFL, os.O_WRONLY | os.O_DIRECT)  # one packet per write
ends = [each._socket for each in gc.get_objects() if type(each).__name__ == "Channel"]
told = json.dumps({"told": "result", "error": None}).encode()
for end in ends:
    if end.fileno() >= 0:
        end.sendall(len(told).to_bytes(4, "big") + told)  # from here on it is over
time.sleep(0.1)
for _ in range(200):
    os.write(1, b"left\\n")
os._exit(0)
""",
    "flags": "import os; os.set_blocking(1, False); os.set_blocking(2, False)",
    "limits": """
import resource
resource.prlimit(os.getppid(), resource.RLIMIT_FSIZE, (1000, 1000))
""",
    "priority": "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
    "processors": "os.sched_setaffinity(os.getppid(), {min(os.sched_getaffinity(0))})",
    "scheduler": "os.sched_setscheduler(os.getppid(), os.SCHED_BATCH, os.sched_param(0))",
    "shared memory": """
from multiprocessing import shared_memory
kept = shared_memory.SharedMemory("left", create=True, size=10)
os._exit(0)
""",
    "files": "open('/dev/shm/left', 'w').write('left')",
    "segment": """
import ctypes
assert ctypes.CDLL(None).shmget(77, 4096, 0o1666) >= 0
""",
}
SEEN = """
import os, resource
print(resource.getrlimit(resource.RLIMIT_FSIZE), os.getpriority(os.PRIO_PROCESS, 0))
print(os.sched_getaffinity(0), os.sched_getscheduler(0), os.get_blocking(1), os.get_blocking(2))
print([name for name in os.listdir("/dev/shm") if "left" in name])
print(open("/proc/sysvipc/shm").read().split()[16:18])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="what Linux lets a program change")
@pytest.mark.parametrize("what", LEAVE)
async def test_a_program_leaves_nothing_to_the_next(child: ChildExecutor, what: str) -> None:
    """Some of it needs layers that every kernel since 5.13 has; else it is refused or undone."""
    before = await run(child, SEEN)
    assert before.status == "ok"
    await run(child, f"import os\n{LEAVE[what]}")
    after = await run(child, SEEN)
    assert after.stdout == before.stdout


async def test_files_that_were_not_closed_are_whole(child: ChildExecutor, tmp_path: Path) -> None:
    child._access = Access(write=(str(tmp_path),))
    code = (
        "import atexit, gzip, sys, logging.handlers\n"
        f"plain = open({str(tmp_path / 'plain')!r}, 'w'); plain.write('text')\n"
        f"packed = gzip.open({str(tmp_path / 'packed')!r}, 'wt'); packed.write('text')\n"
        "atexit.register(print, 'at the end')\n"
        "print('begun', end=' '); sys.stdout = None\n"
        "def fail(): file = open(path, 'w'); file.write('text'); raise ValueError\n"
        f"path = {str(tmp_path / 'failed')!r}; fail()"
    )
    ended = await run(child, code)
    assert (ended.status, ended.stdout) == ("error", "begun ")
    assert (tmp_path / "plain").read_text() == "text"
    assert (tmp_path / "failed").read_text() == "text"
    assert gzip.decompress((tmp_path / "packed").read_bytes()) == b"text"
    value = str(tmp_path / "value")
    await run(child, f"file = open({value!r}, 'w'); file.write('text'); file")
    assert Path(value).read_text() == "text"
    ended = await run(child, "import atexit; atexit.register(print, 'at the end'); print('first')")
    assert ended.stdout == "first\nat the end\n"


@pytest.mark.parametrize("how", ["much", "at once"])
async def test_all_that_was_written_is_kept(child: ChildExecutor, how: str) -> None:
    code = "import fcntl, os, sys\nfcntl.fcntl(1, 1031, 1 << 20)\n"
    if how == "much":
        code += "sys.stdout.write('x' * 900_000)"
    else:
        code += "fcntl.fcntl(1, fcntl.F_SETFL, os.O_WRONLY | os.O_DIRECT)\n"
        code += "for _ in range(180): os.write(1, b'x' * 5000)"
    result = await run(child, f"{code}\nprint('end')")
    assert (result.status, len(result.stdout), result.stdout[-5:]) == ("ok", 900_004, "xend\n")


async def test_a_cancelled_run_leaves_no_kernel(child: ChildExecutor) -> None:
    """Cancelled when the program has told its end, but its process is still there."""
    linger = LEAVE["packets"].partition("time.sleep")[0].partition("ends =")[2]
    code = f"import gc, json, os, time\nends ={linger}time.sleep(20)"
    running = asyncio.create_task(run(child, code))
    while child._kernel is None or not child._busy.locked():
        await asyncio.sleep(0.01)
    kernel = child._kernel
    over = asyncio.Event()
    monkey = kernel.over

    async def watched(seconds: float) -> bool:
        over.set()
        return await monkey(seconds)

    kernel.over = watched  # type: ignore[method-assign]  # to know when it waits
    await over.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert child._kernel is None and not kernel.alive
    assert (await run(child, "print(1)")).stdout == "1\n"


async def test_what_cannot_be_forked_is_not_imported_ahead(
    child: ChildExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    close_pool()
    monkeypatch.setitem(HOSTILE, "networkx", "a stand-in")
    loaded = "import sys; print('networkx' in sys.modules)"
    assert (await run(child, f"{loaded}\nimport networkx")).stdout == "False\n"
    kernel = child._kernel
    assert (await run(child, loaded)).stdout == "False\n"
    assert child._kernel is kernel
    await child.close()
    close_pool()


async def test_the_waiting_process_serves_until_there_is_more_to_import(
    child: ChildExecutor,
) -> None:
    """And where it was killed, the kernel forks another."""
    pytest.importorskip("networkx", reason="networkx is not installed (extra: bench)")
    close_pool()  # which remembers what earlier programs imported

    async def waiting() -> int:
        """The process that waits: the youngest, once there is one more than the kernel's own."""
        for _ in range(1000):
            found = processes()
            if len(found) == 3 + (not probe()["pidns"]):
                return max(process.pid for process in found)
            await asyncio.sleep(0.02)
        raise AssertionError("no process waits")

    await child.warm()
    first = await waiting()
    await child.prepare("import no_such_module")
    await asyncio.sleep(0.2)
    assert await waiting() == first
    await child.prepare("import networkx")
    for _ in range(1000):
        if (second := await waiting()) != first:
            break
        await asyncio.sleep(0.02)
    assert second != first
    os.kill(second, signal.SIGKILL)
    assert (await run(child, "print(1)")).stdout == "1\n"
    kernel = child._kernel
    assert kernel is not None and kernel.alive


async def test_where_a_fork_would_not_work_a_kernel_serves_one_program(
    child: ChildExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if IPython had threads of its own."""
    close_pool()
    monkeypatch.setitem(HOSTILE, "IPython", "IPython")
    for _ in range(2):
        look = "import sys; print(hasattr(sys, 'mark')); sys.mark = 1"
        assert (await run(child, look)).stdout == "False\n"
        assert child._kernel is None
    await child.close()  # so that it starts no other kernel under this name
    close_pool()


async def test_nothing_of_a_kernel_is_open_to_its_programs(child: ChildExecutor) -> None:
    """Its socket is not in a program, and is not to be had from it. A kernel that has imported
    nothing: some modules have sockets of their own.
    """
    close_pool()
    look = (
        "import os, stat\n"
        "for pid in ('self', os.getppid()):\n"
        "  for number in map(int, os.listdir(f'/proc/{pid}/fd')):\n"
        "    try:\n"
        "      mode = os.stat(f'/proc/{pid}/fd/{number}').st_mode\n"
        "      if stat.S_ISSOCK(mode): print('socket', pid == 'self')\n"
        "    except OSError: pass"
    )
    assert (await run(child, look)).stdout == "socket True\n"


async def test_many_rounds_leave_neither_processes_nor_descriptors_nor_memory(
    child: ChildExecutor,
) -> None:
    async def rounds(count: int) -> tuple[int, int, int, int]:
        for number in range(count):
            code = f"x{number} = bytearray(10**6); print({number})\nx{number}[:3]"
            assert (await run(child, code)).stdout == f"{number}\n"
        here = processes()
        memory = max(process.memory_info().rss for process in here)
        inside = max(process.num_fds() for process in here)
        return len(here), psutil.Process().num_fds(), inside, memory

    async def rounds_and_rest(count: int) -> tuple[int, int, int, int]:
        await rounds(count - 1)
        await asyncio.sleep(0.5)  # the process of the next program has come by then
        return await rounds(0)

    await rounds(20)
    count, descriptors, inside, memory = await rounds_and_rest(20)
    again = await rounds_and_rest(460)
    assert again[:3] == (count, descriptors, inside)
    assert again[3] - memory < 20 * 2**20


def test_a_folder_serves_again_only_if_it_is_as_new(tmp_path: Path) -> None:
    area = Area(tmp_path)
    first = area.scratch(again=True)
    assert area.scratch(again=True) == first
    (area.writable / "beside").write_text("x")
    assert area.scratch(again=True) == first
    assert sorted(entry.name for entry in area.writable.iterdir()) == ["matplotlib", first.name]
    (first / "left").write_text("x")
    second = area.scratch(again=True)
    assert (second != first, first.exists(), list(second.iterdir())) == (True, False, [])
    second.chmod(0o500)
    third = area.scratch(again=True)
    third.rmdir()
    third.symlink_to(tmp_path)
    fourth = area.scratch(again=True)
    assert len({first, second, third, fourth}) == 4
    assert area.scratch() != fourth


async def test_streams_and_top_level_await(executor: Executor) -> None:
    code = "import asyncio, sys\nawait asyncio.sleep(0)\nprint('a')\nprint('b', file=sys.stderr)"
    result = await run(executor, code)
    assert (result.status, result.stdout, result.stderr) == ("ok", "a\n", "b\n")
    system = await run(executor, "import subprocess; subprocess.run(['echo', 'from outside'])")
    assert system.stdout == "from outside\n"


async def test_output_of_other_processes_belongs_to_its_round(child: ChildExecutor) -> None:
    for number in range(12):
        code = f"import os, subprocess\nos.write(1, b'raw ')\nsubprocess.run(['echo', '{number}'])"
        assert (await run(child, code)).stdout == f"raw {number}\n"


async def test_what_was_active_is_recorded(executor: Executor) -> None:
    result = await run(executor, "pass")
    assert result.isolation == expected_isolation()
    assert result.executor == executor.name


async def test_rich_outputs_are_kept(child: ChildExecutor) -> None:
    code = (
        "from IPython.display import display, HTML\n"
        "handle = display(HTML('<b>old</b>'), display_id=True)\n"
        "handle.update(HTML('<b>new</b>'))\n[1, 2]"
    )
    result = await run(child, code)
    shown, value = result.outputs
    assert shown["output_type"] == "display_data"
    assert shown["data"]["text/html"] == "<b>new</b>"
    assert value == {
        "output_type": "execute_result",
        "data": {"text/plain": "[1, 2]"},
        "metadata": {},
        "execution_count": None,
    }


async def test_matplotlib_figures_are_kept(child: ChildExecutor) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra: demo)")
    result = await run(child, "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()")
    pictures = [o["data"]["image/png"] for o in result.outputs if "image/png" in o["data"]]
    assert len(pictures) == 1
    assert base64.b64decode(pictures[0]).startswith(b"\x89PNG")


async def test_no_key_reaches_the_code(executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "HF_TOKEN", "MY_SECRET", "LC_KEY", "PGPASSWORD", "OTHER"):
        monkeypatch.setenv(name, "sk-not-for-you")
    result = await run(
        executor,
        "import os, subprocess\nprint(dict(os.environ))\n"
        "print(open('/proc/self/environ').read() if os.path.exists('/proc/self/environ') else '')\n"
        "subprocess.run(['env'])",
    )
    assert "PATH" in result.stdout
    assert "sk-not-for-you" not in result.stdout


def test_the_environment_is_an_allow_list() -> None:
    given = {"PATH": "/bin", "LC_ALL": "C", "LC_API_TOKEN": "x", "AWS_PROFILE": "x", "LANG": "C"}
    assert allowed_environment(given) == {"PATH": "/bin", "LC_ALL": "C", "LANG": "C"}


async def test_nothing_is_written_to_this_process_streams(
    executor: Executor, capfd: pytest.CaptureFixture[str]
) -> None:
    await run(executor, "import os; os.write(2, b'raw'); import ctypes; ctypes.string_at(0)")
    await run(executor, "print(1)")
    assert capfd.readouterr() == ("", "")


async def test_warming_starts_the_kernel(child: ChildExecutor) -> None:
    await child.warm()
    # The supervisor, the first process of the kernel's pid namespace, the kernel, and a process
    # that waits for the first program.
    count = 3 + (not probe()["pidns"])
    for _ in range(600):  # what earlier programs imported is imported first
        if len(processes()) == count:
            break
        await asyncio.sleep(0.05)
    assert len(processes()) == count
    assert (await run(child, "print(1)")).stdout == "1\n"


def test_values_that_cannot_be_copied_are_named() -> None:
    for kind in (ChildExecutor, SubprocessExecutor):
        with pytest.raises(UsageError, match=r"--with rows_left .*generator.*--run live"):
            kind({"good": 1, "rows_left": (i for i in range(3))})


def test_values_that_are_too_large_are_refused() -> None:
    with pytest.raises(UsageError, match=r"more than 1 MiB at 'b'.*--run live"):
        ChildExecutor({"a": 1, "b": b"x" * 2**21}, most_bytes=2**20)


class Fragile:
    def __reduce__(self) -> tuple[object, ...]:
        return (int, ("not a number",))


async def test_a_value_that_cannot_be_rebuilt_is_named() -> None:
    for kind in (ChildExecutor, SubprocessExecutor):
        executor = kind({"fragile": Fragile()})
        try:
            with pytest.raises(ExecutorError, match="fragile"):
                await run(executor, "print(1)")
        finally:
            await executor.close()


async def test_frames_arrive_as_frames(executor: Executor) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed (extra: test)")
    made = type(executor)({"df": pandas.DataFrame({"a": [1, 2, 3]})})  # type: ignore[call-arg]  # both take values
    try:
        limits = Limits(memory=2 * 2**30)
        result = await run(made, "print(df.a.sum(), type(df).__name__)", limits)
        assert result.stdout == "6 DataFrame\n"
    finally:
        await made.close()


@pytest.mark.parametrize("name", ["child", "subprocess"])
def test_kill_9_of_the_asking_process_leaves_nothing(name: str, tmp_path: Path) -> None:
    asking = tmp_path / "asking.py"
    asking.write_text(
        textwrap.dedent(f"""
        import asyncio, sys
        from codesteer_jupyter.execution.resolve import executor
        from codesteer_jupyter.steering.execution import Limits
        from tests.execution.test_faults import LEFT_BEHIND

        async def main():
            made = executor({name!r})
            print(made._folder.path, flush=True)
            async for item in made.run(LEFT_BEHIND + "\\nwhile True: pass", Limits(wall=60)):
                print(item.text, end='', flush=True)

        asyncio.run(main())
        """)
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, str(asking)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    for _ in range(2):
        process.stdout.readline()
    everything = [p.pid for p in psutil.Process(process.pid).children(recursive=True)]
    left = {p.pid for p in left_behind()}
    assert len(left & {*everything}) == 2  # also those that left their session are below us
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert all(gone(pid) for pid in everything)
    assert not folder.exists()


async def test_names_are_resolved() -> None:
    for asked, stateful, got in (
        ("auto", False, "subprocess"),
        ("auto", True, "child"),
        ("Child", False, "child"),
    ):
        made = resolve(asked, stateful=stateful)
        assert made.name == got
        await made.close()
    with pytest.raises(UsageError, match="did you mean 'subprocess'"):
        resolve("subproces")
    with pytest.raises(UsageError, match="--run child with --stateful"):
        resolve("subprocess", stateful=True)


async def test_live_outside_a_notebook_says_so() -> None:
    fit = await resolve("live").preflight()
    assert not fit.ok
    assert "notebook" in fit.reason


async def test_folders_of_killed_processes_are_removed_by_the_next(tmp_path: Path) -> None:
    code = (
        "import os, signal\n"
        "from codesteer_jupyter.execution.script import SubprocessExecutor\n"
        "made = SubprocessExecutor({'a': 1}); print(made._folder.path, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    asked = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    )
    left, living = Path(asked.stdout.strip()), SubprocessExecutor()
    assert left.is_dir()
    for folder in (left, living._folder.path):
        os.utime(folder / "lock", (1, 1))  # long ago
    other = SubprocessExecutor()
    assert not left.exists()
    assert living._folder.path.is_dir()  # its owner lives
    await living.close()
    await other.close()


SUPERVISOR = str(Path(supervised.__file__).with_name("supervisor.py"))
LATE = """
import importlib.util, sys, time
spec = importlib.util.spec_from_file_location("supervisor", {path!r})
supervisor = importlib.util.module_from_spec(spec)
spec.loader.exec_module(supervisor)
end_all = supervisor._end_all

def late(command):
    print("ended", flush=True)
    sys.stdin.readline()  # meanwhile the asking process goes on
    return end_all(command)

supervisor._end_all = late
sys.exit(supervisor.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("asked", "locked"), [(True, False), (False, True), (False, False)], ids=str
)
def test_a_folder_in_use_outlives_a_command_that_ended_first(
    asked: bool, locked: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    ours, theirs = socket.socketpair()
    with ours, theirs, open(folder / "lock", "wb") as lock:
        supervisor = subprocess.Popen(
            [
                *(sys.executable, "-c", LATE.format(path=SUPERVISOR)),
                *(str(theirs.fileno()), str(folder), "--", sys.executable, "-c", ""),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        ours.sendall(bytes(8))
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == b"ended\n"
        if asked:
            ours.sendall(b"end")
        ours.close()
        if locked:
            fcntl.flock(lock, fcntl.LOCK_EX)
        supervisor.communicate(b"\n", timeout=20)
    # Only a process that went away without a word cannot remove it itself.
    assert folder.exists() == (asked or locked)


async def test_an_executor_that_is_forgotten_costs_no_other_its_folder() -> None:
    forgotten, other = ChildExecutor(), ChildExecutor()
    try:
        assert (await run(forgotten, "print(1)")).status == "ok"
        kernel = forgotten._kernel
        assert kernel is not None
        supervisor = kernel.tree.pid
        kernel.tree._control.close()  # as when it is collected
        assert gone(supervisor)
        assert (await run(other, "print(2)")).stdout == "2\n"
    finally:
        await forgotten.close()
        await other.close()
