"""Each layer of confinement by what it stops, in a process that applied it to itself."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codesteer_jupyter.execution.confinement import LAYERS, landlock, ordered, plan, probe
from codesteer_jupyter.execution.confinement.layers import layers_table
from codesteer_jupyter.execution.confinement.policy import Terms, policy
from codesteer_jupyter.execution.confinement.reading import readable
from codesteer_jupyter.execution.confinement.syscalls import NUMBERS, numbers
from codesteer_jupyter.steering.execution import Access
from tests.execution.confined import ROOT, confined, needs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="confinement needs Linux")

NAMESPACES = ("userns", "netns", "ipcns", "mountns", "readonly")
WRITES = """
import os, shutil
target = {target!r}
attempt("scratch", lambda: open("mine", "w").write("x"))
attempt("write", lambda: open(target + "/file", "a"))
attempt("create", lambda: open(target + "/new", "w"))
attempt("truncate", lambda: os.truncate(target + "/file", 0))
attempt("cut", lambda: os.open(target + "/file", os.O_RDONLY | os.O_TRUNC))
attempt("remove", lambda: os.remove(target + "/file"))
attempt("rename", lambda: os.rename(target + "/file", target + "/other"))
attempt("move in", lambda: os.rename("mine", target + "/mine"))
attempt("hard link", lambda: os.link(target + "/file", "linked") or open("linked", "a"))
attempt("folder", lambda: os.mkdir(target + "/folder"))
attempt("symlink", lambda: os.symlink(target + "/file", "s") or open("s", "a"))
attempt("chmod", lambda: os.chmod(target + "/file", 0o777))
attempt("utime", lambda: os.utime(target + "/file", (1, 1)))
attempt("chown", lambda: os.chown(target + "/file", os.getuid(), os.getgid()))
"""


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    (folder / "file").write_text("kept")
    os.chmod(folder / "file", 0o640)
    os.utime(folder / "file", (10**9, 10**9))
    return folder


def unchanged(target: Path) -> bool:
    facts = (target / "file").stat()
    return (
        os.listdir(target) == ["file"]
        and (target / "file").read_text() == "kept"
        and stat.S_IMODE(facts.st_mode) == 0o640
        and facts.st_mtime == 10**9
        and facts.st_nlink == 1
    )


@pytest.mark.parametrize("without", [(), ("landlock",), ("userns",)], ids=str)
def test_only_the_scratch_folder_is_written(
    scratch: Path, target: Path, without: tuple[str, ...]
) -> None:
    needs("seccomp", "readonly" if without == ("landlock",) else "landlock")
    layers, found = confined(WRITES.format(target=str(target)), scratch, without=without)
    assert not {*without} & {*layers}
    assert unchanged(target), found
    assert found["scratch"] == 1
    refused = {"PermissionError", "OSError"}
    faked = {"chmod", "utime", "chown"}
    assert all(found[name] in refused for name in found.keys() - faked - {"scratch"}), found
    assert all(found[name] is None for name in faked), found


def test_old_landlock_is_completed(scratch: Path, target: Path) -> None:
    needs("seccomp", "landlock")
    from codesteer_jupyter.execution.confinement import policy as rules

    for abi in (1, 2, 3, 5):
        code = rules.policy(Terms(truncation=abi >= 3, own_ipc=False))
        change = {"abi": abi, "filter": code.hex(), "filter_alone": code.hex()}
        layers, found = confined(
            WRITES.format(target=str(target)), scratch, without=NAMESPACES, change=change
        )
        assert "landlock" in layers
        assert unchanged(target), (abi, found)


def test_every_version_of_landlock_gets_the_structure_it_knows() -> None:
    sizes = {abi: len(landlock.attributes(abi, True)) for abi in range(1, 10)}
    assert sizes == {1: 8, 2: 8, 3: 8, 4: 16, 5: 16, 6: 24, 7: 24, 8: 24, 9: 24}
    files = {abi: struct.unpack_from("=Q", landlock.attributes(abi, True))[0] for abi in sizes}
    assert files[1] == 0x1FFF
    assert files[2] == 0x3FFF
    assert files[3] == files[4] == 0x7FFF
    assert files[5] == files[7] == 0xFFFF
    assert struct.unpack("=3Q", landlock.attributes(6, False)) == (0xFFFF, 0, 3)


SECRETS = """
attempt("hidden", lambda: open({home!r} + "/.ssh/id").read())
attempt("hidden folder", lambda: __import__("os").listdir({home!r} + "/.ssh"))
attempt("plain", lambda: open({home!r} + "/data.csv").read())
attempt("notebook", lambda: open({home!r} + "/work/data.csv").read())
attempt("env file", lambda: open({home!r} + "/work/.env").read())
attempt("hosts", lambda: len(open("/etc/hosts").read()) > 0)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / "work").mkdir()
    for name in (".ssh/id", "data.csv", "work/data.csv", "work/.env", ".netrc"):
        (home / name).write_text("secret")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(sys, "path", [p for p in sys.path if Path(p).resolve() not in home.parents])
    return home


