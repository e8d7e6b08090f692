"""Signals where no layer scopes them: no pid namespace, and Landlock before its version 6."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from codesteer_jupyter.execution.confinement import WITHOUT, landlock
from codesteer_jupyter.execution.confinement.policy import Terms, policy
from codesteer_jupyter.execution.confinement.syscalls import numbers
from codesteer_jupyter.execution.resolve import executor as resolve
from codesteer_jupyter.steering.execution import Limits
from tests.execution.confined import confined, needs
from tests.execution.running import gone, run
from tests.execution.test_confinement_layers import _decide

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="confinement needs Linux")


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a system with Landlock 4 that refuses user namespaces."""
    needs("landlock", "seccomp")
    monkeypatch.setattr(landlock, "version", lambda: 4)
    monkeypatch.setenv(WITHOUT, "userns")


WAYS = """
import ctypes, fcntl, os, signal, socket, struct
asker, thread = {asker}, {thread}
def owner(name):
    ours, theirs = socket.socketpair()
    try:
        name(ours)
    finally:
        try: fcntl.fcntl(ours, 10, signal.SIGUSR1)
        except OSError: pass
        fcntl.fcntl(ours, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        theirs.send(b"x")
def folder():
    signal.pidfd_send_signal(os.open(f"/proc/{{asker}}", os.O_RDONLY), signal.SIGUSR1)
attempt("kill", lambda: os.kill(asker, signal.SIGUSR1))
attempt("group", lambda: os.kill(-{group}, signal.SIGUSR1))
attempt("thread", lambda: os.kill(thread, signal.SIGUSR1))
attempt("folder", folder)
attempt("owner", lambda: owner(lambda s: fcntl.fcntl(s, fcntl.F_SETOWN, asker)))
attempt("owner, extended", lambda: owner(
    lambda s: fcntl.fcntl(s, 15, struct.pack("ii", 1, asker))))
attempt("owner by ioctl", lambda: owner(lambda s: fcntl.ioctl(s, 0x8901, struct.pack("i", asker))))
attempt("owner by old ioctl", lambda: owner(
    lambda s: fcntl.ioctl(s, 0x8902, struct.pack("i", asker))))
attempt("signal of an owner", lambda: fcntl.fcntl(socket.socketpair()[0], 10, signal.SIGUSR1))
attempt("flags", lambda: fcntl.fcntl(0, fcntl.F_GETFL) >= 0)
attempt("own child", lambda: __import__("subprocess").Popen(["sleep", "9"]).kill())
attempt("own group", lambda: os.kill(0, 0))
"""


def test_the_asking_process_is_not_signalled_in_any_way(tmp_path: Path, old: None) -> None:
    got: list[int] = []
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    before = {n: signal.signal(n, lambda n, _: got.append(n)) for n in (signal.SIGUSR1, 29)}
    code = WAYS.format(asker=os.getpid(), thread=thread.native_id, group=os.getpgid(0))
    try:
        layers, found = confined(code, tmp_path, without=("userns",))
    finally:
        done.set()
        thread.join()
        for number, handler in before.items():
            signal.signal(number, handler)
    assert {"landlock", "seccomp"} <= {*layers}
    assert found.pop("own child") is found.pop("own group") is None
    assert found.pop("flags") is True
    assert set(found.values()) == {"PermissionError"}, found
    assert got == []


# A process that has nothing by which it could be found later: no parent, no mark.
STAYS = """
import os, signal, sys, time
def stay():
    up, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.set_inheritable(tell, True)
        text = "import os, sys, time; os.write(int(sys.argv[1]), b'x'); time.sleep(60)"
        os.execve(sys.executable, ["x", "-I", "-S", "-c", text, str(tell)], {})
    os.read(up, 1)
    print(child, flush=True)
supervisor = os.getppid()
stay()
"""
ENDS = {
    "supervisor": "os.kill(supervisor, signal.SIGKILL)",
    "its group": "os.kill(-supervisor, signal.SIGKILL)",
    "own group": "os.kill(0, signal.SIGKILL)",
    "its group, entered": "os.setpgid(0, supervisor); os.kill(0, signal.SIGKILL)",
    "stopped": "os.kill(supervisor, signal.SIGSTOP); os._exit(0)",
    "folder": "signal.pidfd_send_signal(os.open(f'/proc/{supervisor}', 0), signal.SIGKILL)",
}


