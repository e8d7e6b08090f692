"""Taking a snapshot: the fork, on the main thread, and the way of what was forked to its asker."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from codesteer_jupyter.execution.fork import forked
from codesteer_jupyter.execution.fork.group import Group, shared_at_fork
from codesteer_jupyter.execution.fork.guardian import guardian
from codesteer_jupyter.execution.fork.snapshot import Snapshot

__all__ = ["Taken", "take"]


class Taken:
    """Where the main thread puts a snapshot. The asker may be gone by then, or go while it is
    made: then it is ended, whichever comes first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._left = False

    def put(self, snapshot: Snapshot) -> None:
        """Called by `take`."""
        with self._lock:
            self._snapshot = None if self._left else snapshot
        if self._left:
            snapshot.dismiss()

    def claim(self) -> Snapshot:
        """The snapshot, which now is the asker's to end."""
        with self._lock:
            snapshot, self._snapshot = self._snapshot, None
        if snapshot is None:
            raise RuntimeError("no snapshot was taken")
        return snapshot

    def leave(self) -> None:
        """The asker is done: what it has not claimed nobody will."""
        with self._lock:
            self._left = True
            snapshot, self._snapshot = self._snapshot, None
        if snapshot is not None:
            snapshot.dismiss()


def take(make: Callable[[socket.socket, int, int], forked.Given], taken: Taken) -> None:
    """Fork this process and put the snapshot into `taken`. On the main thread; `make` says what
    the snapshot is given, from its end of the socket and its descriptors for output.

    Raises:
        OSError: no process, descriptor or memory is left.
    """
    # A process without an owner would be a zombie of the user's kernel, and its descriptors lost.
    with _uninterrupted(), contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
        end, other = socket.socketpair()
        ours.callback(end.close)
        theirs.callback(other.close)
        (out, out_writer), (err, err_writer) = (_pipe(ours, theirs) for _ in range(2))
        given = make(other, out_writer, err_writer)
        shared = shared_at_fork()
        pid = _fork(given)
        ours.callback(_undo, pid)
        guardian().watch(pid, given.folder)
        ended = os.pidfd_open(pid)
        ours.callback(os.close, ended)
        end.setblocking(False)
        taken.put(Snapshot(pid, ended, out, err, end, Group(pid, shared)))
        ours.pop_all()


def _pipe(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[int, int]:
    reader, writer = os.pipe()
    ours.callback(os.close, reader)
    theirs.callback(os.close, writer)
    os.set_blocking(reader, False)
    return reader, writer


def _fork(given: forked.Given) -> int:
    kernel = os.getpid()
    # An interrupt meant for the kernel must not reach the new process before it stands alone.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        with warnings.catch_warnings():
            # Python warns of forks where threads run; what that means here is dealt with.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
            if pid == 0:
                forked.live_out(given, kernel)
            return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _undo(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    guardian().done(pid)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """An interrupt in the block is heard after it. Blocking the signal is not enough: another
    thread takes it, and Python still interrupts this one.
    """
    heard: list[Any] = []
    before = signal.signal(signal.SIGINT, lambda *arguments: heard.append(arguments))
    try:
        yield
    finally:
        # None: not set by Python, and not to be set again by it.
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
        if heard and callable(before):
            before(*heard[-1])
