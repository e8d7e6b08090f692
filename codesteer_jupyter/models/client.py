"""The one client for every OpenAI-compatible server, on the `openai` SDK.

The SDK makes the request; its own retries are off, so that each retry and each wait is a `Notice`
and all are bounded:

* 429, 408, 409, 425 and 5xx: four tries, waiting as the server asks (at most 60 s) or 1, 2, 4 s;
* no connection: two tries;
* a stream that is cut, stalls (no byte for `stall_seconds`), is malformed or breaks off with an
  error: retried once as a whole, over a connection of its own; then the partial text is the reply,
  with `finish_reason` cut or stalled; without any text, an error;
* an empty reply: retried once, then an error;
* a field the server says it does not take: left out or renamed from then on.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

from codesteer_jupyter.errors import TaskModelError
from codesteer_jupyter.models.endpoint import Endpoint, Secret
from codesteer_jupyter.models.failures import Failure, said
from codesteer_jupyter.models.requests import adapt, body
from codesteer_jupyter.models.stream import Broken, Reply
from codesteer_jupyter.models.thinking import Turned
from codesteer_jupyter.models.transport import Refused, Transport
from codesteer_jupyter.steering.completion import (
    Completion,
    Decoding,
    Delta,
    Message,
    Notice,
    Restart,
)
from codesteer_jupyter.steering.trajectory import Usage

__all__ = ["OpenAICompatible"]

_ADAPTATIONS = 6
_Item = Delta | Restart | Notice | Completion


class OpenAICompatible:
    """A chat model behind `endpoint`.

    Attributes:
        stall_seconds: no byte for so long is a stalled stream.
        price: USD per million prompt and completion tokens; without it cost stays unknown.
        pause: seconds of the first wait that no server asked for; each next one is doubled.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        stall_seconds: float = 60.0,
        price: tuple[float, float] | None = None,
        pause: float = 1.0,
    ) -> None:
        self.endpoint = endpoint
        self.stall_seconds = stall_seconds
        self.price = price
        self.pause = pause
        self._quirks = endpoint.quirks
        self._transport = Transport(endpoint)

    @property
    def name(self) -> str:
        return self.endpoint.name

    def __repr__(self) -> str:
        return f"OpenAICompatible({self.name!r} at {self.endpoint.base_url})"

    def with_key(self, key: Secret) -> OpenAICompatible:
        """The same model, asked with another key."""
        endpoint = dataclasses.replace(self.endpoint, key=key)
        return OpenAICompatible(
            endpoint, stall_seconds=self.stall_seconds, price=self.price, pause=self.pause
        )

    async def close(self) -> None:
        """Close idle connections; calling it twice is fine."""
        await self._transport.close()

    async def complete(
        self, messages: Sequence[Message], decoding: Decoding
    ) -> AsyncIterator[_Item]:
        """See `TaskModel.complete`."""
        run = _Request(self, messages, decoding)
        async with contextlib.aclosing(run.stream()) as items:
            async for item in items:
                yield item


