"""Passes over a few tokens whose shape never changes, so that a GPU can replay them.

Launching some thousand small kernels takes longer than a GPU needs to run them; a CUDA graph
launches all at once. A pass writes into the kept buffers at positions that are data and reads a
window of them, so one graph serves many lengths. Where a compiler is at hand, the pass is compiled
in the background and its graphs are captured anew; until then it runs as it is.
"""

from __future__ import annotations

import gc
import itertools
import logging
import threading
import time
import types
from collections.abc import Callable, Sequence
from typing import Any

import torch

from codesteer_jupyter.guides.engine.graphs import NotRecorded
from codesteer_jupyter.guides.engine.kept import PIECE, KeptCache

__all__ = ["Steps", "window_for", "windows"]

_log = logging.getLogger(__name__)
_SMALLEST = 512
_copies = itertools.count()


def windows(room: int) -> list[int]:
    """The windows that are read of so many tokens, in whole pieces: a few sizes, each at most a
    quarter larger than the one before it, or a piece.
    """
    sizes = [min(_SMALLEST, room)]
    while sizes[-1] < room:
        sizes.append(min(-(-sizes[-1] * 5 // 4 // PIECE) * PIECE, room))
    return sizes


def window_for(tokens: int, room: int) -> int:
    """The window for so many tokens."""
    return next(window for window in windows(room) if window >= tokens)


class Steps:
    """Passes of fixed shape behind one kept cache. Its owner holds a lock around all of it.

    Args:
        forward: the model's forward.
        kept: where keys and values are.
        cache_name: what the forward calls its cache.
        device: of the model.
        record: records a pass for replaying (see `Recorder`); None runs passes as they are.

    Attributes:
        seconds: what capturing and compiling took, by name, for the record.
        remark: why passes are not compiled, or "".
    """

    def __init__(
        self,
        forward: Any,
        kept: KeptCache,
        cache_name: str,
        device: Any,
        record: Callable[[Callable[[], Any]], Callable[[], Any]] | None = None,
    ) -> None:
        self._forward = forward
        self._kept = kept
        self._cache_name = cache_name
        self._device = device
        self.record = record
        self._captured: dict[tuple[int, int], Callable[[], Any]] = {}
        self._capacity = kept.capacity
        self._pass: Callable[..., Any] = self._plain
        self._buffers: dict[int, tuple[Any, Any]] = {}
        self._behind: tuple[tuple[int, ...], Any] | None = None
        self._compiling: threading.Thread | None = None
        self._closed = threading.Event()
        self.seconds: dict[str, float] = {}
        self.remark = ""
        self._unrecorded = ""

    @property
    def ready(self) -> bool:
        """Whether something was read before, so that the buffers are there."""
        return bool(self._kept.layers[0].is_initialized)

    def told(self) -> str:
        """How the passes run now, in a few words, with what setting them up took."""
        captured = self.seconds.get("capture")
        parts = [self._unrecorded] if self._unrecorded else []
        if captured is not None and not parts:
            parts = [f"CUDA graphs (captured in {captured:.1f} s)"]
        compiled = self.seconds.get("compile")
        if compiled is not None:
            parts.append(f"compiled in {compiled:.0f} s")
        elif self.remark:
            parts.append(self.remark)
        return ", ".join(parts)

    def run(self, tokens: Sequence[int], width: int) -> tuple[Any, Any]:
        """Read `tokens`, at most `width`, behind what is kept (the caller then tells the cache
        which of them to keep). Returns logits (width, vocabulary) and the likeliest tokens
        (width,), valid until the next run; rows beyond the tokens mean nothing.
        """
        self._kept.reserve(width)
        if self._kept.capacity != self._capacity:
            self._grown()
        begin = len(self._kept.ids)
        ids, position = self._given(tokens, range(begin, begin + width))
        window = window_for(begin + width, self._kept.room)
        return self._replayed(ids, position, window)

    def capture_all(self, widths: Sequence[int]) -> None:
        """Record what will be needed, before anything else uses the GPU: what another thread waits
        for on the GPU breaks a recording off.
        """
        for window in reversed(windows(self._kept.room)):  # what is freed serves the smaller
            for width in widths:
                if self.record is not None:
                    self._replayed(*self._given([], self._kept.unused(width)), window)

    def _grown(self) -> None:
        """The buffers are others now: nothing that was captured or compiled fits them."""
        self._captured.clear()
        self._capacity = self._kept.capacity
        self._pass = self._plain
        self.seconds.pop("compile", None)
        if self._behind is not None:
            self.compile_behind(*self._behind)

    def _given(self, tokens: Sequence[int], places: range) -> tuple[Any, Any]:
        """Tokens (1, width) and where they go (width,), on the device, always in the same place."""
        width = len(places)
        if width not in self._buffers:
            pinned = self._device.type == "cuda"
            host = torch.zeros((2, width), dtype=torch.int64, pin_memory=pinned)
            self._buffers[width] = host, host.to(self._device, copy=True)
        host, inputs = self._buffers[width]
        # The last run's results have been read by now, so its inputs were copied long ago.
        host.copy_(torch.tensor([[*tokens, *[0] * (width - len(tokens))], [*places]]))
        inputs.copy_(host, non_blocking=True)
        return inputs[:1], inputs[1]

    def _replayed(self, ids: Any, position: Any, window: int) -> tuple[Any, Any]:
        def call() -> Any:
            return self._pass(self._kept, ids, position, window)

        key = (position.shape[0], window)
        if self.record is not None and key not in self._captured and not self._busy():
            began = time.monotonic()
            try:
                self._captured[key] = self.record(call)
            except NotRecorded as error:
                # From here on as it is: what broke this recording off would break the next.
                self.record = None
                self._captured.clear()
                self._unrecorded = f"no CUDA graphs: {error}"
                _log.info("the guide's passes run as they are, with %s", self._unrecorded)
            took = time.monotonic() - began
            self.seconds["capture"] = self.seconds.get("capture", 0.0) + took
        replay = self._captured.get(key)
        result: tuple[Any, Any] = replay() if replay else call()
        return result

    def _plain(self, kept: KeptCache, ids: Any, position: Any, window: int) -> tuple[Any, Any]:
        kept.position, kept.window = position, window
        try:
            places = torch.arange(window, device=ids.device)
            logits = self._forward(
                input_ids=ids,
                # Rows that mean nothing may lie behind the last position the model knows.
                position_ids=position.clamp(max=kept.limit - 1)[None],
                attention_mask=(places[None] <= position[:, None])[None, None],
                use_cache=True,
                **{self._cache_name: kept},
            ).logits[0]
            return logits, logits.argmax(dim=-1)
        finally:
            kept.position = None

    def _busy(self) -> bool:
        return self._compiling is not None and self._compiling.is_alive()

    def compile_behind(self, widths: Sequence[int], lock: Any) -> threading.Thread:
        """Compile the passes in a thread of its own, where the buffers hold nothing; take them
        over, under `lock`, once they run. While it does, nothing is captured: it waits for the
        GPU. Buffers that grow are compiled for anew.
        """
        self._behind = tuple(widths), lock
        if self._compiling is None or not self._compiling.is_alive():
            self._compiling = threading.Thread(
                target=self._compile, args=self._behind, name="codesteer-compile", daemon=True
            )
            self._compiling.start()
        return self._compiling

    def close(self) -> threading.Thread | None:
        """Let go of model and cache. Returns the thread that still has them, if there is one."""
        self._closed.set()
        self._captured.clear()
        self._buffers.clear()
        self.record = self._behind = None
        self._pass = self._plain
        compiling = self._compiling if self._busy() else None
        self._forward = self._kept = self._compiling = None  # type: ignore[assignment]  # freed
        return compiling

    def _compile(self, widths: tuple[int, ...], lock: Any) -> None:
        began = time.monotonic()
        try:
            while not self._closed.is_set():
                with lock:
                    if self._closed.is_set():
                        break
                    twin = self._kept.twin()
                compiled = self._compiled(twin, widths)
                with lock:
                    if self._closed.is_set():
                        break
                    if twin.capacity == self._kept.capacity:
                        self._compiling = None  # captures may begin
                        self._pass = compiled
                        self._captured.clear()
                        self.seconds["compile"] = time.monotonic() - began
                        return
        except Exception as error:  # no compiler, no Triton, or a model it cannot follow
            first = (str(error).strip() or type(error).__name__).split("\n")[0][:200]
            self.remark = f"not compiled: {first}"
            self._behind = None
            _log.info("the guide's passes are %s", self.remark)
        if self._closed.is_set():
            twin = compiled = None  # type: ignore[assignment]  # freed, which nobody else does now
            gc.collect()
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    def _compiled(self, twin: KeptCache, widths: tuple[int, ...]) -> Callable[..., Any]:
        """The pass, compiled for all that will be asked of it: a reply never waits for that."""
        own = _copy(self._plain)
        compiled: Callable[..., Any] = torch.compile(
            own, fullgraph=True, options={"coordinate_descent_tuning": True}
        )
        with torch.no_grad():
            for width, window in itertools.product(widths, windows(twin.room)):
                if self._closed.is_set():
                    break
                places = torch.tensor(list(twin.unused(width)), device=self._device)
                inputs = torch.stack([torch.zeros_like(places), places])
                compiled(twin, inputs[:1], inputs[1], window)
            if self._device.type == "cuda":
                torch.cuda.current_stream(self._device).synchronize()
        return compiled


def _copy(method: Any) -> Any:
    """`method` with code of its own: torch counts by code how often it compiles, gives up at eight,
    and takes what differs between two models for what varies within one.
    """
    name = f"{method.__name__}_{next(_copies)}"
    code = method.__func__.__code__.replace(co_name=name)
    return types.MethodType(
        types.FunctionType(code, method.__func__.__globals__, name), method.__self__
    )
