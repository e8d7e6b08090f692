"""A real HTTP server on loopback that speaks the OpenAI chat-completions protocol, with faults.

    with OpenAIServer(["Hello", Reply(status=429, retry_after=1), "again"]) as server:
        ...  # server.base_url, server.requests, server.wait_disconnect()

`replies` is a list (used in order; the last entry with `repeat=True` is used for ever) or a
callable that gets the request's JSON and returns a `Reply` or a string. Also a script:

    python tests/openai_server.py --port 8123 --script replies.json

where the file holds a list of strings and objects with the fields of `Reply`, plus `match` (a
regular expression searched in the last user message: the first unused entry that fits is taken).
"""

from __future__ import annotations

import argparse
import dataclasses
import http.server
import json
import re
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer of the server; the defaults are a well-behaved one.

    Attributes:
        text: content of the reply. reasoning: streamed before it, as `reasoning_field`.
        status: HTTP status; other than 200 an OpenAI error object is sent with `message`.
        retry_after: value of that header. times: how often this reply is given (for 500s).
        chunk: characters a chunk. delay: seconds before each chunk.
        stall_first, stall_after: seconds of silence before the first byte, or (with
            `stall_at`) after that many chunks of content; the client is expected to leave.
        cut_at: the connection is closed after that many chunks, without `[DONE]`; with
            `cut_clean` the HTTP body ends properly there, as behind a proxy that timed out; then
            it is closed when the next request comes over it, or after `cut_late` seconds.
        malformed_at: a chunk that is not JSON is sent there.
        html: an HTML page with status 200. error_in_stream: an error object as a chunk.
        usage: whether usage is told when asked for. done: whether `[DONE]` is sent.
        refuse: request fields answered by 400, e.g. "temperature"; "system" refuses that role.
            Such a refusal does not use the reply up.
        match: only for requests whose last user message this regular expression finds.
        tokens: `[token, logprob, [[alternative, logprob], …]]` each: the text in tokens, told with
            `logprobs` where the request asks for them; `text` is made of them.
    """

    text: str = ""
    reasoning: str = ""
    reasoning_field: str = "reasoning_content"
    status: int = 200
    message: str = ""
    code: str | None = None
    retry_after: str | float | None = None
    times: int = 1
    repeat: bool = False
    chunk: int = 16
    delay: float = 0.0
    stall_first: float = 0.0
    stall_at: int | None = None
    stall_after: float = 0.0
    cut_at: int | None = None
    cut_clean: bool = False
    cut_late: float = 0.0
    malformed_at: int | None = None
    html: bool = False
    error_in_stream: str = ""
    finish_reason: str = "stop"
    usage: bool = True
    cached_tokens: int = 0
    done: bool = True
    refuse: tuple[str, ...] = ()
    match: str | None = None
    tokens: Sequence[tuple[str, float, Sequence[tuple[str, float]]]] = ()

    def __post_init__(self) -> None:
        if self.tokens:
            object.__setattr__(self, "text", "".join(item[0] for item in self.tokens))

    def logprobs(self, request: Request, at: int | None = None) -> dict[str, Any] | None:
        """What is told of the tokens (of the one at `at`), if the request asks for it."""
        if not self.tokens or not request.body.get("logprobs"):
            return None
        most = request.body.get("top_logprobs") or 0

        def told(token: str, value: float) -> dict[str, Any]:
            return {"token": token, "logprob": value, "bytes": list(token.encode())}

        chosen = self.tokens if at is None else self.tokens[at : at + 1]
        return {
            "content": [
                told(token, value) | {"top_logprobs": [told(*other) for other in top[:most]]}
                for token, value, top in chosen
            ]
        }


@dataclass
class Request:
    """One request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    disconnected: threading.Event = field(default_factory=threading.Event)

    @property
    def messages(self) -> list[dict[str, str]]:
        return list(self.body.get("messages", []))

    @property
    def last_user(self) -> str:
        users = [m["content"] for m in self.messages if m.get("role") == "user"]
        return str(users[-1]) if users else ""


Replies = Sequence["str | Reply"] | Callable[[dict[str, Any]], "str | Reply"]


