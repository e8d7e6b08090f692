"""The engine of a served guide, over HTTP: what the local guide asks of one in its own process.

Blocking; use from a worker thread. Nothing heavy is imported: the model is in the other process.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from codesteer_jupyter.errors import GuideError
from codesteer_jupyter.guides.serving.replies import OWNER
from codesteer_jupyter.models.endpoint import Secret
from codesteer_jupyter.steering.completion import Decoding, Message

__all__ = ["RemoteEngine", "Written", "remote_engine"]

_CONNECT_SECONDS = 5.0
_LOOK_SECONDS = 0.1
_BUSY_TRIES = 5
_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Written:
    """One reply, as the engine's `Generated` without token ids."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


def remote_engine(base_url: str, model: str, key: Secret, spec: str) -> RemoteEngine | None:
    """The engine behind `base_url`; None if another kind of server is there, or none.

    Raises:
        GuideError: it is ours and refuses the token.
    """
    server = _Server(base_url, key, spec, _CONNECT_SECONDS)
    try:
        listed = server.ask("GET", "/v1/models", None, None)
    except GuideError as error:
        if error.kind == "unauthorized":
            raise
        return None
    entries = listed.get("data")
    for entry in entries if isinstance(entries, list) else []:
        ours = isinstance(entry, Mapping) and entry.get("owned_by") == OWNER
        if ours and entry.get("id") == model and isinstance(entry.get("max_model_len"), int):
            return RemoteEngine(_Server(base_url, key, spec), model, spec, entry["max_model_len"])
    return None


