"""One HTTP connection of the server: reading JSON, watching whether the client is still there,
answering with JSON or with a stream of events.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import queue
import select
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

from codesteer_jupyter.guides.serving.replies import error_body
from codesteer_jupyter.guides.serving.requests import BadRequest
from codesteer_jupyter.guides.serving.worker import Job

__all__ = ["Connection", "Gone", "Refused"]

_MOST_BODY = 16 * 2**20
_IDLE_SECONDS = 75.0
#: How often a waiting connection is looked at, and how often it hears that it is not forgotten.
_LOOK_SECONDS = 0.1
_PING_SECONDS = 10.0


class Gone(Exception):
    """The client has closed its connection."""


class Refused(Exception):
    """The request is answered with an error."""

    def __init__(self, status: int, body: Mapping[str, Any], retry: int | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.retry = status, body, retry


class Connection(http.server.BaseHTTPRequestHandler):
    """What every route needs. One request after the other; each resets `_begun` (an answer has
    been begun) and `_read` (the body is read).
    """

    protocol_version = "HTTP/1.1"
    server_version = "codesteer"
    sys_version = ""
    timeout = _IDLE_SECONDS
    # Small writes, many of them: each is to arrive at once.
    disable_nagle_algorithm = True
    _begun = _read = False

    def log_message(self, format: str, *args: Any) -> None:
        """Requests hold the analyst's text: nothing of them is logged."""

    # -- reading --------------------------------------------------------------------------------

    def _json(self) -> Mapping[str, Any]:
        try:
            size = int(self.headers.get("Content-Length", ""))
        except ValueError:
            raise Refused(411, error_body("Content-Length is needed.")) from None
        if not 0 <= size <= _MOST_BODY:
            raise Refused(413, error_body(f"The request is larger than {_MOST_BODY} bytes."))
        try:
            raw = self.rfile.read(size)
            self._read = True
            data = json.loads(raw)
        except (ValueError, RecursionError):
            raise BadRequest("the request is not JSON") from None
        if not isinstance(data, dict):
            raise BadRequest("the request is not a JSON object")
        return data

    # -- waiting for the worker -----------------------------------------------------------------

    def _pieces(self, job: Job[Any]) -> Iterator[str | None]:
        """Pieces of text, and None whenever the client should hear something.

        Raises:
            Gone: the client left; the job is cancelled.
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
            raise Gone

    def _watch(self, job: Job[Any]) -> None:
        for _ in self._pieces(job):
            pass

    # -- writing --------------------------------------------------------------------------------

    def _begin_stream(self) -> None:
        self._begun = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _event(self, data: Mapping[str, Any]) -> None:
        self._chunk(b"data: " + json.dumps(data).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _refuse(self, refused: Refused) -> None:
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