@pytest.mark.parametrize("folder", ["work", "."])
def test_hidden_files_of_the_home_are_not_read(scratch: Path, home: Path, folder: str) -> None:
    needs("landlock")
    code = SECRETS.format(home=str(home))
    _, found = confined(code, scratch, folder=home / folder)
    assert found["hidden"] == "PermissionError"
    # Names, but no contents, are seen where the home is itself the notebook's folder.
    assert found["hidden folder"] == ("PermissionError" if folder == "work" else ["id"])
    assert found["plain"] == found["notebook"] == "secret"
    assert found["hosts"] is True
    if folder == "work":
        assert found["env file"] == "PermissionError"
    _, found = confined(code, scratch, folder=home, access=Access(read=(str(home / ".ssh"),)))
    assert found["hidden"] == "secret"


def test_hidden_files_are_closed_where_a_link_leads_to_them(
    scratch: Path, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    needs("landlock")
    kept = tmp_path_factory.mktemp("dotfiles")
    for name in ("aws/credentials", "env", "shared/file"):
        (kept / name).parent.mkdir(parents=True, exist_ok=True)
        (kept / name).write_text("secret")
    (home / ".aws").symlink_to(kept / "aws")
    (home / "work" / ".env").unlink()
    (home / "work" / ".env").symlink_to(kept / "env")
    (home / ".up").symlink_to(home.parent)  # holds the home itself
    (home / ".system").symlink_to("/usr/share")
    code = f"""
attempt("link", lambda: open({str(home)!r} + "/.aws/credentials").read())
attempt("its end", lambda: open({str(kept)!r} + "/aws/credentials").read())
attempt("env file", lambda: open({str(home)!r} + "/work/.env").read())
attempt("plain", lambda: open({str(home)!r} + "/work/data.csv").read())
attempt("beside it", lambda: open({str(kept)!r} + "/shared/file").read())
attempt("system", lambda: bool(__import__("os").listdir("/usr/share")))
"""
    _, found = confined(code, scratch, folder=home / "work")
    refused = ("link", "its end", "env file")
    assert {found[name] for name in refused} == {"PermissionError"}, found
    assert (found["plain"], found["system"]) == ("secret", True)
    assert found["beside it"] == "secret"


def test_what_the_environment_says_is_kept_elsewhere_is_closed(
    home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path_factory.mktemp("kept")
    monkeypatch.setenv("IPYTHONDIR", str(kept / "ipython"))
    monkeypatch.setenv("GNUPGHOME", str(home.parent))  # holds the home: nothing would be readable
    (kept / "ipython").mkdir()
    (kept / "data").mkdir()
    rules = readable([], [], str(home / "work"))
    assert (str(kept / "data"), "read") in rules
    assert not [path for path, _ in rules if str(kept / "ipython").startswith(path)]
    assert (str(home / "work"), "read") in rules or (str(home / "work"), "list") in rules


def test_the_interpreter_may_live_in_a_hidden_folder(home: Path) -> None:
    hidden = home / ".pyenv" / "lib"
    hidden.mkdir(parents=True)
    rules = readable([hidden], [], str(home))
    assert (str(hidden), "read") in rules
    assert (str(home), "list") in rules
    assert not [path for path, kind in rules if path == str(home) and kind == "read"]
    assert not [path for path, _ in rules if path.startswith(str(home / ".ssh"))]


def test_a_folder_on_the_path_of_imports_does_not_open_a_home_below_it(
    home: Path, tmp_path: Path
) -> None:
    rules = readable([tmp_path, home], [], str(home / "work"))
    assert not [path for path, kind in rules if kind == "read" and path in str(home / ".ssh/id")]
    assert (str(home), "list") in rules
    assert (str(home / ".ssh"), "read") in readable([], [home / ".ssh"], str(home))


def test_other_homes_and_sockets_of_the_system_are_closed(scratch: Path) -> None:
    rules = dict(readable([], [], str(scratch)))
    own = {os.path.realpath(os.path.expanduser("~")), "/"}
    for closed in {"/run", "/home", "/root", "/dev", "/proc"} - own:
        assert closed not in rules
    assert "/" not in rules


NETWORK = """
import socket
def connect(family, kind, address):
    with socket.socket(family, kind) as made:
        made.settimeout(2)
        made.connect(address)
        made.send(b"x")
attempt("tcp", lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", {tcp})))
attempt("udp", lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", {udp})))
attempt("unix", lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, {unix!r}))
attempt("abstract", lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, "\\0" + {unix!r}))
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
attempt("crypto", lambda: socket.socket(38, socket.SOCK_SEQPACKET))
def pair():
    one, two = socket.socketpair()
    one.send(b"x")
    return two.recv(1).decode()
attempt("pair", pair)
def from_a_pair(kind):
    return socket.socketpair(socket.AF_UNIX, kind)[0].sendto(b"x", {unix!r} + "-datagram")
attempt("from a pair", lambda: from_a_pair(socket.SOCK_DGRAM))
attempt("from a raw pair", lambda: from_a_pair(socket.SOCK_RAW))
import asyncio
attempt("asyncio", lambda: asyncio.run(asyncio.sleep(0, "slept")))
"""


@pytest.fixture
def listening(scratch: Path) -> dict[str, object]:
    import threading

    path = str(scratch / "socket")
    heard: list[str] = []
    servers: list[socket.socket] = []

    def listen(name: str, made: socket.socket, address: object) -> int:
        servers.append(made)
        made.bind(address)  # type: ignore[arg-type]  # of its family
        datagrams = name in ("udp", "datagram")
        if not datagrams:
            made.listen()

        def hear() -> None:
            try:
                if not datagrams:
                    made.accept()
                else:
                    made.recv(10)
                heard.append(name)
            except OSError:
                return

        threading.Thread(target=hear, daemon=True).start()
        return int(made.getsockname()[1]) if isinstance(address, tuple) else 0

    tcp = listen("tcp", socket.socket(), ("127.0.0.1", 0))
    udp = listen("udp", socket.socket(socket.AF_INET, socket.SOCK_DGRAM), ("127.0.0.1", 0))
    listen("unix", socket.socket(socket.AF_UNIX), path)
    listen("abstract", socket.socket(socket.AF_UNIX), "\0" + path)
    listen("datagram", socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), path + "-datagram")
    return {"code": NETWORK.format(tcp=tcp, udp=udp, unix=path), "heard": heard, "keep": servers}


@pytest.mark.parametrize("without", [(), ("netns",), ("landlock",)], ids=str)
def test_nothing_is_reached_by_a_socket(
    scratch: Path, listening: dict[str, object], without: tuple[str, ...]
) -> None:
    needs("seccomp")
    _, found = confined(str(listening["code"]), scratch, without=without)
    assert listening["heard"] == []
    assert (found.pop("pair"), found.pop("asyncio")) == ("x", "slept")
    assert set(found.values()) == {"PermissionError"}, found


def test_a_network_namespace_alone_reaches_nothing_either(
    scratch: Path, listening: dict[str, object]
) -> None:
    needs("netns", "landlock")
    without = ("seccomp",)
    layers, found = confined(str(listening["code"]), scratch, without=without)
    assert "netns" in layers
    assert not {"tcp", "udp", "abstract"} & {*listening["heard"]}, found  # type: ignore[misc]


def test_the_network_can_be_opened(scratch: Path, listening: dict[str, object]) -> None:
    needs("seccomp")
    layers, found = confined(str(listening["code"]), scratch, access=Access(net=True))
    assert "netns" not in layers
    assert (found["tcp"], found["udp"]) == (None, None)
    assert found["unix"] == found["abstract"] == found["vsock"] == "PermissionError"
    for _ in range(100):
        if len(listening["heard"]) == 2:  # type: ignore[arg-type]
            break
        time.sleep(0.02)
    assert {*listening["heard"]} == {"tcp", "udp"}  # type: ignore[misc]


PROCESSES = """
import os, signal
pid = {pid}
attempt("signal", lambda: os.kill(pid, signal.SIGUSR1))
attempt("thread", lambda: signal.pidfd_send_signal(os.pidfd_open(pid), signal.SIGUSR1))
attempt("environ", lambda: open(f"/proc/{{pid}}/environ", "rb").read() and "read")
attempt("memory", lambda: open(f"/proc/{{pid}}/mem", "rb") and "opened")
attempt("limits", lambda: __import__("resource").prlimit(pid, 7, (5, 5)) and "set")
attempt("nice", lambda: os.setpriority(os.PRIO_PROCESS, pid, 19))
attempt("processor", lambda: os.sched_setaffinity(pid, [0]))
attempt("own child", lambda: __import__("subprocess").Popen(["sleep", "9"]).kill())
attempt("own limits", lambda: __import__("resource").setrlimit(7, (64, 64)))
"""


@pytest.mark.parametrize("without", [(), ("userns",)], ids=str)
def test_other_processes_are_out_of_reach(scratch: Path, without: tuple[str, ...]) -> None:
    needs("seccomp", "landlock")
    if landlock.version() < 6:
        pytest.skip("landlock: signals are scoped from its version 6 on")
    other = subprocess.Popen(["sleep", "60"], env={"KEY": "secret"})
    try:
        _, found = confined(PROCESSES.format(pid=other.pid), scratch, without=without)
        assert found.pop("own child") is found.pop("own limits") is None
        assert found.pop("processor") is None  # faked
        assert set(found.values()) == {"PermissionError"}, found
        assert other.poll() is None
        assert os.getpriority(os.PRIO_PROCESS, other.pid) == 0
        assert len(os.sched_getaffinity(other.pid)) == len(os.sched_getaffinity(0))
    finally:
        other.kill()
        other.wait()


def test_without_a_scope_the_asking_process_at_least_is_not_signalled(scratch: Path) -> None:
    needs("seccomp")
    got: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: got.append(number))
    try:
        code = f"""
import os, signal, threading
attempt("kill", lambda: os.kill({os.getpid()}, signal.SIGUSR1))
attempt("all", lambda: os.kill(-1, signal.SIGUSR1))
attempt("group", lambda: os.kill(-{os.getpid()}, signal.SIGUSR1))
attempt("own", lambda: os.kill(os.getpid(), 0))
"""
        _, found = confined(code, scratch, without=("landlock", "userns"))
        assert found == {
            "kill": "PermissionError",
            "all": "PermissionError",
            "group": "PermissionError",
            "own": None,
        }
        assert got == []
    finally:
        signal.signal(signal.SIGUSR1, before)