class OpenAIServer:
    """Serves `replies` until the `with` block ends. Thread-safe; requests are kept in order."""

    def __init__(
        self,
        replies: Replies = (),
        *,
        models: Sequence[str] = ("test-model",),
        port: int = 0,
        api_key: str | None = None,
        default: Reply | None = None,
        strict_models: bool = False,
    ) -> None:
        self.models = list(models)
        self.api_key = api_key
        self.strict_models = strict_models
        self.requests: list[Request] = []
        self._callable = replies if callable(replies) else None
        self._replies: list[Reply] = []
        if not callable(replies):
            for reply in replies:
                self.add(reply)
        self._default = default
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._http = _Http(("127.0.0.1", port), _handler(self))
        self._thread: threading.Thread | None = None

    def add(self, reply: str | Reply) -> None:
        reply = Reply(reply) if isinstance(reply, str) else reply
        self._replies += [reply] * max(1, reply.times)

    def __enter__(self) -> OpenAIServer:
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._closing.set()
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._thread = None
        self._http.server_close()

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def chats(self) -> list[Request]:
        """The chat-completion requests alone."""
        return [item for item in self.requests if item.path.endswith("/chat/completions")]

    def wait_disconnect(self, at: int = -1, timeout: float = 5.0) -> bool:
        """Whether the client closed the connection of chat request `at` before its end."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and not self.chats:
            time.sleep(0.01)
        return self.chats[at].disconnected.wait(max(0.0, deadline - time.monotonic()))

    def next_reply(self, request: Request) -> Reply:
        with self._lock:
            if self._callable is not None:
                reply = self._callable(request.body)
                return Reply(reply) if isinstance(reply, str) else reply
            for at, reply in enumerate(self._replies):
                if reply.match is None or re.search(reply.match, request.last_user):
                    if not reply.repeat and refusal(reply, request) is None:
                        del self._replies[at]
                    return reply
        if self._default is not None:
            return self._default
        return Reply(status=418, message="the test server has no reply left")


def refusal(reply: Reply, request: Request) -> tuple[str, str] | None:
    """The field of `request` that `reply` refuses and the words reasoning models use for it."""
    for name in reply.refuse:
        if name == "system":
            if any(item.get("role") == "system" for item in request.messages):
                where = "messages[0].role"
                return where, (
                    f"Unsupported value: '{where}' does not support 'system' with this model."
                )
        elif name in request.body:
            hint = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
            return name, (
                f"Unsupported parameter: '{name}' is not supported with this model.{hint}"
            )
    return None


class _Http(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no error here."""


