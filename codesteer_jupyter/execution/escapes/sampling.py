"""The processes of a running attempt, seen from outside: found by the name they gave themselves."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from codesteer_jupyter.execution.escapes.attempt import Attempt, Effect
from codesteer_jupyter.steering.execution import Limits

__all__ = ["Sampler", "marked"]

_TICK = 0.025
# Seconds that a bound must be passed: what is ended sooner was stopped. On a busy machine it takes
# longer than a second to see it.
_LASTS = 2.5
_OVER = 1.15
_LATE = 2.0  # seconds after the end of the time that a process may take to be ended
_OBJECTS = ("io_uring", "bpf-map", "perf_event", "userfaultfd", "fanotify")
_SOCKETS = ("ALG", "PACKET")


def marked(nonce: str) -> dict[int, str]:
    """Living processes whose name begins with `nonce`, with the rest of it."""
    found = {}
    wanted = nonce.encode()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError):
            if (comm := _read(f"/proc/{name}/comm")).startswith(wanted):
                state = _read(f"/proc/{name}/stat").rpartition(b")")[2].split()[0]
                if state not in b"ZX":
                    found[int(name)] = comm[len(wanted) :].decode().strip()
    return found


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 8192)
    finally:
        os.close(descriptor)


@dataclass
class _Lasting:
    """For how long something has held without a break."""

    since: float | None = None
    longest: float = 0.0

    def see(self, holds: bool, now: float) -> None:
        if not holds:
            self.since = None
            return
        self.since = self.since if self.since is not None else now
        self.longest = max(self.longest, now - self.since)


@dataclass
class Sampler:
    """Looks every 25 ms while an attempt runs. What it saw is complete after `stop`."""

    attempt: Attempt
    nonce: str
    limits: Limits
    folder: Path
    port: int
    _found: dict[tuple[str, str], Effect] = field(default_factory=dict)

    def start(self) -> None:
        """Begin to look."""
        self._identities: dict[str, dict[str, object]] = {}
        self._memory, self._processes = _Lasting(), _Lasting()
        self._first: float | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def stop(self) -> list[Effect]:
        """End it; what was seen."""
        self._stopped.set()
        self._thread.join()
        for what, seen in (("memory", self._memory), ("number of processes", self._processes)):
            if seen.longest >= _LASTS:
                self._see("bound", f"the {what} was above its bound for {seen.longest:.1f} s")
        self._compare()
        return list(self._found.values())

    def _see(self, kind: str, text: str) -> None:
        self._found[kind, text] = Effect(kind, text)

    def _work(self) -> None:
        while not self._stopped.wait(_TICK):
            now = time.monotonic()
            processes = marked(self.nonce)
            if self.attempt.witness == "received":
                self._visit()
            if self.attempt.witness == "bound":
                self._bounds(processes, now)
            for pid, suffix in processes.items():
                with contextlib.suppress(OSError):
                    if self.attempt.witness == "object":
                        self._objects(pid)
                    elif self.attempt.witness == "identity":
                        self._identities[suffix] = _identity(pid)

    def _bounds(self, processes: dict[int, str], now: float) -> None:
        if self.limits.memory is not None:
            used = sum(_memory(pid) for pid in processes)
            self._memory.see(used > _OVER * self.limits.memory, now)
        self._processes.see(len(processes) > self.limits.processes + 1, now)
        if processes and self._first is None:
            self._first = now
        if processes and now - (self._first or now) > self.limits.wall + _LATE:
            self._see("bound", "it ran on after the time was up")
        with contextlib.suppress(OSError):  # folders come and go meanwhile
            for path in self.folder.glob(f"**/{self.nonce}"):
                if path.stat().st_size > self.limits.file:
                    self._see("bound", "a file grew larger than allowed")

    def _visit(self) -> None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), 0.2) as link,
        ):
            if self.nonce.encode() in link.recv(64):
                self._see("received", "its open port could be connected to")

    def _objects(self, pid: int) -> None:
        for name in os.listdir(f"/proc/{pid}/fd"):
            path = f"/proc/{pid}/fd/{name}"
            with contextlib.suppress(OSError):
                target = os.readlink(path)
                kind = target.partition("anon_inode:")[2].strip("[]")
                if target.startswith("socket:"):
                    kind = os.getxattr(path, "system.sockprotoname").decode().strip("\0")
                if kind in _OBJECTS or kind in _SOCKETS:
                    self._see("object", f"its process holds a {kind} descriptor")

    def _compare(self) -> None:
        own = _identity(os.getpid())
        for suffix, seen in self._identities.items():
            other = self._identities.get("a", seen) if suffix else seen
            if suffix != "a":
                for word, value in seen.items():
                    if value != other[word]:
                        self._see("identity", f"its process has another {word}")
            if not suffix and seen["personality"] != own["personality"]:
                self._see("identity", "its process has another personality")


def _memory(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(_read(f"/proc/{pid}/statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _identity(pid: int) -> dict[str, object]:
    facts = dict(
        line.partition(":")[::2] for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return {
        "user": facts["Uid"],
        "group": facts["Gid"],
        "set of inheritable rights": facts["CapInh"],
        "user namespace": os.readlink(f"/proc/{pid}/ns/user"),
        "network namespace": os.readlink(f"/proc/{pid}/ns/net"),
        "personality": Path(f"/proc/{pid}/personality").read_text(),
    }