CALLS = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def call(*words):
    ctypes.set_errno(0)
    result = libc.syscall(*[ctypes.c_long(word) for word in words])
    return "ok" if result >= 0 else errno.errorcode[ctypes.get_errno()]
for name, number in {numbers!r}.items():
    attempt(name, lambda: call(number, 0, 0, 0, 0, 0))
attempt("new user namespace", lambda: call({unshare}, 0x10000000))
attempt("clone into one", lambda: call({clone}, 0x10000000 | 17, 0, 0, 0, 0))
attempt("plain unshare", lambda: call({unshare}, 0x200))
attempt("later", lambda: call(480, 0))
attempt("x32", lambda: call(0x40000000 + 39))
attempt("personality", lambda: call({personality}, 0x0040000))
attempt("typing", lambda: __import__("fcntl").ioctl(0, 0x5412, b"x"))
attempt("typing, high bits set", lambda: call({ioctl}, 0, 0x5412 | 1 << 40, 0))
attempt("root", lambda: os.setuid(os.getuid() + 1))
attempt("capabilities", lambda: [line.split()[1] for line in open("/proc/self/status")
    if line.startswith(("CapInh", "CapPrm", "CapEff", "CapAmb"))])
attempt("in a program", lambda: __import__("subprocess").run(
    ["grep", "CapEff", "/proc/self/status"], capture_output=True, text=True).stdout.split()[1])
