"""What a model has read, kept: keys and values of every layer, and the token ids they stand for.

`KeptCache` holds them in buffers that are allocated once and rewound by a counter, so that a CUDA
graph can write to the same addresses again and again. `PlainCache` stands in for models whose
layers keep something else as well (sliding windows, recurrent states).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache

__all__ = ["PIECE", "Kept", "KeptCache", "PlainCache", "common_prefix", "kept_for"]

_FIRST = 1024
# Buffers are whole pieces of so many tokens, and so are the windows that steps read.
PIECE = 256


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    most = min(len(one), len(other))
    if one[:most] == other[:most]:
        return most
    return next(at for at in range(most) if one[at] != other[at])


def _whole(tokens: int) -> int:
    """So many tokens in whole pieces."""
    return -(-tokens // PIECE) * PIECE


class Kept(Protocol):
    """The tokens that were read and the cache that `model.forward` takes for them."""

    ids: list[int]

    @property
    def cache(self) -> Any: ...

    def reserve(self, tokens: int) -> None:
        """Make room for `tokens` more."""
        ...

    def took(self, ids: Sequence[int]) -> None:
        """A forward pass has just added the keys and values of `ids`."""
        ...

    def rewind(self, length: int) -> int:
        """Keep at most the first `length` tokens; returns how many could be kept."""
        ...

    def branches(self, count: int) -> Any:
        """A cache for `count` continuations of what is kept, which stays as it is."""
        ...

    def size(self) -> int:
        """Bytes held."""
        ...


class KeptLayer(CacheLayerMixin):
    """Keys and values of one layer: two buffers of shape (1, heads, capacity, width). If the owner
    wants pieces the values have (pieces, heads, PIECE, width) instead: a window of them is one run
    of memory, which a GPU multiplies piece by piece without copying it first.
    """

    is_croppable = True

    def __init__(self, owner: KeptCache) -> None:
        super().__init__()
        self.owner = owner

    def lazy_initialization(self, key_states: Any, value_states: Any) -> None:
        self.device, self.dtype = key_states.device, key_states.dtype
        capacity = self.owner.capacity
        (heads, _, width), values = key_states.shape[1:], value_states.shape
        self.keys = key_states.new_zeros((1, heads, capacity, width))
        self.values = value_states.new_zeros(
            (capacity // PIECE, values[1], PIECE, values[3])
            if self.owner.pieces
            else (1, values[1], capacity, values[3])
        )
        self.is_initialized = True

    def update(
        self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any
    ) -> tuple[Any, Any]:
        owner = self.owner
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        if owner.position is not None:
            # A step of fixed shape: where it writes is data, what it reads is the window.
            window = owner.window
            self.keys.index_copy_(2, owner.position, key_states)
            if owner.pieces:
                self._put(owner.position, value_states)
                return self.keys[:, :, :window], self.values[: window // PIECE]
            self.values.index_copy_(2, owner.position, value_states)
            return self.keys[:, :, :window], self.values[:, :, :window]
        begin = len(owner.ids)
        if key_states.shape[0] > 1:
            # Several continuations: they share what is kept, and are themselves not kept.
            shape = (key_states.shape[0], -1, -1, -1)
            return (
                torch.cat([self.keys[:, :, :begin].expand(shape), key_states], 2),
                torch.cat([self._first(begin).expand(shape), value_states], 2),
            )
        end = begin + key_states.shape[2]
        self.keys[:, :, begin:end] = key_states
        if owner.pieces:
            self._put(torch.arange(begin, end, device=self.device), value_states)
        else:
            self.values[:, :, begin:end] = value_states
        return self.keys[:, :, :end], self._first(end)

    def _put(self, position: Any, value_states: Any) -> None:
        """Values into their pieces."""
        self.values[position // PIECE, :, position % PIECE] = value_states[0].transpose(0, 1)

    def _first(self, count: int) -> Any:
        """Values of the first `count` tokens: (1, heads, count, width)."""
        if not self.owner.pieces:
            return self.values[:, :, :count]
        pieces = self.values[: -(-count // PIECE)]
        return pieces.transpose(0, 1).flatten(1, 2)[None, :, :count]

    def grow(self) -> None:
        if self.is_initialized:
            old_keys, old_values, old = self.keys, self.values, self.keys.shape[2]
            self.lazy_initialization(old_keys, old_values)
            self.keys[:, :, :old] = old_keys
            if self.owner.pieces:
                self.values[: old // PIECE] = old_values
            else:
                self.values[:, :, :old] = old_values

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return len(self.owner.ids) + query_length, 0

    def get_seq_length(self) -> int:
        return len(self.owner.ids)

    def get_max_length(self) -> int:
        return -1


class KeptCache(Cache):
    """Keys and values of all layers in buffers that grow by doubling and shrink never.

    Args:
        layers: layers of the model.
        limit: tokens that are kept at most.
        capacity: tokens there is room for from the beginning.
        steps: tokens that a step of fixed shape reads at most; 0 if there are no such steps. It may
            write so many behind the last one that is kept. With steps, the buffers' last piece
            never holds anything: a pass can be tried there, and no window is the whole of them,
            which a compiler would take for a case of its own.
        pieces: a step reads its values in pieces (see `KeptLayer`).

    Attributes:
        position: while a step of fixed shape runs, where it writes: int64 of shape (width,).
        window: tokens such a step looks at; at least those that are kept.
    """

    def __init__(
        self,
        layers: int,
        limit: int,
        capacity: int = _FIRST,
        *,
        steps: int = 0,
        pieces: bool = False,
    ) -> None:
        self.ids: list[int] = []
        self.limit = limit
        self.steps = steps
        self.pieces = pieces
        self.spare = PIECE if steps else 0
        self.most = _whole(limit + steps) + self.spare
        self.capacity = min(_whole(capacity + steps) + self.spare, self.most)
        self.position: Any = None
        self.window = 0
        super().__init__(layers=[KeptLayer(self) for _ in range(layers)])

    @property
    def cache(self) -> Any:
        return self

    def reserve(self, tokens: int) -> None:
        need = len(self.ids) + tokens + self.spare
        if need > self.capacity:
            rounded = _whole(need)
            self.capacity = max(min(2 * self.capacity, self.most), rounded)
            for layer in self.layers:
                layer.grow()

    def took(self, ids: Sequence[int]) -> None:
        self.ids.extend(ids)

    def rewind(self, length: int) -> int:
        del self.ids[length:]
        return len(self.ids)

    def branches(self, count: int) -> Any:
        return self

    def twin(self) -> KeptCache:
        """A cache of nothing on the same buffers, to try a pass on where they hold nothing."""
        made = KeptCache(len(self.layers), self.limit, steps=self.steps, pieces=self.pieces)
        made.capacity = self.capacity
        for own, other in zip(self.layers, made.layers, strict=True):
            if own.is_initialized:
                other.device, other.dtype = own.device, own.dtype
                other.keys, other.values, other.is_initialized = own.keys, own.values, True
        return made

    @property
    def room(self) -> int:
        """Tokens a window may show."""
        return self.capacity - self.spare

    def unused(self, width: int) -> range:
        """`width` places in the buffers, at most `steps`, that never hold anything."""
        return range(self.capacity - width, self.capacity)

    def size(self) -> int:
        return sum(
            tensor.numel() * tensor.element_size()
            for layer in self.layers
            if layer.is_initialized
            for tensor in (layer.keys, layer.values)
        )


class PlainCache:
    """transformers' own cache for this model, cut where the layers allow it, else made anew."""

    def __init__(self, config: Any) -> None:
        self._config = config
        self.ids: list[int] = []
        self.cache: Any = DynamicCache(config=config)

    def reserve(self, tokens: int) -> None:
        """It grows by itself."""

    def took(self, ids: Sequence[int]) -> None:
        self.ids.extend(ids)

    def rewind(self, length: int) -> int:
        extra = len(self.ids) - length
        if extra > 0:
            try:
                self.cache.crop(-extra)
                del self.ids[length:]
            except (RuntimeError, NotImplementedError, AttributeError):
                # A window that has moved on, or a recurrent state: it is read again.
                self.cache, self.ids = DynamicCache(config=self._config), []
        return len(self.ids)

    def branches(self, count: int) -> Any:
        branched = copy.deepcopy(self.cache)
        branched.batch_repeat_interleave(count)
        return branched

    def size(self) -> int:
        held = [getattr(layer, name, None) for layer in self.cache.layers for name in _STATES]
        return sum(item.numel() * item.element_size() for item in held if item is not None)


_STATES = ("keys", "values")


def kept_for(config: Any, limit: int, capacity: int = _FIRST, *, steps: int = 0) -> Kept:
    """The cache that fits a model: buffers where every layer attends to everything before it;
    `steps` as in `KeptCache`.
    """
    text = config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
    window = getattr(text, "sliding_window", None)
    windowed = window is not None and getattr(text, "use_sliding_window", True)
    if getattr(text, "layer_types", None):
        windowed = False  # the types say it for each layer
    shared = getattr(text, "num_kv_shared_layers", 0) or getattr(text, "kv_sharing_modes", None)
    if kinds == {"full_attention"} and not windowed and not shared:
        # Latent attention keeps what keys and values are made of, and makes them anew.
        pieces = steps > 0 and not getattr(text, "kv_lora_rank", None)
        return KeptCache(int(text.num_hidden_layers), limit, capacity, steps=steps, pieces=pieces)
    return PlainCache(text)
