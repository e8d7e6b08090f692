"""From logits to tokens: greedy, or drawn with a generator of our own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from codesteer_jupyter.steering.completion import Decoding

__all__ = ["Lookup", "TokenLogprob", "draw", "token_logprob", "wide"]


@dataclass(frozen=True)
class TokenLogprob:
    """A token that was written, its natural log probability, and the likeliest ones there."""

    id: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


def wide(logits: Any) -> Any:
    """In at least 32 bits, where sums of probabilities are good to six digits."""
    return logits if logits.dtype == torch.float64 else logits.float()


def draw(logits: Any, decoding: Decoding, generator: Any) -> int:
    """The next token by `logits` of shape (vocabulary,); greedy without a temperature."""
    if not decoding.temperature:
        return int(logits.argmax())
    weights = torch.softmax(wide(logits).cpu() / decoding.temperature, dim=-1)
    if decoding.top_p is not None and decoding.top_p < 1:
        ordered, order = weights.sort(descending=True)
        # The most likely token always stays, even with a bound of 0; so does the one that crosses
        # the bound.
        beyond = ordered.cumsum(-1) - ordered >= decoding.top_p
        ordered[1:][beyond[1:]] = 0
        weights = torch.zeros_like(weights).scatter(0, order, ordered)
    return int(torch.multinomial(weights, 1, generator=generator))


def token_logprob(logits: Any, token: int, top: int) -> TokenLogprob:
    """What `logits` say of `token`, with the `top` likeliest beside it."""
    shares = torch.log_softmax(wide(logits), dim=-1)
    best = shares.topk(min(top, shares.shape[-1]))
    listed = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return TokenLogprob(token, float(shares[token]), tuple(listed))


class Lookup:
    """Drafts by looking up where the newest tokens stood before (prompt lookup).

    A guide quotes the answer it criticises; what followed there is likely to follow again. Wrong
    drafts cost a wider step, so drafting pauses while few of its tokens are taken.
    """

    def __init__(self, ids: Sequence[int], width: int, *, gram: int = 3) -> None:
        self._ids = list(ids)
        self._width = width
        self._gram = gram
        self._seen: dict[tuple[int, ...], int] = {}
        self._indexed = gram
        self._credit = 4.0
        self._index()

    def _index(self) -> None:
        # The newest place wins; the gram at the very end is what is looked up.
        while self._indexed < len(self._ids):
            at = self._indexed
            self._seen[tuple(self._ids[at - self._gram : at])] = at
            self._indexed += 1

    def add(self, token: int) -> None:
        """`token` was written."""
        self._ids.append(token)
        self._index()

    def draft(self) -> list[int]:
        """Up to `width` tokens that may come next; empty where nothing is known."""
        self._credit = min(self._credit + 0.1, 4.0)
        if self._credit < 1:
            return []
        at = self._seen.get(tuple(self._ids[-self._gram :]))
        return [] if at is None else self._ids[at : at + self._width]

    def judged(self, taken: int) -> None:
        """`taken` tokens of the last draft were right."""
        self._credit += taken - 1
