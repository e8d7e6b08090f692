"""Snapshots of a real kernel: what they see, what they leave alone, what can be taken over."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from codesteer_jupyter.steering.execution import Limits
from codesteer_jupyter.steering.trajectory import Execution
from tests.execution.forking import SETUP, KernelFork
from tests.execution.running import LIMITS, gone, run
from tests.kernels import KERNELS, Kernel, start_kernel

LAYERS = {"process", "environment", "process_group", "parent_death", "rlimits", "seccomp"}


@pytest.fixture(scope="module", params=KERNELS)
def kernel(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    env = {"SOME_API_KEY": "exported-before-the-start", "KEPT_BY_USER": "no key"}
    with start_kernel(request.param, env=env) as started:
        started.execute(SETUP).check()
        yield started


@pytest.fixture
def fork(kernel: Kernel) -> KernelFork:
    made = KernelFork(kernel)
    made.make()
    return made


def ask(fork: KernelFork, code: str, limits: Limits = LIMITS, **variables: Any) -> Execution:
    return asyncio.run(run(fork, code, limits, variables))


def changes(result: Execution) -> dict[str, tuple[Any, ...]]:
    return {c["name"]: (c["kind"], c["before"], c["after"]) for c in result.changes}


def alive_below(kernel: Kernel) -> list[str]:
    """Processes the kernel has, without those it keeps, and what is just ending."""
    found = []
    for process in psutil.Process(kernel.pid).children(recursive=True):
        try:
            line = " ".join(process.cmdline())
            ours = "guard.py" in line or "resource_tracker" in line
            if not ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {process.status()} {line}")
        except psutil.NoSuchProcess:
            continue
    return found


def none_left(kernel: Kernel, but: int = 0) -> bool:
    deadline = time.monotonic() + 5
    while len(alive_below(kernel)) > but and time.monotonic() < deadline:
        time.sleep(0.02)
    return len(alive_below(kernel)) == but


# -- what it sees, and what stays ------------------------------------------------------------------


def test_sees_the_live_names_and_leaves_them_alone(fork: KernelFork, kernel: Kernel) -> None:
    kernel.execute("x = 5; items = [1]; unused = 'a'; other = 1").check()
    result = ask(fork, "print(x)\ny = x + 1\nx = 9\nitems.append(2)\ndel unused\ny")
    assert (result.status, result.stdout) == ("ok", "5\n")
    assert result.outputs[0]["data"] == {"text/plain": "6"}
    assert changes(result) == {
        "items": ("mutated", "[1]", "[1, 2]"),
        "unused": ("deleted", "'a'", None),
        "x": ("rebound", "5", "9"),
        "y": ("new", None, "6"),
    }
    assert kernel.execute("(x, items, unused, 'y' in globals())").result == "(5, [1], 'a', False)"
    assert set(result.isolation) >= LAYERS
    assert result.executor == "fork"


def test_each_program_starts_from_the_live_state(fork: KernelFork, kernel: Kernel) -> None:
    kernel.execute("n = 1").check()
    assert ask(fork, "n += 1; print(n)").stdout == "2\n"
    assert ask(fork, "n += 1; print(n)").stdout == "2\n"
    kernel.execute("n = 10").check()
    assert ask(fork, "n += 1; print(n)").stdout == "11\n"


def test_a_session_builds_on_its_programs(fork: KernelFork, kernel: Kernel) -> None:
    kernel.execute("n = 1").check()
    fork.make(stateful=True)
    assert ask(fork, "n += 1; m = 1; print(n)").stdout == "2\n"
    assert ask(fork, "n += m; print(n)").stdout == "3\n"
    ask(fork, "import os; os._exit(1)")  # what ends the session starts it anew
    assert ask(fork, "n += 1; print(n, 'm' in globals())").stdout == "2 False\n"
    assert kernel.execute("n").result == "1"


def test_predefined_names_are_not_changes(fork: KernelFork) -> None:
    result = ask(fork, "print(ANSWER, extra)", ANSWER="42", extra=[1])
    assert (result.stdout, changes(result)) == ("42 [1]\n", {})


def test_mutation_is_found_by_contents(fork: KernelFork, kernel: Kernel) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed (extra: test)")
    kernel.execute(
        "import numpy, pandas\n"
        "df = pandas.DataFrame({'a': [1, 2], 'b': ['x', 'y']}); same = df.copy()\n"
        "deep = {'k': [[1], 2]}; big = numpy.ones(3_000_000); untouched = numpy.ones(3_000_000)\n"
        "def touch(): hidden.append(1)\n"
        "hidden = [0] * 2_000"
    ).check()
    result = ask(
        fork,
        "df.loc[0, 'b'] = 'z'; deep['k'][0][0] = 9; big[7] = 0; touch()\n"
        "same.sum(numeric_only=True); untouched.sum()",
    )
    assert result.status == "ok", result.error
    found = {item["name"]: item for item in result.changes}
    assert {name: item["kind"] for name, item in found.items()} == {
        **dict.fromkeys(("df", "deep", "big", "hidden"), "mutated")
    }
    assert found["df"]["detail"] == "column b"
    assert kernel.execute("(df.loc[0, 'b'], deep, big[7], len(hidden))").result == (
        "('x', {'k': [[1], 2]}, np.float64(1.0), 2000)"
    )


def test_what_could_not_be_compared_is_in_the_record(fork: KernelFork, kernel: Kernel) -> None:
    kernel.execute("import threading; lock = threading.Lock(); n = [1]").check()
    result = ask(fork, "lock.acquire()\nn.append(2)")
    assert set(changes(result)) == {"n"}
    assert result.extra == {"not_compared": {"lock": "TypeError"}}
    assert ask(fork, "n.append(2)").extra == {}


def test_what_python_refuses_to_write_out_is_no_failure(fork: KernelFork, kernel: Kernel) -> None:
    kernel.execute("facts = [10**5000]").check()
    try:
        result = ask(fork, "more = {'a': facts[0]}; facts[0] += 1; print(len(facts))")
    finally:
        kernel.execute("del facts").check()
    assert (result.status, result.stdout) == ("ok", "1\n")
    assert changes(result) == {
        "facts": ("mutated", "list of 1", "list of 1"),
        "more": ("new", None, "dict of 1"),
    }


def test_all_values_are_looked_at_on_request(fork: KernelFork, kernel: Kernel) -> None:
    kernel.execute("inner = [0] * 5_000; outer = {'x': inner}").check()
    code = "outer['x'][7] = 1"
    assert set(changes(ask(fork, code))) == {"outer"}  # `inner` is not named
    fork.make(diff="all")
    assert set(changes(ask(fork, code))) == {"outer", "inner"}


def test_rich_output_reaches_the_record_not_the_cell(fork: KernelFork) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra: demo)")
    result = ask(
        fork,
        "from IPython.display import HTML, display\nimport sys, matplotlib.pyplot as plt\n"
        "h = display(HTML('<b>1</b>'), display_id=True)\nh.update(HTML('<b>2</b>'))\n"
        "print('to stderr', file=sys.stderr)\nplt.plot([1, 2])",
    )
    assert result.outputs[0]["data"]["text/html"] == "<b>2</b>"
    assert "image/png" in result.outputs[-1]["data"]
    assert result.stderr == "to stderr\n"


def test_traceback_is_of_the_generated_code_only(fork: KernelFork, kernel: Kernel) -> None:
    kernel.execute("def users_own(x):\n    return 1 / x").check()
    result = ask(fork, "def f():\n    return users_own(0)\nf()")
    assert result.error is not None
    assert result.error.name == "ZeroDivisionError"
    assert "line 2, in f" in result.error.traceback
    assert "IPython" not in result.error.traceback
    assert "in users_own" not in result.error.traceback


# -- hazards of a fork -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import subprocess; print(subprocess.check_output(['echo', 'a'], text=True))", "a"),
        ("import os; os.write(1, b'raw\\n')", "raw"),
        ("!echo shell", "shell"),
        ("%%bash\necho script", "script"),
        ("%timeit -n1 -r1 sum([1])", "loop"),
        ("import asyncio\nasync def f():\n    return 7\nprint(await f())", "7"),
        ("import asyncio\nasync def f(): return 8\nprint(asyncio.run(f()))", "8"),
        (
            "import threading as t\na = t.Thread(target=print, args=('on',)); a.start(); a.join()",
            "on",
        ),
        ("import multiprocessing as m\nprint(m.get_context('fork').Pool(2).map(abs, [-1]))", "[1]"),
        (
            "import concurrent.futures as c\nprint(*c.ProcessPoolExecutor(1).map(abs, [-3]))",
            "3",
        ),
        ("import tempfile\nwith tempfile.NamedTemporaryFile('w') as f: print(f.write('abc'))", "3"),
        ("import sqlite3 as s\nprint(*s.connect(':memory:').execute('select 1'))", "(1,)"),
        ("import logging; logging.warning('logged')", ""),
        ("import sys; print(repr(sys.stdin.read()))", "''"),
    ],
)
def test_what_programs_do_works(fork: KernelFork, kernel: Kernel, code: str, said: str) -> None:
    result = ask(fork, code)
    assert result.status == "ok", result
    assert said in result.stdout
    assert kernel.execute("await __import__('asyncio').sleep(0, 'on')").result == "'on'"


@pytest.mark.parametrize(
    ("library", "code", "said"),
    [
        ("pandas", "print(pandas.DataFrame({'a': [1, 2]}).a.sum())", "3"),
        ("numpy", "a = numpy.ones((300, 300)); print((a @ a)[0, 0])", "300"),
        ("torch", "a = torch.ones(300, 300); print(float((a @ a).relu()[0, 0]))", "300"),
        (
            "torch",
            "from torch.utils.data import DataLoader as D\n"
            "print(sum(int(a.sum()) for a in D(torch.arange(90), 2, num_workers=2)))",
            "4005",
        ),
        (
            "sklearn",
            "from sklearn.cluster import KMeans as K; print(K(2).fit([[0.], [1.]]).n_iter_ > 0)",
            "True",
        ),
        ("pyarrow", "import pyarrow.compute as c; print(c.sum(pyarrow.array([1, 2])))", "3"),
        ("duckdb", "print(duckdb.sql('select 42').fetchall())", "(42,)"),
        ("sympy", "print(sympy.factor('x**2 - 1'))", "(x - 1)*(x + 1)"),
    ],
)
def test_libraries_the_kernel_has_loaded_work(
    fork: KernelFork, kernel: Kernel, library: str, code: str, said: str
) -> None:
    pytest.importorskip(library, reason=f"{library} is not installed")
    # Used in the kernel first, so that its threads are there.
    kernel.execute(f"import {library}\n{code}").check()
    result = ask(fork, code)
    assert result.status == "ok", result
    assert said in result.stdout


def test_the_kernels_own_event_loop_stays_whole(fork: KernelFork, kernel: Kernel) -> None:
    code = (
        "import asyncio, selectors, gc\n"
        "for thing in gc.get_objects():\n"
        "    if isinstance(thing, selectors.EpollSelector):\n"
        "        for key in list((thing.get_map() or {}).values()):\n"
        "            thing.unregister(key.fileobj)\n"
        "print('unregistered')"
    )
    assert ask(fork, code).stdout == "unregistered\n"
    for _ in range(3):
        assert kernel.execute("1 + 1", timeout=10).result == "2"


def test_files_of_the_kernel_are_read_with_an_offset_of_their_own(
    fork: KernelFork, kernel: Kernel, tmp_path: Any
) -> None:
    path = tmp_path / "text"
    path.write_text("0123456789")
    kernel.execute(f"file = open({str(path)!r}, 'r+'); start = file.read(0)").check()
    assert ask(fork, "print(file.read(5))").stdout == "01234\n"
    result = ask(fork, "file.write('xx'); file.flush()")
    assert result.status == "error"
    assert kernel.execute("(file.tell(), file.read())").result == "(0, '0123456789')"


def test_a_database_of_the_kernel_cannot_be_written(
    fork: KernelFork, kernel: Kernel, tmp_path: Any
) -> None:
    kernel.execute(
        f"import sqlite3\ndb = sqlite3.connect({str(tmp_path / 'db')!r})\n"
        "_ = db.execute('create table t(a)'); _ = db.execute('insert into t values (1)')\n"
        "db.commit()"
    ).check()
    assert ask(fork, "print(db.execute('select a from t').fetchall())").stdout == "[(1,)]\n"
    assert ask(fork, "db.execute('insert into t values (2)'); db.commit()").status == "error"
    assert kernel.execute("db.execute('select a from t').fetchall()").result == "[(1,)]"


def test_shared_memory_of_the_kernel_is_copied(
    fork: KernelFork, kernel: Kernel, tmp_path: Any
) -> None:
    pytest.importorskip("numpy", reason="numpy is not installed (extra: test)")
    kernel.execute(
        "import mmap, numpy\nfrom multiprocessing import shared_memory\n"
        f"mapped = numpy.memmap({str(tmp_path / 'map')!r}, dtype='u1', mode='w+', shape=9999)\n"
        "memory = shared_memory.SharedMemory(create=True, size=9999)\n"
        "anonymous = mmap.mmap(-1, 9999)"
    ).check()
    try:
        result = ask(
            fork,
            "mapped[:] = 7; mapped.flush(); memory.buf[0] = 7; anonymous[0] = 7\n"
            "print(mapped[5], memory.buf[0], anonymous[0])",
        )
        assert result.stdout == "7 7 7\n", result
        assert kernel.execute("(int(mapped[5]), memory.buf[0], anonymous[0])").result == "(0, 0, 0)"
        assert (tmp_path / "map").read_bytes() == bytes(9999)
    finally:
        kernel.execute("memory.close(); memory.unlink()")


def test_history_and_counters_of_the_kernel_stay(fork: KernelFork, kernel: Kernel) -> None:
    before = int(kernel.execute("get_ipython().execution_count").result or 0)
    ask(fork, "a = 1")
    assert int(kernel.execute("get_ipython().execution_count").result or 0) == before + 2


def test_chance_differs_only_where_it_is_asked_to(fork: KernelFork) -> None:
    code = "import random; random.seed(5); print(random.random())"
    assert ask(fork, code).stdout == ask(fork, code).stdout


def test_a_lock_of_another_thread_is_an_outcome_and_is_remembered(
    fork: KernelFork, kernel: Kernel
) -> None:
    kernel.execute(
        "import threading, time\nlock = threading.Lock()\nstop = threading.Event()\n"
        "def hold():\n    with lock: stop.wait()\n"
        "holder = threading.Thread(target=hold); holder.start(); time.sleep(0.1)"
    ).check()
    try:
        assert ask(fork, "lock.acquire()", Limits(wall=0.6)).status == "timeout"
        fit = asyncio.run(fork.preflight())
        assert not fit.ok
        assert "stood still" in fit.reason
    finally:
        kernel.execute("stop.set(); holder.join()")
    fork.make()
    sleeping = ask(fork, "import time; time.sleep(9)", Limits(wall=0.5))
    assert sleeping.status == "timeout"
    assert asyncio.run(fork.preflight()).ok  # one that only sleeps is no such case


# -- secrets ---------------------------------------------------------------------------------------


def test_keys_are_out_of_reach(fork: KernelFork, kernel: Kernel) -> None:
    kernel.execute("api_key = 'typed-into-a-cell'; password = b'typed-bytes'").check()
    code = (
        "import os\n"
        "print(os.environ.get('SOME_API_KEY'), open('/proc/self/environ').read())\n"
        "import subprocess; print(subprocess.check_output(['env'], text=True))\n"
        "print({n for n in globals() if n in ('api_key', 'password')}, In, Out, _ih)\n"
        "print(list(get_ipython().history_manager.input_hist_raw))\n"
        "print([v for n, v in globals().items() if n.startswith('_i')])\n"
        "import linecache; print([e[2] for e in linecache.cache.values() if e[1] is None])"
    )
    result = ask(fork, code)
    assert result.status == "ok", result
    for secret in ("exported-before-the-start", "typed-into-a-cell", "typed-bytes"):
        assert secret not in result.stdout
    assert "no key" not in result.stdout  # an allow-list, not a list of what looks like a key
    assert kernel.execute("api_key").result == "'typed-into-a-cell'"


def test_open_files_of_closed_places_and_the_history_are_out_of_reach(tmp_path: Path) -> None:
    """By their descriptors, too, and whatever became of the file's name."""
    home, folder = tmp_path / "home", tmp_path / "folder"
    for place in (home / ".ssh", folder):
        place.mkdir(parents=True)
    for name in ("one", "moved", "deleted"):
        (home / ".ssh" / name).write_text("typed-into-a-file")
    env = {"HOME": str(home), "IPYTHONDIR": str(home / ".ipython")}
    with start_kernel("new", env=env, cwd=folder) as kernel:
        kernel.execute(SETUP).check()
        kernel.execute("earlier = 'typed-in-an-earlier-session'").check()
        kernel.execute(
            "import os, resource\n"
            "history = get_ipython().history_manager; history.writeout_cache()\n"
            "paths = [os.path.join(os.environ['HOME'], '.ssh', n)\n"
            "         for n in ('one', 'moved', 'deleted')]\n"
            "files = [open(path, 'r+') for path in [*paths, paths[0]]]\n"
            "resource.setrlimit(resource.RLIMIT_NOFILE, (6000, 6000))\n"
            "far = os.dup2(files[0].fileno(), 5000)\n"
            "os.rename(paths[1], paths[1] + '2'); os.unlink(paths[2])\n"
            "len(list(history.search('*earlier*')))"
        ).check()
        found = kernel.execute("len(list(history.search('*earlier*'))) > 0").result
        assert found == "True"
        fork = KernelFork(kernel)
        if "landlock" not in ask(fork, "1").isolation:
            pytest.skip("this Linux kernel has no Landlock")
        code = (
            "import gc, linecache, os, sqlite3\n"
            "print(list(history.search('*')), list(get_ipython().history_manager.get_tail(9)))\n"
            "for number in range(3, 5001):\n"
            "    try: print(b'typed-in' in os.pread(number, 10**6, 0) and 'typed-in')\n"
            "    except OSError: pass\n"
            "for base in gc.get_objects():\n"
            "    if isinstance(base, sqlite3.Connection):\n"
            "        try: print(base.execute('select source_raw from history').fetchall())\n"
            "        except sqlite3.Error: pass\n"
        )
        result = ask(fork, code)
        assert result.status == "ok", result
        assert "typed-in" not in result.stdout
        assert ask(fork, "%history -g earlier").stdout == ""
        assert kernel.execute("(files[0].read(), len(list(history.search('*x*'))) > 0)").result == (
            "('typed-into-a-file', True)"
        )