class _Request:
    """One completion: tries, breaks and the partial text in between."""

    def __init__(
        self, model: OpenAICompatible, messages: Sequence[Message], decoding: Decoding
    ) -> None:
        self.model = model
        self.messages = messages
        self.decoding = decoding
        self.began = time.monotonic()
        self.usage = Usage()
        self.breaks = self.empties = self.tries = self.adapted = 0
        self.shown = False  # something was streamed since the last restart
        self.partial: Reply | None = None

    async def stream(self) -> AsyncGenerator[_Item, None]:
        while True:
            self.tries += 1
            reply = self._new_reply()
            sent = body(self.model.endpoint.model, self.messages, self.decoding, self.model._quirks)
            try:
                async with (
                    self.model._transport.open(
                        sent, reply.first_seconds, fresh=self.breaks > 0
                    ) as response,
                    contextlib.aclosing(reply.read(response)) as pieces,
                ):
                    async for piece in pieces:
                        if isinstance(piece, Turned):
                            yield Restart()
                            yield Delta(reply.reasoning_so_far, reasoning=True)
                        else:
                            yield Delta(piece.text, piece.reasoning)
                        self.shown = True
                self._count(sent, reply)
                problem = self._empty(reply)
            except Broken as broken:
                self._count(sent, reply)
                problem = self._broken(broken, reply)
            except Refused as refused:
                problem = self._adapted(refused, sent) or refused.failure
            except Failure as failure:
                problem = failure
            if problem is None:
                if reply.oversize:
                    yield Notice("size", "The reply is longer than 4 MiB; the rest was dropped.")
                yield self._completion(reply, reply.finish_reason or "stop")
                return
            if isinstance(problem, Failure):
                if self.tries < problem.tries:
                    seconds = self._pause(problem)
                    yield self._notice(problem, seconds)
                    await asyncio.sleep(seconds)
                    problem = Notice("", "")
                elif self.partial is None or not self.partial.text:
                    error = problem.error
                    if error.kind == "no_such_model":
                        error = await self.model._transport.explained(error)
                    raise error
            elif isinstance(problem, Notice):
                yield problem
            if isinstance(problem, Notice):
                if self.shown:
                    yield Restart()
                    self.shown = False
                continue
            # No try is left, but there is partial text: that is the reply.
            async for item in self._give_partial(reply, problem):
                yield item
            return

    def _new_reply(self) -> Reply:
        stall, quirks = self.model.stall_seconds, self.model._quirks
        return Reply(stall, stall * (quirks.silent_factor if quirks.silent else 1.0))

    # -- what happens next: None (done), a Notice (once more), a Failure (wait, or give up) -------

    def _empty(self, reply: Reply) -> Notice | Failure | None:
        if reply.text.strip():
            return None
        name = self.model.name
        if reply.finish_reason == "content_filter":
            text = f"{name} filtered its reply away; word the question differently."
            return Failure(TaskModelError(text, kind="refused"), "filtered", tries=0)
        if reply.finish_reason == "length" and reply.reasoning:
            text = (
                f"{name} used all its output tokens on reasoning and gave no answer; allow more "
                "tokens, or choose another model with --model."
            )
            return Failure(TaskModelError(text, kind="empty"), "empty", tries=0)
        self.empties += 1
        if self.empties == 1:
            return Notice("retry", f"{name}: the reply is empty; asking once more.")
        text = f"{name} gave an empty reply twice; word the question differently or try again."
        return Failure(TaskModelError(text, kind="empty"), "empty", tries=0)

    def _broken(self, broken: Broken, reply: Reply) -> Notice | Failure:
        endpoint = self.model.endpoint
        detail = said(endpoint, broken.detail)
        if broken.kind == "page":
            where = f" or {endpoint.base_variable}" if endpoint.base_variable else ""
            text = (
                f"{endpoint.name}: the reply {detail}; check the address{where} "
                f"({endpoint.base_url}), it usually ends in /v1."
            )
            return Failure(TaskModelError(text, kind="malformed"), "page", tries=0)
        self.breaks += 1
        if reply.text and (self.partial is None or len(reply.text) >= len(self.partial.text)):
            self.partial = reply
            reply.finish_reason = "stalled" if broken.kind == "stalled" else "cut"
        if self.breaks == 1:
            return Notice("retry", f"{endpoint.name}: the reply {detail}; asking once more.")
        kind = {"cut": "unreachable"}.get(broken.kind, broken.kind)
        cure = "try again, or choose another model with --model"
        if broken.kind == "stalled":
            cure = "raise the stall_seconds setting if this model is merely slow, or try another"
        text = f"{endpoint.name}: the reply {detail}, twice; {cure}."
        return Failure(TaskModelError(text, kind=kind), broken.kind, tries=0)

    def _adapted(self, refused: Refused, sent: dict[str, Any]) -> Notice | None:
        if refused.status not in (400, 422) or self.adapted >= _ADAPTATIONS:
            return None
        message = str(refused.body.get("message") or refused.body)
        if "detail" in refused.body:
            message += f" {refused.body['detail']}"
        param = refused.body.get("param")
        found = adapt(self.model._quirks, sent, message, param if isinstance(param, str) else None)
        if found is None:
            return None
        self.model._quirks, change = found
        self.adapted += 1
        self.tries -= 1
        return Notice("fallback", f"{self.model.name} {change} from now on.")

    def _pause(self, failure: Failure) -> float:
        if failure.wait is not None:
            return failure.wait
        return float(self.model.pause * 2 ** (self.tries - 1))

    def _notice(self, failure: Failure, seconds: float) -> Notice:
        asked = " as asked" if failure.wait is not None else ""
        return Notice(
            "retry",
            f"{self.model.name}: {failure.brief}: waiting {seconds:g} s{asked}, "
            f"try {self.tries + 1} of {failure.tries}.",
        )

    async def _give_partial(self, reply: Reply, failure: Failure) -> AsyncGenerator[_Item, None]:
        kept = self.partial
        if kept is None:
            raise failure.error
        message = failure.error.message
        yield Notice(kept.finish_reason or "cut", f"{message} The partial reply is kept.")
        if kept is not reply:
            if self.shown:
                yield Restart()
            if kept.reasoning:
                yield Delta(kept.reasoning, reasoning=True)
            yield Delta(kept.text)
        yield self._completion(kept, kept.finish_reason or "cut")

    # -- usage ----------------------------------------------------------------------------------

    def _completion(self, reply: Reply, finish_reason: str) -> Completion:
        seconds = time.monotonic() - self.began
        usage = self.usage + Usage(seconds=seconds)
        logprobs = tuple(reply.logprobs) or None
        return Completion(reply.text, reply.reasoning or None, finish_reason, usage, logprobs)

    def _count(self, sent: dict[str, Any], reply: Reply) -> None:
        """Add what this attempt spent: as the server says, or else four characters a token,
        which `estimated` in the record says.
        """
        told = reply.usage or {}
        prompt, completion = told.get("prompt_tokens"), told.get("completion_tokens")
        extra: dict[str, Any] = {}
        if not isinstance(prompt, int) or not isinstance(completion, int):
            prompt = sum(len(item["content"]) for item in sent["messages"]) // 4
            completion = (len(reply.text) + len(reply.reasoning)) // 4
            extra["estimated"] = True
            if not reply.started:
                prompt = completion = 0
        details = told.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, dict) else None
        if not isinstance(cached, int):
            hit = told.get("prompt_cache_hit_tokens")
            cached = hit if isinstance(hit, int) else 0
        cost = None
        if self.model.price is not None:
            cost = (prompt * self.model.price[0] + completion * self.model.price[1]) / 1e6
        self.usage += Usage(1, prompt, completion, cached, 0.0, cost, extra)
