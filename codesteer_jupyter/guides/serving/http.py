"""The server's HTTP side, on loopback unless told otherwise: the OpenAI protocol, with a token.

Every connection has a thread that reads requests and watches whether the client is still there;
only the worker computes.
"""

from __future__ import annotations

import contextlib
import http.server
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from codesteer_jupyter.guides.serving import requests
from codesteer_jupyter.guides.serving.connection import Connection, Gone, Refused
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
        self.tokenizing = threading.Lock()
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


class _Handler(Connection):
    owner: GuideServer
    server: _Server

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
                    raise Refused(404, error_body(f"There is no {self.command} {self.path[:200]}"))
            except Refused as refused:
                self._refuse(refused)
            except BadRequest as bad:
                self._refuse(
                    Refused(
                        400, error_body(bad.message, "invalid_request_error", bad.param, bad.code)
                    )
                )
            except Busy:
                body = error_body("Too many requests wait here; try again.", "rate_limit_error")
                self._refuse(Refused(429, body, retry=1))
            except CancelledError:
                self._refuse(Refused(503, error_body("The server ends.", "server_error")))
            except (Gone, OSError):
                self.close_connection = True
            except Exception as error:  # the model's own failures, e.g. out of memory
                _log.warning("a request failed", exc_info=True)
                first = str(error).split("\n")[0][:200]
                text = f"The model failed ({type(error).__name__}: {first})"
                self._refuse(Refused(500, error_body(text, "server_error")))

    def _authorise(self) -> None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.casefold() != "bearer" or not self.owner.allowed(token.strip()):
            raise Refused(401, error_body("Incorrect or missing API key.", code="invalid_api_key"))

    def _asked(self) -> Mapping[str, Any]:
        data = self._json()
        model = data.get("model")
        if not isinstance(model, str):
            raise BadRequest("model must be the name of a model", "model")
        self._known(model)
        return data

    def _known(self, model: str) -> None:
        if model != self.owner.name:
            text = f"The model `{model[:200]}` does not exist; {self.owner.name} is served here."
            raise Refused(404, error_body(text, param="model", code="model_not_found"))

    # -- routes ---------------------------------------------------------------------------------

    def _models(self) -> None:
        owner = self.owner
        self._send(200, models_body(owner.name, owner.engine.context, owner.created))

    def _one_model(self, name: str) -> None:
        self._known(name)
        self._send(200, model_entry(name, self.owner.engine.context, self.owner.created))

    def _tokenize(self) -> None:
        prompt, cut = requests.tokenize(self._asked())
        engine = self.owner.engine
        # Needs no turn: it takes no model, and must not wait while another reply is written.
        with self.owner.tokenizing:
            ids = tokens_of(engine, prompt, cut=cut)
        self._send(200, {"count": len(ids), "max_model_len": engine.context, "tokens": ids})

    def _label_scores(self) -> None:
        request = requests.label_scores(self._asked())
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
        request = requests.ahead(self._asked())
        engine = self.owner.engine
        job = self._submit(
            request.client, lambda _, cancelled: read_ahead(engine, request, cancelled)
        )
        self._watch(job)
        known, computed = job.future.result()
        self._send(200, {"object": "prefill", "cached_tokens": known, "computed_tokens": computed})

    def _generate(self, read: Callable[[Mapping[str, Any]], Generation], *, is_chat: bool) -> None:
        request = read(self._asked())
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
        except (Gone, OSError):
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

    def _piece(self, reply: Reply, piece: str | None) -> None:
        if piece is None:
            self._chunk(b": waiting\n\n")
        else:
            self._event(reply.piece(piece))