def test_a_key_that_was_given_on_purpose_stays_whole(fork: KernelFork, kernel: Kernel) -> None:
    kernel.execute(
        "my_token = 'tok-' + 'given0123456789'\n"
        "config = {'inner': ['key-' + 'inside0123456789']}; inner_token = config['inner'][0]\n"
        "other_token = 'key-' + 'kept-out0123456789'; box = [other_token]"
    ).check()
    fork.make("my_token", "config")
    code = (
        "print(my_token[::-1], config['inner'][0][::-1], box[0][::-1], 'inner_token' in globals())"
    )
    said = "9876543210nevig-kot 9876543210edisni-yek ********************** False\n"
    assert ask(fork, code).stdout == said


# -- adopting --------------------------------------------------------------------------------------


def test_values_are_taken_over(fork: KernelFork, kernel: Kernel) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed (extra: test)")
    kernel.execute(
        "import numpy, pandas\ntable = pandas.DataFrame({'a': [1, 2]}); big = numpy.zeros(10**6)"
    ).check()
    result = ask(
        fork,
        "table['b'] = table.a * 2; big[:] = 3\nclass Own:\n    x = 4\nown = Own(); words = ['é']",
    )
    assert {"table", "big", "own", "words"} <= set(changes(result))
    kernel.execute("_mt.run(_made.adopt(['table', 'big', 'own', 'words']))").check()
    assert kernel.execute("(list(table.b), float(big.sum()), own.x, words)").result == (
        "([2, 4], 3000000.0, 4, ['é'])"
    )
    kernel.execute("big[0] = 1").check()  # writable
    assert kernel.execute("float(big[0])").result == "1.0"