"""
DANGEROUS = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "io_uring_setup", "bpf", "mount"),
    *("umount2", "pivot_root", "setns", "keyctl", "add_key", "request_key", "kexec_load"),
    *("init_module", "perf_event_open", "userfaultfd", "quotactl", "swapon", "reboot"),
    *("settimeofday", "open_by_handle_at", "pidfd_getfd", "kcmp", "fsopen", "chroot"),
)


def test_dangerous_calls_are_refused(scratch: Path) -> None:
    needs("seccomp", "capabilities")
    known = numbers(platform.machine())
    code = CALLS.format(
        numbers={name: known[name] for name in DANGEROUS},
        **{name: known[name] for name in ("unshare", "clone", "personality", "ioctl")},
    )
    for without in ((), ("landlock",), ("userns",)):
        _, found = confined(code, scratch, without=without)
        assert {found.pop(name) for name in DANGEROUS} == {"EPERM"}
        none = "0" * 16
        assert found == {
            "new user namespace": "EPERM",
            "clone into one": "EPERM",
            "plain unshare": "ok",
            "later": "ENOSYS",
            "x32": "ENOSYS",
            "personality": "EPERM",
            "typing": "PermissionError",
            "typing, high bits set": "EPERM",
            "root": found["root"],
            "capabilities": [none] * 4,
            "in a program": none,
        }
        assert found["root"] in ("PermissionError", "OSError")  # EINVAL: not in the namespace


@pytest.mark.skipif(platform.machine() != "x86_64", reason="a way of x86 processors")
def test_calls_of_32_bit_programs_end_the_process(scratch: Path) -> None:
    needs("seccomp")
    code = """
