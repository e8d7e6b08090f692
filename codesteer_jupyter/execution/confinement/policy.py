"""Which system calls generated code may make, as a seccomp filter.

A filter sees numbers, not paths. Calls that change a file's mode, owner, times or attributes
therefore report success everywhere and change nothing, also in the scratch folder.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass

from .bpf import FAKE, Argument, Clause, assemble, refuse
from .libc import MACHINE
from .syscalls import NEWEST, numbers

__all__ = ["Terms", "policy", "shield"]

_EPERM, _EACCES, _ENOSYS = refuse(errno.EPERM), refuse(errno.EACCES), refuse(errno.ENOSYS)
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_STREAM, _SEQPACKET, _KIND = 1, 5, 0xF
# Every CLONE_NEW… flag; and CLONE_PARENT: such a process is a child of the one that asked for the
# code, which would have to collect it.
_SIGKILL = 9
_NAMESPACES, _PARENT = 0x7E020080, 0x8000
_O_ACCMODE, _O_TRUNC = 3, 0o1000
# Calls that signal the process, or the thread of one, that their first argument names.
_SIGNALLING = ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open")
_SET_OWNER = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX of fcntl
_SET_OWNER_IOCTLS = (0x8901, 0x8902)  # FIOSETOWN, SIOCSPGRP

# Other processes, the kernel itself, mounts, devices, clocks: never needed by a computation.
_REFUSED = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease"),
    *("pidfd_getfd", "kcmp", "move_pages", "migrate_pages", "perf_event_open", "userfaultfd"),
    *("io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "fanotify_init"),
    *("fanotify_mark", "add_key", "request_key", "keyctl", "lsm_set_self_attr"),
    *("mount", "umount2", "pivot_root", "chroot", "open_tree", "open_tree_attr", "move_mount"),
    *("fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "setns"),
    *("name_to_handle_at", "open_by_handle_at", "quotactl", "quotactl_fd", "swapon", "swapoff"),
    *("init_module", "finit_module", "delete_module", "create_module", "kexec_load"),
    *("kexec_file_load", "reboot", "settimeofday", "clock_settime", "clock_adjtime", "acct"),
    *("syslog", "sethostname", "setdomainname", "vhangup", "iopl", "ioperm", "modify_ldt"),
    *("uselib", "ustat", "sysfs", "_sysctl", "nfsservctl", "lookup_dcookie"),
)
_METADATA = (
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat"),
    *("utime", "utimes", "utimensat", "futimesat", "setxattr", "lsetxattr", "fsetxattr"),
    *("setxattrat", "removexattr", "lremovexattr", "fremovexattr", "removexattrat"),
    "file_setattr",
)
_SYSTEM_V = (
    *("shmget", "shmat", "shmctl", "msgget", "msgsnd", "msgrcv", "msgctl"),
    *("semget", "semop", "semtimedop", "semctl", "mq_open", "mq_unlink"),
)
_IOCTLS = {
    0x5412: _EPERM,  # TIOCSTI: types into a terminal
    0x541C: _EPERM,  # TIOCLINUX
    0x5423: _EPERM,  # TIOCSETD
    0x40086602: FAKE,  # FS_IOC_SETFLAGS: a file's attributes
    0x40046602: FAKE,  # FS_IOC32_SETFLAGS
    0x401C5820: FAKE,  # FS_IOC_FSSETXATTR
}


@dataclass(frozen=True)
class Terms:
    """What a filter depends on.

    Attributes:
        sockets: `none` (socket pairs only) or `internet` (TCP and UDP as well).
        hold_group: keep every process in its process group.
        own_pids: a pid namespace separates this process from all others.
        scoped_signals: Landlock keeps signals inside.
        own_ipc: an ipc namespace is in force.
        truncation: Landlock decides about truncation (its version 3 and later).
        protected: what must not be signalled where nothing else prevents it, as `kill` names it:
            processes, threads, and groups by their negative number.
    """

    sockets: str = "none"
    hold_group: bool = False
    own_pids: bool = False
    scoped_signals: bool = False
    own_ipc: bool = False
    truncation: bool = False
    protected: tuple[int, ...] = ()


def policy(terms: Terms, machine: str = MACHINE) -> bytes:
    """The filter for these terms on `machine`, ready to be installed."""
    calls: dict[str, list[Clause]] = {name: [Clause(_EPERM)] for name in _REFUSED}
    calls.update({name: [Clause(FAKE)] for name in _METADATA})
    new = Argument(0, "has any of", _NAMESPACES | _PARENT)
    calls["clone"] = calls["unshare"] = [Clause(_EPERM, (new,))]
    calls["clone3"] = [Clause(_ENOSYS)]  # its flags are in memory; the C library then uses clone
    calls["ioctl"] = [
        Clause(action, (Argument(1, "is", number),)) for number, action in _IOCTLS.items()
    ]
    calls["personality"] = [
        Clause(_EPERM, (Argument(0, "is not", 0), Argument(0, "is not", 0xFFFFFFFF)))
    ]
    # Landlock lets a closed folder be watched, which tells the names in it.
    calls["inotify_add_watch"] = [Clause(_EACCES)]
    # PR_SET_PDEATHSIG stays as it is; a fork, which begins without, sets it again.
    calls["prctl"] = [Clause(FAKE, (Argument(0, "is", 1), Argument(1, "is not", _SIGKILL)))]
    calls.update(_sockets(terms.sockets))
    calls.update(_others())
    if terms.hold_group:
        calls["setsid"] = calls["setpgid"] = [Clause(FAKE)]
    if not terms.own_ipc:
        calls.update({name: [Clause(_EPERM)] for name in _SYSTEM_V})
    if not terms.own_pids and not terms.scoped_signals:
        calls.update(_signals(terms.protected))
        calls["ioctl"] += _named(1, _SET_OWNER_IOCTLS)
    if not terms.truncation:
        calls.update(_truncation())
    return _assembled(calls, machine)


def shield(supervisor: int, machine: str = MACHINE) -> bytes:
    """A second filter, for what runs below this supervisor: no signals to it, and no way into its
    process group, which a signal to one's own group would reach.
    """
    calls = dict.fromkeys(_SIGNALLING, _named(0, (supervisor, -supervisor)))
    return _assembled({**calls, "setpgid": _named(1, (supervisor,))}, machine)


def _assembled(calls: dict[str, list[Clause]], machine: str) -> bytes:
    known = numbers(machine)
    return assemble(
        machine, NEWEST, {known[name]: rule for name, rule in calls.items() if name in known}
    )


def _sockets(allowed: str) -> dict[str, list[Clause]]:
    families = {"none": (), "internet": (_INET, _INET6)}[allowed]
    others = tuple(Argument(0, "is not", family) for family in families)
    # One end of a pair of datagram sockets can send to any socket file; the other kinds stay
    # with each other.
    kinds = (Argument(1, "is not", kind, mask=_KIND) for kind in (_STREAM, _SEQPACKET))
    calls = {
        "socketpair": [
            Clause(_EACCES, (Argument(0, "is not", _UNIX),)),
            Clause(_EACCES, tuple(kinds)),
        ]
    }
    if families:
        # The C library asks the kernel for the machine's addresses before it resolves a name.
        others = (*others, Argument(0, "is not", _NETLINK))
        routes = (Argument(0, "is", _NETLINK), Argument(2, "is not", 0))
        calls["socket"] = [Clause(_EACCES, routes), Clause(_EACCES, others)]
    else:
        calls["socket"] = [Clause(_EACCES, others)]
    if allowed == "none":
        calls.update({name: [Clause(_EACCES)] for name in ("connect", "bind", "listen")})
    return calls


def _others() -> dict[str, list[Clause]]:
    """No limits, priorities or processors of other processes. In a pid namespace those are still
    the ones that began this one, and begin the next.
    """
    someone = Argument(0, "is not", 0)
    # Thread libraries place and rank their own threads, which are "others" here, and some give
    # up where that fails.
    names = ("sched_setscheduler", "sched_setparam", "sched_setattr", "sched_setaffinity")
    calls = {name: [Clause(FAKE, (someone,))] for name in names}
    calls["prlimit64"] = [
        Clause(_EPERM, (someone, Argument(2, "is not", 0, high=high))) for high in (False, True)
    ]
    # Nobody but itself: 0 is also "everything of this group" or "of this user".
    for name, itself in (("setpriority", 0), ("ioprio_set", 1)):
        others = (Argument(0, "is not", itself), Argument(1, "is not", 0))
        calls[name] = [Clause(_EPERM, (other,)) for other in others]
    return calls


def _signals(protected: Iterable[int]) -> dict[str, list[Clause]]:
    """Without any layer that scopes signals: at least not to everyone, nor to these."""
    return {
        **dict.fromkeys(_SIGNALLING, _named(0, (-1, *protected))),
        "tkill": [Clause(_EPERM)],
        # A process is also named by a descriptor for it, or as the owner of a file that is to be
        # told of events; there a filter does not see which one.
        "pidfd_send_signal": [Clause(_EPERM)],
        "fcntl": _named(1, _SET_OWNER),
    }


def _named(index: int, values: Iterable[int]) -> list[Clause]:
    """Refused where the argument is one of these."""
    return [Clause(_EPERM, (Argument(index, "is", value),)) for value in values]


def _truncation() -> dict[str, list[Clause]]:
    """Old Landlock does not see a file being cut without being opened for writing."""

    def cutting(index: int) -> list[Clause]:
        flags = Argument(index, "has any of", _O_TRUNC)
        return [Clause(_EACCES, (flags, Argument(index, "is", 0, mask=_O_ACCMODE)))]

    return {
        "truncate": [Clause(_EACCES)],
        "open": cutting(1),
        "openat": cutting(2),
        "openat2": [Clause(_ENOSYS)],
    }