def test_classes_and_functions_stay_the_notebooks_own(fork: KernelFork, kernel: Kernel) -> None:
    kernel.execute(
        "import dataclasses, enum\nrate = 2; limit = 5\n"
        "class Color(enum.Enum): RED = 1\n"
        "@dataclasses.dataclass\nclass Account:\n"
        "    total: int = 0\n    class Entry:\n        size = 7\n"
        "    def grown(self): return self.total * rate\n"
        "def helper(x): return x + rate"
    ).check()
    result = ask(
        fork,
        "import math, copy\n"
        "acc = Account(3); copy.copy(acc); entry = Account.Entry(); red = Color.RED\n"
        "class Savings(Account):\n    def grown(self): return super().grown() + limit\n"
        "mine = Savings(1)\n"
        "def _private(x): return math.floor(x)\n"
        "def g(x): return _private(x) * rate\n"
        "def counted():\n    n = 0\n    def step(by=1, *, twice=False):\n"
        "        'Doc.'\n        nonlocal n\n        n += by * rate\n        return n\n"
        "    return step\n"
        "step = counted(); step(); kept = helper\n"
        "def even(n): return n == 0 or odd(n - 1)\n"
        "def odd(n): return n > 0 and even(n - 1)",
    )
    assert result.status == "ok", result
    names = ["acc", "entry", "red", "Savings", "mine", "g", "step", "kept", "even", "odd"]
    kernel.execute("_builtins = __builtins__").check()
    kernel.execute(f"_mt.run(_made.adopt({names!r})); rate = 10").check()
    told = kernel.execute(
        "print(isinstance(acc, Account), acc == Account(3), acc.grown(),"
        " isinstance(entry, Account.Entry), red is Color.RED,"
        " isinstance(mine, Savings), isinstance(mine, Account), mine.grown(),"
        " g(1.5), step(), step.__doc__, kept is helper, even(4), __builtins__ is _builtins,"
        " g.__globals__ is globals())"
    ).check()
    assert told.stdout == ("True True 30 True True True True 15 10 12 Doc. True True True True\n")


