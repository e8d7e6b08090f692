"""The process of a child kernel: an IPython that is asked over one socket.

Started as `python -I kernel_side.py FD`. It is not a Jupyter kernel: no ports, no threads of its
own, and standard streams that are plain pipes, so what a crash leaves behind is still read.

A message is its length (4 bytes, big endian) and JSON. Asked are, in `op`:

* `setup` (first): `paths` to import from, the `folder` to live in, and `hostile`: modules that do
  not let a process be forked;
* `prepare`: `modules` to import ahead of their use, see `kernel_state.py`, and whether the process
  of the next program is to be forked `ahead`;
* `run`: `code`, `modules` to import ahead, whether it is `stateful`, and what `State.begin` needs.
  With its first byte come descriptors: a socket of this program's own, its standard output and
  error, and the file of its values if there is one.

Each program runs in a fork of this process, which so stays as it was; a stateful one runs here,
and where a fork would not work, one program does. Over its own socket is told, in `told`: `begun`,
with whether it was `forked`, or `refused`, with a `reason`; `display`; `result`. Over the other:
`ready`, and `ended`, with the `number` of the run and the wait `status` of the fork or null.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from typing import Any, NoReturn


def _load(name: str) -> Any:
    """A neighbouring file as a module. It is not on `sys.path`: its neighbours have names that
    generated code may want to import.
    """
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"codesteer_{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Channel:
    """One end of a socket pair. Processes that the program forks are not heard on it."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(True)
        self._writing = threading.Lock()
        self.process = os.getpid()

    def receive(self) -> dict[str, Any] | None:
        """The next thing asked, with its `descriptors`, or None when the asking process is gone."""
        head, given = b"", []
        while len(head) < 4:
            part, descriptors, _, _ = socket.recv_fds(self._socket, 4 - len(head), 4)
            if not part:
                return None
            head += part
            given += descriptors
        for descriptor in given:
            os.set_inheritable(descriptor, False)
        data = self._exactly(int.from_bytes(head, "big"))
        return None if data is None else {**json.loads(data), "descriptors": given}

    def ask(self, request: dict[str, Any], descriptors: list[int]) -> None:
        """Send what `receive` returns at the other end."""
        data = json.dumps(request).encode()
        socket.send_fds(self._socket, [len(data).to_bytes(4, "big")], descriptors)
        self._socket.sendall(data)

    def _exactly(self, size: int) -> bytes | None:
        data = bytearray()
        while len(data) < size:
            part = self._socket.recv(min(size - len(data), 2**20))
            if not part:
                return None
            data += part
        return bytes(data)

    def tell(self, told: str, **facts: Any) -> None:
        """Send one message, whole, from whatever thread."""
        if os.getpid() != self.process:
            return
        data = json.dumps({"told": told, **facts}, default=str).encode()
        with self._writing:
            self._socket.sendall(len(data).to_bytes(4, "big") + data)

    def close(self) -> None:
        self._socket.close()


