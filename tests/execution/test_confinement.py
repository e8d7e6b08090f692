"""Confined executors: what works inside, what is kept out, what the record says."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from codesteer_jupyter.errors import UsageError
from codesteer_jupyter.execution.access import shortfalls
from codesteer_jupyter.execution.confinement import LAYERS, WITHOUT
from codesteer_jupyter.execution.resolve import executor as resolve
from codesteer_jupyter.models.scripted import ScriptedModel
from codesteer_jupyter.session.parts import open_parts
from codesteer_jupyter.settings import Settings
from codesteer_jupyter.steering.execution import Access, Executor, Limits
from tests.execution.confined import needs
from tests.execution.running import expected_isolation, run

pytestmark = pytest.mark.asyncio(loop_scope="module")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="confinement needs Linux")
LIMITS = Limits(wall=60.0, memory=2 * 2**30)


@pytest_asyncio.fixture(params=["child", "subprocess"], scope="module", loop_scope="module")
async def executor(request: pytest.FixtureRequest) -> AsyncIterator[Executor]:
    made = resolve(request.param)
    yield made
    await made.close()


WORKS = {
    "temporary files are in the scratch folder": (
        "import os, tempfile\n"
        "with tempfile.NamedTemporaryFile() as f: print(f.name.startswith(os.getcwd()))",
        "True",
    ),
    "home is the scratch folder": (
        "import os\nfrom pathlib import Path\n"
        "Path.home().joinpath('.kept').write_text('x'); print(os.listdir('.'))",
        "['.kept']",
    ),
    "sqlite": (
        "import sqlite3\nc = sqlite3.connect('d.db')\nc.execute('create table t(a)')\n"
        "c.execute('insert into t values(1)'); c.commit()\n"
        "print(c.execute('select * from t').fetchall())",
        "[(1,)]",
    ),
    "archives": (
        "import os, tarfile\nopen('f', 'w').write('x')\n"
        "with tarfile.open('a.tgz', 'w:gz') as t: t.add('f')\n"
        "with tarfile.open('a.tgz') as t: t.extractall('o')\nprint(os.listdir('o'))",
        "['f']",
    ),
    "copies with their times": (
        "import shutil\nopen('f', 'w').write('x')\nshutil.copy2('f', 'g'); shutil.move('g', 'h')\n"
        "print(open('h').read())",
        "x",
    ),
    "threads": (
        "from concurrent.futures import ThreadPoolExecutor as T\n"
        "with T(8) as t: print(sum(t.map(abs, range(10))))",
        "45",
    ),
    "asyncio with other programs": (
        "import asyncio\n"
        "p = await asyncio.create_subprocess_exec('echo', 'hi', stdout=-1)\n"
        "print((await p.communicate())[0])",
        "b'hi\\n'",
    ),
    "the shell": (
        "import subprocess\n"
        "print(subprocess.run('echo hi | cat; exit 3', shell=True, capture_output=True))",
        "CompletedProcess(args='echo hi | cat; exit 3', returncode=3, stdout=b'hi\\n', stderr=b'')",
    ),
    "ending what was started": (
        "import subprocess\ntry: subprocess.run(['sleep', '9'], timeout=.2)\n"
        "except subprocess.TimeoutExpired: print('ended')",
        "ended",
    ),
    "socket pairs": (
        "import socket\na, b = socket.socketpair(); a.send(b'x'); print(b.recv(1))",
        "b'x'",
    ),
    "the user's name": (
        "import getpass, uuid; uuid.uuid1(); print(bool(getpass.getuser()))",
        "True",
    ),
    "a fork": (
        "import os\nif os.fork() == 0:\n  os.write(1, b'child\\n'); os._exit(0)\nos.wait()",
        "child",
    ),
    "this user": (f"import os; print(os.getuid() == {os.getuid()})", "True"),
}


@pytest.mark.parametrize("name", WORKS)
async def test_ordinary_programs_work(executor: Executor, name: str) -> None:
    code, expected = WORKS[name]
    result = await run(executor, code, LIMITS)
    assert (result.status, result.stdout.strip()) == ("ok", expected), result


async def test_pools_and_shared_memory_work(executor: Executor) -> None:
    needs("mountns")
    code = (
        "import multiprocessing as m\nfrom multiprocessing import shared_memory as s\n"
        "def work(x): print('worker', flush=True); return -x\n"
        "with m.get_context('fork').Pool(2) as p: print(p.map(work, [1, 2]))\n"
        "q = m.get_context('fork').Queue(); q.put(1); print(q.get())\n"
        "a = s.SharedMemory(create=True, size=10); a.close(); a.unlink()"
    )
    result = await run(executor, code, LIMITS)
    assert result.status == "ok", result
    assert "[-1, -2]" in result.stdout
    assert result.stdout.count("worker") == 2


async def test_frames_and_plots_work(executor: Executor) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed (extra: test)")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra: demo)")
    code = (
        "import os, pandas as pd\nimport matplotlib.pyplot as plt\n"
        "pd.DataFrame({'a': [1, 2]}).to_csv('a.csv'); print(pd.read_csv('a.csv').a.sum())\n"
        "plt.plot([1, 2]); plt.savefig('a.png'); plt.close(); print(os.path.getsize('a.png') > 0)"
    )
    result = await run(executor, code, LIMITS)
    assert (result.status, result.stdout) == ("ok", "3\nTrue\n"), result


@pytest.mark.parametrize("without", ["", "userns"], ids=["all", "without namespaces"])
async def test_commands_of_the_notebook_work(without: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WITHOUT, without)
    made = resolve("child")
    try:
        for code, expected in (
            ("%%bash\necho bash", "bash"),
            ("!echo bang", "bang"),
            ("x = !echo value\nprint(x)", "['value']"),
            ("%timeit -n1 -r1 1", "per loop"),
        ):
            result = await run(made, code, LIMITS)
            assert result.status == "ok", result
            assert expected in result.stdout
    finally:
        await made.close()


@LINUX
async def test_nothing_outside_the_scratch_folder_is_written(
    executor: Executor, tmp_path: Path
) -> None:
    needs("landlock")
    code = (
        "import os\n"
        f"for place in ({str(tmp_path)!r}, os.path.dirname(os.getcwd()) + '/../values', '/tmp'):\n"
        "  try: open(place + '/new', 'w'); print('written', place)\n"
        "  except OSError as error: pass\n"
        f"os.chmod({str(tmp_path)!r}, 0o777)"
    )
    mode = tmp_path.stat().st_mode
    result = await run(executor, code)
    assert (result.status, result.stdout) == ("ok", ""), result
    assert list(tmp_path.iterdir()) == []
    assert tmp_path.stat().st_mode == mode


REACH = """
import socket
for family, address in ((socket.AF_INET, ("127.0.0.1", {port})), (socket.AF_UNIX, {path!r})):
    try:
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.settimeout(3); s.connect(address); print("reached", family.name)
    except OSError as error:
        print(type(error).__name__)