@pytest.mark.parametrize(
    ("code", "name", "said"),
    [
        (
            "def one(): return two()\ndef two(): return 2",
            "one",
            "one uses two, which the code made",
        ),
        ("level = 3\ndef one(): return level", "one", "level"),
        ("Base.extra = 1; made = Base()", "made", "changed Base itself"),
    ],
)
def test_what_would_differ_in_the_kernel_is_refused(
    fork: KernelFork, kernel: Kernel, code: str, name: str, said: str
) -> None:
    kernel.execute("level = 1\nclass Base: pass").check()
    assert ask(fork, code).status == "ok"
    cell = kernel.execute(f"_mt.run(_made.adopt([{name!r}]))")
    assert cell.error is not None
    assert cell.error["ename"] == "ExecutorError"
    assert said in cell.error["evalue"]
    assert "%codesteer apply" in cell.error["evalue"]
    assert "Refused" not in cell.error["evalue"]


def test_a_class_defined_anew_since_is_refused(fork: KernelFork, kernel: Kernel) -> None:
    kernel.execute("class Base: pass").check()
    ask(fork, "made = Base()")
    kernel.execute("_kept = Base\nclass Base: pass").check()
    cell = kernel.execute("_mt.run(_made.adopt(['made']))")
    assert cell.error is not None
    assert "Base was defined anew" in cell.error["evalue"]


