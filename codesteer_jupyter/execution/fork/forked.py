"""Inside the snapshot: from the moment of the fork to its end, it never returns to the kernel.

The order matters: cut what is shared with the kernel, forget secrets, confine, have the files that
the kernel has open judged by the confinement, and only then run generated code. It serves commands
that come over its socket: `run` a program, `pickle` values, `fill` a memory file with them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import io
import os
import signal
import socket
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TextIO

from codesteer_jupyter.execution import confinement, without_sockets
from codesteer_jupyter.execution.capture import Capture
from codesteer_jupyter.execution.changes import Names
from codesteer_jupyter.execution.contents import Contents
from codesteer_jupyter.execution.fork import handback
from codesteer_jupyter.execution.fork.binding import AtFork, reason
from codesteer_jupyter.execution.fork.channel import Sender, receive
from codesteer_jupyter.execution.fork.descriptors import neutralise
from codesteer_jupyter.execution.fork.mappings import detach_shared
from codesteer_jupyter.execution.fork.scrub import Place, overwrite
from codesteer_jupyter.execution.fork.secrets_out import clean_environment, clean_namespace
from codesteer_jupyter.execution.fork.threads import single
from codesteer_jupyter.execution.inside import describe
from codesteer_jupyter.execution.limits import OutputCap
from codesteer_jupyter.execution.mentions import mentioned
from codesteer_jupyter.execution.pieces import address_of
from codesteer_jupyter.execution.predefined import LEAVING
from codesteer_jupyter.steering.execution import Output

__all__ = ["Given", "live_out"]

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Given:
    """What a snapshot is made with.

    Attributes:
        shell: the kernel's InteractiveShell.
        end: its end of the socket.
        out, err: descriptors that become 1 and 2.
        folder: its scratch folder.
        plan: of the confinement.
        environment: set beside what the allow-list leaves of the kernel's.
        values: the `--with` values.
        secrets: known secret values, which no variable may hold.
        places: where such values were found in memory.
        look: at which values: `named` by the program, or `all`.
    """

    shell: Any
    end: socket.socket
    out: int
    err: int
    folder: str
    plan: Mapping[str, Any]
    environment: Mapping[str, str]
    values: Mapping[str, Any]
    secrets: frozenset[str]
    places: tuple[Place, ...]
    look: str


def live_out(given: Given, kernel: int) -> NoReturn:
    """Be the snapshot. Called in the forked process, on its only thread; never returns."""
    code = 1
    try:
        _Snapshot(given, kernel).serve()
        code = 0
    except BaseException as error:
        # Whatever happens here must not go on into the kernel's own code.
        with contextlib.suppress(BaseException):
            reason = f"{type(error).__name__}: {error}"
            Sender(given.end).send({"kind": "broken", "reason": reason})
    finally:
        os._exit(code)


class _Snapshot:
    def __init__(self, given: Given, kernel: int) -> None:
        self._given = given
        self._shell = given.shell
        self._pid = os.getpid()
        warnings.filterwarnings("ignore", message="To exit: use")  # the shell's, on SystemExit
        gc.freeze()  # a collection would touch, and so copy, every object of the kernel
        os.setsid()
        _die_with(kernel)
        self._sender = Sender(given.end)
        self._separate()
        isolation = ["process", "environment", *confinement.apply(given.plan)]
        neutralise(keep={given.end.fileno()})
        _die_with(kernel)  # entering a user namespace may have cleared it
        _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # and this: the kernel reads values from here
        without_sockets.install()
        self._sender.send({"kind": "ready", "isolation": isolation})
        self._parts: list[memoryview] = []
        self._looks: Contents | None = None
        self._predefine()
        self._at_fork = AtFork(self._shell.user_ns)
        self._told: set[str] = set()
        self._texts = (_text(1), _text(2))

    def _separate(self) -> None:
        given = self._given
        signal.set_wakeup_fd(-1)
        for name in ("SIGTERM", "SIGCHLD", "SIGHUP", "SIGALRM"):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        for source, number in ((null, 0), (given.out, 1), (given.err, 2)):
            os.dup2(source, number)
        detach_shared()
        clean_environment()
        os.environ.update(given.environment)
        tempfile.tempdir = None
        clean_namespace(self._shell, given.values, given.secrets)
        overwrite(given.places)
        single()
        outer = asyncio._get_running_loop()
        task = asyncio.current_task(outer) if outer is not None else None
        if outer is not None and task is not None:
            asyncio.tasks._leave_task(outer, task)
        asyncio._set_running_loop(None)
        asyncio.set_event_loop(asyncio.new_event_loop())
        # `!command` would ask for a terminal of its own.
        self._shell.system = self._shell.system_raw
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})

    def _predefine(self) -> None:
        self._shell.user_ns.update({**self._given.values, **LEAVING})

    # -- commands ---------------------------------------------------------------------------------

    def serve(self) -> None:
        """Do what comes over the socket, until it ends."""
        while (request := receive(self._given.end)) is not None:
            if request["do"] == "run":
                self._run(request)
            elif request["do"] == "pickle":
                self._pickle(request["names"])
            elif request["do"] == "fill":
                handback.fill(self._given.end, self._parts)
                self._sender.send({"kind": "filled"})

    def _pickle(self, names: Sequence[str]) -> None:
        try:
            # Held until the next values are asked for: the kernel reads them from here.
            self._parts = handback.pickled(self._at_fork, self._shell.user_ns, names, self._told)
        except Exception as error:  # a value's own methods for pickling run here
            self._sender.send({"kind": "refused", "reason": reason(error)})
            return
        parts = [(address_of(part), part.nbytes) for part in self._parts]
        self._sender.send({"kind": "parts", "parts": parts})

    def _run(self, request: Mapping[str, Any]) -> None:
        shell, code = self._shell, str(request["code"])
        space = shell.user_ns
        cap = OutputCap(int(request["output"]))
        capture = Capture(shell, cap, self._emit, self._too_much, self._texts)
        self._predefine()
        if self._looks is None:
            self._looks = Contents()
        transformed, mine = _names_of(shell, code)
        wanted = space if self._given.look == "all" else self._given.values
        before = Names(space, self._looks, mentioned(transformed, space, wanted))
        predefined = request["variables"]
        former = {name: space[name] for name in predefined if name in space}
        space.update(predefined)
        self._sender.send({"kind": "begun"})
        started = time.monotonic()
        result = None
        with self._streams(), contextlib.suppress(KeyboardInterrupt), capture.active():
            result = shell.run_cell(code, store_history=False, silent=False)
        if os.getpid() != self._pid:
            os._exit(0)  # a process the program forked, which came back from it
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        seconds = time.monotonic() - started
        error = None
        if result is not None:
            error = result.error_before_exec or result.error_in_exec
        for name in predefined:
            space.pop(name, None)
        space.update(former)
        changes = before.changes(space)
        self._told |= {change["name"] for change in changes}
        self._sender.send(
            {
                "kind": "report",
                "error": None if error is None else describe(error, lambda file: file == mine),
                "seconds": seconds,
                "outputs": capture.outputs,
                "changes": changes,
                "unread": before.unread,
            }
        )
        signal.signal(signal.SIGINT, signal.default_int_handler)

    # -- output -----------------------------------------------------------------------------------

    def _emit(self, item: Output) -> None:
        # A process the program forked has the same socket, and must not cut into a message.
        if item.name == "display" and os.getpid() == self._pid:
            self._sender.send({"kind": "display", "output": item.output})

    def _too_much(self) -> NoReturn:
        self._sender.send({"kind": "overflow"})
        raise KeyboardInterrupt

    @contextlib.contextmanager
    def _streams(self) -> Iterator[None]:
        """What still holds the kernel's own streams (a logging handler, say) writes to ours."""
        for old, ours in zip((sys.stdout, sys.stderr), self._texts, strict=True):
            with contextlib.suppress(AttributeError, TypeError):
                old.write, old.flush = ours.write, ours.flush  # type: ignore[method-assign]
        with open(os.devnull, encoding="utf-8") as nothing:
            sys.stdin = nothing
            yield


def _names_of(shell: Any, code: str) -> tuple[str, str]:
    """The Python that `code` is turned into, and the name its file will have."""
    try:
        transformed = shell.transform_cell(code)
        return transformed, shell.compile.get_code_name(code, transformed, shell.execution_count)
    except Exception:  # no UTF-8, say: `run_cell` meets it again, and it is the program's error
        return code, ""


def _text(descriptor: int) -> TextIO:
    """A stream without a buffer: what was written is outside, whatever happens next."""
    raw: Any = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(raw, "utf-8", "backslashreplace", write_through=True)


def _die_with(kernel: int) -> None:
    """Be killed when the thread that forked this process ends; at once if it has ended."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != kernel:
        os._exit(1)
