"""What programs find in a child kernel.

Loaded by path in the kernel's process (see `kernel_side.py`), which makes this state once and
imports ahead. Each program meets it in a fork, a `--stateful` one in the kernel itself.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import importlib.util
import io
import os
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from typing import Any, NoReturn

_INSTALLED = {"site-packages", "dist-packages"}
_AT_END = (("multiprocessing.util", "_exit_function"), ("logging", "shutdown"))


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
    """The state of the new kernel, and how a program finds it.

    Args:
        shell: the InteractiveShell.
        inside: the module `inside.py`.
        installed: folders this interpreter imports from by itself, without the user's.
        hostile: modules that do not let a process be forked.
    """

    def __init__(
        self, shell: Any, inside: Any, installed: list[str], hostile: frozenset[str]
    ) -> None:
        self.shell, self.inside, self.installed = shell, inside, installed
        self.hostile = hostile
        self.begun = False
        inside.forbid_input()
        inside.ready()
        shell.user_ns.update(exit=_exit, quit=_exit)
        sys.path.insert(0, "")  # the folder of the program first, as for any script
        sys.argv[:] = [""]
        warnings.filterwarnings("ignore", message="To exit: use")

    def begin(self, request: dict[str, Any], values: int | None) -> None:
        """Make everything ready for a program in this process.

        Args:
            request: `folder` to work in, `values` (their names), `variables`, whether there is a
                `terminal` and whether there are `rlimits`, and these: `memory` and `file` in bytes
                and `processes` (null where they cannot be counted apart). Of a second program
                only its `variables` count.
            values: descriptor of the file the values are in; it is closed.

        Raises:
            ValueError: a value could not be rebuilt.
        """
        if not self.begun:
            self.begun = True
            os._exit = _flushing(os._exit)
            os.chdir(request["folder"])
            os.environ.update(TMPDIR=request["folder"], HOME=request["folder"])
            tempfile.tempdir = None
            self.shell.user_ns.update(self.inside.load_values(request["values"], values))
            if not request["terminal"]:
                self.shell.system = self.shell.system_raw  # `!command` wants one
            self.inside.apply_limits(
                *(request[name] for name in ("memory", "file", "processes")),
                wanted=request["rlimits"],
            )
        elif values is not None:
            os.close(values)
        self.shell.user_ns.update(request["variables"])

    def described(self, error: BaseException | None) -> dict[str, Any] | None:
        """How the program ended: its exception in plain words."""
        described: dict[str, Any] | None = None
        if error is not None:
            described = self.inside.describe(error, _generated)
        return described

    def forks(self) -> bool:
        """Whether a fork of this process works like it: on Linux, without threads, and without
        modules that have some of their own. On other systems the libraries that modules are built
        on may refuse one.
        """
        return (
            sys.platform == "linux"
            and threading.active_count() == 1
            and not any(name in sys.modules for name in self.hostile)
        )

    def preload(self, modules: list[str]) -> bool:
        """Import those of `modules` that are installed, so that the program need not wait; whether
        there are more now.

        Only from `site-packages`: a file of the user's or of a program may do anything when it
        is imported, and must do it while the program runs. None that would keep this process
        from being forked. What the import prints is dropped.
        """
        missing = [
            name
            for name in modules
            if name not in sys.modules and name.partition(".")[0] not in self.hostile
        ]
        if not missing:
            return False
        before = len(sys.modules)
        path, sys.path[:] = list(sys.path), self.installed
        try:
            with _silent():
                for name in missing:
                    if _is_installed(name.partition(".")[0]):
                        # The program will meet the same error, and then it counts.
                        with contextlib.suppress(BaseException):
                            importlib.import_module(name)
        finally:
            sys.path[:] = path
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a module may have seen to it
        return len(sys.modules) != before

    def forked(self) -> None:
        """In a fork: what it is to have of its own. What is called at its end is what the program
        asks for, and what these do for whoever uses them.
        """
        if "numpy.random" in sys.modules:
            sys.modules["numpy.random"].seed()  # `random` does so by itself
        atexit._clear()
        for name, at_end in _AT_END:
            if name in sys.modules:
                atexit.register(getattr(sys.modules[name], at_end))
        # The pages that any program writes to are this process's own from now on.
        self.shell.run_cell("import sys\nprint(end='')", store_history=False)
        self.shell.user_ns.pop("sys", None)

    def finish(self) -> None:
        """What a script does at its end, so that files it did not close are whole. Where threads
        go on, what they use stays.
        """
        atexit._run_exitfuncs()
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            sys.__dict__.pop(name, None)
        if not _writes_to_files():
            return  # what follows looks at all there is, and frees it
        for each in gc.get_objects():
            # Of a file in a cycle, the parts may be closed in any order, and what it holds be lost.
            if isinstance(each, io.IOBase) and not each.closed:
                with contextlib.suppress(Exception):
                    each.flush()
        if threading.active_count() == 1:
            hook = self.shell.displayhook
            hook._ = hook.__ = hook.___ = hook.exec_result = None
            self.shell.last_execution_result = None
            self.shell.history_manager.output_hist.clear()
            self.shell.user_ns.clear()
            gc.collect()


def _writes_to_files() -> bool:
    """Whether a file is open for writing."""
    import fcntl
    import stat

    writing = os.O_WRONLY | os.O_RDWR
    for name in os.listdir("/proc/self/fd" if sys.platform == "linux" else "/dev/fd"):
        with contextlib.suppress(OSError):
            regular = stat.S_ISREG(os.fstat(int(name)).st_mode)
            if regular and fcntl.fcntl(int(name), fcntl.F_GETFL) & writing:
                return True
    return False


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