def test_values_are_taken_over_where_memory_cannot_be_read(
    fork: KernelFork, kernel: Kernel
) -> None:
    pytest.importorskip("numpy", reason="numpy is not installed (extra: test)")
    ask(fork, "import numpy; taken = {'a': numpy.arange(10**6), 'b': 'text'}")
    kernel.execute(
        "from codesteer_jupyter.execution.fork import handback as _handback\n"
        "_read, _handback.read = _handback.read, lambda process, parts: None\n"
        "try: _mt.run(_made.adopt(['taken']))\n"
        "finally: _handback.read = _read"
    ).check()
    assert kernel.execute("(int(taken['a'].sum()), taken['b'])").result == "(499999500000, 'text')"


def test_what_was_not_changed_cannot_be_taken_over(fork: KernelFork, kernel: Kernel) -> None:
    ask(fork, "z = 1")
    cell = kernel.execute("_mt.run(_made.adopt(['nothing_here']))")
    assert cell.error is not None
    assert cell.error["ename"] == "UsageError"
    unpicklable = ask(fork, "import threading; z = threading.Lock()")
    assert "z" in changes(unpicklable)
    cell = kernel.execute("_mt.run(_made.adopt(['z']))")
    assert cell.error is not None
    assert "apply" in cell.error["evalue"]