class Kernel:
    """What is asked of this process, once it is set up."""

    def __init__(self, control: Channel, setup: dict[str, Any]) -> None:
        own = list(sys.path)
        inside = _load("inside")
        inside.extend_path(setup["paths"])
        inside.do_without_sockets()
        self._control = control
        shell = _load("kernel_shell")
        self._flush = shell.flush
        self._displays = shell.Displays()
        self._shell = shell.make_shell(self._displays, setup["folder"])
        state = _load("kernel_state")
        self._state = state.State(self._shell, inside, own, frozenset(setup["hostile"]))
        self._shared = _load("kernel_shared")
        self._end = os._exit  # a program may put another in its place
        self._next: tuple[int, Channel] | None = None

    def prepare(self, modules: list[str], ahead: bool) -> None:
        """Import ahead, and have a process wait for the next program."""
        if self._state.preload(modules) and self._next is not None:
            process, channel = self._next
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            channel.close()
            self._next = None
        if ahead and self._next is None and self._state.forks():
            # Without one the next program has to wait for its process; it will say what is wrong.
            with contextlib.suppress(OSError):
                self._next = self._forked()

    def run(self, request: dict[str, Any]) -> None:
        """Run a program, and say that it has ended."""
        descriptors = request.pop("descriptors")
        self.prepare(request["modules"], False)
        status = None
        if request["stateful"] or not self._state.forks():
            set_dumpable(True)
            self._program({**request, "forked": False}, *descriptors)
        else:
            status = self._apart({**request, "forked": True}, descriptors)
            if not self._shared.emptied(request["own"]):
                sys.exit(0)  # the next program must not find it
        self._control.tell("ended", number=request["number"], status=status)

    def _apart(self, request: dict[str, Any], descriptors: list[int]) -> int:
        """Have a fork run the program; its wait status."""
        process = 0
        try:
            process = self._asked(request, descriptors)
        except OSError as problem:
            channel = Channel(os.dup(descriptors[0]))
            channel.tell("refused", reason=f"{type(problem).__name__}: {problem}")
            channel.close()
        for descriptor in descriptors:
            os.close(descriptor)
        return os.waitpid(process, 0)[1] if process else 0

    def _asked(self, request: dict[str, Any], descriptors: list[int]) -> int:
        """The fork that the program was given to."""
        waiting, self._next = self._next, None
        process, channel = waiting or self._forked(descriptors)
        try:
            channel.ask(request, descriptors)
        except OSError:  # the one that waited was killed
            os.waitpid(process, 0)
            channel.close()
            if waiting is None:
                raise
            process, channel = self._forked(descriptors)
            channel.ask(request, descriptors)
        channel.close()
        return process

    def _forked(self, held: Sequence[int] = ()) -> tuple[int, Channel]:
        """A process that waits for one program, and what it is asked over. It knows nothing of
        later ones. `held` are descriptors that it has no use for: it will be given its own.
        """
        gc.freeze()  # what is here now stays: the fork's collector need not touch, and so copy, it
        self._flush()
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        try:
            process = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        if process:
            theirs.close()
            return process, Channel(ours.detach())
        try:
            ours.close()
            self._control.close()
            for descriptor in held:
                os.close(descriptor)
            set_dumpable(True)
            end_with(parent)
            self._state.forked()
            channel = Channel(theirs.detach())
            request = channel.receive()
            channel.close()
            if request is not None:
                self._program(request, *request.pop("descriptors"))
                self._flush()
        finally:
            self._end(0)

    def _program(
        self, request: dict[str, Any], mine: int, out: int, err: int, values: int | None = None
    ) -> None:
        """Run the program in this process."""
        self._flush()
        for descriptor, stream in ((out, 1), (err, 2)):
            os.dup2(descriptor, stream)
            os.close(descriptor)
        process, channel = os.getpid(), Channel(mine)
        try:
            self._state.begin(request, values)
        except Exception as problem:
            channel.tell("refused", reason=f"{type(problem).__name__}: {problem}")
            return
        self._displays.channel, self._displays.most = channel, request["output"]
        channel.tell("begun", forked=request["forked"])
        described = self._outcome(request["code"], process)
        if request["forked"]:
            # What the program asked for may fail, or end the process; that is its own affair.
            with contextlib.suppress(Exception):
                self._state.finish()
        self._flush()
        channel.tell("result", error=described)
        channel.close()

    def _outcome(self, code: str, process: int) -> dict[str, Any] | None:
        """Run `code`; its exception in plain words, and no reference to what it left."""
        error: BaseException | None
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            result = self._shell.run_cell(code, store_history=False)
            error = result.error_before_exec or result.error_in_exec
        except BaseException as caught:  # what the program broke in IPython itself, or an interrupt
            error = caught
        with contextlib.suppress(KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._stay_one(process, error)
        described: dict[str, Any] | None = self._state.described(error)
        return described

    def _stay_one(self, process: int, error: BaseException | None) -> None:
        """A process that the program forked, and that came out of the program, ends here, as it
        would at the end of a script.
        """
        if os.getpid() == process:
            return
        status = 0
        if isinstance(error, SystemExit):
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None:
            import traceback

            status = 1
            with contextlib.suppress(Exception):
                traceback.print_exception(error)
        self._flush()
        os._exit(status)


def end_with(parent: int) -> None:
    """Have the system end this process when its parent ends."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)


def set_dumpable(value: bool) -> None:
    """Whether other processes of this user may look into this one and into what it has open."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(4, int(value), 0, 0, 0)  # PR_SET_DUMPABLE


def main(arguments: list[str]) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # between programs there is nothing to interrupt
    control = Channel(int(arguments[0]))
    setup = control.receive()
    if setup is None:
        sys.exit(0)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]  # real files here
    kernel = Kernel(control, setup)
    set_dumpable(False)
    control.tell("ready")
    try:
        while (request := control.receive()) is not None:
            if request["op"] == "prepare":
                kernel.prepare(request["modules"], request["ahead"])
            else:
                kernel.run(request)
    except OSError:  # a stateful program closed what is spoken over
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