import ctypes, mmap, os
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes([0xB8, 20, 0, 0, 0, 0xCD, 0x80, 0xC3]))  # mov eax, 20; int 0x80; ret
place = ctypes.addressof(ctypes.c_char.from_buffer(page))
child = os.fork()
if child == 0:
    ctypes.CFUNCTYPE(ctypes.c_int)(place)()
    os._exit(0)
attempt("ended by", lambda: os.WTERMSIG(os.waitpid(child, 0)[1]))
"""
    _, found = confined(code, scratch)
    assert found == {"ended by": signal.SIGSYS}


def test_a_group_can_be_held_together(scratch: Path) -> None:
    needs("seccomp")
    code = """
import os, subprocess, sys
group = os.getpgrp()
attempt("setsid", os.setsid)
command = [sys.executable, "-c", "import os; print(os.getpgrp())"]
attempt("same group", lambda: group == int(
    subprocess.run(command, start_new_session=True, capture_output=True).stdout))
attempt("unchanged", lambda: os.getpgrp() == group)
"""
    layers, found = confined(code, scratch, hold_group=True)
    assert "process_group" in layers
    assert found == {"setsid": None, "same group": True, "unchanged": True}


def test_shared_memory_and_queues_are_private(scratch: Path) -> None:
    needs("mountns", "ipcns")
    name = f"codesteer-test-{os.getpid()}"
    theirs = Path("/dev/shm") / name
    theirs.write_text("theirs")
    code = f"""
import os
attempt("theirs", lambda: os.path.exists("/dev/shm/{name}"))
attempt("write", lambda: open("/dev/shm/{name}", "w").write("mine"))
attempt("terminals", lambda: [e for e in os.listdir("/dev/pts") if e != "ptmx"])
attempt("a terminal", lambda: os.isatty(os.openpty()[0]))
import multiprocessing
attempt("pool", lambda: multiprocessing.get_context("fork").Pool(2).map(abs, [-1, 2]))
"""
    try:
        layers, found = confined(code, scratch)
        assert {"mountns", "ipcns"} <= {*layers}
        assert theirs.read_text() == "theirs"
        assert found == {
            "theirs": False,
            "write": 4,
            "terminals": [],
            "a terminal": True,
            "pool": [1, 2],
        }
        shared = Access(write=("/dev/shm",))
        _, found = confined(code, scratch, access=shared)
        assert found["theirs"] is True
        assert theirs.read_text() == "mine"
        _, found = confined(code, scratch, without=("userns",))
        assert found["write"] == "PermissionError"
    finally:
        theirs.unlink()


def test_limits_are_hard(scratch: Path) -> None:
    code = """
