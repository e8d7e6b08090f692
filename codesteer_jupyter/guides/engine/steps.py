"""Passes over a few tokens whose shape never changes, so that a GPU can replay them.

Launching some thousand small kernels takes longer than a GPU needs to run them; a CUDA graph
launches all at once. A pass writes into the kept buffers at positions that are data and reads a
window of them, so one graph serves many lengths. Where a compiler is at hand, the pass is compiled
in the background and its graphs are captured anew; until then it runs as it is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from codesteer_jupyter.guides.engine.kept import KeptCache

__all__ = ["Steps", "window_for"]

_log = logging.getLogger(__name__)
_SMALLEST = 512
_ROUND = 256


def window_for(tokens: int, capacity: int) -> int:
    """The window for so many tokens: a few sizes only, at most a quarter larger than needed."""
    window = _SMALLEST
    while window < tokens:
        window = -(-window * 5 // 4 // _ROUND) * _ROUND
    return min(window, capacity)


class Steps:
    """Passes of fixed shape behind one kept cache.

    Args:
        forward: the model's forward.
        kept: where keys and values are.
        cache_name: what the forward calls its cache.
        device: of the model.
        graphs: capture CUDA graphs; False runs the same passes as they are.

    Attributes:
        seconds: what capturing and compiling took, by name, for the record.
        remark: why passes are not compiled, or "".
    """

    def __init__(
        self, forward: Any, kept: KeptCache, cache_name: str, device: Any, *, graphs: bool
    ) -> None:
        self._forward = forward
        self._kept = kept
        self._cache_name = cache_name
        self._device = device
        self._graphs = graphs
        self._pool: Any = None
        self._captured: dict[tuple[int, int], _Graph] = {}
        self._capacity = 0
        self._pass: Callable[..., Any] = self._plain
        self._buffers: dict[int, tuple[Any, Any]] = {}
        self.seconds: dict[str, float] = {}
        self.remark = ""

    @property
    def ready(self) -> bool:
        """Whether something was read before, so that the buffers are there."""
        return bool(self._kept.layers[0].is_initialized)

    def told(self) -> str:
        """How the passes run now, in a few words, with what setting them up took."""
        captured = self.seconds.get("capture")
        parts = [] if captured is None else [f"CUDA graphs (captured in {captured:.1f} s)"]
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
            self._captured.clear()
            self._capacity = self._kept.capacity
        begin = len(self._kept.ids)
        filled = [*tokens, *[0] * (width - len(tokens))]
        host, inputs = self._inputs(width)
        # The last run's results have been read by now, so its inputs were copied long ago.
        host.copy_(torch.tensor([filled, [*range(begin, begin + width)]]))
        inputs.copy_(host, non_blocking=True)
        ids, position = inputs[:1], inputs[1]
        window = window_for(begin + width, self._kept.capacity)
        if not self._graphs:
            return self._call(ids, position, window)
        graph = self._captured.get((width, window))
        if graph is None:
            graph = self._capture(ids, position, window)
            self._captured[width, window] = graph
        return graph.replay()

    def _inputs(self, width: int) -> tuple[Any, Any]:
        """Tokens and their positions, (2, width), here and on the device."""
        if width not in self._buffers:
            host = torch.zeros((2, width), dtype=torch.int64, pin_memory=self._graphs)
            self._buffers[width] = host, host.to(self._device, copy=True)
        return self._buffers[width]

    def _call(self, ids: Any, position: Any, window: int) -> tuple[Any, Any]:
        result: tuple[Any, Any] = self._pass(self._kept, ids, position, window)
        return result

    def _plain(self, kept: KeptCache, ids: Any, position: Any, window: int) -> tuple[Any, Any]:
        kept.position, kept.window = position, window
        try:
            places = torch.arange(window, device=ids.device)
            logits = self._forward(
                input_ids=ids,
                position_ids=position[None],
                attention_mask=(places[None] <= position[:, None])[None, None],
                use_cache=True,
                **{self._cache_name: kept},
            ).logits[0]
            return logits, logits.argmax(dim=-1)
        finally:
            kept.position = None

    def _capture(self, ids: Any, position: Any, window: int) -> _Graph:
        """Run once as it is, so that libraries set themselves up, then record."""
        began = time.monotonic()
        stream = torch.cuda.Stream(self._device)
        stream.wait_stream(torch.cuda.current_stream(self._device))
        graph = torch.cuda.CUDAGraph()
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        with torch.cuda.stream(stream):
            self._call(ids, position, window)
            stream.synchronize()
            # Not `torch.cuda.graph`, which empties the allocator's cache under the analyst's feet;
            # thread_local, because other threads of this kernel go on using the GPU.
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                outputs = self._call(ids, position, window)
            finally:
                graph.capture_end()
        torch.cuda.current_stream(self._device).wait_stream(stream)
        took = time.monotonic() - began
        self.seconds["capture"] = self.seconds.get("capture", 0.0) + took
        return _Graph(graph, outputs)

    def compile_behind(self, widths: Sequence[int], lock: Any) -> threading.Thread:
        """Compile the passes in a thread of its own, on buffers of its own; take them over, under
        `lock`, once they run.
        """
        thread = threading.Thread(
            target=self._compile, args=(tuple(widths), lock), name="codesteer-compile", daemon=True
        )
        thread.start()
        return thread

    def _compile(self, widths: tuple[int, ...], lock: Any) -> None:
        began = time.monotonic()
        try:
            compiled = torch.compile(
                self._plain, fullgraph=True, options={"coordinate_descent_tuning": True}
            )
            with torch.no_grad():
                twin = self._kept.twin()
                for width in widths:
                    for window in (_SMALLEST, 2 * _SMALLEST):
                        places = torch.arange(width, device=self._device)
                        inputs = torch.stack([torch.zeros_like(places), places])
                        compiled(twin, inputs[:1], inputs[1], min(window, twin.capacity))
                if self._device.type == "cuda":
                    torch.cuda.synchronize(self._device)
                del twin
        except Exception as error:  # no compiler, no Triton, or a model it cannot follow
            first = (str(error).strip() or type(error).__name__).split("\n")[0][:200]
            self.remark = f"not compiled: {first}"
            _log.info("the guide's passes are %s", self.remark)
            return
        with lock:
            self._pass = compiled
            self._captured.clear()
        self.seconds["compile"] = time.monotonic() - began


class _Graph:
    """A recorded pass and where it leaves its results."""

    def __init__(self, graph: Any, outputs: tuple[Any, Any]) -> None:
        self._graph = graph
        self._outputs = outputs

    def replay(self) -> tuple[Any, Any]:
        self._graph.replay()
        return self._outputs
