"""Probabilities of actions from the tokens an endpoint tells, against exact ones."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from codesteer_jupyter.guides.chat import ChatGuide
from codesteer_jupyter.guides.told import probabilities_told
from codesteer_jupyter.models.client import OpenAICompatible
from codesteer_jupyter.models.endpoint import Endpoint, Quirks, Secret
from codesteer_jupyter.models.presets import endpoint
from codesteer_jupyter.steering.completion import TokenLogprob
from tests.guides.runs import PROCEDURE, PROFILE, a_round, block, make_run
from tests.guides.tiny import make_tiny_llama
from tests.openai_server import OpenAIServer, Reply

FIRST = make_run("What is 2 + 3?")
LATER = make_run("What is 2 + 3?", a_round(block("print(2 + 3)"), printed="5\n"))
ALL = tuple(PROFILE.labels)
INSIDE = dataclasses.replace(
    PROFILE, labels={**PROFILE.labels, "refine": ""}, guidance_text="inside", decision_point="end"
)


def likely(*pairs: tuple[str, float]) -> tuple[tuple[str, float], ...]:
    return tuple((text, math.log(share)) for text, share in pairs)


def token(text: str, share: float, *others: tuple[str, float]) -> TokenLogprob:
    return TokenLogprob(text, math.log(share), likely((text, share), *others))


def shares(
    tokens: Sequence[TokenLogprob], profile: Any = PROFILE, actions: Sequence[str] = ALL
) -> dict[str, float] | None:
    return probabilities_told(tokens, "".join(item.token for item in tokens), profile, actions)


def test_the_distribution_where_the_labels_part() -> None:
    found = shares(
        [
            token("<<<", 0.9, ("The", 0.1)),
            token("Code", 0.6, ("Text", 0.25), ("Ref", 0.1), ("Return", 0.04), ("Maybe", 0.01)),
            token(">>>", 0.99),
            token(" search", 0.5),
        ]
    )
    total = 0.6 + 0.25 + 0.1 + 0.04
    expected = [0.6 / total, 0.25 / total, 0.1 / total, 0.04 / total, 0.0]
    assert list(found or {}) == ["code", "text", "refine", "return_answer", "terminate"]
    assert list((found or {}).values()) == pytest.approx(expected)


def test_labels_that_share_their_first_tokens_part_later() -> None:
    found = shares(
        [
            token("<<<", 1.0),
            token("Re", 0.7, ("Code", 0.2), ("T", 0.001), ("Text", 0.099)),
            token("fine", 0.4, ("turn", 0.6)),
            token(">>>", 1.0),
        ]
    )
    total = 0.7 + 0.2 + 0.099
    assert found == pytest.approx(
        {
            "code": 0.2 / total,
            "text": 0.099 / total,
            "refine": 0.28 / total,
            "return_answer": 0.42 / total,
            "terminate": 0.0,
        }
    )


def test_labels_that_cannot_be_told_apart_have_none() -> None:
    assert shares([token("<<<", 1.0), token("Code", 0.6, ("T", 0.3), ("Text", 0.1))]) is None


def test_tokens_may_be_cut_anywhere() -> None:
    whole = [
        token("\n\n<", 0.8, ("\n\n<<<Te", 0.2)),
        token("<<Co", 0.9, ("<<te", 0.1)),
        token("de>>> then", 1.0),
    ]
    assert shares(whole, actions=("code", "text")) == pytest.approx({"code": 0.72, "text": 0.28})


def test_reasoning_before_the_reply_is_passed_over() -> None:
    tokens = [
        token("<think>", 1.0),
        token("<<<Text>>> or <<<Code>>>?", 1.0),
        token("</think>", 1.0),
        token("<<<", 1.0),
        token("Code", 0.7, ("Text", 0.3)),
        token(">>>", 1.0),
    ]
    found = probabilities_told(tokens, "<<<Code>>>", PROFILE, ("code", "text"))
    assert found == pytest.approx({"code": 0.7, "text": 0.3})


def test_own_words_inside_a_marker_have_what_is_left() -> None:
    opened = token("<<<", 1.0)
    own = token("Check", 0.5, ("Return", 0.2), ("Code", 0.1), ("Use", 0.1))
    found = shares([token("Hm. ", 1.0), opened, own, token(" rule 2>>>", 1.0)], INSIDE)
    assert found == pytest.approx(
        {"code": 0.1, "text": 0, "refine": 0.7, "return_answer": 0.2, "terminate": 0}
    )
    label = token("Return", 0.6, ("Check", 0.3), ("Text", 0.1))
    found = shares([opened, label, token(" Answer", 1.0), token(">>>", 1.0)], INSIDE)
    assert found == pytest.approx(
        {"code": 0, "text": 0.1, "refine": 0.3, "return_answer": 0.6, "terminate": 0}
    )


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        [token("Use a program.", 1.0)],
        [token("<<<Maybe>>>", 1.0)],
    ],
)
def test_no_marker_has_no_distribution(tokens: list[TokenLogprob]) -> None:
    assert shares(tokens) is None


def test_tokens_of_another_text_are_not_believed() -> None:
    assert probabilities_told([token("<<<Text>>>", 1.0)], "<<<Code>>>", PROFILE, ALL) is None


def test_an_action_that_was_not_offered_has_none() -> None:
    tokens = [token("<<<", 1.0), token("Terminate", 0.5, ("Code", 0.5)), token(">>>", 1.0)]
    assert shares(tokens, actions=("code", "text")) is None
    assert shares(tokens) is not None


# -- over HTTP ------------------------------------------------------------------------------------

TOLD = [
    ("<<<", math.log(0.98), [("<<<", math.log(0.98)), ("The", math.log(0.02))]),
    ("Code", math.log(0.93), [("Code", math.log(0.93)), ("Text", math.log(0.07))]),
    (">>>", 0.0, [(">>>", 0.0)]),
    (" Count them.", -0.5, []),
]


async def advise(server: OpenAIServer, run: Any = FIRST) -> Any:
    client = OpenAICompatible(endpoint(f"{server.base_url}#test-model", {}))
    guide = ChatGuide(client, PROFILE, PROCEDURE, "endpoint:test", owned=True)
    items = [item async for item in guide.advise(run)]
    await guide.close()
    return items


async def test_an_endpoint_that_tells_its_tokens() -> None:
    with OpenAIServer([Reply(tokens=TOLD)]) as server:
        advice = (await advise(server))[-1]
        asked = server.chats[0].body
    assert (asked["logprobs"], asked["top_logprobs"]) == (True, 20)
    assert (advice.action, advice.text) == ("code", "Count them.")
    assert advice.probabilities == pytest.approx({"code": 0.93, "text": 0.07})
    assert not advice.calibrated
    assert advice.guidance().probabilities == advice.probabilities


async def test_an_endpoint_that_does_not_tell_them() -> None:
    with OpenAIServer(["<<<Text>>> think"]) as server:
        advice = (await advise(server))[-1]
    assert (advice.action, advice.probabilities) == ("text", None)


async def test_an_endpoint_that_refuses_to_tell_them() -> None:
    for refused in ("logprobs", "top_logprobs"):
        with OpenAIServer([Reply("<<<Text>>> think", refuse=(refused,))]) as server:
            items = await advise(server)
            bodies = [chat.body for chat in server.chats]
        assert (items[-1].action, items[-1].probabilities) == ("text", None)
        assert f"does not take {refused}" in items[0].message
        assert len(bodies) == 2
        assert "top_logprobs" not in bodies[1]


async def test_what_is_told_in_another_shape_is_left_out() -> None:
    strange: Any = [
        ("<<<", None, [("x", -1.0)]),
        ("Code", -0.1, [(None, -0.1), ("Text", "much")]),
        (">>> count", True, []),
    ]
    reply = Reply("<<<Code>>> count")
    object.__setattr__(reply, "tokens", strange)
    object.__setattr__(reply, "logprobs", lambda request, at=None: shaped(strange[at or 0]))
    with OpenAIServer([reply]) as server:
        advice = (await advise(server))[-1]
    assert (advice.action, advice.text, advice.probabilities) == ("code", "count", None)


def shaped(item: Any) -> dict[str, Any]:
    top = [{"token": text, "logprob": value} for text, value in item[2]]
    told = {"token": item[0], "logprob": item[1], "top_logprobs": top}
    return {"content": [told, 5, None, {"token": "t"}, {"logprob": 1.0}]}


# -- a real model ---------------------------------------------------------------------------------

torch = pytest.importorskip("torch", reason="the extra [local] is not installed")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A tiny model, taught to begin its replies with a marker, behind our own server."""
    from codesteer_jupyter.guides import loaded as store
    from codesteer_jupyter.guides.serving.access import one_token
    from codesteer_jupyter.guides.serving.http import GuideServer

    folder = make_tiny_llama(tmp_path_factory.mktemp("taught"))
    engine = store.load(store.Wish(str(folder)))
    _teach(engine)
    made = GuideServer(engine, "taught", one_token("the-token-of-these-tests"))
    made.start()
    yield made
    made.stop()
    store.unload()


