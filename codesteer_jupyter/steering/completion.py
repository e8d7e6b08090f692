"""The task model: what the loop asks of a large language model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from codesteer_jupyter.steering.trajectory import Usage

__all__ = [
    "Completion",
    "Decoding",
    "Delta",
    "Message",
    "Notice",
    "Restart",
    "TaskModel",
    "TokenLogprob",
]


@dataclass(frozen=True)
class Message:
    """One chat message; an empty system message is simply left out."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Decoding:
    """How text is drawn. None leaves the model's default; models that refuse a field drop it.

    `top_logprobs` asks for the log probabilities of the tokens and of so many likely ones at each
    place; 0 asks for none. Models that do not tell them leave them out.
    """

    temperature: float | None = 0.0
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    top_logprobs: int = 0


@dataclass(frozen=True)
class TokenLogprob:
    """A token of a reply as text, its natural log probability, and the likeliest ones there."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Delta:
    """A piece of streamed text."""

    text: str
    reasoning: bool = False


@dataclass(frozen=True)
class Restart:
    """What was streamed so far is void: the reply is asked for once more, as a whole."""


@dataclass(frozen=True)
class Notice:
    """A line for the user while something runs: a retry and its wait, a fallback, a download."""

    kind: str
    message: str


@dataclass(frozen=True)
class Completion:
    """A whole reply. `finish_reason`: stop, length, content_filter, or cut / stalled when the
    stream broke twice and the partial text was kept. `logprobs`: its tokens, reasoning among them;
    None where they were not asked for or are not told.
    """

    text: str
    reasoning: str | None = None
    finish_reason: str | None = "stop"
    usage: Usage = field(default_factory=lambda: Usage(calls=1))
    logprobs: tuple[TokenLogprob, ...] | None = None


class TaskModel(Protocol):
    """A chat model. `name` is its model string, as written in the record."""

    @property
    def name(self) -> str: ...

    def complete(
        self, messages: Sequence[Message], decoding: Decoding
    ) -> AsyncIterator[Delta | Restart | Notice | Completion]:
        """Stream one reply; the last item is its `Completion`. Closing the iterator or
        cancelling the task that reads it ends the request at once.

        Raises:
            TaskModelError: no reply can be had; one sentence with the cure.
        """
        ...

    async def close(self) -> None:
        """Free connections; calling it twice is fine."""
        ...
