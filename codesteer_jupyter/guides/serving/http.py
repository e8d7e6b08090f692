"""The server's HTTP side, on loopback unless told otherwise: the OpenAI protocol, with a token.

Every connection has a thread that reads requests and watches whether the client is still there;
only the worker computes.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import logging
import queue
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from codesteer_jupyter.guides.serving import requests
from codesteer_jupyter.guides.serving.generation import (
    Made,
    carry_out,
    read_ahead,
    score_labels,
    tokens_of,
)
from codesteer_jupyter.guides.serving.replies import (
    Reply,
    error_body,
    model_entry,
    models_body,
    usage,
)
from codesteer_jupyter.guides.serving.requests import BadRequest, Generation
from codesteer_jupyter.guides.serving.worker import Busy, Job, Worker

if TYPE_CHECKING:
    from codesteer_jupyter.guides.engine.engine import Engine

__all__ = ["GuideServer"]

T = TypeVar("T")
_MOST_BODY = 16 * 2**20
_IDLE_SECONDS = 75.0
#: How often a waiting connection is looked at, and how often it hears that it is not forgotten.
_LOOK_SECONDS = 0.1
_PING_SECONDS = 10.0
_log = logging.getLogger(__name__)


class GuideServer:
    """Serves `engine` as the model `name` once `start` was called.

    Args:
        allowed: whether a bearer token may use the model.
        host, port: where it listens; port 0 is any free one.
        prefix: what stands before every path, as `/services/guide`.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        allowed: Callable[[str], bool],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        prefix: str = "",
    ) -> None:
        self.engine = engine
        self.name = name
        self.allowed = allowed
        self.prefix = prefix.rstrip("/")
        self.created = time.time()
        self.worker = Worker()
        self._http = _Server((host, port), _handler(self))
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    def start(self) -> None:
        """Answer requests, in threads of its own."""
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        )
        self._thread.start()

    def stop(self, patience: float = 5.0) -> None:
        """Take no more requests; let the running one end within `patience` seconds."""
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._thread = None
        self.worker.stop(patience)
        self._http.wait(patience)
        self._http.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self._answering = 0
        self._change = threading.Condition()
        super().__init__(address, handler)

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Count a request that is being answered."""
        with self._change:
            self._answering += 1
        try:
            yield
        finally:
            with self._change:
                self._answering -= 1
                self._change.notify_all()

    def wait(self, patience: float) -> None:
        """Until no request is being answered, at most `patience` seconds."""
        with self._change:
            self._change.wait_for(lambda: not self._answering, patience)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off is no error of the server."""
        _log.debug("a connection broke off", exc_info=True)


def _handler(owner: GuideServer) -> type[_Handler]:
    return type("_BoundHandler", (_Handler,), {"owner": owner})


class _Gone(Exception):
    """The client has closed its connection."""


