"""Chat models as guides: the task model itself, and an endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from codesteer_jupyter.errors import GuideError, TaskModelError
from codesteer_jupyter.guides.chat import ChatGuide, untrained
from codesteer_jupyter.steering.completion import (
    Completion,
    Decoding,
    Delta,
    Message,
    Notice,
    Restart,
)
from codesteer_jupyter.steering.guidance import Advice
from codesteer_jupyter.steering.guide_dialogue import guide_messages
from codesteer_jupyter.steering.trajectory import Usage
from tests.guides.runs import PROCEDURE, PROFILE, a_round, block, make_run

RUN = make_run("What is 2 + 3?", a_round(block("print(2 + 3)"), printed="5\n"))


class Says:
    """A model that streams the given items."""

    name = "scripted:test"

    def __init__(self, *items: Any) -> None:
        self.items = items
        self.asked: list[tuple[list[Message], Decoding]] = []
        self.closed = 0
        self.ended = False

    async def complete(self, messages: Sequence[Message], decoding: Decoding) -> AsyncIterator[Any]:
        self.asked.append((list(messages), decoding))
        try:
            for item in self.items:
                if isinstance(item, Exception):
                    raise item
                await asyncio.sleep(0)
                yield item
        finally:
            self.ended = True

    async def close(self) -> None:
        self.closed += 1


def reply(text: str) -> Completion:
    return Completion(text, usage=Usage(calls=1, prompt_tokens=7, completion_tokens=3))


async def advise(model: Says, name: str = "self", run: Any = RUN, **options: Any) -> list[Any]:
    guide = ChatGuide(model, PROFILE, PROCEDURE, name, **options)
    return [item async for item in guide.advise(run)]


async def test_reply_is_streamed_and_read_by_the_profile() -> None:
    text = "<<<Refine>>>\nRead rule 2 again."
    model = Says(Delta("<<<Refine>>>\n"), Delta("Read rule 2 again."), reply(text))
    *streamed, advice = await advise(model, seed=5)
    assert [item.text for item in streamed] == ["<<<Refine>>>\n", "Read rule 2 again."]
    assert (advice.action, advice.text, advice.raw) == ("refine", "Read rule 2 again.", text)
    assert advice.usage == Usage(calls=1, prompt_tokens=7, completion_tokens=3)
    messages, decoding = model.asked[0]
    assert messages == guide_messages(RUN, PROFILE, PROCEDURE)
    assert (decoding.max_tokens, decoding.seed) == (PROCEDURE.guide_max_tokens, 5)


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("<<<Code>>> search", "code"),
        ("<<<Text>>>", "text"),
        ("<<<Return Answer>>>", "return_answer"),
        ("<<<Terminate>>>", "terminate"),
        ("Do not Return Answer yet; test rule 2.", "refine"),
        ("<<<Maybe>>> who knows", "refine"),
    ],
)
async def test_actions_and_the_fallback(text: str, action: str) -> None:
    advice = (await advise(Says(reply(text))))[-1]
    assert isinstance(advice, Advice)
    assert advice.action == action
    if action == "refine":
        assert advice.text == text, "a reply without a known marker is guidance as it stands"


async def test_reasoning_is_not_shown_as_guidance() -> None:
    model = Says(Delta("hm", reasoning=True), Delta("<<<Code>>>"), reply("<<<Code>>>"))
    assert [i.text for i in await advise(model) if isinstance(i, Delta)] == ["<<<Code>>>"]


async def test_notices_and_restarts_are_passed_on() -> None:
    model = Says(Notice("retry", "wait 1 s"), Restart(), reply("<<<Code>>>"))
    assert [i.kind for i in await advise(model) if isinstance(i, Notice)] == ["retry", "guide"]


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([reply("  \n")], "replied with nothing"),
        ([], "ended its reply"),
        ([TaskModelError("No server at 127.0.0.1; start it.")], "No server at 127.0.0.1; start it"),
    ],
)
async def test_no_advice_is_a_guide_error(items: list[Any], words: str) -> None:
    with pytest.raises(GuideError, match=words):
        await advise(Says(*items))


async def test_only_an_endpoint_owns_its_model() -> None:
    for owned in (False, True):
        model = Says()
        await ChatGuide(model, PROFILE, PROCEDURE, "self", owned=owned).close()
        assert model.closed == int(owned)


async def test_leaving_early_ends_the_request() -> None:
    model = Says(Delta("a"), Delta("b"), reply("ab"))
    stream = ChatGuide(model, PROFILE, PROCEDURE, "self").advise(RUN)
    async for _ in stream:
        break
    await stream.aclose()  # type: ignore[attr-defined] # an async generator behind the protocol
    assert model.ended


async def test_codesteer_checkpoint_with_other_wording_is_told() -> None:
    name = "endpoint:vllm:yongchao98/CodeSteer-v1"
    items = await advise(Says(reply("<<<Code>>>")), name, make_run("What is 2 + 3?"))
    assert items[0].kind == "untrained_profile"
    assert "vllm:yongchao98/CodeSteer-v1" in items[0].message
    items = await advise(Says(reply("<<<Code>>>")), "endpoint:openai:gpt-4o", make_run("2 + 3?"))
    assert not isinstance(items[0], Notice)


def test_trained_checkpoints_are_known_by_name() -> None:
    import dataclasses

    profile = dataclasses.replace(PROFILE, trained_for=("org/guide-1",))
    for spec in ("org/guide-1", "vllm:org/guide-1", "/models/org/guide-1", "ORG/Guide-1/"):
        assert untrained(profile, spec) is None
    assert untrained(profile, "org/guide-10") is not None