"""


@LINUX
@pytest.mark.parametrize(
    ("name", "without"),
    [
        *(("child", ""), ("child", "netns"), ("child", "userns")),
        *(("subprocess", ""), ("subprocess", "userns"), ("subprocess", "landlock")),
    ],
)
async def test_the_network_is_closed_unless_opened(
    name: str, without: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("seccomp")
    path = str(tmp_path / "s")
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as local:
        tcp.bind(("127.0.0.1", 0))
        local.bind(path)
        for made in (tcp, local):
            made.listen()
            threading.Thread(target=_accept, args=[made], daemon=True).start()
        monkeypatch.setenv(WITHOUT, without)
        code = REACH.format(port=tcp.getsockname()[1], path=path)
        for net in (False, True):
            executor = resolve(name, access=Access(net=net))
            try:
                result = await run(executor, code)
                assert result.status == "ok", result
                # A kernel in a network namespace has a loopback device, with nothing on it.
                first, second = result.stdout.splitlines()
                refused = {"PermissionError", "ConnectionRefusedError"}
                assert first == "reached AF_INET" if net else first in refused
                assert second == "PermissionError"
                left_out = (without, *(("netns",) if net else ()))
                assert result.isolation == expected_isolation(*left_out)
            finally:
                await executor.close()


def _accept(made: socket.socket) -> None:
    try:
        while True:
            made.accept()
    except OSError:
        return


@LINUX
@pytest.mark.parametrize("name", ["child", "subprocess"])
async def test_a_run_is_widened_by_paths(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("landlock")
    home, wide = tmp_path / "home", tmp_path / "wide"
    (home / ".secret").mkdir(parents=True)
    (home / ".secret" / "key").write_text("sk-1")
    wide.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if Path(p).resolve() not in home.parents])
    code = (
        "read, write = lambda: print(open({key!r}).read()), lambda: open({new!r}, 'w').write('x')\n"
        "for step in (read, write):\n"
        "  try: step()\n"
        "  except OSError as error: print('refused')"
    ).format(key=str(home / ".secret/key"), new=str(wide / "new"))
    for access, said in (
        (None, "refused\nrefused\n"),
        (Access(read=("~/.secret",), write=(str(wide),)), "sk-1\n"),
    ):
        executor = resolve(name, access=access)
        try:
            assert (await run(executor, code)).stdout == said
        finally:
            await executor.close()
    assert (wide / "new").read_text() == "x"
    for access, flag in (
        (Access(write=("/no/where",)), "--write"),
        (Access(read=("x",)), "--read"),
    ):
        with pytest.raises(UsageError, match=f"{flag} .* does not exist"):
            resolve(name, access=access)


SEEK = """
import glob, os
print(bool(glob.glob(base + '/codesteer-run-*')))
places = [os.path.join(*found) for found in (
    (folder, name) for top in glob.glob(base + '/codesteer-run-*')
    for folder, _, names in os.walk(top) for name in names
)]
above = os.getcwd()
while above != base:
    places += [os.path.join(folder, name) for folder, _, names in os.walk(above) for name in names]
    above = os.path.dirname(above)