def test_nothing_is_unpickled_without_being_asked_for(fork: KernelFork, kernel: Kernel) -> None:
    code = (
        "class Trap:\n"
        "    def __reduce__(self): return (exec, ('import builtins; builtins.sprung = True',))\n"
        "trap = Trap(); print(trap.__class__.__name__)\ntrap"
    )
    result = ask(fork, code)
    assert result.status == "ok"
    assert kernel.execute("hasattr(__import__('builtins'), 'sprung')").result == "False"
    kernel.execute("_mt.run(_made.adopt(['trap']))").check()  # consent was given here
    assert kernel.execute("hasattr(__import__('builtins'), 'sprung')").result == "True"


# -- ends ------------------------------------------------------------------------------------------


def test_snapshots_that_changed_nothing_end_at_once(fork: KernelFork, kernel: Kernel) -> None:
    ask(fork, "print(1)")
    assert none_left(kernel)
    ask(fork, "kept = 1")
    assert none_left(kernel, but=1)  # held for `adopt`, suspended
    assert " stopped " in alive_below(kernel)[0]
    fork.make()
    assert none_left(kernel)


def test_threads_that_are_left_do_nothing_more(fork: KernelFork, kernel: Kernel) -> None:
    burning = "import threading\nkept = 1\ndef burn():\n    while True: pass\n"
    ask(fork, f"{burning}threading.Thread(target=burn, daemon=True).start()")
    assert none_left(kernel, but=1)
    process = psutil.Process(psutil.Process(kernel.pid).children()[-1].pid)
    first = process.cpu_times().user
    time.sleep(0.3)
    assert process.cpu_times().user - first < 0.1
    fork.make()


