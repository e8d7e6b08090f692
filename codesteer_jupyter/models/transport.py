"""The `openai` SDK's side of the client: one connection pool, one request, errors in our words."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from codesteer_jupyter.errors import TaskModelError
from codesteer_jupyter.models.endpoint import Endpoint
from codesteer_jupyter.models.failures import (
    Failure,
    connection_failure,
    said,
    status_failure,
)
from codesteer_jupyter.models.stream import Broken

if TYPE_CHECKING:
    import openai

__all__ = ["Refused", "Transport"]

_CONNECT_SECONDS = 15.0
_NAMES_SECONDS = 5.0
# What the SDK takes by name; anything else goes beside it.
_KNOWN_FIELDS = frozenset(
    {"model", "messages", "stream", "stream_options", "temperature", "top_p", "seed", "stop"}
    | {"max_tokens", "max_completion_tokens"}
)


class Refused(Exception):
    """The server answered with an error status. `failure` is what it means unless the request can
    be changed so that the server takes it.
    """

    def __init__(self, failure: Failure, status: int, body: object) -> None:
        super().__init__(status)
        self.failure = failure
        self.status = status
        self.body = body if isinstance(body, dict) else {"message": str(body or "")}


class Transport:
    """Sends requests to `endpoint`. It may be used from one event loop after another."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._sdk: tuple[asyncio.AbstractEventLoop, openai.AsyncOpenAI] | None = None

    async def close(self) -> None:
        """Close idle connections; calling it twice is fine."""
        sdk, self._sdk = self._sdk, None
        if sdk is not None and sdk[0] is asyncio.get_running_loop():
            await sdk[1].close()

    def _client(self) -> openai.AsyncOpenAI:
        loop = asyncio.get_running_loop()
        if self._sdk is None or self._sdk[0] is not loop:
            self._sdk = (loop, self._new())
        return self._sdk[1]

    def _new(self) -> openai.AsyncOpenAI:
        import openai

        client = openai.AsyncOpenAI(
            api_key=self.endpoint.key.reveal() or "none",
            base_url=self.endpoint.base_url,
            max_retries=0,
            # Waiting for bytes is bounded by the reader; a proxy must not come between this
            # machine and itself.
            timeout=openai.Timeout(None, connect=_CONNECT_SECONDS),
            http_client=openai.DefaultAsyncHttpxClient(trust_env=not self.endpoint.local),
        )
        if self.endpoint.key_variable != "OPENAI_API_KEY":
            # Read from the environment for OpenAI itself; nobody else's business.
            client.organization = client.project = None
        return client

    @contextlib.asynccontextmanager
    async def open(
        self, sent: dict[str, Any], patience: float, *, fresh: bool = False
    ) -> AsyncIterator[Any]:
        """The response to `sent`, as soon as its headers are there; closed on the way out.

        `fresh`: over a new connection. After a break a kept one may be about to be closed: a
        server or proxy that ended a stream in time still closes its connection afterwards, and a
        request that is under way over it by then gets no answer.

        Raises:
            Broken: no byte for `patience` seconds, or the connection closed before one.
            Refused: an error status. Failure: anything else, e.g. no connection.
        """
        import openai

        known = {key: value for key, value in sent.items() if key in _KNOWN_FIELDS}
        more = {key: value for key, value in sent.items() if key not in _KNOWN_FIELDS}
        async with contextlib.AsyncExitStack() as stack:
            client = await stack.enter_async_context(self._new()) if fresh else self._client()
            create = client.chat.completions.with_streaming_response.create
            opening = create(**known, extra_body=more or None)
            try:
                async with asyncio.timeout(patience):
                    response = await stack.enter_async_context(opening)
            except TimeoutError:
                raise Broken("stalled", f"stalled: no byte for {patience:g} s") from None
            except openai.APIStatusError as error:
                headers = {key.lower(): value for key, value in error.response.headers.items()}
                failure = status_failure(self.endpoint, error.status_code, error.body, headers)
                raise Refused(failure, error.status_code, error.body) from None
            except openai.APIConnectionError as error:
                if "Protocol" in type(error.__cause__).__name__:
                    raise Broken("cut", "was cut before its first byte") from None
                raise connection_failure(self.endpoint) from None
            except openai.APIError as error:
                text = f"{self.endpoint.name}: {said(self.endpoint, error.message)}; try again."
                raise Failure(TaskModelError(text, kind="malformed"), "malformed") from None
            yield response

    async def explained(self, error: TaskModelError) -> TaskModelError:
        """A missing model's error, with the names the server has that come nearest."""
        endpoint = self.endpoint
        cure = endpoint.fetch.format(model=endpoint.model)
        names: list[str] = []
        with contextlib.suppress(Exception):
            # Best effort: whatever goes wrong here, the error is told without names.
            async with asyncio.timeout(_NAMES_SECONDS):
                names = [item.id async for item in self._client().models.list()]
        if names:
            near = difflib.get_close_matches(endpoint.model, names, 3, 0.4) or names[:5]
            has = f"it has {', '.join(near)}{' …' if len(names) > len(near) else ''}"
            cure = f"{cure}, {has}" if cure else has
        elif not cure:
            where = f" or {endpoint.base_variable}" if endpoint.base_variable else ""
            cure = f"check the name, and that the address{where} ends in /v1"
        return TaskModelError(f"{error.message}; {cure}.", kind=error.kind)
