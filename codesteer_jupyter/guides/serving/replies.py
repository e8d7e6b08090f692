"""The JSON of replies, in the shapes of the OpenAI protocol."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from codesteer_jupyter.guides.serving.generation import Made
from codesteer_jupyter.steering.completion import TokenLogprob

__all__ = ["OWNER", "Reply", "error_body", "model_entry", "models_body", "usage"]

#: `owned_by` in the list of models; a client knows by it that labels can be scored here.
OWNER = "codesteer_jupyter"


def error_body(
    message: str,
    kind: str = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
) -> dict[str, Any]:
    """An error object."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def model_entry(name: str, context: int, created: float) -> dict[str, Any]:
    """One entry of the list of models; `max_model_len` is its context in tokens."""
    return {
        "id": name,
        "object": "model",
        "created": int(created),
        "owned_by": OWNER,
        "max_model_len": context,
    }


def models_body(name: str, context: int, created: float) -> dict[str, Any]:
    """The list of models."""
    return {"object": "list", "data": [model_entry(name, context, created)]}


class Reply:
    """One reply of a model, whole or in chunks; all of them carry the same id.

    Args:
        model: the name the model is served by.
        is_chat: in the shape of chat completions, else of completions.
    """

    def __init__(self, model: str, *, is_chat: bool) -> None:
        self._chat = is_chat
        self._model = model
        self._id = f"{'chatcmpl' if is_chat else 'cmpl'}-{secrets.token_hex(12)}"
        self._created = int(time.time())

    def _head(self, *, chunk: bool) -> dict[str, Any]:
        kind = "text_completion"
        if self._chat:
            kind = "chat.completion.chunk" if chunk else "chat.completion"
        return {"id": self._id, "object": kind, "created": self._created, "model": self._model}

    def whole(self, made: Made) -> dict[str, Any]:
        """The reply as one object."""
        choice: dict[str, Any] = {
            "index": 0,
            "finish_reason": made.finish_reason,
            "logprobs": self._logprobs(made.scores),
        }
        if self._chat:
            choice["message"] = {"role": "assistant", "content": made.text}
        else:
            choice["text"] = made.text
        return self._head(chunk=False) | {"choices": [choice], "usage": usage(made)}

    def first(self) -> dict[str, Any] | None:
        """The chunk that begins a stream, where the protocol has one."""
        return self._chunk({"role": "assistant", "content": ""}) if self._chat else None

    def piece(self, text: str) -> dict[str, Any]:
        """A chunk of text."""
        return self._chunk({"content": text}, text)

    def last(self, made: Made) -> dict[str, Any]:
        """The chunk that ends the text; the log probabilities of all tokens are in it."""
        return self._chunk({}, "", made.finish_reason, self._logprobs(made.scores))

    def usage(self, made: Made) -> dict[str, Any]:
        """The chunk that tells what was used."""
        return self._head(chunk=True) | {"choices": [], "usage": usage(made)}

    def _chunk(
        self,
        delta: Mapping[str, Any],
        text: str = "",
        finish: str | None = None,
        logprobs: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "logprobs": logprobs}
        if self._chat:
            choice["delta"] = dict(delta)
        else:
            choice["text"] = text
        return self._head(chunk=True) | {"choices": [choice]}

    def _logprobs(self, scores: Sequence[TokenLogprob] | None) -> dict[str, Any] | None:
        if scores is None:
            return None
        if self._chat:
            return {"content": [_entry(score) for score in scores], "refusal": None}
        offsets: list[int] = []
        at = 0
        for score in scores:
            offsets.append(at)
            at += len(score.token)
        return {
            "tokens": [score.token for score in scores],
            "token_logprobs": [score.logprob for score in scores],
            "top_logprobs": [dict(score.top) for score in scores],
            "text_offset": offsets,
        }


def usage(made: Made) -> dict[str, Any]:
    """Tokens of a reply; `cached_tokens` were not read again."""
    return {
        "prompt_tokens": made.prompt_tokens,
        "completion_tokens": made.completion_tokens,
        "total_tokens": made.prompt_tokens + made.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": made.cached_tokens},
    }


def _entry(score: TokenLogprob) -> dict[str, Any]:
    top = [{"token": token, "logprob": value, "bytes": _bytes(token)} for token, value in score.top]
    own = {"token": score.token, "logprob": score.logprob, "bytes": _bytes(score.token)}
    return own | {"top_logprobs": top}


def _bytes(token: str) -> list[int] | None:
    """Its bytes; unknown of a token that is only a part of a character."""
    return None if "\ufffd" in token else list(token.encode("utf-8"))