import resource
attempt("file", lambda: open("f", "wb").write(b"x" * 2_000_000))
attempt("raise", lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10**9, 10**9)))
attempt("core", lambda: resource.getrlimit(resource.RLIMIT_CORE)[1])
attempt("memory", lambda: len(bytearray(3 * 2**30)))
attempt("a little", lambda: len(bytearray(2**26)) == 2**26)
"""
    layers, found = confined(code, scratch, memory=2**28, file=10**6)
    assert "rlimits" in layers
    assert found == {
        "file": "OSError",
        "raise": "ValueError",
        "core": 0,
        "memory": "MemoryError",
        "a little": True,
    }


def test_more_can_be_written_and_read_where_asked(scratch: Path, target: Path) -> None:
    needs("landlock")
    access = Access(write=(str(target),))
    code = f"attempt('write', lambda: open({str(target)!r} + '/new', 'w').write('x'))"
    _, found = confined(code, scratch, access=access)
    assert found == {"write": 1}
    assert (target / "new").read_text() == "x"


def test_what_is_in_force_is_what_is_claimed(scratch: Path) -> None:
    found = probe()
    assert set(found) == set(LAYERS)
    applied = ["session", "parent_death", "rlimits", "capabilities", *NAMESPACES]
    expected = ordered(name for name in (*applied, "landlock", "seccomp") if not found[name])
    layers, _ = confined("", scratch)
    assert layers == expected
    without = ("landlock", "netns")
    layers, _ = confined("", scratch, without=without)
    assert layers == [name for name in expected if name not in without]
    layers, _ = confined("", scratch, without=("userns",))
    assert layers == [name for name in expected if name not in NAMESPACES]


PROBING = """
import json, sys
sys.path.insert(0, {root!r})
from codesteer_jupyter.execution.confinement import bpf, namespaces, probing, seccomp
from codesteer_jupyter.execution.confinement.libc import MACHINE
from codesteer_jupyter.execution.confinement.syscalls import CALLS, NEWEST
{before}
print(json.dumps({what}))
"""


def probed(before: str, what: str) -> dict[str, str]:
    code = PROBING.format(root=str(ROOT), before=before, what=what)
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_a_system_that_kills_who_asks_for_namespaces_has_none() -> None:
    needs("seccomp")
    kills = (
        "kills = {CALLS['unshare']: [bpf.Clause(bpf.KILL)]}\n"
        "seccomp.install(bpf.assemble(MACHINE, NEWEST, kills))"
    )
    found = probed(kills, "probing.probe()")
    refused = {name for name, reason in found.items() if reason}
    assert {*NAMESPACES, "pidns"} <= refused
    assert refused == {*NAMESPACES, "pidns", *(name for name, why in probe().items() if why)}
    assert all("ended with status" in found[name] for name in NAMESPACES)


def test_where_proc_cannot_be_mounted_there_are_namespaces_but_no_pid_namespace() -> None:
    needs(*NAMESPACES, "pidns")
    refuses = """
mount = namespaces._mount
def refused(source, target, kind="", flags=0, data=""):
    if kind == "proc":
        raise OSError(1, "refused here")
    mount(source, target, kind, flags, data)
