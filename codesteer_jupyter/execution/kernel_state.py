"""What a child kernel returns to after every program: the state it had when it was new.

Loaded by path in the kernel's process (see `kernel_side.py`). Restored are the namespace,
builtins, `sys.path`, streams, the environment, the folder, random state, signal handlers,
warnings and resource limits; modules imported from a scratch folder are forgotten. What code did
inside imported modules stays. What cannot be taken back is reported (threads, audit hooks, a closed
stream, hooks of IPython), and the asking process then takes a new kernel.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import importlib
import importlib.util
import os
import random
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from typing import Any, NoReturn

_INSTALLED = {"site-packages", "dist-packages"}


def _exit(code: object = None) -> NoReturn:
    """In place of IPython's `exit`, which would end the kernel."""
    raise SystemExit(code)


def _flushing(end: Any) -> Any:
    """`os._exit` that lets what was printed out first; in forked processes the plain one."""
    process = os.getpid()

    def _exit(status: int) -> NoReturn:
        if os.getpid() == process:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()
        end(status)
        raise SystemExit(status)  # not reached

    return _exit


def _generated(filename: str) -> bool:
    return filename.startswith("<ipython-input")


class State:
    """The state of the new kernel, and the way back to it.

    Args:
        shell: the InteractiveShell.
        inside: the module `inside.py`.
        installed: folders this interpreter imports from by itself, without the user's.
    """

    def __init__(self, shell: Any, inside: Any, installed: list[str]) -> None:
        self.shell, self.inside, self.installed = shell, inside, installed
        self.home = os.getcwd()
        self.folder = ""
        self.stateful = False
        self.begun = False
        self.limits: Any = None
        inside.forbid_input()
        shell.user_ns.update(exit=_exit, quit=_exit)
        sys.path.insert(0, "")  # the folder of the program first, as for any script
        os._exit = _flushing(os._exit)
        self.namespace = dict(shell.user_ns)
        self.builtins = dict(builtins.__dict__)
        self.path, self.argv = list(sys.path), [""]
        self.environment = dict(os.environ)
        self.streams = (sys.stdin, sys.stdout, sys.stderr)
        self.files = [os.fstat(number)[:3] for number in (1, 2)]
        self.shell_hooks = self._shell_hooks()
        self.recursion = sys.getrecursionlimit()
        self.random = random.getstate()
        self.numpy: Any = None
        self.handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
        warnings.filterwarnings("ignore", message="To exit: use")
        self.filters = list(warnings.filters)
        self.threads = set(threading.enumerate())
        self.hooked = False
        sys.addaudithook(self._heard)

    def _heard(self, event: str, _arguments: tuple[object, ...]) -> None:
        # A hook cannot be removed: it would see, and act in, every later program.
        if event == "sys.addaudithook":
            self.hooked = True

    def _shell_hooks(self) -> list[list[Any]]:
        """What IPython calls around, or does to, the text of a program."""
        shell = self.shell
        manager = shell.input_transformer_manager
        return [
            *([*callbacks] for callbacks in shell.events.callbacks.values()),
            [*shell.input_transformers_post],
            [*shell.ast_transformers],
            [*manager.cleanup_transforms, *manager.line_transforms, *manager.token_transformers],
        ]

    def _damaged(self) -> bool:
        """Whether output would be lost, or the next program be changed before it runs."""
        try:
            whole = all(
                stream.fileno() == number and os.fstat(number)[:3] == known
                for number, stream, known in zip((1, 2), self.streams[1:], self.files, strict=True)
            )
            return not whole or self._shell_hooks() != self.shell_hooks
        except Exception:  # closed, detached, or replaced by something else
            return True

    def begin(self, request: dict[str, Any]) -> None:
        """Make everything ready for the next program.

        Args:
            request: `folder` to work in, `values` (their names) in the file of `descriptor` (or
                null), `variables`, `stateful`, `modules`, whether there is a `terminal` and
                whether there are `rlimits`, and these, which the first program's hold for all:
                `memory` and `file` in bytes and `processes` (null where they cannot be counted
                apart).

        Raises:
            ValueError: a value could not be rebuilt, or the limits are not to be had again.
        """
        self.stateful = request["stateful"]
        self.preload(request["modules"])
        if not self.begun or not self.stateful:
            self.begun = True
            self.folder = request["folder"]
            os.chdir(self.folder)
            os.environ.update(TMPDIR=self.folder, HOME=self.folder)
            tempfile.tempdir = None
            values = self.inside.load_values(request["values"], request["descriptor"])
            self.shell.user_ns.update(values)
        elif request["descriptor"] is not None:
            os.close(request["descriptor"])
        self.shell.user_ns.update(request["variables"])
        self.threads = set(threading.enumerate())
        if not request["terminal"]:
            self.shell.system = self.shell.system_raw  # `!command` wants one
        if self.limits is None:
            _, self.limits = self.inside.apply_limits(
                *(request[name] for name in ("memory", "file", "processes")),
                wanted=request["rlimits"],
            )
        elif not self.stateful:
            self.limits.restore()

    def report(self, error: BaseException | None) -> dict[str, Any]:
        """How the program ended: its exception in plain words, and what is left behind."""
        described = None if error is None else self.inside.describe(error, _generated)
        left = [thread for thread in threading.enumerate() if thread not in self.threads]
        return {"error": described, "left": len(left) + self.hooked + self._damaged()}

    def end(self) -> None:
        """Back to the base, after a program and while nobody waits."""
        if not self.stateful:
            self._restore()

    def preload(self, modules: list[str]) -> None:
        """Import those of `modules` that are installed, so that the program need not wait.

        Only from `site-packages`: a file of the user's or of a program may do anything when it
        is imported, and must do it while the program runs. What the import prints is dropped.
        """
        missing = [name for name in modules if name not in sys.modules]
        if not missing:
            return
        path, sys.path[:] = list(sys.path), self.installed
        before = list(warnings.filters), dict(os.environ)
        try:
            with _silent():
                for name in missing:
                    if _is_installed(name.partition(".")[0]):
                        # The program will meet the same error, and then it counts.
                        with contextlib.suppress(BaseException):
                            importlib.import_module(name)
        finally:
            sys.path[:] = path
        # What a module sets up when it is imported stays as long as the module does.
        self.filters += [each for each in warnings.filters if each not in before[0]]
        for name, value in os.environ.items():
            if before[1].get(name) != value:
                self.environment[name] = value
        self._seed_numpy()

    def _seed_numpy(self) -> None:
        """As random as in a new process, and the same for every program of this kernel."""
        numpy = sys.modules.get("numpy")
        if numpy is not None and hasattr(numpy, "random") and self.numpy is None:
            numpy.random.seed()
            self.numpy = numpy.random.get_state()

    def _restore(self) -> None:
        builtins.__dict__.clear()
        builtins.__dict__.update(self.builtins)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self.handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                with contextlib.suppress(OSError, ValueError):
                    signal.signal(number, handler)
        os.chdir(self.home)
        os.environ.clear()
        os.environ.update(self.environment)
        tempfile.tempdir = None
        sys.stdin, sys.stdout, sys.stderr = self.streams
        sys.path[:], sys.argv[:] = self.path, self.argv
        sys.setrecursionlimit(self.recursion)
        for follow in (sys.settrace, sys.setprofile, threading.settrace, threading.setprofile):
            follow(None)  # None is how each is taken away
        gc.callbacks.clear()
        namespace, hook = self.shell.user_ns, self.shell.displayhook
        namespace.clear()
        namespace.update(self.namespace)
        hook._ = hook.__ = hook.___ = ""
        for name in ("In", "Out"):
            with contextlib.suppress(KeyError, AttributeError):
                namespace[name].clear()
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and file.startswith(self.folder + os.sep):
                del sys.modules[name]
        sys.path_importer_cache.pop(self.folder, None)  # what was to be found in it
        warnings.filters[:] = self.filters  # type: ignore[index]  # a list in fact
        random.setstate(self.random)
        self._seed_numpy()
        if self.numpy is not None:
            sys.modules["numpy"].random.set_state(self.numpy)
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is not None:
            pyplot.close("all")
        if "asyncio" in sys.modules:
            sys.modules["asyncio"].set_event_loop_policy(None)


def _is_installed(name: str) -> bool:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return False
    if spec is None:
        return False
    places = [spec.origin or "", *(spec.submodule_search_locations or ())]
    return any(_INSTALLED.intersection(place.split(os.sep)) for place in places)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Descriptors 1 and 2 lead nowhere: libraries write to them past `sys.stdout`."""
    kept = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for number in (*kept, nowhere):
            os.close(number)