@pytest.mark.parametrize("code", ["import time; time.sleep(60)", "sum(range(10**12))"])
def test_the_users_interrupt_ends_the_snapshot(fork: KernelFork, kernel: Kernel, code: str) -> None:
    inner = "import subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
    sent = kernel.send(f"_ask({inner + code!r}, {{'wall': 60.0}})")
    deadline = time.monotonic() + 10
    while len(alive_below(kernel)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    kernel.interrupt()
    cell = kernel.collect(sent, timeout=20)
    assert cell.error is not None
    assert cell.error["ename"] == "KeyboardInterrupt"
    assert none_left(kernel)
    assert ask(fork, "print(1)").status == "ok"


def test_a_killed_kernel_leaves_nothing_behind() -> None:
    with start_kernel("new") as kernel:
        kernel.execute(SETUP).check()
        code = (
            "import subprocess, time\n"
            "for _ in range(3): subprocess.Popen(['sleep', '61'], start_new_session=True)\n"
            "time.sleep(60)"
        )
        kernel.send(f"_ask({code!r}, {{'wall': 60.0}})")
        deadline = time.monotonic() + 10
        while len(alive_below(kernel)) < 4 and time.monotonic() < deadline:
            time.sleep(0.02)
        below = psutil.Process(kernel.pid).children(recursive=True)
        assert len(below) >= 5  # with the guard
        os.kill(kernel.pid, signal.SIGKILL)
        kernel.process.wait()
        assert all(gone(process.pid) for process in below)


@pytest.mark.slow
def test_many_rounds_leave_nothing(fork: KernelFork, kernel: Kernel) -> None:
    """Run by hand with the slow tests: half a minute."""
    measure = (
        "import gc, os, psutil; gc.collect()\n"
        "(psutil.Process().memory_info().rss, len(os.listdir('/proc/self/fd')))"
    )
    fork.make(keep=True)
    many = "for _ in range({}): _mt.run(_quiet())"
    kernel.execute(
        "async def _quiet():\n"
        "    async for item in _made.run('import math; x = math.pi; print(x)', _Limits()): pass\n"
        "    assert item.status == 'ok', item"
    ).check()
    kernel.execute(many.format(20)).check()
    memory, files = eval(kernel.execute(measure).check().result or "")
    kernel.execute(many.format(500), timeout=600).check()
    later, more = eval(kernel.execute(measure).check().result or "")
    assert later - memory < 20 * 2**20
    assert more <= files + 2
    fork.make()
    assert none_left(kernel)


def test_a_program_that_comes_back_from_its_own_fork(fork: KernelFork) -> None:
    result = ask(fork, "import os\nprint('parent' if os.fork() else 'child', flush=True)")
    assert result.status == "ok"
    assert result.stdout.count("parent") == 1
    assert result.stdout.count("child") <= 1  # it may be ended before it has written


def test_forged_messages_are_only_data(fork: KernelFork) -> None:
    code = (
        "import os, socket, struct, json\n"
        "[number] = [int(n) for n in os.listdir('/proc/self/fd') if os.path.islink(\n"
        "    f'/proc/self/fd/{n}') and os.readlink(f'/proc/self/fd/{n}').startswith('socket')]\n"
        "end = socket.socket(fileno=os.dup(number))\n"
        "def say(m):\n"
        "    d = m if isinstance(m, bytes) else json.dumps(m).encode()\n"
        "    end.sendall(struct.pack('!I', len(d)) + d)\n"
        "say(b'\\xff\\xfe'); say([1]); say({'kind': 'stream'}); say({'kind': 'display'})\n"
        "say({'kind': 'ready', 'isolation': ['everything']}); print('still here')"
    )
    result = ask(fork, code)
    assert (result.status, result.stdout) == ("ok", "still here\n"), result.error
    assert "everything" not in result.isolation
