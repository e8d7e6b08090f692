"""Whether the live kernel can be forked here and now.

A fork is refused where it is known to hang or to harm: the reason is shown, and a child kernel
takes over.
"""

from __future__ import annotations

import platform
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil

from codesteer_jupyter.execution.hostile import HOSTILE
from codesteer_jupyter.execution.limits import MIB

__all__ = ["Surroundings", "hazard", "surroundings"]

_LEAST_FREE = 256 * MIB
_MACHINES = ("x86_64", "aarch64")


@dataclass(frozen=True)
class Surroundings:
    """What decides. `platform` as `sys.platform`; `machine` as `platform.machine()`; `free` in
    bytes; `missing` names layers without which a snapshot is not held, with the reason.
    """

    platform: str = "linux"
    machine: str = "x86_64"
    notebook: bool = True
    main_thread: bool = True
    cuda: bool = False
    modules: tuple[str, ...] = ()
    numba_threads: bool = False
    free: int = 2**40
    missing: str = ""


def hazard(here: Surroundings, memory: int | None = None) -> str:
    """Why this kernel cannot be forked; "" where it can.

    Args:
        here: as `surroundings` finds it.
        memory: bytes the code is allowed, where that was set.
    """
    if here.platform != "linux":
        system = {"darwin": "macOS", "win32": "Windows"}.get(here.platform, here.platform)
        return f"a snapshot of the kernel needs Linux, and this is {system}"
    if here.machine not in _MACHINES:
        return f"a snapshot can be confined on x86-64 and aarch64, and this is {here.machine}"
    if not here.notebook:
        return "there is no notebook kernel here to take a snapshot of"
    if not here.main_thread:
        return "the kernel's main thread is not waiting for this run"
    if here.cuda:
        return "CUDA is initialised in this kernel, and a forked process cannot use it"
    for name in here.modules:
        if name in HOSTILE:
            return (
                f"{HOSTILE[name]} is loaded in this kernel, and its threads do not survive a fork"
            )
    if here.numba_threads:
        return "numba's threads are started in this kernel and do not survive a fork"
    if here.free < max(_LEAST_FREE, memory or 0):
        return f"only {here.free / MIB:,.0f} MiB of memory are free"
    return here.missing


def surroundings(*, notebook: bool, main_thread: bool) -> Surroundings:
    """This process, looked at without importing anything it has not imported itself."""
    modules = tuple(name for name in HOSTILE if name in sys.modules)
    return Surroundings(
        platform=sys.platform,
        machine=platform.machine(),
        notebook=notebook,
        main_thread=main_thread and threading.main_thread().is_alive(),
        cuda=_cuda(sys.modules),
        modules=modules,
        numba_threads=_numba(sys.modules),
        free=int(psutil.virtual_memory().available),
        missing=_missing(),
    )


def _cuda(modules: Mapping[str, Any]) -> bool:
    torch = modules.get("torch")
    try:
        return torch is not None and bool(torch.cuda.is_initialized())
    except Exception:  # a torch that is half imported, or a stand-in
        return False


def _numba(modules: Mapping[str, Any]) -> bool:
    parallel = modules.get("numba.np.ufunc.parallel")
    return bool(getattr(parallel, "_is_initialized", False))


def _missing() -> str:
    from codesteer_jupyter.execution.confinement import probe

    reason = probe().get("seccomp", "") if sys.platform == "linux" else ""
    return f"processes of a snapshot cannot be held together here ({reason})" if reason else ""
