"""Kernels started ahead: the next program, question, or hang finds one that is up.

One pool per process. It holds kernels that have run nothing; one that has run generated code is
never given to another run. It starts with the first run that wants a child kernel, never when the
package or the extension is loaded.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections.abc import Sequence

from codesteer_jupyter.errors import ExecutorError
from codesteer_jupyter.execution.folder import SharedFolder
from codesteer_jupyter.execution.kernel import ChildKernel, started_alike
from codesteer_jupyter.steering.execution import Access

__all__ = ["KernelPool", "close_pool", "kernel_pool"]

_MOST_MODULES = 16


class KernelPool:
    """Never-used kernels, and what the notebook's programs imported last.

    Args:
        spares: how many kernels wait.
    """

    def __init__(self, spares: int = 1) -> None:
        self._folder = SharedFolder()
        self._most = spares
        self._spares: list[ChildKernel] = []
        self._modules: dict[str, None] = {}
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._closed = False

    @property
    def spares(self) -> tuple[ChildKernel, ...]:
        """The kernels that wait."""
        return tuple(self._spares)

    def take(self, access: Access) -> ChildKernel:
        """A kernel nobody has used, up already where one waited; the caller ends it.

        Args:
            access: what code may do in it beyond the default; a kernel is confined when it starts.

        Raises:
            ExecutorError: no process could be started.
        """
        with self._lock:
            like = started_alike(access)
            while self._spares:
                kernel = self._spares.pop(0)
                # One from before a changed folder or environment would not find the same.
                if kernel.alive and kernel.like == like:
                    break
                kernel.kill()
            else:
                kernel = self._start(access)
            kernel.prepare(tuple(self._modules))
            return kernel

    def give_back(self, kernel: ChildKernel) -> None:
        """Let a kernel wait again, if it is as new and there is room; else end it. One with
        modules imported ahead is ended, because a waiting one has to be small.
        """
        with self._lock:
            good = kernel.fresh and not kernel.prepared and kernel.alive
            if good and not self._closed and len(self._spares) < self._most:
                self._spares.append(kernel)
                return
        kernel.kill()

    def refill(self, access: Access) -> None:
        """Start what is missing, in the background: only the process is started here. A spare
        is a convenience, so one that cannot be started is no error.
        """
        with self._lock, contextlib.suppress(ExecutorError):
            like = started_alike(access)
            for kernel in [each for each in self._spares if each.like != like or not each.alive]:
                self._spares.remove(kernel)
                kernel.kill()
            while not self._closed and len(self._spares) < self._most:
                self._spares.append(self._start(access))

    def imported(self, modules: Sequence[str]) -> None:
        """Remember what a program imports; the next kernel that is taken imports it at once."""
        with self._lock:
            for name in modules:
                self._modules.pop(name, None)
                self._modules[name] = None
            for name in list(self._modules)[:-_MOST_MODULES]:
                del self._modules[name]

    def _start(self, access: Access) -> ChildKernel:
        root = self._folder.root
        return ChildKernel(root.unguessed(), root.path, access)

    def close(self) -> None:
        """End the kernels that wait, and remove the folder. Calling it twice is fine; in a fork
        of the owner it does nothing.
        """
        if os.getpid() != self._process:
            return
        with self._lock:
            self._closed = True
            while self._spares:
                self._spares.pop().kill()
        self._folder.remove()


_shared: KernelPool | None = None


def kernel_pool() -> KernelPool:
    """The pool of this process, made on first use; a fork of the process has none of its parent's
    kernels.
    """
    global _shared
    if _shared is None or _shared._process != os.getpid() or _shared._closed:
        _shared = KernelPool()
    return _shared


def close_pool() -> None:
    """End what waits. The next use makes a new pool."""
    if _shared is not None:
        _shared.close()


atexit.register(close_pool)
