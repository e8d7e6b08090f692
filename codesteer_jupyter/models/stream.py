"""A reply as it comes off the wire: server-sent events, or one JSON object, with bounds.

Read here rather than by the SDK's stream class, so that a comment that keeps a connection alive
counts as a byte, and what is wrong with a reply can be named: cut, stalled, malformed, a web page.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from codesteer_jupyter.models.thinking import Piece, ThinkSplitter, Turned
from codesteer_jupyter.steering.completion import TokenLogprob

__all__ = ["MAX_REPLY", "Broken", "Reply", "Response"]

MAX_REPLY = 4 * 2**20
_MAX_LINE = 2 * MAX_REPLY
_MOST_LOGPROBS = 20_000


class Response(Protocol):
    """The part of the SDK's streamed response that is used."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    def iter_bytes(self) -> AsyncIterator[bytes]: ...


class Broken(Exception):
    """A reply that did not come to its end. `detail` completes "The reply …"."""

    def __init__(
        self, kind: Literal["cut", "stalled", "malformed", "server_error", "page"], detail: str
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


@dataclass
class Reply:
    """One attempt at a reply: what has come so far. `read` fills it and yields the pieces."""

    stall_seconds: float
    first_seconds: float
    text: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    usage: Mapping[str, Any] | None = None
    started: bool = False
    oversize: bool = False
    logprobs: list[TokenLogprob] = field(default_factory=list)
    _texts: list[str] = field(default_factory=list)
    _reasonings: list[str] = field(default_factory=list)
    _size: int = 0
    _done: bool = False
    _splitter: ThinkSplitter = field(default_factory=ThinkSplitter)

    @property
    def reasoning_so_far(self) -> str:
        return "".join(self._reasonings)

    async def read(self, response: Response) -> AsyncGenerator[Piece | Turned, None]:
        """Yield the pieces of `response`.

        Raises:
            Broken: it did not come to its end; what came is in `text` and `reasoning`.
        """
        try:
            kind = response.headers.get("content-type", "").lower()
            if "html" in kind:
                raise Broken("page", "is a web page (HTML), not JSON")
            events = self._json(response) if "json" in kind else self._events(response)
            async with contextlib.aclosing(events):
                async for event in events:
                    for piece in self._take(event):
                        yield piece
                    if self._size > MAX_REPLY:
                        self.oversize = True
                        self.finish_reason = "length"
                        break
            for piece in self._splitter.flush():
                yield self._keep(piece)
            if self.finish_reason is None and not self._done:
                raise Broken("cut", "was cut: the connection ended before the reply did")
        finally:
            self.text = "".join(self._texts)
            self.reasoning = "".join(self._reasonings)

    # -- bytes to events ------------------------------------------------------------------------

    async def _chunks(self, response: Response) -> AsyncIterator[bytes]:
        stream = response.iter_bytes()
        while True:
            patience = self.stall_seconds if self.started else self.first_seconds
            try:
                async with asyncio.timeout(patience):
                    chunk = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise Broken("stalled", f"stalled: no byte for {patience:g} s") from None
            except asyncio.CancelledError:
                raise
            except Exception as error:
                # The SDK passes on what its HTTP library raises, under names that differ
                # between its versions; whichever it is, the connection is gone.
                if "Timeout" in type(error).__name__:
                    raise Broken("stalled", f"stalled: no byte for {patience:g} s") from error
                raise Broken("cut", "was cut: the connection was closed in the middle") from error
            self.started = True
            yield chunk

    async def _events(self, response: Response) -> AsyncGenerator[Any, None]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        held = ""
        data: list[str] = []
        async with contextlib.aclosing(self._chunks(response)) as chunks:  # type: ignore[type-var]  # an async generator has aclose
            async for chunk in chunks:
                held += decoder.decode(chunk)
                if len(held) > _MAX_LINE:
                    raise Broken("malformed", "holds a line that is too long")
                *lines, held = held.replace("\r\n", "\n").split("\n")
                for line in lines:
                    if line.startswith("data:"):
                        data.append(line[5:].removeprefix(" "))
                    elif not line.strip() and data:
                        payload = "\n".join(data)
                        data.clear()
                        if payload.strip() == "[DONE]":
                            self._done = True
                            return
                        yield _parse(payload)
                    elif line.lstrip().startswith(("<!", "<html")) and not self._texts:
                        raise Broken("page", "is a web page (HTML), not JSON")
        if data and (payload := "\n".join(data).strip()) != "[DONE]":
            yield _parse(payload)

    async def _json(self, response: Response) -> AsyncGenerator[Any, None]:
        """A server that does not stream sends the whole reply at once."""
        raw = bytearray()
        async with contextlib.aclosing(self._chunks(response)) as chunks:  # type: ignore[type-var]  # an async generator has aclose
            async for chunk in chunks:
                raw += chunk
                if len(raw) > _MAX_LINE:
                    raise Broken("malformed", "is longer than any reply may be")
        self._done = True
        yield _parse(raw.decode("utf-8", "replace"))

    # -- events to pieces -----------------------------------------------------------------------

    def _take(self, event: Any) -> list[Piece | Turned]:
        if not isinstance(event, Mapping):
            raise Broken("malformed", "holds an event that is not an object")
        if error := event.get("error"):
            said = error.get("message") if isinstance(error, Mapping) else error
            raise Broken("server_error", f"broke off with the server's error: {said}")
        if isinstance(usage := event.get("usage"), Mapping):
            self.usage = usage
        pieces: list[Piece | Turned] = []
        choices = event.get("choices")
        for choice in choices[:1] if isinstance(choices, list) else []:
            if not isinstance(choice, Mapping):
                raise Broken("malformed", "holds a choice that is not an object")
            delta = choice.get("delta") or choice.get("message") or {}
            for reasoning, content in _contents(delta):
                self._size += len(content)
                if reasoning:
                    pieces.append(self._keep(Piece(content, reasoning=True)))
                else:
                    pieces += [self._keep(piece) for piece in self._splitter.feed(content)]
            if finish := choice.get("finish_reason"):
                self.finish_reason = str(finish)
            if isinstance(usage := choice.get("usage"), Mapping):
                self.usage = usage
            if len(self.logprobs) < _MOST_LOGPROBS:
                self.logprobs += _logprobs(choice.get("logprobs"))
        return pieces

    def _keep(self, piece: Piece | Turned) -> Piece | Turned:
        if isinstance(piece, Turned):
            self._reasonings += self._texts
            self._texts = []
        else:
            (self._reasonings if piece.reasoning else self._texts).append(piece.text)
        return piece


def _parse(payload: str) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        raise Broken("malformed", "holds a malformed chunk (not JSON)") from None


def _contents(delta: Any) -> list[tuple[bool, str]]:
    """(is reasoning, text) of a delta; content may be a list of typed parts."""
    if not isinstance(delta, Mapping):
        raise Broken("malformed", "holds a delta that is not an object")
    found: list[tuple[bool, str]] = []
    for name in ("reasoning_content", "reasoning", "content", "refusal"):
        value = delta.get(name)
        if name == "reasoning" and delta.get("reasoning_content"):
            continue  # some servers send both names
        for reasoning, text in _texts(value):
            found.append((reasoning or name.startswith("reasoning"), text))
    return found


def _texts(value: Any) -> list[tuple[bool, str]]:
    if isinstance(value, str):
        return [(False, value)] if value else []
    if not isinstance(value, list):
        return []
    found: list[tuple[bool, str]] = []
    for part in value:
        if isinstance(part, Mapping):
            thinking = part.get("type") in ("thinking", "reasoning")
            inner = part.get("thinking") if thinking else part.get("text")
            found += [(thinking or flag, text) for flag, text in _texts(inner)]
    return found


def _logprobs(told: Any) -> list[TokenLogprob]:
    """The tokens a choice tells the probabilities of; what is not in the protocol's shape is not
    taken, since nothing but a number in the record depends on it.
    """
    content = told.get("content") if isinstance(told, Mapping) else None
    found = []
    for item in content if isinstance(content, list) else []:
        own = _token(item)
        if own is not None:
            top = item.get("top_logprobs")
            likely = [_token(other) for other in top] if isinstance(top, list) else []
            found.append(TokenLogprob(*own, tuple(other for other in likely if other is not None)))
    return found


def _token(item: Any) -> tuple[str, float] | None:
    token, value = (
        (item.get("token"), item.get("logprob")) if isinstance(item, Mapping) else (None, None)
    )
    if not isinstance(token, str) or isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return token, float(value)