class RemoteEngine:
    """See `guides.engine.engine.Engine`, whose methods of the same names these are.

    Attributes:
        spec: what the user calls it. context: tokens the model reads at most.
        lock: keeps several calls of this process together; others may come in between.
    """

    def __init__(self, server: _Server, model: str, spec: str, context: int) -> None:
        self.spec = spec
        self.context = context
        self.lock = threading.RLock()
        self._server = server
        self._model = model
        # Markers are encoded in every round, always the same ones.
        self._encoded = functools.lru_cache(maxsize=64)(self._encode)

    def encode(self, text: str) -> list[int]:
        return list(self._encoded(text)) if text else []

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokens(prompt=text))

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        return self._tokens(messages=_chat(messages))

    def beginning(self, messages: Sequence[Message]) -> list[int]:
        return self._tokens(messages=_chat(messages), continue_final_message=True)

    def _tokens(self, **fields: Any) -> list[int]:
        tokens = self._post("/tokenize", fields).get("tokens")
        if not isinstance(tokens, list):
            raise self._server.odd()
        return tokens

    def known(self, ids: Sequence[int]) -> int:
        told = self._post("/v1/prefill", {"prompt": list(ids), "compute": False})
        return _count(told.get("cached_tokens"))

    def prefill(self, ids: Sequence[int], cancelled: threading.Event | None = None) -> int:
        told = self._post("/v1/prefill", {"prompt": list(ids)}, cancelled)
        return _count(told.get("computed_tokens"))

    def score(
        self,
        ids: Sequence[int],
        labels: Sequence[Sequence[int]],
        cancelled: threading.Event | None = None,
    ) -> list[float]:
        fields = {"prompt": list(ids), "labels": [list(label) for label in labels]}
        data = self._post("/v1/label_scores", fields, cancelled).get("data")
        try:
            scores = [float(item["logprob"]) for item in data or ()]
        except (TypeError, KeyError, ValueError):
            raise self._server.odd() from None
        if len(scores) != len(labels):
            raise self._server.odd()
        return scores

    def generate(
        self,
        ids: Sequence[int],
        decoding: Decoding,
        say: Callable[[str], None],
        cancelled: threading.Event,
    ) -> Written:
        fields = {
            "prompt": list(ids),
            "temperature": decoding.temperature or 0.0,
            "top_p": decoding.top_p,
            "max_tokens": decoding.max_tokens,
            "seed": decoding.seed or 0,
            "stop": list(decoding.stop) or None,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        text, reason = "", ""
        usage: Mapping[str, Any] = {}
        try:
            for event in self._server.events("/v1/completions", self._body(fields), cancelled):
                for choice in event.get("choices") or ():
                    if piece := choice.get("text"):
                        text += piece
                        say(piece)
                    reason = choice.get("finish_reason") or reason
                usage = event.get("usage") or usage
        except CancelledError:
            return Written(text, "cancelled", len(ids), 0)
        details = usage.get("prompt_tokens_details") or {}
        return Written(
            text,
            reason or "stop",
            len(ids),
            _count(usage.get("completion_tokens")),
            _count(details.get("cached_tokens")),
        )

    def _body(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        # Requests of one kernel take their turn as one client's.
        client = f"process-{os.getpid()}"
        given = {name: value for name, value in fields.items() if value is not None}
        return {"model": self._model, "user": client, **given}

    def _post(
        self, path: str, fields: Mapping[str, Any], cancelled: threading.Event | None = None
    ) -> Mapping[str, Any]:
        return self._server.ask("POST", path, self._body(fields), cancelled)


def _chat(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": item.role, "content": item.content} for item in messages]


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0


class _Server:
    """Requests to one server, each on a connection of its own; setting an event ends one.

    Args:
        seconds: how long a reply may take; None for as long as it takes: others may be served.
    """

    def __init__(self, base_url: str, key: Secret, spec: str, seconds: float | None = None) -> None:
        self._parts = urlsplit(base_url.rstrip("/").removesuffix("/v1"))
        self._url = base_url
        self._key = key
        self._spec = spec
        self._seconds = seconds

    def odd(self) -> GuideError:
        """It answered in a way this version does not know."""
        return GuideError(
            f"The guide served at {self._url} answers in an unknown way; restart it with this "
            "version: codesteer guide serve."
        )

    def ask(
        self, method: str, path: str, body: Any, cancelled: threading.Event | None
    ) -> Mapping[str, Any]:
        """A JSON object for a JSON object.

        Raises:
            GuideError: it is not there, or refuses; `kind` is unreachable, unauthorized, too_long
                or guide.
            CancelledError: `cancelled` was set.
        """
        with self._response(method, path, body, cancelled) as response:
            raw = response.read(_MOST_BYTES)
        try:
            data = json.loads(raw)
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise self.odd()
        return data

    def events(
        self, path: str, body: Any, cancelled: threading.Event
    ) -> Iterator[Mapping[str, Any]]:
        """The events of a stream, up to its end. Raises as `ask`."""
        with self._response("POST", path, body, cancelled) as response:
            for line in response:
                if not line.startswith(b"data:"):
                    continue
                payload = line[5:].strip()
                if payload == b"[DONE]":
                    return
                event = json.loads(payload)
                if isinstance(event.get("error"), Mapping):
                    raise self._refused(0, event["error"].get("message"))
                yield event
        # A connection that is broken off on this side ends as quietly as one that is on the other.
        if cancelled.is_set():
            raise CancelledError
        raise self._gone()

    @contextlib.contextmanager
    def _response(
        self, method: str, path: str, body: Any, cancelled: threading.Event | None
    ) -> Iterator[http.client.HTTPResponse]:
        for attempt in range(_BUSY_TRIES):
            connection = self._connection()
            with self._watched(connection, cancelled):
                response = self._send(connection, method, path, body)
                busy = response.status == 429 and attempt + 1 < _BUSY_TRIES
                if not busy:
                    if response.status != 200:
                        raise self._error(response)
                    yield response
                    return
            time.sleep(0.2 * 2**attempt)

    def _connection(self) -> http.client.HTTPConnection:
        secure = self._parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        return kind(self._parts.hostname or "", self._parts.port, timeout=_CONNECT_SECONDS)

    def _send(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: Any
    ) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key.reveal()}"
        data = None if body is None else json.dumps(body)
        connection.connect()
        connection.sock.settimeout(self._seconds)
        connection.request(method, f"{self._parts.path}{path}", data, headers)
        return connection.getresponse()

    @contextlib.contextmanager
    def _watched(
        self, connection: http.client.HTTPConnection, cancelled: threading.Event | None
    ) -> Iterator[None]:
        """Break `connection` off when `cancelled` is set, whatever waits for it."""
        done = threading.Event()

        def watch() -> None:
            while cancelled is not None and not done.wait(_LOOK_SECONDS):
                if cancelled.is_set():
                    with contextlib.suppress(OSError, AttributeError):
                        connection.sock.shutdown(2)
                    return

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        except (OSError, http.client.HTTPException, ValueError) as error:
            if cancelled is not None and cancelled.is_set():
                raise CancelledError from error
            raise self._gone() from error
        finally:
            done.set()
            watcher.join()
            connection.close()

    def _gone(self) -> GuideError:
        return GuideError(
            f"The guide {self._spec} served at {self._url} has ended or broken off; start it again "
            "with codesteer guide serve.",
            kind="unreachable",
        )

    def _error(self, response: http.client.HTTPResponse) -> GuideError:
        message: Any = None
        with contextlib.suppress(ValueError, AttributeError, TypeError):
            message = json.loads(response.read(100_000))["error"]["message"]
        return self._refused(response.status, message)

    def _refused(self, status: int, message: Any) -> GuideError:
        if status in (401, 403):
            return GuideError(
                f"The guide served at {self._url} refused the key; give its token in "
                "CODESTEER_API_KEY.",
                kind="unauthorized",
            )
        words = " ".join(str(message or f"status {status}").split())[:300]
        kind = "too_long" if "maximum context length" in words else None
        return GuideError(
            f"The guide served at {self._url} cannot do that ({words}); use --guide rules.",
            kind=kind,
        )
