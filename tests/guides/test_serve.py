"""Our own server over the engine: the protocol, the token, streams, turns, leaving early."""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codesteer_jupyter.guides import loaded as store
from codesteer_jupyter.guides.serving.access import one_token
from codesteer_jupyter.guides.serving.worker import Busy, Worker
from codesteer_jupyter.models.endpoint import Secret
from codesteer_jupyter.steering.completion import Decoding, Message
from tests.guides.tiny import make_tiny_llama

torch = pytest.importorskip("torch", reason="the extra [local] is not installed")
pytest.importorskip("transformers", reason="the extra [local] is not installed")

from codesteer_jupyter.guides.serving.http import GuideServer  # noqa: E402

TOKEN = "a-token-of-the-tests"
HELLO = [{"role": "user", "content": "Say something."}]
LABELS = ["<<<Code>>>", "<<<Text>>>", "<<<Refine>>>", "<<<Return Answer>>>"]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = make_tiny_llama(tmp_path_factory.mktemp("served"), context=2048)
    yield store.load(store.Wish(str(folder)))
    store.unload()


@pytest.fixture(scope="module")
def server(engine: Any) -> Iterator[GuideServer]:
    made = GuideServer(engine, "tiny", one_token(TOKEN))
    made.start()
    yield made
    made.stop()


@contextlib.contextmanager
def connected(server: GuideServer) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        yield connection
    finally:
        connection.close()


