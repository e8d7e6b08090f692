"""A request carried out on the engine: token ids, room, text, what each token was worth."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codesteer_jupyter.errors import GuideError
from codesteer_jupyter.guides.serving.requests import (
    Ahead,
    BadRequest,
    Generation,
    Labels,
    Prompt,
)
from codesteer_jupyter.steering.completion import Message, TokenLogprob

if TYPE_CHECKING:
    from codesteer_jupyter.guides.engine.engine import Engine, Generated

__all__ = ["Made", "Scores", "carry_out", "read_ahead", "score_labels", "tokens_of"]


@dataclass(frozen=True)
class Made:
    """A finished reply; `scores` is None where none were asked for."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    scores: tuple[TokenLogprob, ...] | None = None


@dataclass(frozen=True)
class Scores:
    """Natural log probabilities of whole labels, tokens of each label and of the prompt."""

    logprobs: tuple[float, ...]
    lengths: tuple[int, ...]
    prompt_tokens: int


def tokens_of(
    engine: Engine, prompt: Prompt, *, continued: bool = False, cut: bool = False
) -> list[int]:
    """Token ids of a prompt; with `continued` its last message is the beginning of the reply, with
    `cut` whoever wrote its last message may go on with it.

    Raises:
        BadRequest: the chat template refuses the messages, or an id is not in the vocabulary.
    """
    if isinstance(prompt, str):
        return engine.encode(prompt)
    messages = [item for item in prompt if isinstance(item, Message)]
    if not messages:
        ids = [item for item in prompt if isinstance(item, int)]
        size = int(engine.model.get_input_embeddings().num_embeddings)
        if not all(0 <= item < size for item in ids):
            raise BadRequest(f"token ids must be between 0 and {size - 1}", "prompt")
        return ids
    try:
        if continued:
            return engine.prompt(messages[:-1]) + engine.encode(messages[-1].content)
        return engine.beginning(messages) if cut else engine.prompt(messages)
    except GuideError as error:
        raise BadRequest(error.message, "messages") from error


def _room(engine: Engine, ids: Sequence[int]) -> int:
    """Tokens of room behind `ids`."""
    if not ids:
        raise BadRequest("the prompt holds no token", "prompt")
    room = engine.context - len(ids)
    if room < 1:
        raise BadRequest(
            f"This model's maximum context length is {engine.context} tokens; the prompt has "
            f"{len(ids)}. Reduce the length of the messages.",
            "messages",
            "context_length_exceeded",
        )
    return room


def carry_out(
    engine: Engine, request: Generation, say: Callable[[str], None], cancelled: threading.Event
) -> Made:
    """Generate the reply; pieces of its text go to `say`. Blocking.

    Raises:
        BadRequest: see `tokens_of`; or the prompt does not fit into the context.
        CancelledError: `cancelled` was set.
    """
    ids = tokens_of(engine, request.prompt, continued=request.continued)
    room = _room(engine, ids)
    decoding = dataclasses.replace(
        request.decoding, max_tokens=min(request.decoding.max_tokens or room, room)
    )
    # The engine takes 0 for no log probabilities at all.
    wanted = 0 if request.top is None else max(1, request.top)
    made = engine.generate(ids, decoding, say, cancelled, logprobs=wanted)
    if made.finish_reason == "cancelled":
        raise CancelledError
    return Made(
        made.text,
        made.finish_reason,
        made.prompt_tokens,
        made.completion_tokens,
        made.cached_tokens,
        None if request.top is None else _scores(engine, made, request.top),
    )


def _scores(engine: Engine, made: Generated, top: int) -> tuple[TokenLogprob, ...]:
    def text(token: int) -> str:
        return str(engine.tokenizer.decode([token]))

    return tuple(
        TokenLogprob(
            text(item.id),
            item.logprob,
            tuple((text(other), worth) for other, worth in item.top[:top]),
        )
        for item in made.logprobs
    )


def score_labels(engine: Engine, request: Labels, cancelled: threading.Event) -> Scores:
    """How likely the reply begins with each label, as a whole sequence of tokens. Blocking.

    Raises:
        BadRequest: as `carry_out`; also a label without any token.
        CancelledError: `cancelled` was set.
    """
    ids = tokens_of(engine, request.prompt)
    labels = [tokens_of(engine, label) for label in request.labels]
    if not all(labels):
        raise BadRequest("a label holds no token", "labels")
    if _room(engine, ids) < max(map(len, labels)):
        raise BadRequest("the labels do not fit behind the messages", "labels")
    from codesteer_jupyter.guides.engine.engine import Cancelled

    try:
        scores = engine.score(ids, labels, cancelled)
    except Cancelled as error:
        raise CancelledError from error
    return Scores(tuple(scores), tuple(map(len, labels)), len(ids))


def read_ahead(engine: Engine, request: Ahead, cancelled: threading.Event) -> tuple[int, int]:
    """Read a prompt for a later request; tokens of it that were known, and that were read now.

    Raises:
        BadRequest: as `carry_out`.
    """
    ids = tokens_of(engine, request.prompt)
    _room(engine, ids)
    known = engine.known(ids)
    return known, engine.prefill(ids, cancelled) if request.compute else 0
