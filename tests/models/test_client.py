"""The client against a real server on loopback: every network fault ends in a named outcome."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import pickle
import socket
import time
from typing import Any

import pytest

from codesteer_jupyter.errors import TaskModelError
from codesteer_jupyter.models.client import OpenAICompatible
from codesteer_jupyter.models.endpoint import Endpoint, Quirks, Secret
from codesteer_jupyter.models.presets import endpoint as preset_endpoint
from codesteer_jupyter.steering.completion import (
    Completion,
    Decoding,
    Delta,
    Message,
    Notice,
    Restart,
)
from tests.openai_server import OpenAIServer, Reply

KEY = "sk-verysecretkey1234567890"
QUESTION = [Message("user", "What is 6 times 7?")]
DECODING = Decoding(0.0, None, 500)


def client(server: OpenAIServer, *, key: str = KEY, stall: float = 30.0, **fields: Any):
    place = Endpoint(
        "openai:test-model",
        "test-model",
        server.base_url,
        key=Secret(key),
        key_variable="OPENAI_API_KEY",
        base_variable="OPENAI_BASE_URL",
    )
    price = fields.pop("price", None)
    return OpenAICompatible(
        dataclasses.replace(place, **fields), stall_seconds=stall, price=price, pause=0.01
    )


async def ask(model: OpenAICompatible, messages=QUESTION, decoding=DECODING):
    items = []
    try:
        async for item in model.complete(messages, decoding):
            items.append(item)
    finally:
        await model.close()
    return items


def done(items: list[Any]) -> Completion:
    assert isinstance(items[-1], Completion)
    return items[-1]


def notices(items: list[Any]) -> str:
    return "\n".join(item.message for item in items if isinstance(item, Notice))


def shown(items: list[Any], *, reasoning: bool = False) -> str:
    """What a view holds at the end: everything after the last restart."""
    text = ""
    for item in items:
        if isinstance(item, Restart):
            text = ""
        elif isinstance(item, Delta) and item.reasoning == reasoning:
            text += item.text
    return text


async def failing(replies: Any, **options: Any) -> TaskModelError:
    server_options = {key: options.pop(key) for key in ("api_key", "models") if key in options}
    with OpenAIServer(replies, **server_options) as server, pytest.raises(TaskModelError) as caught:
        await ask(client(server, **options))
    return caught.value


async def test_streams_and_counts() -> None:
    reply = Reply("The answer is <<<42>>>", reasoning="six sevens", cached_tokens=3)
    with OpenAIServer([reply]) as server:
        items = await ask(client(server, price=(1.0, 10.0)))
        request = server.chats[0]
    completion = done(items)
    assert completion.text == "The answer is <<<42>>>" == shown(items)
    assert completion.reasoning == "six sevens" == shown(items, reasoning=True)
    assert completion.finish_reason == "stop"
    usage = completion.usage
    assert (usage.calls, usage.prompt_tokens, usage.completion_tokens) == (1, 5, 6)
    assert usage.cached_tokens == 3 and "estimated" not in usage.extra
    assert usage.cost == pytest.approx((5 * 1 + 6 * 10) / 1e6)
    assert request.body["temperature"] == 0.0 and request.body["max_tokens"] == 500
    assert request.body["stream"] is True
    assert request.body["stream_options"] == {"include_usage": True}
    assert request.headers["authorization"] == f"Bearer {KEY}"


async def test_usage_is_estimated_and_says_so_when_the_server_tells_none() -> None:
    with OpenAIServer([Reply("x" * 400, usage=False)]) as server:
        usage = done(await ask(client(server))).usage
    assert usage.completion_tokens == 100 and usage.extra == {"estimated": True}
    assert usage.cost is None


async def test_empty_system_messages_are_left_out() -> None:
    with OpenAIServer(["ok"]) as server:
        await ask(client(server), [Message("system", " "), *QUESTION])
        assert [item["role"] for item in server.chats[0].messages] == ["user"]


async def test_rate_limit_waits_as_asked_and_says_so() -> None:
    with OpenAIServer([Reply(status=429, retry_after="0.2"), "fine"]) as server:
        began = time.monotonic()
        items = await ask(client(server))
    assert time.monotonic() - began >= 0.2
    assert done(items).text == "fine"
    assert "429: waiting 0.2 s as asked, try 2 of 4" in notices(items)


async def test_rate_limit_is_bounded() -> None:
    error = await failing([Reply(status=429, retry_after="3600")])
    assert error.kind == "rate_limited" and "3600 s" in error.message
    with OpenAIServer([Reply(status=429, times=9)]) as server:
        with pytest.raises(TaskModelError) as caught:
            await ask(client(server))
        assert len(server.chats) == 4
    assert caught.value.kind == "rate_limited"


async def test_no_quota_is_not_retried() -> None:
    replies = [Reply(status=429, code="insufficient_quota", message="You exceeded your quota")]
    error = await failing([*replies, "never"])
    assert error.kind == "rate_limited" and "billing" in error.message


async def test_server_errors_are_retried_then_told() -> None:
    with OpenAIServer([Reply(status=500, times=2), Reply(status=503), "fine"]) as server:
        items = await ask(client(server))
    assert done(items).text == "fine"
    assert "try 4 of 4" in notices(items)
    error = await failing([Reply(status=500, message="GPU on fire", times=9)])
    assert error.kind == "server_error" and "GPU on fire" in error.message


async def test_wrong_key_names_the_variable_not_the_key() -> None:
    error = await failing(["never"], api_key="another")
    assert error.kind == "unauthorized"
    assert "OPENAI_API_KEY" in error.message and KEY not in error.message
    error = await failing(["never"], api_key="another", key="")
    assert "set OPENAI_API_KEY" in error.message


async def test_missing_model_names_near_ones() -> None:
    missing = Reply(status=404, code="model_not_found", message="no such model")
    error = await failing([missing], models=["tast-model", "other"])
    assert error.kind == "no_such_model" and "tast-model" in error.message
    error = await failing([missing], models=["llama"], fetch="`ollama pull {model}` fetches it")
    assert "ollama pull test-model" in error.message


async def test_unreachable_says_what_to_start() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    place = preset_endpoint("ollama:llama3", {"OLLAMA_HOST": f"127.0.0.1:{port}"})
    with pytest.raises(TaskModelError) as caught:
        await ask(OpenAICompatible(place, pause=0.01))
    assert caught.value.kind == "unreachable"
    assert f"127.0.0.1:{port}" in caught.value.message and "OLLAMA_HOST" in caught.value.message


async def test_stall_before_the_first_byte() -> None:
    error = await failing([Reply("late", stall_first=20, times=2)], stall=0.3)
    assert error.kind == "stalled" and "stall_seconds" in error.message
    with OpenAIServer([Reply("late", stall_first=20), "fine"]) as server:
        items = await ask(client(server, stall=0.3))
        assert server.wait_disconnect(0)
    assert done(items).text == "fine" and "no byte for 0.3 s" in notices(items)


async def test_silent_reasoning_models_get_longer_for_their_first_byte() -> None:
    with OpenAIServer([Reply("thought", stall_first=0.8)]) as server:
        items = await ask(client(server, stall=0.3, quirks=Quirks(silent=True)))
    assert done(items).text == "thought" and not notices(items)


async def test_stall_in_the_middle_is_retried_as_a_whole() -> None:
    stalled = Reply("0123456789" * 10, chunk=10, stall_at=3, stall_after=20)
    with OpenAIServer([stalled, "the whole reply"]) as server:
        items = await ask(client(server, stall=1.5))
    assert shown(items) == done(items).text == "the whole reply"
    assert sum(isinstance(item, Restart) for item in items) == 1
    assert done(items).usage.calls == 2


async def test_stall_twice_keeps_the_partial_text() -> None:
    stalled = Reply("0123456789" * 10, chunk=10, stall_at=3, stall_after=20, times=2)
    with OpenAIServer([stalled]) as server:
        items = await ask(client(server, stall=1.5))
    assert done(items).text == "0123456789" * 3 == shown(items)
    assert done(items).finish_reason == "stalled"
    assert "partial reply is kept" in notices(items)


@pytest.mark.parametrize(("clean", "late"), [(False, 0.0), (True, 0.0), (True, 5.0)])
async def test_cut_in_the_middle(clean: bool, late: float) -> None:
    cut = Reply("0123456789" * 10, chunk=10, cut_at=4, cut_clean=clean, cut_late=late)
    with OpenAIServer([cut, "the whole reply"]) as server:
        items = await ask(client(server))
    assert shown(items) == done(items).text == "the whole reply"
    with OpenAIServer([cut, dataclasses.replace(cut, cut_at=2)]) as server:
        items = await ask(client(server))
    # The longer of the two parts is kept, and the view agrees with the record.
    assert shown(items) == done(items).text == "0123456789" * 4
    assert done(items).finish_reason == "cut"


async def test_cut_then_the_server_is_gone_keeps_the_partial_text() -> None:
    cut = Reply("0123456789" * 10, chunk=10, cut_at=4)
    with OpenAIServer([cut, Reply(status=401)]) as server:
        items = await ask(client(server))
    assert shown(items) == done(items).text == "0123456789" * 4
    assert "OPENAI_API_KEY" in notices(items)


async def test_cut_before_any_text_twice_is_an_error() -> None:
    error = await failing([Reply("text", cut_at=0, times=2)])
    assert error.kind == "unreachable" and "cut" in error.message


async def test_malformed_chunk() -> None:
    bad = Reply("0123456789" * 3, chunk=10, malformed_at=1)
    with OpenAIServer([bad, "fine"]) as server:
        items = await ask(client(server))
    assert shown(items) == done(items).text == "fine" and "malformed chunk" in notices(items)
    error = await failing([dataclasses.replace(bad, malformed_at=0, times=2)])
    assert error.kind == "malformed" and "malformed chunk" in error.message


async def test_error_inside_the_stream() -> None:
    error = await failing([Reply("", error_in_stream=f"overloaded {KEY}", times=2)])
    assert error.kind == "server_error" and "overloaded ***" in error.message


async def test_web_page_instead_of_json() -> None:
    error = await failing([Reply(html=True)])
    assert error.kind == "malformed"
    assert "web page" in error.message and "OPENAI_BASE_URL" in error.message


async def test_server_that_does_not_stream() -> None:
    def whole(request: dict[str, Any]) -> Reply:
        request["stream"] = False
        return Reply("all at once", reasoning="hm")

    with OpenAIServer(whole) as server:
        items = await ask(client(server))
    assert done(items).text == "all at once" and done(items).reasoning == "hm"
    assert done(items).usage.completion_tokens == 4


async def test_empty_reply_is_asked_once_more() -> None:
    with OpenAIServer(["", "second"]) as server:
        items = await ask(client(server))
    assert done(items).text == "second" and "empty" in notices(items)
    error = await failing([" \n", ""])
    assert error.kind == "empty"


async def test_reasoning_that_used_all_tokens() -> None:
    error = await failing([Reply("", reasoning="hm " * 50, finish_reason="length")])
    assert error.kind == "empty" and "reasoning" in error.message


async def test_a_megabyte() -> None:
    text = "0123456789abcdef" * 65536
    with OpenAIServer([Reply(text, chunk=4096)]) as server:
        items = await ask(client(server))
    assert done(items).text == text and done(items).finish_reason == "stop"


async def test_replies_are_bounded() -> None:
    with OpenAIServer([Reply("x" * (5 * 2**20), chunk=65536)]) as server:
        items = await ask(client(server))
    assert 4 * 2**20 <= len(done(items).text) < 5 * 2**20
    assert done(items).finish_reason == "length" and "4 MiB" in notices(items)


@pytest.mark.parametrize("chunk", [1, 3, 1000])
async def test_think_tags_are_reasoning(chunk: int) -> None:
    reply = Reply("<think>6*7\n=42</think>\n\nIt is 42.", chunk=chunk)
    with OpenAIServer([reply]) as server:
        items = await ask(client(server))
    assert done(items).text == "It is 42." == shown(items)
    assert done(items).reasoning == "6*7\n=42" == shown(items, reasoning=True)


async def test_lone_closing_tag_turns_text_into_reasoning() -> None:
    with OpenAIServer([Reply("6*7\n=42\n</think>\n\nIt is 42.", chunk=2)]) as server:
        items = await ask(client(server))
    assert done(items).text == "It is 42." == shown(items)
    assert done(items).reasoning == "6*7\n=42\n" == shown(items, reasoning=True)


async def test_reasoning_model_quirks() -> None:
    place = preset_endpoint("openai:o1-preview", {"OPENAI_API_KEY": KEY})
    with OpenAIServer([Reply("42", refuse=("temperature", "max_tokens", "system"))]) as server:
        model = OpenAICompatible(dataclasses.replace(place, base_url=server.base_url))
        items = await ask(model, [Message("system", "Be brief."), *QUESTION])
        sent = server.chats[0].body
    assert done(items).text == "42" and not notices(items)
    assert "temperature" not in sent and "max_tokens" not in sent
    assert sent["max_completion_tokens"] == 16_500
    assert sent["messages"] == [{"role": "user", "content": f"Be brief.\n\n{QUESTION[0].content}"}]


async def test_refused_fields_are_learnt_once() -> None:
    picky = Reply("42", refuse=("temperature", "max_tokens", "system"), times=2)
    with OpenAIServer([picky]) as server:
        model = client(server)
        messages = [Message("system", "Be brief."), *QUESTION]
        items = [item async for item in model.complete(messages, Decoding(0.0, None, 500))]
        assert done(items).text == "42" and done(items).usage.calls == 1
        assert sum(isinstance(item, Notice) for item in items) == 3
        again = await ask(model, messages)
        assert not notices(again) and len(server.chats) == 5
    assert server.chats[-1].body["max_completion_tokens"] == 500


async def test_limit_refused_under_both_names_is_left_out() -> None:
    with OpenAIServer([Reply("42", refuse=("max_tokens", "max_completion_tokens"))]) as server:
        items = await ask(client(server))
        assert done(items).text == "42"
        assert not {"max_tokens", "max_completion_tokens"} & set(server.chats[-1].body)


async def test_other_refusals_are_told() -> None:
    error = await failing([Reply(status=400, message="The prompt breaks our policy")])
    assert error.kind == "refused" and "breaks our policy" in error.message
    too_long = "This model's maximum context length is 8192 tokens"
    error = await failing([Reply(status=400, message=too_long)])
    assert error.kind == "too_long"


async def test_cancelling_closes_the_connection_at_once() -> None:
    slow = Reply("word " * 1000, chunk=5, delay=0.05, repeat=True)
    with OpenAIServer([slow]) as server:
        model = client(server)
        task = asyncio.create_task(ask(model))
        while not server.chats:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        began = time.monotonic()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.wait_disconnect, 0)
        assert time.monotonic() - began < 3


async def test_closing_the_iterator_closes_the_connection() -> None:
    slow = Reply("word " * 1000, chunk=5, delay=0.05, repeat=True)
    with OpenAIServer([slow]) as server:
        model = client(server)
        stream = model.complete(QUESTION, Decoding())
        assert isinstance(await anext(stream), Delta)
        await stream.aclose()
        assert await asyncio.to_thread(server.wait_disconnect, 0)
        await model.close()


async def test_cancelling_before_the_first_byte_and_in_a_wait() -> None:
    for reply in (Reply("x", stall_first=20), Reply(status=429, retry_after=30)):
        with OpenAIServer([reply]) as server:
            task = asyncio.create_task(ask(client(server)))
            while not server.chats:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            began = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert time.monotonic() - began < 3


def test_one_model_serves_several_event_loops() -> None:
    with OpenAIServer(["one", "two"]) as server:
        model = client(server)
        for expected in ("one", "two"):

            async def once() -> list[Any]:
                return [item async for item in model.complete(QUESTION, Decoding())]

            assert done(asyncio.run(once())).text == expected


async def test_the_environment_of_another_provider_is_not_sent(monkeypatch: Any) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-foreign-key-0123456789")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with OpenAIServer(["ok"]) as server:
        place = preset_endpoint(f"{server.base_url}#test-model")
        assert done(await ask(OpenAICompatible(place))).text == "ok"
        headers = str(server.chats[0].headers)
    assert "foreign" not in headers and "org-secret" not in headers


async def test_keys_are_nowhere() -> None:
    with OpenAIServer([Reply(status=500, message=f"bad {KEY}", times=9)]) as server:
        model = client(server)
        items: list[Any] = []

        async def collect() -> None:
            async for item in model.complete(QUESTION, Decoding()):
                items.append(item)

        with pytest.raises(TaskModelError) as caught:
            await collect()
        texts = [repr(model), repr(model.endpoint), str(model.endpoint), repr(items)]
        texts += [str(caught.value), repr(caught.value), repr(caught.value.args)]
        texts += [repr(dataclasses.asdict(model.endpoint)), f"{model.endpoint.key}"]
        texts += [str(pickle.dumps(model.endpoint.key))]
    assert not any(KEY in text for text in texts)