@pytest.mark.parametrize("way", ENDS)
async def test_nothing_survives_by_ending_the_supervisor(way: str, old: None) -> None:
    executor = resolve("subprocess")
    try:
        result = await run(executor, f"{STAYS}\n{ENDS[way]}\n")
        assert "supervisor" in result.isolation
        assert result.stdout.strip().isdigit(), result
        left = int(result.stdout)
        try:
            assert gone(left, 2.0)
        finally:
            if psutil.pid_exists(left):
                os.kill(left, signal.SIGKILL)
    finally:
        await executor.close()


def test_the_guard_of_snapshots_is_not_signalled(
    old: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from codesteer_jupyter.execution.confinement import release
    from codesteer_jupyter.execution.fork import executor as fork

    class Guard:
        def start(self) -> int:
            return 12345

    monkeypatch.setattr(fork, "guardian", Guard)
    executor = fork.ForkExecutor(namespace={})
    made = executor._make_ready(Limits()).plan
    release(made)
    executor._folder.remove()
    known = numbers(platform.machine())
    arch = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[platform.machine()]
    for pid, answer in ((12345, 0x50001), (-12345, 0x50001), (12346, 0x7FFF0000)):
        code = bytes.fromhex(made["filter"])
        assert _decide(code, known["kill"], arch, (pid % 2**64, 9)) == answer


@pytest.mark.parametrize("without", ["", "userns"])
async def test_a_program_that_ends_its_group_ends_itself(
    without: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WITHOUT, without)
    executor = resolve("subprocess")
    try:
        result = await run(executor, "import os, signal\nos.kill(0, signal.SIGTERM)")
        assert result.error is not None
        assert "SIGTERM" in result.error.message
    finally:
        await executor.close()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_priority_of_a_whole_user_is_refused(machine: str) -> None:
    """Not tried out: it would change every process of this user."""
    known, arch = numbers(machine), {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine]
    for terms in (Terms(), Terms(own_pids=True)):
        code = policy(terms, machine)
        for name, user, own in (("setpriority", 2, 0), ("ioprio_set", 3, 1)):
            assert _decide(code, known[name], arch, (user, 0, 5)) == 0x50001
            assert _decide(code, known[name], arch, (own, 0, 5)) == 0x7FFF0000


def test_many_threads_of_the_asking_process_fit_into_a_filter(tmp_path: Path, old: None) -> None:
    code = (
        "import threading, time\n"
        "for _ in range(400): threading.Thread(target=time.sleep, args=[60], daemon=True).start()\n"
        "print(flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert other.stdout is not None
    try:
        other.stdout.readline()
        tried = (
            f"import os\nattempt('leader', lambda: os.kill({other.pid}, 0))\n"
            f"attempt('thread', lambda: os.kill(int(os.listdir('/proc/{other.pid}/task')[1]), 0))"
        )
        layers, found = confined(tried, tmp_path, without=("userns",), protected=[other.pid])
        assert "seccomp" in layers
        assert found == {"leader": "PermissionError", "thread": "PermissionError"}
    finally:
        other.kill()
        other.wait()
        other.stdout.close()


def test_filters_jump_over_long_lists() -> None:
    known = numbers(platform.machine())
    arch = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[platform.machine()]
    code = policy(Terms(protected=tuple(range(2, 202))))
    assert len(code) // 8 < 4096
    for pid, answer in ((2, 0x50001), (201, 0x50001), (202, 0x7FFF0000)):
        assert _decide(code, known["kill"], arch, (pid, 9)) == answer
    assert _decide(code, known["ptrace"], arch, ()) == 0x50001
