"""Namespaces: a process that sees itself, the scratch folder, and no way out.

Each is made by `unshare` in a process with one thread. Without privilege the user namespace comes
first; it gives the rights, inside only, that the others need.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Mapping

from .libc import _libc, checked, prctl, syscall
from .syscalls import CALLS

TYPE_CHECKING = False  # as in `typing`, whose import costs milliseconds
if TYPE_CHECKING:
    from typing import Any

__all__ = ["begin", "separate"]

_FLAGS = {
    "userns": 0x10000000,
    "pidns": 0x20000000,
    "netns": 0x40000000,
    "ipcns": 0x08000000,
    "mountns": 0x00020000,
}
_RDONLY, _NOSUID, _NODEV, _NOEXEC = 1, 2, 4, 8
_BIND, _REC, _PRIVATE = 4096, 16384, 1 << 18
_RECURSIVE = 0x8000  # AT_RECURSIVE


def begin(plan: Mapping[str, Any], failed: dict[str, str]) -> list[str]:
    """The user namespace, and a pid namespace that this process's next child will be the first
    member of. Returns what was made; `failed` gets the reason for the rest.
    """
    made: list[str] = []
    wanted = plan["layers"]
    if "userns" in wanted and _try("userns", _user, failed):
        made.append("userns")
    if "pidns" in wanted and "userns" in made and _try("pidns", lambda: _new("pidns"), failed):
        made.append("pidns")
    return made


def separate(plan: Mapping[str, Any], held: list[str], failed: dict[str, str]) -> list[str]:
    """The other namespaces of the plan, in this process; `held` are the layers in force so far.
    Returns all that are in force now. With a pid namespace this is its first process.
    """
    made = list(held)
    wanted = plan["layers"]
    if "userns" not in made:
        return made
    if "netns" in wanted and _try("netns", lambda: _network(bool(plan["loopback"])), failed):
        made.append("netns")
    if "ipcns" in wanted and _try("ipcns", lambda: _new("ipcns"), failed):
        made.append("ipcns")
    if "mountns" in wanted and _try("mountns", lambda: _mounts(plan, "pidns" in made), failed):
        made.append("mountns")
        if "readonly" in wanted and _try("readonly", lambda: _read_only(plan), failed):
            made.append("readonly")
    return made


def _try(name: str, step: Any, failed: dict[str, str]) -> bool:
    try:
        step()
    except OSError as error:
        failed[name] = str(error)
        return False
    return True


def _new(name: str) -> None:
    checked(_unshare(_FLAGS[name]), f"unshare {name}")


def _user() -> None:
    uid, gid = os.geteuid(), os.getegid()
    prctl(4, 1)  # PR_SET_DUMPABLE: else the files below belong to root
    _new("userns")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {uid} 1"),
        ("gid_map", f"{gid} {gid} 1"),
    ):
        file = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(file, text.encode())
        finally:
            os.close(file)


def _network(loopback: bool) -> None:
    _new("netns")
    if not loopback:
        return
    import fcntl

    any_socket = syscall(CALLS["socket"], 2, 2, 0)  # AF_INET, SOCK_DGRAM
    try:
        up = struct.pack("16sh22x", b"lo", 1 | 64)  # IFF_UP | IFF_RUNNING
        fcntl.ioctl(any_socket, 0x8914, up)  # SIOCSIFFLAGS
    finally:
        os.close(any_socket)


def _mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    words = [word.encode() or None for word in (source, target, kind, data)]
    checked(_mount_call(words[0], words[1], words[2], flags, words[3]), f"mount {target}")


def _mounts(plan: Mapping[str, Any], own_pids: bool) -> None:
    """Private mounts in place of what is shared between processes by name."""
    _new("mountns")
    _mount("", "/", flags=_REC | _PRIVATE)
    safe = _NOSUID | _NODEV | _NOEXEC
    if own_pids:
        _mount("proc", "/proc", "proc", safe)
    for path, size in plan["memory_folders"].items():
        _mount("tmpfs", path, "tmpfs", _NOSUID | _NODEV, f"mode=1777,size={size}")
    if plan["terminals"]:
        _mount(
            "devpts", "/dev/pts", "devpts", _NOSUID | _NOEXEC, "newinstance,ptmxmode=0666,mode=600"
        )
        _mount("/dev/pts/ptmx", "/dev/ptmx", flags=_BIND)


def _read_only(plan: Mapping[str, Any]) -> None:
    private = (*plan["memory_folders"], *(("/dev/pts",) if plan["terminals"] else ()))
    here = os.getcwd()
    _change("/", set_=_RDONLY)
    for path in plan["writable"]:
        with contextlib.suppress(OSError):  # gone meanwhile: then nothing is written there
            _mount(path, path, flags=_BIND | _REC)
            _change(path, clear=_RDONLY)
    for path in private:
        _change(path, clear=_RDONLY)
    with contextlib.suppress(OSError):
        os.chdir(here)  # through the mount that is now above it


def _change(path: str, set_: int = 0, clear: int = 0) -> None:
    attributes = struct.pack("=4Q", set_, clear, 0, 0)
    number, here = CALLS["mount_setattr"], -100
    syscall(number, here, path.encode(), _RECURSIVE, attributes, len(attributes))


if _libc is not None:
    _unshare, _mount_call = _libc.unshare, _libc.mount
    _mount_call.argtypes = [
        *(ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
    ]
