"""Inside the child kernel: every run starts from the state the kernel had when it was new.

Loaded by path in the kernel's process (see `child.py`). Restored are the namespace, builtins,
`sys.path`, streams, the environment, the folder, random state and warnings; modules imported
from a scratch folder are forgotten. What code did inside imported modules stays; threads that
are left behind are reported, and the asking process then takes a new kernel.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import importlib.util
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
import warnings
from typing import Any, NoReturn

REPORT = "application/vnd.codesteer.report+json"


def _beside(name: str, file: str) -> Any:
    """A module or package beside this file, known as `name`."""
    path = os.path.join(os.path.dirname(__file__), file)
    within = [os.path.dirname(path)] if os.path.basename(path) == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=within)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    if within:
        sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _drain() -> None:
    """Wait until what other processes wrote to descriptors 1 and 2 has been taken up by the
    kernel's watching threads, so that it belongs to this run and not to the next.
    """
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline and any(_waiting(number) for number in (1, 2)):
        time.sleep(0.002)
    time.sleep(0.002)  # the thread that has just read needs its turn to write
    sys.stdout.flush()
    sys.stderr.flush()


def _waiting(descriptor: int) -> bool:
    import fcntl
    import struct
    import termios

    try:
        answer = fcntl.ioctl(descriptor, termios.FIONREAD, struct.pack("i", 0))
    except OSError:
        return False
    return bool(struct.unpack("i", answer)[0])


def _exit(code: object = None) -> NoReturn:
    """In place of IPython's `exit`, which would end the kernel."""
    raise SystemExit(code)


def _flushing(end: Any) -> Any:
    """`os._exit` that lets what was printed out first; in forked processes the plain one."""
    process = os.getpid()

    def _exit(status: int) -> NoReturn:
        if os.getpid() == process:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
        end(status)
        raise SystemExit(status)  # not reached

    return _exit


def _plain_streams() -> None:
    """In forked processes, whose prints ipykernel would send over a socket that they cannot make:
    print to the descriptors that the kernel watches.
    """
    for name, number in (("stdout", 1), ("stderr", 2)):
        with contextlib.suppress(OSError):
            stream = os.fdopen(os.dup(number), "w", buffering=1, errors="backslashreplace")
            setattr(sys, name, stream)


class Base:
    """The state of the new kernel, and the way back to it."""

    def __init__(self, shell: Any, settings: dict[str, Any]) -> None:
        self.shell = shell
        self.token = settings["token"]
        self.inside = _beside("codesteer_inside", "inside.py")
        self.inside.extend_path(settings["paths"])
        self.values: dict[str, str] = settings["values"]
        self.stateful: bool = settings["stateful"]
        self.fresh = True
        shell.user_ns.update(exit=_exit, quit=_exit)
        self.namespace = dict(shell.user_ns)
        self.builtins = dict(builtins.__dict__)
        self.path = list(sys.path)
        self.argv = list(sys.argv)
        for name in ("CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR"):  # set by the kernel
            os.environ.pop(name, None)
        self.environment = dict(os.environ)
        os._exit = _flushing(os._exit)
        self.streams = (sys.stdin, sys.stdout, sys.stderr)
        self.recursion = sys.getrecursionlimit()
        self.random = random.getstate()
        self.numpy: Any = None
        self.filters = list(warnings.filters)
        self.threads = set(threading.enumerate())
        self.rlimits: list[str] = []
        self.tasks: set[Any] = set()
        shell.events.register("post_run_cell", self.report)
        self.layers: list[str] = settings["confined"]["layers"]
        if "mountns" not in self.layers:
            # `!command` wants a terminal, and none of its own is there.
            shell.system = shell.system_raw
        if settings["confined"]["sockets"]:
            confinement = _beside("codesteer_confinement", "confinement/__init__.py")
            confinement.close_sockets(settings["confined"]["sockets"])
            if "netns" not in self.layers:
                os.register_at_fork(after_in_child=_plain_streams)

    def begin(self, text: str) -> None:
        """Make everything ready for the next run; `text` is its JSON request."""
        request = json.loads(text)
        if self.fresh or not self.stateful:
            self._restore(request["folder"])
            self.shell.user_ns.update(self.inside.load_values(self.values))
            self.fresh = False
        self.shell.user_ns.update(request["variables"])
        processes = request["processes"] if "userns" in self.layers else None
        self.rlimits = self.inside.apply_limits(
            request["memory"], request["file"], processes, for_good=False
        )
        self.threads = set(threading.enumerate())
        with contextlib.suppress(RuntimeError):
            self.tasks = set(asyncio.all_tasks())

    def _restore(self, folder: str) -> None:
        builtins.__dict__.clear()
        builtins.__dict__.update(self.builtins)
        old = os.path.dirname(folder)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(self.environment, TMPDIR=folder, HOME=folder)
        tempfile.tempdir = None
        sys.stdin, sys.stdout, sys.stderr = self.streams
        sys.path[:], sys.argv[:] = self.path, self.argv
        sys.setrecursionlimit(self.recursion)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        namespace = self.shell.user_ns
        namespace.clear()
        namespace.update(self.namespace)
        for name in ("In", "Out"):
            with contextlib.suppress(KeyError, AttributeError):
                namespace[name].clear()
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and file.startswith(old + os.sep):
                del sys.modules[name]
        warnings.filters[:] = self.filters  # type: ignore[index]  # a list in fact
        warnings.filterwarnings("ignore", message="To exit: use")
        random.setstate(self.random)
        numpy = sys.modules.get("numpy")
        if numpy is not None and hasattr(numpy, "random"):
            if self.numpy is None:  # imported by generated code: as random as a new process
                numpy.random.seed()
                self.numpy = numpy.random.get_state()
            numpy.random.set_state(self.numpy)
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is not None:
            pyplot.close("all")

    def report(self, result: Any) -> None:
        """After each run: the exception in plain words, and what is left behind."""
        with contextlib.suppress(Exception):  # streams may be what the program replaced
            _drain()
        error = result.error_before_exec or result.error_in_exec
        facts = {
            "token": self.token,
            "error": None if error is None else self.inside.describe(error, _generated),
            "rlimits": self.rlimits,
            "threads": len([t for t in threading.enumerate() if t not in self.threads]),
        }
        self.shell.display_pub.publish(data={REPORT: facts}, metadata={})


def _generated(filename: str) -> bool:
    return filename.startswith("<ipython-input") or "ipykernel_" in os.path.dirname(filename)
