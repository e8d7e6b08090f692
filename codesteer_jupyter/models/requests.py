"""A chat request's body, shaped by what server and model refuse, and how refusals are learnt."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from codesteer_jupyter.models.endpoint import Quirks
from codesteer_jupyter.steering.completion import Decoding, Message

__all__ = ["adapt", "body", "system_into_user"]

# What may be left out when a server refuses it; the two limits are tried for each other first.
_LIMITS = ("max_tokens", "max_completion_tokens")
_OPTIONAL = (
    *("stream_options", "temperature", "random_seed", "top_p", "seed", "stop"),
    *("logprobs", "top_logprobs"),
)
_REFUSED = re.compile(
    r"unsupported|not supported|support|unknown|unrecognized|unexpected|extra|not permitted"
    r"|not allowed|deprecated|invalid|only the default",
    re.IGNORECASE,
)


def system_into_user(messages: Sequence[Message]) -> list[Message]:
    """The messages with every system text put before the first user message."""
    system = "\n\n".join(item.content for item in messages if item.role == "system")
    rest = [item for item in messages if item.role != "system"]
    if not system:
        return rest
    for at, item in enumerate(rest):
        if item.role == "user":
            rest[at] = Message("user", f"{system}\n\n{item.content}")
            return rest
    return [Message("user", system), *rest]


def body(
    model: str, messages: Sequence[Message], decoding: Decoding, quirks: Quirks
) -> dict[str, Any]:
    """The JSON of a streamed chat-completion request."""
    kept = [item for item in messages if item.role != "system" or item.content.strip()]
    if not quirks.system:
        kept = system_into_user(kept)
    limit = decoding.max_tokens
    if limit is not None and quirks.thinks:
        limit += quirks.thinking_tokens
    fields: dict[str, Any] = {
        "temperature": decoding.temperature,
        "top_p": decoding.top_p,
        "max_tokens": limit,
        "seed": decoding.seed,
        "stop": list(decoding.stop) or None,
        "stream_options": {"include_usage": True},
        "logprobs": True if decoding.top_logprobs else None,
        "top_logprobs": decoding.top_logprobs or None,
    }
    if "logprobs" in quirks.drop:
        del fields["top_logprobs"]
    sent = {
        quirks.rename.get(name, name): value
        for name, value in fields.items()
        if value is not None and name not in quirks.drop
    }
    return {
        "model": model,
        "messages": [{"role": item.role, "content": item.content} for item in kept],
        "stream": True,
        **{name: value for name, value in sent.items() if name not in quirks.drop},
    }


def adapt(
    quirks: Quirks, sent: dict[str, Any], message: str, param: str | None
) -> tuple[Quirks, str] | None:
    """After a refusal: the quirks to go on with and a sentence on what changes, or None when the
    refusal is about something else.
    """
    text = f"{param or ''} {message}"
    if not _REFUSED.search(text):
        return None
    has_system = any(item["role"] == "system" for item in sent["messages"])
    if has_system and quirks.system and re.search(r"['\"`]?system\b", text):
        return dataclasses.replace(quirks, system=False), (
            "takes no system message; its text is put before the first user message"
        )
    named = [name for name in (*_LIMITS, *_OPTIONAL) if name in sent and _names(text, name)]
    if param in named:
        named = [param]
    if not named:
        return None
    # Where advice names the field to use instead, the refused one comes first.
    name = min(named, key=text.find)
    if name == "max_tokens" and "max_tokens" not in quirks.rename:
        other = "max_completion_tokens"
    elif name == "max_completion_tokens":
        other = "max_tokens"
    else:
        return dataclasses.replace(quirks, drop=quirks.drop | {name}), (
            f"does not take {name}; it is left out"
        )
    rename = {**quirks.rename, "max_tokens": other}
    return dataclasses.replace(quirks, rename=rename), (
        f"does not take {name}; {other} is sent instead"
    )


def _names(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", text) is not None