namespaces._mount = refused
"""
    found = probed(refuses, "probing.try_all()")
    assert {name: why for name, why in found.items() if why and name in (*NAMESPACES, "pidns")} == {
        "pidns": "[Errno 1] refused here"
    }


def test_a_layer_of_which_nothing_is_told_is_not_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    from codesteer_jupyter.execution.confinement import probing

    told = subprocess.CompletedProcess([], 0, stdout=b"landlock \n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: told)
    found = probing._found.__wrapped__()
    anywhere = {"process", "environment", "session", "supervisor", "rlimits", "process_group"}
    assert {name for name, why in found.items() if not why} == {*anywhere, "landlock"}


def test_a_layer_that_fails_when_it_is_applied_is_not_claimed(scratch: Path) -> None:
    needs("landlock", "seccomp")
    layers, _ = confined("", scratch, change={"abi": 99, "filter": "00", "filter_alone": "00"})
    assert not {"landlock", "seccomp"} & {*layers}


def test_filters_can_be_made_for_both_machines() -> None:
    assert {len(row) for row in NUMBERS.values()} == {2}
    for machine in ("x86_64", "aarch64"):
        known = numbers(machine)
        assert len({*known.values()}) == len(known)
        for terms in (Terms(), Terms(sockets="internet", own_pids=True, protected=(5, 6))):
            code = policy(terms, machine)
            assert len(code) % 8 == 0
            assert len(code) // 8 < 4096  # what a kernel takes
            assert all(_jumps_inside(code, at) for at in range(len(code) // 8))


def _jumps_inside(code: bytes, at: int) -> bool:
    operation, yes, no, value = struct.unpack_from("=HBBI", code, 8 * at)
    end = len(code) // 8
    if operation & 0x07 != 0x05:
        return at + 1 < end or operation == 0x06
    return at + 1 + (value if operation == 0x05 else max(yes, no)) < end


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_filter_decides_as_the_rules_say(machine: str) -> None:
    known = numbers(machine)
    code = policy(Terms(), machine)
    arch = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine]
    allow, kill, eperm, fake, enosys = 0x7FFF0000, 0x80000000, 0x50001, 0x50000, 0x50026

    def decided(number: int, *arguments: int, of: int = arch) -> int:
        return _decide(code, number, of, arguments)

    assert decided(1, of=0x40000003) == kill
    assert decided(known["ptrace"]) == eperm
    assert decided(known["fchmodat"]) == fake
    assert decided(known["clone3"]) == decided(471) == decided(0x40000001) == enosys
    assert decided(known["clone"], 17) == allow
    assert decided(known["clone"], 17 | 0x10000000) == eperm
    assert decided(known["socket"], 1) == 0x5000D
    assert decided(known["clone"], 17 | 0x8000) == eperm
    # Streams and packets stay with the other end; datagrams may go to any socket file.
    for kind, answer in ((1, allow), (5 | 0x80000, allow), (2, 0x5000D), (3 | 0x800, 0x5000D)):
        assert decided(known["socketpair"], 1, kind) == answer
    assert decided(known["socketpair"], 2, 1) == 0x5000D
    # Nobody's priority but its own: not a group's, not everything's of this user.
    for name, itself in (("setpriority", 0), ("ioprio_set", 1)):
        assert decided(known[name], itself, 0, 5) == allow
        assert decided(known[name], itself, 7, 5) == eperm
        assert decided(known[name], itself + 1, 0, 5) == eperm
        assert decided(known[name], itself + 2, 0, 5) == eperm
    assert decided(known["inotify_add_watch"]) == 0x5000D
    assert decided(known["prlimit64"], 0, 7, 1) == allow
    assert decided(known["prlimit64"], 5, 7, 0) == allow
    assert decided(known["prlimit64"], 5, 7, 1 << 40) == eperm
    assert decided(known["openat"], 0, 0, 0o1000) == 0x5000D
    assert decided(known["openat"], 0, 0, 0o1001) == allow
    refused = {number for number in range(471) if decided(number) != allow}
    assert refused <= {*known.values()}


def _decide(code: bytes, number: int, arch: int, arguments: tuple[int, ...]) -> int:
    """What a filter answers: a plain interpreter of the few instructions it is made of."""
    words = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("=iIQ6Q", ctypes.c_int(number).value, arch, 0, *words)
    at, value = 0, 0
    while True:
        operation, yes, no, operand = struct.unpack_from("=HBBI", code, 8 * at)
        at += 1
        if operation == 0x06:
            return operand
        if operation == 0x20:
            (value,) = struct.unpack_from("=I", data, operand)
        elif operation == 0x54:
            value &= operand
        elif operation == 0x05:
            at += operand
        else:
            test = {
                0x15: value == operand,
                0x25: value > operand,
                0x35: value >= operand,
                0x45: value & operand != 0,
            }[operation]
            at += yes if test else no


def test_the_table_of_layers_is_the_documented_one() -> None:
    assert layers_table() in (ROOT / "SECURITY.md").read_text("utf-8")


def test_the_whole_system_can_be_opened_on_request(scratch: Path, target: Path) -> None:
    needs("landlock")
    code = f"attempt('write', lambda: open({str(target)!r} + '/new', 'w').write('x'))"
    layers, found = confined(code, scratch, access=Access(write=("/",)))
    assert found == {"write": 1}
    assert "readonly" not in layers


def test_a_plan_is_plain_data(scratch: Path) -> None:
    made = plan(Access(), scratch, memory=2**28, file=10**6, processes=4)
    assert json.loads(json.dumps(made)) == made
    assert str(ROOT) not in made["writable"]