def send(
    server: GuideServer,
    path: str,
    body: Any = None,
    *,
    token: str | None = TOKEN,
    raw: bytes | None = None,
) -> tuple[int, Any]:
    with connected(server) as connection:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        data = raw if raw is not None else None if body is None else json.dumps(body)
        connection.request("GET" if data is None else "POST", path, data, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def ask(server: GuideServer, **fields: Any) -> tuple[int, Any]:
    body = {"model": "tiny", "messages": HELLO, "temperature": 0, "max_tokens": 12} | fields
    return send(server, "/v1/chat/completions", body)


def stream(server: GuideServer, **fields: Any) -> list[Any]:
    """The events of a streamed reply, `[DONE]` as it stands."""
    body = {"model": "tiny", "messages": HELLO, "temperature": 0, "max_tokens": 12} | fields
    with connected(server) as connection:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        connection.request(
            "POST", "/v1/chat/completions", json.dumps(body | {"stream": True}), headers
        )
        response = connection.getresponse()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        lines = response.read().decode().split("\n\n")
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return [item if item == "[DONE]" else json.loads(item) for item in data]


def in_process(engine: Any, text: str = "Say something.", tokens: int = 12) -> Any:
    ids = engine.prompt([Message("user", text)])
    quiet = threading.Event()
    return engine.generate(ids, Decoding(max_tokens=tokens), lambda _: None, quiet)


# -- the protocol ---------------------------------------------------------------------------------


def test_the_same_greedy_text_as_in_process(server: GuideServer, engine: Any) -> None:
    expected = in_process(engine)
    status, reply = ask(server)
    assert status == 200
    choice = reply["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": expected.text}
    assert choice["finish_reason"] == "length"
    assert choice["logprobs"] is None
    assert reply["usage"]["prompt_tokens"] == expected.prompt_tokens
    assert reply["usage"]["completion_tokens"] == 12
    assert reply["object"] == "chat.completion"


@pytest.mark.parametrize("options", [{}, {"draft": 7}, {"draft": 7, "fixed": True}])
def test_served_text_and_scores_in_float64_are_the_slow_ones(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    from codesteer_jupyter.guides.serving.client import remote_engine
    from tests.guides import test_engine as plain

    local = plain.engine_for(make_tiny_llama(tmp_path, context=2048), **options)
    served = GuideServer(local, "tiny", one_token(TOKEN))
    served.start()
    try:
        address = f"http://127.0.0.1:{served.port}/v1"
        remote = remote_engine(address, "tiny", Secret(TOKEN), "tiny")
        assert remote is not None
        ids = local.encode("one two three four five six seven " * 8)
        expected = local.tokenizer.decode(plain.slow(local, ids), skip_special_tokens=True)
        assert plain.write(remote, ids).text == expected
        labels = [local.encode(label) for label in LABELS]
        told = remote.score(ids, labels)
        for label, score in zip(labels, told, strict=True):
            with torch.no_grad():
                logits = local.model(torch.tensor([ids + label]), use_cache=False).logits[0]
            shares = torch.log_softmax(logits, -1)[len(ids) - 1 : -1]
            slow = sum(float(shares[at, token]) for at, token in enumerate(label))
            assert score == pytest.approx(slow, abs=1e-9)
    finally:
        served.stop()


def test_streamed_text_is_the_whole_text(server: GuideServer, engine: Any) -> None:
    events = stream(server, stream_options={"include_usage": True})
    assert events[-1] == "[DONE]"
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    pieces = [event["choices"][0]["delta"].get("content", "") for event in events[1:-2]]
    assert "".join(pieces) == in_process(engine).text
    assert len(pieces) > 3, "text comes in pieces"
    assert events[-3]["choices"][0]["finish_reason"] == "length"
    assert events[-2]["choices"] == []
    assert events[-2]["usage"]["completion_tokens"] == 12
    assert len({event["id"] for event in events[:-1]}) == 1
    assert not stream(server)[-2].get("usage"), "usage is told when it is asked for"


def test_a_conversation_that_grows_is_not_read_again(server: GuideServer) -> None:
    long = [{"role": "user", "content": "Name the days. " * 20}]
    _, first = ask(server, messages=long)
    text = first["choices"][0]["message"]["content"]
    more = [*long, {"role": "assistant", "content": text}, {"role": "user", "content": "Go on."}]
    _, second = ask(server, messages=more)
    cached = second["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert cached >= first["usage"]["prompt_tokens"] - 1


def test_the_reply_goes_on_with_the_last_message(server: GuideServer, engine: Any) -> None:
    ids = engine.prompt([Message("user", "Say something.")]) + engine.encode("<<<Code>>>")
    quiet = threading.Event()
    expected = engine.generate(ids, Decoding(max_tokens=12), lambda _: None, quiet)
    begun = [*HELLO, {"role": "assistant", "content": "<<<Code>>>"}]
    options = {"continue_final_message": True, "add_generation_prompt": False}
    status, reply = ask(server, messages=begun, **options)
    assert status == 200
    assert reply["choices"][0]["message"]["content"] == expected.text
    status, refused = ask(server, **options)
    assert (status, refused["error"]["param"]) == (400, "continue_final_message")


def test_sampling_follows_its_seed(server: GuideServer) -> None:
    drawn = [
        ask(server, temperature=1.5, top_p=0.9, seed=seed)[1]["choices"][0]["message"]["content"]
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_stop_string_ends_the_text_before_it(server: GuideServer, engine: Any) -> None:
    whole = in_process(engine).text
    stop = whole[5:7]
    _, reply = ask(server, stop=stop)
    assert reply["choices"][0]["message"]["content"] == whole[: whole.index(stop)]
    assert reply["choices"][0]["finish_reason"] == "stop"
    events = stream(server, stop=[stop, "never"])
    told = "".join(e["choices"][0]["delta"].get("content", "") for e in events[:-1])
    assert told == whole[: whole.index(stop)]


def test_log_probabilities_are_the_models_own(server: GuideServer, engine: Any) -> None:
    _, reply = ask(server, logprobs=True, top_logprobs=3)
    content = reply["choices"][0]["logprobs"]["content"]
    assert len(content) == 12
    ids = engine.prompt([Message("user", "Say something.")])
    with torch.no_grad():
        logits = engine.model(torch.tensor([ids])).logits[0, -1]
    expected = torch.log_softmax(logits.float(), -1)
    best = expected.topk(3)
    assert content[0]["logprob"] == pytest.approx(float(best.values[0]), abs=1e-4)
    assert [item["logprob"] for item in content[0]["top_logprobs"]] == pytest.approx(
        best.values.tolist(), abs=1e-4
    )
    assert content[0]["token"] == engine.tokenizer.decode([int(best.indices[0])])
    whole = [item["bytes"] for item in content if item["bytes"] is not None]
    assert bytes(whole[0]).decode() == next(i["token"] for i in content if i["bytes"] is not None)
    streamed = stream(server, logprobs=True, top_logprobs=3)
    told = [e["choices"][0]["logprobs"] for e in streamed[:-1] if e["choices"][0]["logprobs"]]
    assert [len(item["content"]) for item in told] == [12]
    bare = ask(server, logprobs=True)[1]["choices"][0]["logprobs"]["content"]
    assert [item["top_logprobs"] for item in bare] == [[]] * 12


def test_plain_completions(server: GuideServer, engine: Any) -> None:
    ids = engine.prompt([Message("user", "Say something.")])
    body = {"model": "tiny", "prompt": ids, "temperature": 0, "max_tokens": 12, "logprobs": 2}
    status, reply = send(server, "/v1/completions", body)
    assert status == 200
    assert reply["choices"][0]["text"] == in_process(engine).text
    logprobs = reply["choices"][0]["logprobs"]
    assert len(logprobs["tokens"]) == len(logprobs["token_logprobs"]) == 12
    assert all(len(item) <= 2 for item in logprobs["top_logprobs"])
    status, _ = send(server, "/v1/completions", body | {"prompt": "Once upon a time"})
    assert status == 200
    status, refused = send(server, "/v1/completions", body | {"prompt": [10**6]})
    assert (status, refused["error"]["param"]) == (400, "prompt")


def test_labels_are_scored_as_whole_sequences(server: GuideServer, engine: Any) -> None:
    body = {"model": "tiny", "messages": HELLO, "labels": LABELS}
    status, reply = send(server, "/v1/label_scores", body)
    assert status == 200
    assert [item["label"] for item in reply["data"]] == LABELS
    ids = engine.prompt([Message("user", "Say something.")])
    for item in reply["data"]:
        label = engine.encode(item["label"])
        assert item["tokens"] == len(label)
        with torch.no_grad():
            logits = engine.model(torch.tensor([[*ids, *label]])).logits[0]
        shares = torch.log_softmax(logits.float(), -1)[len(ids) - 1 : -1]
        slow = sum(float(shares[at, token]) for at, token in enumerate(label))
        assert item["logprob"] == pytest.approx(slow, abs=1e-4)
    assert reply["usage"]["prompt_tokens"] == len(ids)


def test_tokens_are_counted(server: GuideServer, engine: Any) -> None:
    status, reply = send(server, "/tokenize", {"model": "tiny", "messages": HELLO})
    ids = engine.prompt([Message("user", "Say something.")])
    assert (status, reply["tokens"], reply["count"]) == (200, ids, len(ids))
    assert reply["max_model_len"] == 2048


def test_the_list_of_models(server: GuideServer) -> None:
    status, listed = send(server, "/v1/models")
    assert status == 200
    (entry,) = listed["data"]
    assert (entry["id"], entry["owned_by"]) == ("tiny", "codesteer_jupyter")
    assert send(server, "/v1/models/tiny") == (200, entry)
    assert send(server, "/v1/models/other")[0] == 404


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "", "another-token", TOKEN[:-1], TOKEN + "x", "ü"])
def test_nobody_without_the_token(server: GuideServer, token: str | None) -> None:
    encoded = None if token is None else token.encode().decode("latin-1")
    body = {"model": "tiny", "messages": HELLO}
    for path, data in (("/v1/models", None), ("/v1/chat/completions", body), ("/v1/x", {})):
        status, reply = send(server, path, data, token=encoded)
        assert status == 401
        assert reply["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"model": "gpt-4o"}, 404, "model"),
        ({"model": 5}, 400, "model"),
        ({"messages": []}, 400, "messages"),
        ({"messages": "hello"}, 400, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, 400, "messages[0].role"),
        ({"messages": [{"role": "user", "content": None}]}, 400, "messages[0].content"),
        ({"temperature": "hot"}, 400, "temperature"),
        ({"temperature": 3}, 400, "temperature"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"max_tokens": 1.5}, 400, "max_tokens"),
        ({"seed": True}, 400, "seed"),
        ({"stop": [1]}, 400, "stop"),
        ({"stream": "yes"}, 400, "stream"),
        ({"logprobs": 3}, 400, "logprobs"),
        ({"top_logprobs": 3}, 400, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, 400, "top_logprobs"),
        ({"n": 2}, 400, "n"),
        ({"tools": [{"type": "function"}]}, 400, "tools"),
        ({"response_format": {"type": "json_object"}}, 400, "response_format"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(
    server: GuideServer, fields: dict[str, Any], status: int, param: str
) -> None:
    given, reply = ask(server, **fields)
    assert (given, reply["error"]["param"]) == (status, param)
    assert reply["error"]["message"]


def test_parts_of_text_are_joined_and_null_fields_are_left_out(server: GuideServer) -> None:
    parts = [{"type": "text", "text": "Say "}, {"type": "text", "text": "something."}]
    status, reply = ask(
        server, messages=[{"role": "user", "content": parts}], n=1, tools=None, seed=None
    )
    assert (status, reply["choices"]) == (200, ask(server)[1]["choices"])


@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_request(server: GuideServer, raw: bytes) -> None:
    status, reply = send(server, "/v1/chat/completions", raw=raw)
    assert status == 400
    assert "JSON" in reply["error"]["message"]


def test_paths_that_are_not_there(server: GuideServer) -> None:
    assert send(server, "/v1/embeddings", {"model": "tiny"})[0] == 404
    assert send(server, "/")[0] == 404


def test_a_prompt_longer_than_the_context(server: GuideServer) -> None:
    long = [{"role": "user", "content": "word and another 7 " * 900}]
    status, reply = ask(server, messages=long)
    assert (status, reply["error"]["code"]) == (400, "context_length_exceeded")
    assert "maximum context length is 2048" in reply["error"]["message"]
    body = {"model": "tiny", "messages": long, "stream": True}
    assert send(server, "/v1/chat/completions", body)[0] == 400, "also before a stream begins"


def test_a_connection_goes_on_after_an_error(server: GuideServer) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with connected(server) as connection:
        for body, status in (({"model": "no"}, 404), ({"model": "tiny"}, 400)):
            connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            response = connection.getresponse()
            response.read()
            assert response.status == status
        connection.request("GET", "/v1/models", headers=headers)
        assert connection.getresponse().status == 200


def test_a_body_that_is_too_large_is_not_read(server: GuideServer) -> None:
    with connected(server) as connection:
        connection.putrequest("POST", "/v1/chat/completions")
        connection.putheader("Authorization", f"Bearer {TOKEN}")
        connection.putheader("Content-Length", str(10**9))
        connection.endheaders()
        response = connection.getresponse()
        assert response.status == 413
        assert response.headers["Connection"] == "close"


# -- leaving, taking turns, ending ----------------------------------------------------------------


def until(holds: Any, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return bool(holds())


class Counting:
    """The engine, with each token that it writes counted."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.said = 0
        self.reasons: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def generate(self, ids: Any, decoding: Any, say: Any, cancelled: Any, **options: Any) -> Any:
        def count(piece: str) -> None:
            self.said += 1
            say(piece)

        made = self._engine.generate(ids, decoding, count, cancelled, **options)
        self.reasons.append(made.finish_reason)
        return made


@pytest.mark.parametrize("streamed", [True, False])
def test_a_client_that_leaves_ends_its_decode(engine: Any, streamed: bool) -> None:
    counting = Counting(engine)
    server = GuideServer(counting, "tiny", one_token(TOKEN))  # type: ignore[arg-type] # counts
    server.start()
    body = {
        "model": "tiny",
        "messages": HELLO,
        "temperature": 0,
        "max_tokens": 1900,
        "stream": streamed,
    }
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request(
        "POST", "/v1/chat/completions", json.dumps(body), {"Authorization": f"Bearer {TOKEN}"}
    )
    assert until(lambda: counting.said > 3)
    if streamed:
        connection.getresponse().close()
    connection.close()
    assert until(lambda: counting.reasons == ["cancelled"])
    assert counting.said < 1900
    assert ask(server)[0] == 200, "the next one is served"
    server.stop()


def test_one_at_a_time_and_clients_take_turns() -> None:
    worker = Worker()
    go = threading.Event()
    order: list[str] = []
    at_once: list[int] = []
    running = 0

    def work(name: str) -> Any:
        def run(say: Any, cancelled: threading.Event) -> str:
            nonlocal running
            running += 1
            at_once.append(running)
            go.wait(10)
            order.append(name)
            running -= 1
            return name

        return run

    jobs = [worker.submit("a", work(f"a{number}")) for number in range(4)]
    assert until(lambda: at_once == [1])
    jobs.append(worker.submit("b", work("b0")))
    jobs.append(worker.submit("c", work("c0")))
    jobs.append(worker.submit("b", work("b1")))
    go.set()
    assert [job.future.result(10) for job in jobs] == ["a0", "a1", "a2", "a3", "b0", "c0", "b1"]
    assert order == ["a0", "a1", "b0", "c0", "a2", "b1", "a3"]
    assert max(at_once) == 1
    worker.stop(5)


def test_what_waits_is_bounded_and_ends_with_the_server() -> None:
    worker = Worker(most_waiting=2)
    begun = threading.Event()

    def endless(say: Any, cancelled: threading.Event) -> str:
        begun.set()
        cancelled.wait(30)
        return "ended"

    running = worker.submit("a", endless)
    assert begun.wait(10)
    waiting = [worker.submit("a", endless) for _ in range(2)]
    with pytest.raises(Busy):
        worker.submit("b", endless)
    worker.stop(0.1)
    assert running.future.result(10) == "ended"
    assert all(isinstance(job.future.exception(10), Exception) for job in waiting)
    with pytest.raises(Busy):
        worker.submit("b", endless)


def test_too_many_requests_are_told_to_come_again(engine: Any) -> None:
    server = GuideServer(engine, "tiny", one_token(TOKEN))
    server.worker.stop(1)
    server.worker = Worker(most_waiting=0)
    server.start()
    status, reply = ask(server)
    assert (status, reply["error"]["type"]) == (429, "rate_limit_error")
    server.stop()


def test_a_failure_of_the_model_is_one_answer(engine: Any) -> None:
    class Failing(Counting):
        def generate(self, *args: Any, **options: Any) -> Any:
            raise RuntimeError("CUDA out of memory. Tried to allocate")

    server = GuideServer(Failing(engine), "tiny", one_token(TOKEN))  # type: ignore[arg-type] # fails
    server.start()
    status, reply = ask(server)
    assert (status, reply["error"]["type"]) == (500, "server_error")
    assert "out of memory" in reply["error"]["message"]
    body = {"model": "tiny", "messages": HELLO, "stream": True}
    assert send(server, "/v1/chat/completions", body)[0] == 500
    server.stop()


def test_stopping_lets_the_running_reply_end(engine: Any) -> None:
    counting = Counting(engine)
    server = GuideServer(counting, "tiny", one_token(TOKEN))  # type: ignore[arg-type] # counts
    server.start()
    got: list[Any] = []
    client = threading.Thread(target=lambda: got.append(ask(server, max_tokens=60)))
    client.start()
    assert until(lambda: counting.said > 3)
    server.stop(30)
    client.join(10)
    assert got[0][0] == 200
    assert got[0][1]["usage"]["completion_tokens"] == 60
    with pytest.raises(ConnectionRefusedError):
        send(server, "/v1/models")


def test_probabilities_of_labels_sum_to_less_than_one(server: GuideServer) -> None:
    body = {"model": "tiny", "messages": HELLO, "labels": LABELS}
    data = send(server, "/v1/label_scores", body)[1]["data"]
    assert 0 < sum(math.exp(item["logprob"]) for item in data) < 1


def test_requests_are_not_logged(server: GuideServer, capfd: pytest.CaptureFixture[str]) -> None:
    ask(server, messages=[{"role": "user", "content": "a secret question"}])
    out, err = capfd.readouterr()
    assert out == err == ""
