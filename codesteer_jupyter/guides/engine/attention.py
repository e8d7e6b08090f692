"""Attention for the engine on a GPU: long prompts without a mask, single steps without copies.

transformers' own attention repeats keys and values for every group of query heads as soon as there
is a mask; for a step behind a long dialogue that is most of what would be read.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from torch.nn.attention.bias import causal_lower_right

from codesteer_jupyter.guides.engine.kept import PIECE

__all__ = ["NAME", "attend", "register", "suits"]

NAME = "codesteer"


def register() -> None:
    """Make `attn_implementation="codesteer"` known to transformers."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attend)


def suits(model: Any) -> bool:
    """Whether nothing in this model needs what `attend` cannot do: biases, soft caps, sinks."""
    text = model.config.get_text_config()
    plain = not any(
        getattr(text, name, None) for name in ("attn_logit_softcapping", "attention_sinks")
    )
    sinks = any("sinks" in name for name, _ in model.named_parameters())
    return bool(plain and not sinks and getattr(model, "_supports_attention_backend", False))


def attend(
    module: Any,  # noqa: ARG001 # transformers passes it
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    scaling: float | None = None,
    dropout: float = 0.0,  # noqa: ARG001 # likewise; nothing is trained here
    **kwargs: Any,  # noqa: ARG001 # likewise
) -> tuple[Any, None]:
    """Attention of `query` (batch, heads, width, d) over `key` and `value` (batch, groups, n, d).

    Without a mask the queries are the newest tokens and see all before them. A mask of shape
    (1, 1, width, n) marks a step of fixed shape, which reads a window of the buffers; `value` may
    then be in pieces, (n / PIECE, groups, PIECE, d), as `KeptLayer` has it.
    """
    if attention_mask is not None:
        mixed = _step(query, key, value, attention_mask, scaling or query.shape[-1] ** -0.5)
    else:
        grouped = query.shape[1] != key.shape[1]
        width, seen = query.shape[2], key.shape[2]
        mixed = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=causal_lower_right(width, seen) if width > 1 else None,
            scale=scaling,
            enable_gqa=grouped,
        )
    return mixed.transpose(1, 2).contiguous(), None


def _step(query: Any, key: Any, value: Any, mask: Any, scaling: float) -> Any:
    """Few queries over a long window. All query heads of a group read its keys at once, and the
    values are summed up piece by piece, so that both are read once and by many processors.
    """
    batch, heads, width, depth = query.shape
    groups, seen = key.shape[1], key.shape[2]
    if value.shape[2] == seen:  # made for this step, or a window that is not in pieces
        value = value[0].unflatten(1, (seen // PIECE, PIECE)).transpose(0, 1)
    pieces, _, length, value_depth = value.shape
    rows = heads // groups * width
    asked = query.reshape(batch, groups, rows, depth)
    scores = torch.matmul(asked, key.transpose(2, 3))
    scores = (scores if query.dtype == torch.float64 else scores.float()) * scaling
    seen_by_row = mask[0, 0].repeat(heads // groups, 1)
    scores = scores.masked_fill(~seen_by_row, float("-inf"))
    shares = torch.softmax(scores, dim=-1).to(value.dtype)
    # Pieces and groups are one dimension of the batch, because they lie in memory like that.
    shares = shares.reshape(groups, rows, pieces, length).permute(2, 0, 1, 3)
    parts = torch.bmm(shares.reshape(pieces * groups, rows, length), value.flatten(0, 1))
    mixed = parts.reshape(pieces, groups * rows, value_depth).sum(dim=0)
    return mixed.reshape(batch, heads, width, value_depth)
