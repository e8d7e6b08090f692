"""Passes recorded as CUDA graphs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import torch

__all__ = ["NotRecorded", "Recorder", "replayable"]


class NotRecorded(Exception):
    """A pass ran as it is, but could not be recorded."""


def replayable(model: Any) -> bool:
    """Whether nothing in this model's pass is known to wait for the GPU, which no graph can."""
    text = model.config.get_text_config()
    rope = getattr(text, "rope_parameters", None) or getattr(text, "rope_scaling", None) or {}
    parts = [part for part in (rope, *rope.values()) if isinstance(part, Mapping)]
    # A rope of this type looks at the positions, bitsandbytes in 8 bits at the activations.
    looking = any("dynamic" in str(part.get("rope_type", part.get("type"))) for part in parts)
    return not looking and not getattr(model, "is_loaded_in_8bit", False)


class Recorder:
    """Records passes on one stream, whose workspaces they share, and in one pool of memory."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, call: Callable[[], Any]) -> Callable[[], Any]:
        """Run `call` once as it is, so that libraries set themselves up, then record it. Returns
        what replays it, and gives what `call` gave.

        Raises:
            NotRecorded: it runs but cannot be recorded, or something came between.
        """
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            call()
            self._stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            try:
                # Not `torch.cuda.graph`, which empties the allocator's cache under the analyst's
                # feet; thread_local, because other threads of this kernel go on using the GPU.
                graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
                try:
                    outputs = call()
                finally:
                    graph.capture_end()
            except Exception as error:
                del graph
                self._mend()
                # The first one says why; ending the recording fails for that reason again.
                cause = error.__context__ or error
                raise NotRecorded(str(cause).strip().split("\n")[0][:200]) from error
        current.wait_stream(self._stream)

        def replay() -> Any:
            graph.replay()
            return outputs

        return replay

    def _mend(self) -> None:
        """Let the allocator and the random numbers of this process out of a recording that broke
        off, where torch leaves them in it.
        """
        index = torch.device(self._device).index
        index = torch.cuda.current_device() if index is None else index
        with contextlib.suppress(Exception):  # it had ended, or torch has no such call any more
            torch._C._cuda_endAllocateToPool(index, self._pool)
        with contextlib.suppress(Exception):
            generator = torch.cuda.default_generators[index]
            try:
                offset = generator.get_offset()
                torch.empty(1, device=self._device).uniform_()
                generator.set_offset(offset)
            except RuntimeError:
                generator.graphsafe_set_state(generator.clone_state())
