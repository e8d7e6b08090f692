"""The JSON of requests, read strictly: what this server would not do is refused, not ignored."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from codesteer_jupyter.steering.completion import Decoding, Message

__all__ = [
    "Ahead",
    "BadRequest",
    "Generation",
    "Labels",
    "Prompt",
    "ahead",
    "chat",
    "completion",
    "label_scores",
    "tokenize",
]

#: Chat messages, text, or token ids.
Prompt = tuple[Message, ...] | str | tuple[int, ...]
MOST_TOP = 20
_MOST_LABELS = 64
_MOST_STOPS = 16
_ROLES: Mapping[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
# Fields that change the reply in ways this server cannot: refused unless at their neutral value.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
    "tools": ([],),
    "functions": ([],),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "response_format": ({"type": "text"},),
}


class BadRequest(Exception):
    """What is wrong with a request; `param` names the field."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.param, self.code = message, param, code


@dataclass(frozen=True)
class Generation:
    """A request for text.

    Attributes:
        prompt: what the model reads.
        decoding: its `max_tokens` is None where the context alone bounds the reply.
        continued: the reply goes on with the last message, which is the assistant's.
        top: alternatives told of each token; None: no log probabilities at all.
        client: who asks, for taking turns; None where the request does not say.
    """

    prompt: Prompt
    decoding: Decoding
    continued: bool = False
    stream: bool = False
    include_usage: bool = False
    top: int | None = None
    client: str | None = None


@dataclass(frozen=True)
class Labels:
    """A request for the log probabilities of whole labels right after a prompt."""

    prompt: Prompt
    labels: tuple[str | tuple[int, ...], ...]
    client: str | None = None


@dataclass(frozen=True)
class Ahead:
    """A request to read a prompt for later; without `compute`, only to say how much is known."""

    prompt: Prompt
    compute: bool = True
    client: str | None = None


def chat(data: Mapping[str, Any]) -> Generation:
    """Of `/v1/chat/completions`.

    Raises:
        BadRequest: as all of these.
    """
    top: int | None = None
    if _flag(data, "logprobs"):
        top = _whole(data, "top_logprobs", 0, MOST_TOP) or 0
    elif data.get("top_logprobs"):
        raise BadRequest("top_logprobs needs logprobs to be true", "top_logprobs")
    messages = _messages(data)
    return _generation(data, messages, top, _continued(data, messages))


def completion(data: Mapping[str, Any]) -> Generation:
    """Of `/v1/completions`: one prompt, as text or as token ids."""
    return _generation(data, _prompt(data), _whole(data, "logprobs", 0, MOST_TOP), False)


def label_scores(data: Mapping[str, Any]) -> Labels:
    """Of `/v1/label_scores`."""
    labels = data.get("labels")
    if not isinstance(labels, list) or not 1 <= len(labels) <= _MOST_LABELS:
        raise BadRequest(f"labels must be a list of 1 to {_MOST_LABELS} labels", "labels")
    read = [_text_or_ids(label) for label in labels]
    found = tuple(label for label in read if label is not None)
    if len(found) < len(read):
        raise BadRequest("a label must be a text or a list of token ids", "labels")
    return Labels(_any_prompt(data), found, _client(data))


def ahead(data: Mapping[str, Any]) -> Ahead:
    """Of `/v1/prefill`."""
    return Ahead(
        _any_prompt(data), data.get("compute") is None or _flag(data, "compute"), _client(data)
    )


def tokenize(data: Mapping[str, Any]) -> tuple[Prompt, bool]:
    """Of `/tokenize`: what is to be told in tokens, and whether its last message is broken off."""
    return _any_prompt(data), _flag(data, "continue_final_message")


def _any_prompt(data: Mapping[str, Any]) -> Prompt:
    return _prompt(data) if data.get("prompt") is not None else _messages(data)


def _prompt(data: Mapping[str, Any]) -> Prompt:
    prompt = data.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and not _is_whole(prompt[0]):
        prompt = prompt[0]
    found = _text_or_ids(prompt)
    if found is None:
        raise BadRequest("prompt must be one text or one list of token ids", "prompt")
    return found


