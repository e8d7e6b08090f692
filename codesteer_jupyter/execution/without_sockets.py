"""What `multiprocessing` uses local sockets for, done without them: generated code has none.

The filter of system calls sees no addresses, so it could not tell a socket of the run from one of
another program. Instead

* a descriptor (of a tensor, for torch) is opened by its receiver in the sender's /proc, which only
  processes behind the same confinement can do, and not fetched from a listener of the sender's;
* processes start by `fork` where a server of forks would be the default, and by `spawn` where a
  program asks for that server;
* a manager, which serves on a socket by its nature, says what to use instead.

Loaded by path in a process that runs generated code, so it imports the standard library only, and
of it nothing that the program has not asked for: modules are changed when they are imported.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

__all__ = ["install"]

_FLAGS = os.O_ACCMODE | os.O_APPEND | os.O_NONBLOCK
_KEY = 8  # bytes of the number of a descriptor that was handed over
_NO_MANAGER = (
    "multiprocessing.Manager needs a local socket, and there are none here; share data through "
    "multiprocessing.Queue, Pipe, Value, Array or shared_memory, or pass it as arguments."
)
_NO_SOCKET = (
    "A socket (also one end of multiprocessing.Pipe()) cannot be sent to a process that runs "
    "already; pass it to Process(args=...) when the process is started."
)


def install() -> None:
    """Change the modules that are loaded, and the others when they will be. Nothing is done where
    local sockets can be had.
    """
    if sys.platform != "linux" or any(isinstance(each, _Finder) for each in sys.meta_path):
        return
    import _socket

    try:
        _socket.socket(_socket.AF_UNIX).close()
    except PermissionError:
        sys.meta_path.insert(0, _Finder())
        for name, change in _CHANGES.items():
            if name in sys.modules:
                change(sys.modules[name])


class _Finder:
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _CHANGES:
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        _CHANGES[module.__name__](module)


# -- ways to start processes -----------------------------------------------------------------------


def _contexts(module: Any) -> None:
    default, known = module._default_context, module._concrete_contexts
    for name in ("_default_context", "_actual_context"):
        if getattr(default, name) is known["forkserver"]:
            setattr(default, name, known["fork"])
    module.ForkServerProcess._Popen = staticmethod(module.SpawnProcess._Popen)


def _spawned(module: Any) -> None:
    """A new interpreter needs this file, too: it receives what forked processes send."""
    plain = module.get_command_line
    begin = (
        "from importlib.util import module_from_spec as m, spec_from_file_location as s; "
        f"s = s('codesteer_without_sockets', {os.path.abspath(__file__)!r}); m = m(s); "
        "s.loader.exec_module(m); m.install(); "
    )

    def get_command_line(**words: Any) -> list[str]:
        command: list[str] = plain(**words)
        if "-c" in command:
            command[command.index("-c") + 1] = begin + command[command.index("-c") + 1]
        return command

    module.get_command_line = get_command_line


def _managers(module: Any) -> None:
    def start(*_: Any, **__: Any) -> None:
        raise PermissionError(_NO_MANAGER)

    module.BaseManager.start = start


# -- descriptors -----------------------------------------------------------------------------------


class _Kept:
    """Copies of the descriptors that this process sends, until their receivers have them. Each
    writes the number of what it has opened into a pipe, which is emptied before the next is sent.
    """

    def __init__(self) -> None:
        self._acknowledged, self.acknowledge = os.pipe()
        os.set_blocking(self._acknowledged, False)
        self._copies: dict[int, int] = {}
        self._keys = itertools.count(1)

    def add(self, descriptor: int) -> tuple[int, int]:
        """Its copy, and the number to acknowledge it with."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._acknowledged, 512 * _KEY):
                for at in range(0, len(data), _KEY):
                    copy = self._copies.pop(int.from_bytes(data[at : at + _KEY], "little"), None)
                    if copy is not None:
                        os.close(copy)
        key, copy = next(self._keys), os.dup(descriptor)
        self._copies[key] = copy
        return copy, key

    def close(self) -> None:
        for number in (self._acknowledged, self.acknowledge, *self._copies.values()):
            with contextlib.suppress(OSError):
                os.close(number)


_kept: _Kept | None = None
_lock: Any = None


def _new_process() -> None:
    """A forked process sends nothing of its parent's."""
    global _kept, _lock
    import _thread

    _lock = _thread.allocate_lock()
    if _kept is not None:
        _kept.close()
        _kept = None


class DupFd:
    """In place of `multiprocessing.resource_sharer.DupFd`: a descriptor on its way."""

    def __init__(self, fd: int) -> None:
        import fcntl

        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            raise PermissionError(_NO_SOCKET)
        global _kept
        with _lock:
            _kept = _kept or _Kept()
            copy, key = _kept.add(fd)
            flags = fcntl.fcntl(fd, fcntl.F_GETFL) & _FLAGS
            self._sent = os.getpid(), copy, flags, _kept.acknowledge, key

    def detach(self) -> int:
        """The descriptor, in the process that received this. To be called once."""
        sender, copy, flags, acknowledge, key = self._sent
        got = os.open(f"/proc/{sender}/fd/{copy}", flags | os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # it is only told what it may close
            pipe = os.open(
                f"/proc/{sender}/fd/{acknowledge}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
            )
            try:
                os.write(pipe, key.to_bytes(_KEY, "little"))
            finally:
                os.close(pipe)
        return got


def _sharer(module: Any) -> None:
    # Pickles name the class by its module.
    DupFd.__module__ = module.__name__
    module.DupFd = DupFd
    if _lock is None:
        _new_process()
        os.register_at_fork(after_in_child=_new_process)


_CHANGES: dict[str, Callable[[Any], None]] = {
    "multiprocessing.context": _contexts,
    "multiprocessing.spawn": _spawned,
    "multiprocessing.managers": _managers,
    "multiprocessing.resource_sharer": _sharer,
}
