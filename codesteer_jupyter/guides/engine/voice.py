"""From tokens to text that is said while it is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["Voice"]


class Voice:
    """Says a reply piece by piece: never half a character, never the beginning of a stop word."""

    def __init__(
        self, tokenizer: Any, say: Callable[[str], None], stops: Sequence[str] = ()
    ) -> None:
        self._tokenizer = tokenizer
        self._say = say
        self._stops = [stop for stop in stops if stop]
        self._held = max((len(stop) for stop in self._stops), default=1) - 1
        self._said = ""
        self._stopped: str | None = None

    def _decoded(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return text

    def heard(self, ids: Sequence[int]) -> bool:
        """Take in the reply so far; True once it holds a stop word."""
        whole = self._decoded(ids)
        if self._stops:
            ends = [at for stop in self._stops if (at := whole.find(stop)) >= 0]
            if ends:
                self._stopped = whole[: min(ends)]
                return True
        if not whole.endswith("\ufffd") and whole.startswith(self._said):
            self._tell(whole[: len(whole) - self._held] if self._held else whole)
        return False

    def _tell(self, whole: str) -> None:
        if len(whole) > len(self._said):
            self._say(whole[len(self._said) :])
            self._said = whole

    def end(self, ids: Sequence[int]) -> str:
        """Say the rest; returns the whole reply, without its stop word."""
        text = self._decoded(ids) if self._stopped is None else self._stopped
        if text.startswith(self._said):
            self._tell(text)
        return text
