"""The process of a child kernel: an IPython that is asked over one socket.

Started as `python -I kernel_side.py FD`. It is not a Jupyter kernel: no ports, no threads of its
own, and standard streams that are plain pipes, so what a crash leaves behind is still read.

A message is its length (4 bytes, big endian) and JSON. Asked are, in `op`:

* `setup` (first): `paths` to import from, the `folder` to live in;
* `preload`: `modules` to import ahead of their use, see `kernel_state.py`;
* `run`: `code`, and what `State.begin` needs; the file of its values comes as a descriptor with
  the first byte.

Told are, in `told`: `ready`, `begun` or `refused` (with `reason`), `display`, and `ended`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import socket
import sys
import threading
from typing import Any, NoReturn

_WIDGET = "application/vnd.jupyter.widget-view+json"


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
    """The socket to the asking process. Processes that the program forks are not heard on it."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(True)
        self._writing = threading.Lock()
        self._process = os.getpid()
        self.most = 10**6

    def receive(self) -> dict[str, Any] | None:
        """The next thing asked, or None when the asking process is gone."""
        head, given = b"", None
        while len(head) < 4:
            part, descriptors, _, _ = socket.recv_fds(self._socket, 4 - len(head), 1)
            if not part:
                return None
            head += part
            for given in descriptors:
                os.set_inheritable(given, False)
        data = self._exactly(int.from_bytes(head, "big"))
        return None if data is None else {**json.loads(data), "descriptor": given}

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
        if os.getpid() != self._process:
            return
        data = json.dumps({"told": told, **facts}, default=str).encode()
        with self._writing:
            self._socket.sendall(len(data).to_bytes(4, "big") + data)

    def show(self, kind: str, data: dict[str, Any], metadata: Any, display_id: Any = None) -> None:
        """Tell of a display; one that is larger than all output may be is only counted."""
        flush()
        plain = {mime: _plain(item) for mime, item in data.items() if mime != _WIDGET}
        if not plain:
            return
        if sum(len(item) for item in plain.values() if isinstance(item, str)) > self.most:
            self.tell("display", kind="too_large")
        else:
            self.tell("display", kind=kind, data=plain, metadata=metadata, id=display_id)


def _plain(item: Any) -> Any:
    """Bytes (pictures) as base64 text, as nbformat wants them."""
    if not isinstance(item, bytes):
        return item
    import base64

    return base64.b64encode(item).decode()


def flush() -> None:
    """Hand on what was printed. The streams may be what the program put in their place."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def make_shell(channel: Channel, folder: str) -> Any:
    """An InteractiveShell whose displays go to the channel, without history or profile."""
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets import Type
    from traitlets.config import Config

    class Publisher(DisplayPublisher):
        def publish(
            self, data: Any, metadata: Any = None, *, transient: Any = None, **rest: Any
        ) -> None:
            kind = "update_display_data" if rest.get("update") else "display_data"
            channel.show(kind, data, metadata, (transient or {}).get("display_id"))

        def clear_output(self, wait: bool = False) -> None:
            """What was shown stays in the record."""

    class Hook(DisplayHook):
        def write_output_prompt(self) -> None:
            """The value alone is shown."""

        def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
            channel.show("execute_result", format_dict, md_dict)

    class Shell(InteractiveShell):
        displayhook_class = Type(Hook)
        display_pub_class = Type(Publisher)

        # Exceptions are reported as data; IPython would print them in colours.
        def showtraceback(self, *_: Any, **__: Any) -> None:
            """Nothing is printed."""

        def showsyntaxerror(self, *_: Any, **__: Any) -> None:
            """Nothing is printed."""

        def init_profile_dir(self, _: Any) -> None:
            self.profile_dir = None

    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    shell = Shell.instance(config=config, ipython_dir=folder)
    # As in a script: a fresh loop, and its tasks end with the program.
    shell.loop_runner = _run_coroutine
    return shell


def _run_coroutine(coroutine: Any) -> Any:
    import asyncio

    return asyncio.run(coroutine)


def _stay_one(process: int, error: BaseException | None) -> None:
    """A process that the program forked, and that came out of the program, ends here, as it would
    at the end of a script.
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
    flush()
    os._exit(status)


def _run(shell: Any, state: Any, channel: Channel, request: dict[str, Any]) -> None:
    process = os.getpid()
    try:
        state.begin(request)
    except Exception as problem:
        channel.tell("refused", reason=f"{type(problem).__name__}: {problem}")
        return
    channel.most = request["output"]
    channel.tell("begun")
    error: BaseException | None
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        result = shell.run_cell(request["code"], store_history=False)
        error = result.error_before_exec or result.error_in_exec
    except BaseException as caught:  # what the program broke in IPython itself, or an interrupt
        error = caught
    with contextlib.suppress(KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    _stay_one(process, error)
    flush()
    channel.tell("ended", **state.report(error))
    state.end()


def main(arguments: list[str]) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # between programs there is nothing to interrupt
    channel = Channel(int(arguments[0]))
    setup = channel.receive()
    if setup is None:
        sys.exit(0)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]  # real files here
    own = list(sys.path)
    inside = _load("inside")
    inside.extend_path(setup["paths"])
    inside.do_without_sockets()
    shell = make_shell(channel, setup["folder"])
    state = _load("kernel_state").State(shell, inside, own)
    channel.tell("ready")
    while (request := channel.receive()) is not None:
        if request["op"] == "preload":
            state.preload(request["modules"])
        else:
            _run(shell, state, channel, request)
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