def _handler(server: OpenAIServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(_Handler):
        owner = server

    return Handler


class _Gone(Exception):
    pass


class _Handler(http.server.BaseHTTPRequestHandler):
    owner: OpenAIServer
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *args: Any) -> None:
        pass

    def _read(self, method: str) -> Request:
        size = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(size) if size else b""
        try:
            body = json.loads(raw) if raw else {}
        except ValueError:
            body = {}
        headers = {key.lower(): value for key, value in self.headers.items()}
        request = Request(method, self.path, headers, body)
        self.owner.requests.append(request)
        return request

    def _authorised(self, request: Request) -> bool:
        key = self.owner.api_key
        if key is None or request.headers.get("authorization") == f"Bearer {key}":
            return True
        self._error(401, "Incorrect API key provided: ***.", "invalid_api_key")
        return False

    def do_GET(self) -> None:
        request = self._read("GET")
        if not self._authorised(request):
            return
        if self.path.rstrip("/").endswith("/models"):
            data = [{"id": name, "object": "model"} for name in self.owner.models]
            self._json(200, {"object": "list", "data": data})
        elif self.path == "/api/tags":
            self._json(200, {"models": [{"name": name} for name in self.owner.models]})
        else:
            self._error(404, "not found")

    def do_POST(self) -> None:
        request = self._read("POST")
        if not self._authorised(request):
            return
        if not self.path.endswith("/chat/completions"):
            self._error(404, "not found")
            return
        model = request.body.get("model")
        if self.owner.strict_models and model not in self.owner.models:
            self._error(404, f"The model `{model}` does not exist", "model_not_found")
            return
        reply = self.owner.next_reply(request)
        try:
            self._answer(request, reply)
        except (_Gone, BrokenPipeError, ConnectionResetError):
            request.disconnected.set()
            self.close_connection = True

    def _answer(self, request: Request, reply: Reply) -> None:
        self._wait(reply.stall_first)
        refused = refusal(reply, request)
        if refused is not None:
            name, message = refused
            self._error(400, message, "unsupported_parameter", name)
            return
        if reply.status != 200:
            headers = {}
            if reply.retry_after is not None:
                headers["Retry-After"] = str(reply.retry_after)
            message = reply.message or f"scripted status {reply.status}"
            self._error(reply.status, message, reply.code, headers=headers)
        elif reply.html:
            self._send(200, b"<!doctype html><html><body>Sign in</body></html>", "text/html")
        elif request.body.get("stream"):
            self._stream(request, reply)
        else:
            self._whole(request, reply)

    def _usage(self, request: Request, reply: Reply) -> dict[str, Any]:
        prompt = sum(len(str(item.get("content", "")).split()) for item in request.messages)
        completion = len(reply.text.split()) + len(reply.reasoning.split())
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": reply.cached_tokens},
        }

    def _head(self, request: Request, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{len(self.owner.requests)}",
            "object": kind,
            "created": int(time.time()),
            "model": request.body.get("model", ""),
        }

    def _whole(self, request: Request, reply: Reply) -> None:
        message: dict[str, Any] = {"role": "assistant", "content": reply.text}
        if reply.reasoning:
            message[reply.reasoning_field] = reply.reasoning
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": reply.finish_reason,
            "logprobs": reply.logprobs(request),
        }
        body = self._head(request, "chat.completion") | {"choices": [choice]}
        if reply.usage:
            body["usage"] = self._usage(request, reply)
        self._wait(reply.delay)
        self._json(200, body)

    def _stream(self, request: Request, reply: Reply) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        head = self._head(request, "chat.completion.chunk")

        def chunk(
            delta: dict[str, Any], finish: str | None = None, logprobs: dict[str, Any] | None = None
        ) -> None:
            choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
            self._event(json.dumps(head | {"choices": [choice]}))

        chunk({"role": "assistant", "content": ""})
        pieces = [
            (name, text[start : start + reply.chunk])
            for name, text in ((reply.reasoning_field, reply.reasoning), ("content", reply.text))
            for start in range(0, len(text), reply.chunk)
        ]
        if reply.tokens:
            pieces = [("content", item[0]) for item in reply.tokens]
        for number in range(len(pieces) + 1):
            if number == reply.stall_at:
                self._wait(reply.stall_after)
            if number == reply.cut_at:
                if reply.cut_clean:
                    self._end()
                    select.select([self.connection], [], [], reply.cut_late)
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            if number == reply.malformed_at:
                self._event('{"id": "chatcmpl", "choices": [{"delta": {"cont')
            if number < len(pieces):
                self._wait(reply.delay)
                told = reply.logprobs(request, number) if reply.tokens else None
                chunk({pieces[number][0]: pieces[number][1]}, logprobs=told)
        if reply.error_in_stream:
            self._event(json.dumps({"error": {"message": reply.error_in_stream, "type": "server"}}))
            self._end()
            return
        chunk({}, reply.finish_reason)
        if reply.usage and (request.body.get("stream_options") or {}).get("include_usage"):
            usage = {"choices": [], "usage": self._usage(request, reply)}
            self._event(json.dumps(head | usage))
        if reply.done:
            self._event("[DONE]")
        self._end()

    def _event(self, data: str) -> None:
        self._check()
        event = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
        self.wfile.flush()

    def _end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _check(self) -> None:
        """Raise when the client has closed its end."""
        if self.owner._closing.is_set():
            raise _Gone
        readable, _, _ = select.select([self.connection], [], [], 0)
        if readable and self.connection.recv(1, socket.MSG_PEEK) == b"":
            raise _Gone

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._check()
            time.sleep(min(left, 0.02))

    def _json(self, status: int, data: Any, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(data).encode(), "application/json", headers)

    def _error(
        self,
        status: int,
        message: str,
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
        self._json(status, {"error": error}, headers)

    def _send(
        self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)


def read_script(text: str) -> list[Reply]:
    """Replies from the JSON of a script file."""
    names = {item.name for item in dataclasses.fields(Reply)}
    replies = []
    for entry in json.loads(text):
        data = {"text": entry} if isinstance(entry, str) else dict(entry)
        if "reply" in data:
            data["text"] = data.pop("reply")
        unknown = set(data) - names
        if unknown:
            raise SystemExit(f"unknown field {sorted(unknown)[0]!r}; use {sorted(names)}")
        if "refuse" in data:
            data["refuse"] = tuple(data["refuse"])
        replies.append(Reply(**data))
    return replies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--script", required=True, help="JSON file with the replies")
    parser.add_argument("--model", action="append", help="names that /v1/models lists")
    options = parser.parse_args()
    with open(options.script, encoding="utf-8") as file:
        replies = read_script(file.read())
    with OpenAIServer(replies, port=options.port, models=options.model or ["test-model"]) as server:
        print(server.base_url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
