"""The plan of a confinement: which layers, with which paths. Made by the process that asks."""

from __future__ import annotations

import contextlib
import glob
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Protocol

from . import landlock
from .layers import DEPENDS, ordered
from .libc import MACHINE
from .policy import Terms, policy, shield
from .probing import probe
from .reading import readable

__all__ = ["Asked", "plan", "supervised"]

MIB = 2**20
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_PUBLIC = tuple(
    f"/proc/{name}"
    for name in ("cpuinfo", "meminfo", "stat", "uptime", "loadavg", "version", "filesystems", "sys")
)
_ACCELERATORS = ("/dev/nvidia*", "/dev/dri", "/dev/kfd", "/dev/accel")
_OPEN_FILES = 4096
_MOST_PROTECTED = 200  # the kernel takes filters of 4096 instructions
_NAMESPACES = ("userns", "netns", "ipcns", "mountns", "readonly")


class Asked(Protocol):
    """What the user allowed beyond the default (`execution/access.py`)."""

    @property
    def net(self) -> bool: ...
    @property
    def write(self) -> tuple[str, ...]: ...
    @property
    def read(self) -> tuple[str, ...]: ...


def plan(
    access: Asked,
    scratch: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    memory: int | None = None,
    file: int | None = None,
    processes: int | None = None,
    hold_group: bool = False,
    pid_namespace: bool = False,
    needed: Iterable[str | os.PathLike[str]] = (),
    folder: str | os.PathLike[str] | None = None,
    addresses: int | None = None,
    protected: Iterable[int] = (),
) -> dict[str, Any]:
    """JSON data for `apply`.

    Args:
        access: what was allowed beyond the default.
        scratch: the folder, or folders, that may be written to.
        memory: bytes of data a process may add to what it has; None: no such limit.
        file: bytes of the largest file.
        processes: how many processes there may be; counted where a user namespace counts them.
        hold_group: keep all processes in the process group of the one that applies.
        pid_namespace: the asker is a supervisor that can give the process a parent inside.
        needed: more paths that must be readable for the code to start.
        folder: the notebook's, always readable; the current one by default.
        addresses: bytes of address space; only on request, since threads and GPU drivers
            reserve far more than they use.
        protected: processes that are not to be signalled where no layer scopes signals; this
            one and its parent always are.
    """
    found = probe()
    wanted = ["session", "parent_death", "rlimits", "capabilities", "landlock", "seccomp"]
    wanted += _NAMESPACES
    wanted += ["pidns"] if pid_namespace else []
    layers = {name for name in wanted if found.get(name, "") == ""}
    if access.net:
        layers.discard("netns")
    for name in ordered(layers):
        if not layers.issuperset(DEPENDS.get(name, ())):
            layers.discard(name)
    if hold_group:
        layers.add("process_group")
    if "seccomp" not in layers:
        layers.discard("process_group")
    places = [scratch] if isinstance(scratch, (str, os.PathLike)) else list(scratch)
    writable = [os.path.realpath(path) for path in (*places, *access.write)]
    if "/" in writable:
        layers.discard("readonly")  # asked for
    private = "mountns" in layers
    shared = "/dev/shm"  # noqa: S108 - the place of shared memory
    memory_folders = (
        {shared: max(MIB, (memory or 2 * 2**30) // 2)}
        if private and os.path.isdir(shared) and shared not in writable
        else {}
    )
    terminals = private and os.path.isdir("/dev/pts") and os.path.exists("/dev/ptmx")
    covered = [*memory_folders, *(("/dev/pts", "/dev/ptmx") if terminals else ())]
    covered += ["/proc"] if "pidns" in layers else []
    abi = landlock.version() if "landlock" in layers else 0
    rules = _rules(access, writable, list(memory_folders), terminals, needed, folder)
    # Without a pid namespace /proc shows every process, also its command line, to which keys are
    # sometimes given: then what is public is open, and of the processes this one alone. Under a
    # supervisor, processes that it starts need theirs.
    narrow = hold_group and "pidns" not in layers
    rules += [(path, landlock.READ) for path in (_PUBLIC if narrow else ("/proc",))]
    made: dict[str, Any] = {
        "layers": ordered(layers),
        "asker_session": os.getsid(0) if hasattr(os, "getsid") else 0,
        "abi": abi,
        "tcp": not access.net,
        "rules": [list(rule) for rule in rules] if abi else [],
        # What private mounts will cover: rules for it can be made only then.
        "own_rules": [["/proc/self", landlock.READ]] if narrow and abi else [],
        "late_rules": [list(rule) for rule in rules if rule[0] in covered] if abi else [],
        "writable": writable,
        "memory_folders": memory_folders,
        "terminals": terminals,
        "rlimits": _bounds(memory, file, processes if "userns" in layers else None, addresses),
        "filter": "",
        "filter_alone": "",
    }
    if "seccomp" in layers and MACHINE:
        sockets = "internet" if access.net else "none"
        terms = Terms(
            sockets=sockets,
            hold_group=hold_group,
            scoped_signals=abi >= 6,
            truncation=abi >= 3,
            protected=tuple(
                islice(_targets(os.getpid(), os.getppid(), *protected), _MOST_PROTECTED)
            ),
        )
        own = replace(terms, own_pids="pidns" in layers, own_ipc="ipcns" in layers)
        made["filter"] = _text(policy(own))
        # For the case that a namespace cannot be made after all.
        made["filter_alone"] = _text(policy(terms))
    return made


def supervised(plan: Mapping[str, Any], supervisor: int) -> dict[str, Any]:
    """`plan` for what runs below this supervisor, which has a number only once it is started."""
    made = dict(plan)
    if "seccomp" in plan["layers"]:
        made["shield"] = _text(shield(supervisor))
    return made


def _targets(*processes: int) -> Iterator[int]:
    """By what numbers `kill` reaches these processes: their own, their groups', their threads'."""
    for pid in processes:
        if pid > 0:
            yield from (pid, -pid)
            with contextlib.suppress(OSError):
                if (group := os.getpgid(pid)) not in (0, pid):
                    yield -group
    for pid in processes:
        with contextlib.suppress(OSError):
            threads = sorted(map(int, os.listdir(f"/proc/{pid}/task")))
            yield from (thread for thread in threads if thread != pid)


def _text(code: bytes) -> str:
    return code.hex()


def _bounds(
    memory: int | None, file: int | None, processes: int | None, addresses: int | None
) -> dict[str, int]:
    bounds = {"core": 0, "open": _OPEN_FILES}
    if memory is not None:
        bounds["data"] = memory
    if file is not None:
        bounds["file"] = file
    if processes is not None:
        bounds["processes"] = processes
    if addresses is not None:
        bounds["addresses"] = addresses
    return bounds


def _rules(
    access: Asked,
    writable: Sequence[str],
    memory_folders: Sequence[str],
    terminals: bool,
    needed: Iterable[str | os.PathLike[str]],
    folder: str | os.PathLike[str] | None,
) -> list[tuple[str, str]]:
    paths = [*_interpreter(), *(os.fspath(path) for path in needed)]
    named = [*access.read]
    if access.net:
        named.append("/etc/resolv.conf")  # often a link to below /run
    devices = [*_DEVICES, *(path for pattern in _ACCELERATORS for path in glob.glob(pattern))]
    if terminals:
        devices += ["/dev/ptmx", "/dev/pts"]
    return [
        *readable(paths, named, _here() if folder is None else os.fspath(folder)),
        *((path, landlock.DEVICE) for path in devices if os.path.exists(path)),
        *((path, landlock.WRITE) for path in (*writable, *memory_folders)),
    ]


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:  # removed meanwhile
        return "/"


def _interpreter() -> list[str]:
    """Where this Python and everything it imports from are."""
    paths = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    paths |= {os.path.dirname(os.path.realpath(sys.executable))}
    paths |= {path for path in sys.path if path and os.path.exists(path)}
    for name in ("LD_LIBRARY_PATH", "CONDA_PREFIX", "VIRTUAL_ENV", "PYTHONPATH"):
        paths |= {path for path in os.environ.get(name, "").split(":") if path}
    return sorted(paths)