def _text_or_ids(value: Any) -> str | tuple[int, ...] | None:
    if isinstance(value, str):
        return value or None
    sound = isinstance(value, list) and value and all(_is_whole(item) for item in value)
    return tuple(value) if sound else None


def _generation(
    data: Mapping[str, Any],
    prompt: Prompt,
    top: int | None,
    continued: bool,
) -> Generation:
    for name, neutral in _NEUTRAL.items():
        if data.get(name) is not None and data[name] not in neutral:
            raise BadRequest(f"{name} is not supported by this server; leave it out", name)
    temperature = _number(data, "temperature", 0, 2)
    limits = [_whole(data, name, 1, None) for name in ("max_tokens", "max_completion_tokens")]
    seed = _whole(data, "seed", None, None)
    decoding = Decoding(
        temperature=1.0 if temperature is None else temperature,  # the protocol's default
        top_p=_number(data, "top_p", 0, 1),
        max_tokens=min((limit for limit in limits if limit is not None), default=None),
        seed=secrets.randbits(31) if seed is None else seed % 2**63,
        stop=_stops(data),
    )
    options = data.get("stream_options")
    return Generation(
        prompt,
        decoding,
        continued,
        _flag(data, "stream"),
        isinstance(options, Mapping) and _flag(options, "include_usage"),
        top,
        _client(data),
    )


def _messages(data: Mapping[str, Any]) -> tuple[Message, ...]:
    listed = data.get("messages")
    if not isinstance(listed, list) or not listed:
        raise BadRequest("messages must be a list that is not empty", "messages")
    return tuple(_message(item, at) for at, item in enumerate(listed))


def _message(item: Any, at: int) -> Message:
    where = f"messages[{at}]"
    role = item.get("role") if isinstance(item, Mapping) else None
    if not isinstance(role, str) or role not in _ROLES:
        raise BadRequest(f"{where}.role must be one of {', '.join(_ROLES)}", f"{where}.role")
    content = item.get("content")
    if isinstance(content, list):
        content = _joined(content)
    if not isinstance(content, str):
        raise BadRequest(f"{where}.content must be text", f"{where}.content")
    return Message(_ROLES[role], content)


def _joined(parts: Sequence[Any]) -> str | None:
    texts = [
        part.get("text") if isinstance(part, Mapping) and part.get("type") == "text" else None
        for part in parts
    ]
    return "".join(map(str, texts)) if all(isinstance(text, str) for text in texts) else None


def _continued(data: Mapping[str, Any], messages: Sequence[Message]) -> bool:
    if not _flag(data, "continue_final_message"):
        return False
    if messages[-1].role != "assistant":
        raise BadRequest(
            "continue_final_message needs the assistant's message last", "continue_final_message"
        )
    return True


def _client(data: Mapping[str, Any]) -> str | None:
    user = data.get("user")
    return user[:200] if isinstance(user, str) and user else None


def _stops(data: Mapping[str, Any]) -> tuple[str, ...]:
    stop = data.get("stop")
    stops = [] if stop is None else [stop] if isinstance(stop, str) else stop
    sound = isinstance(stops, list) and len(stops) <= _MOST_STOPS
    if not sound or not all(isinstance(item, str) and item for item in stops):
        raise BadRequest(f"stop must be a text or a list of at most {_MOST_STOPS} texts", "stop")
    return tuple(stops)


def _flag(data: Mapping[str, Any], name: str) -> bool:
    value = data.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadRequest(f"{name} must be true or false", name)
    return bool(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _whole(data: Mapping[str, Any], name: str, least: int | None, most: int | None) -> int | None:
    value = data.get(name)
    if value is None:
        return None
    if not _is_whole(value):
        raise BadRequest(f"{name} must be a whole number", name)
    return int(_within(value, name, least, most))


def _number(data: Mapping[str, Any], name: str, least: float, most: float) -> float | None:
    value = data.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadRequest(f"{name} must be a number", name)
    return float(_within(value, name, least, most))


def _within(value: float, name: str, least: float | None, most: float | None) -> float:
    if (least is not None and not value >= least) or (most is not None and not value <= most):
        bounds = f"at least {least}" if most is None else f"between {least} and {most}"
        raise BadRequest(f"{name} must be {bounds}, not {value}", name)
    return value
