"""The local guides in this process's memory: loaded once, shared by all runs, freed on demand."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codesteer_jupyter.errors import GuideError
from codesteer_jupyter.guides.fetch import fetched, fetched_adapter
from codesteer_jupyter.guides.loading import Tell, engine_from
from codesteer_jupyter.guides.sizing import Plan, device_here, need, plan_for
from codesteer_jupyter.guides.weights import locate, split_adapter

if TYPE_CHECKING:
    from codesteer_jupyter.guides.engine.engine import Engine

__all__ = [
    "Wish",
    "begin",
    "failed",
    "is_here",
    "is_loaded",
    "leaving",
    "load",
    "plan",
    "status",
    "unload",
]

_LOADED: dict[str, tuple[Engine, Plan]] = {}
_BROKEN: dict[str, str] = {}
# What the background load of a guide said last; its error if it failed.
_TOLD: dict[str, str] = {}
# What is unloaded, but held by a thread that compiles its passes and frees it when it ends.
_LEAVING: dict[str, threading.Thread] = {}
_LOCK = threading.RLock()
# Each call that loads, or waits to, with the event that makes it give up.
_LOADING: list[tuple[str, threading.Event]] = []
_WAIT_SECONDS = 0.2
# A compiler that is told to stop does so after the shape it is at.
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Wish:
    """A local guide that is wanted.

    Attributes:
        spec: hub id, folder or .gguf file, perhaps `+adapter` behind it.
        allow_download: more than 200 MB may be fetched.
        memory: bytes it may take; None for what is free.
    """

    spec: str
    allow_download: bool = False
    memory: int | None = None


def is_loaded(spec: str) -> bool:
    """Whether `spec` is in memory."""
    return spec in _LOADED


def is_here(wish: Wish) -> bool:
    """Whether its weights are on this machine.

    Raises:
        GuideError: no such folder or file, or its weights are missing or cut off.
    """
    return locate(split_adapter(wish.spec)[0]).folder is not None


def plan(wish: Wish, tell: Tell | None = None, cancelled: threading.Event | None = None) -> Plan:
    """What loading takes. Fetches the weights if they are not here and that is allowed.

    Raises:
        GuideError: not found, not allowed, no extra, damaged, too large for this machine, or given
            up.
    """
    name, adapter = split_adapter(wish.spec)
    source = locate(name)
    device = device_here()
    if source.folder is None:
        source = fetched(source, wish.spec, wish.allow_download, tell, cancelled)
    folder = None
    if adapter is not None:
        need("peft")
        folder = fetched_adapter(adapter, wish.allow_download, cancelled)
    return plan_for(source, folder, wish.spec, device=device, memory=wish.memory)


def load(wish: Wish, tell: Tell | None = None, cancelled: threading.Event | None = None) -> Engine:
    """The engine for a wish: loaded once per process, the same object ever after. Blocking. `tell`
    hears what is about to be taken and how far loading is; `cancelled` is set to give up.

    Raises:
        GuideError: see `plan`; also no chat template, or weights that do not fit the model.
    """
    cancelled = cancelled or threading.Event()
    with _turn(wish.spec, cancelled):
        if wish.spec in _BROKEN:
            raise GuideError(_BROKEN[wish.spec])
        if wish.spec not in _LOADED:
            planned = plan(wish, tell, cancelled)
            if tell is not None:
                tell(planned.sentence(wish.spec))
            try:
                engine = engine_from(planned, wish.spec, tell, cancelled)
            except BaseException as error:
                _forget(error)
                raise
            _LOADED[wish.spec] = engine, planned
        return _LOADED[wish.spec][0]


@contextlib.contextmanager
def _turn(spec: str, cancelled: threading.Event) -> Iterator[None]:
    """Wait until nothing else is being loaded; `unload`, or setting `cancelled`, ends the wait."""
    entry = spec, cancelled
    _LOADING.append(entry)
    try:
        while not _LOCK.acquire(timeout=_WAIT_SECONDS):
            if cancelled.is_set():
                raise GuideError(f"Waiting to load {spec} was interrupted; ask again to load it.")
        try:
            yield
        finally:
            _LOCK.release()
    finally:
        _LOADING.remove(entry)


def _forget(error: BaseException) -> None:
    """Free what a failed load had taken, which the frames of its error would keep."""
    seen: BaseException | None = error
    while seen is not None:
        traceback.clear_frames(seen.__traceback__)
        seen = seen.__cause__
    _give_back()


def _give_back() -> None:
    """Give memory that nothing uses back to the GPU, unless a guide is replying on it, whose
    passes that would hold up.
    """
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return
    with contextlib.ExitStack() as stack:
        for engine, _ in [*_LOADED.values()]:
            if not engine.lock.acquire(blocking=False):
                return
            stack.callback(engine.lock.release)
        torch.cuda.empty_cache()


def begin(wish: Wish) -> threading.Thread:
    """Load a wish in a thread of its own; `status` tells how far it is, or why it failed."""

    def work() -> None:
        def tell(line: str) -> None:
            _TOLD[wish.spec] = line

        try:
            load(wish, tell)
        except GuideError as error:
            tell(error.message)
        except Exception as error:  # nobody else would hear of it
            tell(failed(wish.spec, error).message)
        else:
            _TOLD.pop(wish.spec, None)

    _TOLD[wish.spec] = f"Loading {wish.spec}."
    thread = threading.Thread(target=work, name="codesteer-guide", daemon=True)
    thread.start()
    return thread


def failed(spec: str, error: BaseException) -> GuideError:
    """What to raise after an engine broke in mid-work; a GPU's own errors last as long as the
    process, so the guide is not asked again here.
    """
    first = (str(error).strip() or type(error).__name__).split("\n")[0][:200]
    if isinstance(error, MemoryError) or "out of memory" in first.casefold():
        return GuideError(
            f"{spec} could not reply ({first}); free some memory, or use --guide rules."
        )
    # That others record a graph forbids much for a moment, but breaks nothing.
    lasting = "captur" not in first.casefold()
    if lasting and ("cuda" in first.casefold() or "device-side" in first.casefold()):
        _BROKEN[spec] = (
            f"The GPU failed while {spec} was replying ({first}); restart the kernel to use it "
            "again, or use --guide rules."
        )
        # Not under the lock, which another guide may hold for as long as it loads.
        _LOADED.pop(spec, None)
        return GuideError(_BROKEN[spec])
    return GuideError(f"{spec} could not reply ({first}); ask again, or use --guide rules.")


def unload(spec: str | None = None) -> list[str]:
    """Drop `spec`, or all, from memory; returns what was dropped. What is being loaded is given up.
    Waits for what is replying, and a few seconds for what is still compiled: `leaving` tells what
    frees its memory later.
    """
    for name, cancelled in list(_LOADING):
        if spec in (None, name):
            cancelled.set()
    with _LOCK:
        dropped = [name for name in _LOADED if spec in (None, name)]
        for name in dropped:
            engine = _LOADED.pop(name)[0]
            with engine.lock:
                compiling = engine.close()
            if compiling is not None:
                _LEAVING[name] = compiling
            del engine
    until = time.monotonic() + _PATIENCE_SECONDS
    for name in dropped:
        if name in _LEAVING:
            _LEAVING[name].join(max(until - time.monotonic(), 0))
    _give_back()
    return dropped


def leaving() -> list[str]:
    """What was unloaded, but frees its memory only when its passes are compiled."""
    for name, thread in [*_LEAVING.items()]:
        if not thread.is_alive():
            _LEAVING.pop(name, None)
    return [*_LEAVING]


def status() -> list[dict[str, Any]]:
    """What is in memory: spec, device, how it is held, bytes of weights and of the kept cache,
    context length in tokens, how its passes run. What is being loaded has its spec, and in `told`
    how far it is or why it failed.
    """
    waiting = [{"spec": spec, "told": line} for spec, line in _TOLD.items() if spec not in _LOADED]
    return waiting + [
        {
            "spec": spec,
            "device": plan.device,
            "held": plan.held,
            "bytes": plan.weights,
            "kept": engine.kept.size(),
            "context": engine.context,
            "passes": engine.steps.told() if engine.steps is not None else "",
        }
        for spec, (engine, plan) in _LOADED.items()
    ]