class _Refused(Exception):
    """The request is answered with an error."""

    def __init__(self, status: int, body: Mapping[str, Any], retry: int | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.retry = status, body, retry


class _Handler(http.server.BaseHTTPRequestHandler):
    owner: GuideServer
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "codesteer"
    sys_version = ""
    timeout = _IDLE_SECONDS
    # Small writes, many of them: each is to arrive at once.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Requests hold the analyst's text: nothing of them is logged."""

    def do_GET(self) -> None:
        self._answer({"/v1/models": self._models})

    def do_POST(self) -> None:
        self._answer(
            {
                "/v1/chat/completions": lambda: self._generate(requests.chat, is_chat=True),
                "/v1/completions": lambda: self._generate(requests.completion, is_chat=False),
                "/v1/label_scores": self._label_scores,
                "/v1/prefill": self._prefill,
                "/tokenize": self._tokenize,
            }
        )

    def _answer(self, routes: Mapping[str, Callable[[], None]]) -> None:
        self._begun = self._read = False
        with self.server.answering():
            try:
                self._authorise()
                path = urlsplit(self.path).path.rstrip("/")
                inside = path.startswith(f"{self.owner.prefix}/")
                path = path.removeprefix(self.owner.prefix) if inside else ""
                if path.startswith("/v1/models/") and self.command == "GET":
                    self._one_model(path.removeprefix("/v1/models/"))
                elif path in routes:
                    routes[path]()
                else:
                    raise _Refused(404, error_body(f"There is no {self.command} {self.path[:200]}"))
            except _Refused as refused:
                self._refuse(refused)
            except BadRequest as bad:
                self._refuse(
                    _Refused(
                        400, error_body(bad.message, "invalid_request_error", bad.param, bad.code)
                    )
                )
            except Busy:
                body = error_body("Too many requests wait here; try again.", "rate_limit_error")
                self._refuse(_Refused(429, body, retry=1))
            except CancelledError:
                self._refuse(_Refused(503, error_body("The server ends.", "server_error")))
            except (_Gone, OSError):
                self.close_connection = True
            except Exception as error:  # the model's own failures, e.g. out of memory
                _log.warning("a request failed", exc_info=True)
                first = str(error).split("\n")[0][:200]
                text = f"The model failed ({type(error).__name__}: {first})"
                self._refuse(_Refused(500, error_body(text, "server_error")))

    def _authorise(self) -> None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.casefold() != "bearer" or not self.owner.allowed(token.strip()):
            raise _Refused(401, error_body("Incorrect or missing API key.", code="invalid_api_key"))

    # -- reading --------------------------------------------------------------------------------

    def _json(self) -> Mapping[str, Any]:
        try:
            size = int(self.headers.get("Content-Length", ""))
        except ValueError:
            raise _Refused(411, error_body("Content-Length is needed.")) from None
        if not 0 <= size <= _MOST_BODY:
            raise _Refused(413, error_body(f"The request is larger than {_MOST_BODY} bytes."))
        try:
            raw = self.rfile.read(size)
            self._read = True
            data = json.loads(raw)
        except (ValueError, RecursionError):
            raise BadRequest("the request is not JSON") from None
        if not isinstance(data, dict):
            raise BadRequest("the request is not a JSON object")
        model = data.get("model")
        if not isinstance(model, str):
            raise BadRequest("model must be the name of a model", "model")
        self._known(model)
        return data

    def _known(self, model: str) -> None:
        if model != self.owner.name:
            text = f"The model `{model[:200]}` does not exist; {self.owner.name} is served here."
            raise _Refused(404, error_body(text, param="model", code="model_not_found"))

    # -- routes ---------------------------------------------------------------------------------

    def _models(self) -> None:
        owner = self.owner
        self._send(200, models_body(owner.name, owner.engine.context, owner.created))

    def _one_model(self, name: str) -> None:
        self._known(name)
        self._send(200, model_entry(name, self.owner.engine.context, self.owner.created))

    def _tokenize(self) -> None:
        prompt, cut = requests.tokenize(self._json())
        engine = self.owner.engine
        # A tokenizer is not to be used by two threads at once.
        job = self._submit(None, lambda _, __: tokens_of(engine, prompt, cut=cut))
        self._watch(job)
        ids, context = job.future.result(), engine.context
        self._send(200, {"count": len(ids), "max_model_len": context, "tokens": ids})

    def _label_scores(self) -> None:
        request = requests.label_scores(self._json())
        engine = self.owner.engine
        job = self._submit(
            request.client, lambda _, cancelled: score_labels(engine, request, cancelled)
        )
        self._watch(job)
        scores = job.future.result()
        data = [
            {"index": at, "label": label, "logprob": value, "tokens": length}
            for at, (label, value, length) in enumerate(
                zip(request.labels, scores.logprobs, scores.lengths, strict=True)
            )
        ]
        used = usage(Made("", "stop", scores.prompt_tokens, 0))
        body = {"object": "list", "model": self.owner.name, "data": data, "usage": used}
        self._send(200, body)

    def _prefill(self) -> None:
        request = requests.ahead(self._json())
        engine = self.owner.engine
        job = self._submit(
            request.client, lambda _, cancelled: read_ahead(engine, request, cancelled)
        )
        self._watch(job)
        known, computed = job.future.result()
        self._send(200, {"object": "prefill", "cached_tokens": known, "computed_tokens": computed})

    def _generate(self, read: Callable[[Mapping[str, Any]], Generation], *, is_chat: bool) -> None:
        request = read(self._json())
        engine = self.owner.engine
        job = self._submit(
            request.client, lambda say, cancelled: carry_out(engine, request, say, cancelled)
        )
        reply = Reply(self.owner.name, is_chat=is_chat)
        if request.stream:
            self._stream(request, job, reply)
        else:
            self._watch(job)
            self._send(200, reply.whole(job.future.result()))

    def _submit(
        self, client: str | None, work: Callable[[Callable[[str], None], threading.Event], T]
    ) -> Job[T]:
        # One that does not say who it is takes turns by its connection.
        host, port = self.client_address[:2]
        return self.owner.worker.submit(client or f"{host}:{port}", work)

    # -- waiting for the worker -----------------------------------------------------------------

    def _pieces(self, job: Job[Any]) -> Iterator[str | None]:
        """Pieces of text, and None whenever the client should hear something.

        Raises:
            _Gone: the client left; the job is cancelled.
        """
        told = time.monotonic()
        try:
            while True:
                try:
                    piece = job.pieces.get(timeout=_LOOK_SECONDS)
                except queue.Empty:
                    self._check()
                    if time.monotonic() - told < _PING_SECONDS:
                        continue
                    told = time.monotonic()
                    yield None
                    continue
                if piece is None:
                    return
                told = time.monotonic()
                yield piece
                self._check()
        except BaseException:
            job.cancelled.set()
            raise

    def _check(self) -> None:
        """See whether the client has closed its end."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        if readable and self.connection.recv(1, socket.MSG_PEEK) == b"":
            raise _Gone

    def _watch(self, job: Job[Any]) -> None:
        for _ in self._pieces(job):
            pass

    def _stream(self, request: Generation, job: Job[Made], reply: Reply) -> None:
        pieces = self._pieces(job)
        first = next(pieces, "")  # a request that cannot be carried out has no stream
        if job.future.done() and job.future.exception() is not None:
            job.future.result()
        self._begin_stream()
        try:
            if (opening := reply.first()) is not None:
                self._event(opening)
            for piece in [first] if first != "" else []:
                self._piece(reply, piece)
            for piece in pieces:
                self._piece(reply, piece)
            made = job.future.result()
        except (_Gone, OSError):
            job.cancelled.set()
            raise
        except (Exception, CancelledError) as error:
            first_line = str(error).split("\n")[0][:200] or "the server ends"
            self._event(error_body(f"The model failed ({first_line})", "server_error"))
            self._chunk(b"")
            return
        self._event(reply.last(made))
        if request.include_usage:
            self._event(reply.usage(made))
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    # -- writing --------------------------------------------------------------------------------

    def _begin_stream(self) -> None:
        self._begun = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _piece(self, reply: Reply, piece: str | None) -> None:
        if piece is None:
            self._chunk(b": waiting\n\n")
        else:
            self._event(reply.piece(piece))

    def _event(self, data: Mapping[str, Any]) -> None:
        self._chunk(b"data: " + json.dumps(data).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _refuse(self, refused: _Refused) -> None:
        if self._begun or (self.command == "POST" and not self._read):
            # A status comes too late; or a body is still to come, and whatever it says.
            self.close_connection = True
        if self._begun:
            return
        headers = {} if refused.retry is None else {"Retry-After": str(refused.retry)}
        with contextlib.suppress(OSError):
            self._send(refused.status, refused.body, headers)

    def _send(
        self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        data = json.dumps(body).encode()
        self._begun = True
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)