places += glob.glob(base + '/codesteer-run-*/*/values/*') + glob.glob('/proc/[0-9]*/fd/*')
for place in places:
    try:
        with open(os.open(place, os.O_RDONLY | os.O_NONBLOCK), 'rb') as file:
            if file.seekable() and b'the other' + b' frame' in file.read(10**6):
                print('found', place)
    except OSError:
        pass
"""


@LINUX
@pytest.mark.parametrize("holds", ["child", "subprocess"])
async def test_what_another_run_was_given_is_not_found(executor: Executor, holds: str) -> None:
    needs("capabilities", "landlock", "seccomp")
    holder = resolve(holds, values={"frame": "the other frame"})
    try:
        wrote = await run(holder, "print(open('kept', 'w').write(frame))", LIMITS)
        assert wrote.stdout == "15\n", wrote
        result = await run(executor, SEEK, LIMITS, {"base": tempfile.gettempdir()})
        assert result.stdout == "True\n", result
    finally:
        await holder.close()


@LINUX
async def test_the_asking_process_is_out_of_reach(
    executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("landlock")
    code = f"""
import os, signal
for step in (lambda: os.kill({os.getpid()}, signal.SIGTERM),
             lambda: open("/proc/{os.getpid()}/environ", "rb").read(),
             lambda: open("/proc/{os.getpid()}/mem", "rb")):
    try: step(); print("reached")
    except OSError: pass
"""
    assert (await run(executor, code)).stdout == ""


@LINUX
@pytest.mark.parametrize("name", ["child", "subprocess"])
@pytest.mark.parametrize(
    "without",
    [
        *("landlock", "seccomp", "userns", "pidns", "mountns", "rlimits"),
        "landlock,seccomp,userns,capabilities",
    ],
)
async def test_a_missing_layer_is_not_claimed(
    name: str, without: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WITHOUT, without)
    executor = resolve(name)
    try:
        result = await run(executor, "print(1)")
        assert (result.status, result.stdout) == ("ok", "1\n")
        assert result.isolation == expected_isolation()
        assert not {*without.split(",")} & {*result.isolation}
    finally:
        await executor.close()


async def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = dict.fromkeys(LAYERS, "")
    assert shortfalls(Access(), everything, abi=6) == ()
    none = dict.fromkeys(LAYERS, "needs Linux")
    (said,) = shortfalls(Access(), none, abi=0)
    assert "not confined on this system (needs Linux)" in said
    assert "write to your files" in said
    assert "use the network" in said
    assert "use the network" not in shortfalls(Access(net=True), none, abi=0)[0]
    lacking = {**everything, "landlock": "not in this kernel"}
    (said,) = shortfalls(Access(), lacking, abi=0)
    assert "not fully confined" in said
    assert "read your hidden files" in said
    assert "write" not in said
    monkeypatch.setenv(WITHOUT, "landlock,userns")
    fit = await resolve("subprocess").preflight()
    assert fit.ok
    assert "write to your files" in fit.notes[0]


async def test_local_sockets_are_kept_by_the_filter_alone() -> None:
    found = {**dict.fromkeys(LAYERS, ""), "seccomp": "refused"}
    for access in (Access(), Access(net=True)):
        (said,) = shortfalls(access, found, abi=7)
        assert said.endswith("(refused): it runs as you and can reach local sockets.")


async def test_old_landlock_keeps_no_signals() -> None:
    found = {**dict.fromkeys(LAYERS, ""), "pidns": "needs userns"}
    assert shortfalls(Access(), found, abi=6) == ()
    (said,) = shortfalls(Access(), found, abi=4)
    assert "(landlock is of version 4; needs userns)" in said
    assert said.endswith("it runs as you and can signal your other processes.")


async def test_a_pid_namespace_counts_only_for_who_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    everything = {**dict.fromkeys(LAYERS, ""), "landlock": "not in this kernel"}
    assert "other processes" not in shortfalls(Access(), everything, abi=0)[0]
    needs("pidns")
    monkeypatch.setenv(WITHOUT, "landlock")
    for name in ("fork", "child", "subprocess"):
        executor = resolve(name)
        if name == "fork":  # this is no notebook
            monkeypatch.setattr(executor, "refusal", lambda: "")
        try:
            (said,) = (await executor.preflight()).notes
        finally:
            await executor.close()
        for word in ("inspect", "signal"):
            assert (f"{word} your other processes" in said) == (name == "fork")


async def test_a_widened_run_says_so() -> None:
    settings = Settings(
        model="scripted:x", net=True, write=("/tmp",), check=False, run="subprocess"
    )
    opened = await open_parts(settings, models=lambda _: ScriptedModel([]))
    try:
        said = [notice.message for notice in opened.notices if notice.kind == "access"]
        assert said == ["Generated code may use the network and write to /tmp in this run."]
        assert opened.record["access"] == {"net": True, "write": ["/tmp"], "read": []}
    finally:
        await opened.close()