def _teach(engine: Any) -> None:
    """Set the last layer so that the first dialogue is answered with a marker: at each place on
    the way the wanted token is made likely, and where the labels part, the other's nearly as much.
    """
    from codesteer_jupyter.steering.guide_dialogue import guide_messages

    ids = engine.prompt(guide_messages(FIRST, PROFILE, PROCEDURE))
    reply = engine.encode("<<<Code>>> do it")
    parting = len(engine.encode("<<<"))
    with torch.no_grad():
        states = engine.model.model(torch.tensor([[*ids, *reply]])).last_hidden_state[0]
    wanted = torch.zeros(len(reply), engine.model.lm_head.out_features)
    for at, token in enumerate(reply):
        wanted[at, token] = 14.0
    wanted[parting, engine.encode("<<<Text")[parting]] = 13.0
    change = torch.linalg.pinv(states[len(ids) - 1 : -1]) @ wanted
    engine.model.lm_head.weight.data += change.T


async def test_the_same_as_scored_in_this_process(server: Any) -> None:
    """The first choice, whose labels part with one token: there the two ways are one."""
    from codesteer_jupyter.guides.actions import offered, probabilities_at
    from codesteer_jupyter.steering.guide_dialogue import guide_messages

    there = Endpoint(
        name="served",
        model="taught",
        base_url=f"http://127.0.0.1:{server.port}/v1",
        key=Secret("the-token-of-these-tests"),
        quirks=Quirks(),
    )
    guide = ChatGuide(OpenAICompatible(there), PROFILE, PROCEDURE, "endpoint:served", owned=True)
    advice = [item async for item in guide.advise(FIRST)][-1]
    await guide.close()
    assert advice.raw.startswith("<<<"), "it was taught to"
    ids = server.engine.prompt(guide_messages(FIRST, PROFILE, PROCEDURE))
    actions = offered(PROFILE, answered=False)
    exact = probabilities_at(server.engine, ids, PROFILE, actions)
    assert advice.probabilities is not None
    assert advice.action == max(exact, key=lambda action: exact[action])
    assert advice.probabilities == pytest.approx(exact, abs=1e-4)
    assert min(exact.values()) > 0.01, "both are worth comparing"
