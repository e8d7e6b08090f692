"""Decisions of the local guide: probabilities of actions, and when words are written."""

from __future__ import annotations

import dataclasses
import math
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codesteer_jupyter.errors import UsageError
from codesteer_jupyter.guides import loaded
from codesteer_jupyter.guides.actions import (
    choose,
    needs_text,
    offered,
    probabilities_after_reasons,
    probabilities_at,
)
from codesteer_jupyter.guides.local import LocalGuide, reply
from codesteer_jupyter.steering.completion import Decoding, Message
from codesteer_jupyter.steering.procedure import procedure
from codesteer_jupyter.steering.profile import BUILTIN, Calibration, load_profile
from tests.guides.runs import PROFILE, a_round, block, make_run
from tests.guides.tiny import make_tiny_llama

torch = pytest.importorskip("torch", reason="the extra [local] is not installed")
pytest.importorskip("transformers", reason="the extra [local] is not installed")

NEVER = threading.Event()
GREEDY = Decoding(max_tokens=8)
# As `codesteer profile import` writes it: reasons first, the guide's own words inside the marker.
PUBLISHED = dataclasses.replace(
    PROFILE,
    labels={**PROFILE.labels, "refine": ""},
    guidance_text="inside",
    decision_point="end",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("tiny-actions"))


@pytest.fixture
def engine(folder: Path) -> Iterator[Any]:
    yield loaded.load(loaded.Wish(str(folder)))
    loaded.unload()


def log_probability(engine: Any, ids: list[int], label: list[int]) -> float:
    with torch.no_grad():
        logits = engine.model(torch.tensor([ids + label]), use_cache=False).logits[0].double()
    shares = torch.log_softmax(logits, dim=-1)
    return sum(float(shares[len(ids) - 1 + at, token]) for at, token in enumerate(label))


def normalised(scores: dict[str, float]) -> dict[str, float]:
    total = math.fsum(map(math.exp, scores.values()))
    return {action: math.exp(score) / total for action, score in scores.items()}


def ask(engine: Any) -> list[int]:
    return engine.prompt([Message("user", "Which way? " * 20)])


def test_first_turn_offers_code_and_text_later_ones_all() -> None:
    assert offered(PROFILE, answered=False) == ("code", "text")
    assert set(offered(PROFILE, answered=True)) == {
        "code",
        "text",
        "refine",
        "return_answer",
        "terminate",
    }


def test_probabilities_are_the_slow_reference_where_one_token_tells_apart(engine: Any) -> None:
    labels = {"code": "Q", "text": "Z", "refine": "K", "return_answer": "J", "terminate": "V"}
    profile = dataclasses.replace(PROFILE, labels=labels)
    ids = ask(engine)
    opening = engine.encode(profile.markers[0])
    expected = normalised(
        {a: log_probability(engine, [*ids, *opening], engine.encode(labels[a])) for a in labels}
    )
    got = probabilities_at(engine, ids, profile, list(labels))
    assert got == pytest.approx(expected, abs=1e-5)
    assert math.fsum(got.values()) == pytest.approx(1, abs=1e-12)


def test_labels_that_begin_alike_are_scored_as_a_whole(engine: Any) -> None:
    labels = {"code": "Qab", "text": "Qax", "refine": "Qz", "return_answer": "J", "terminate": "V"}
    profile = dataclasses.replace(PROFILE, labels=labels)
    ids = ask(engine)
    whole = {
        action: log_probability(engine, ids, engine.encode(profile.marker(action)))
        for action in labels
    }
    got = probabilities_at(engine, ids, profile, list(labels))
    assert got == pytest.approx(normalised(whole), abs=1e-5)


def test_a_fitted_temperature_evens_the_probabilities_out(engine: Any) -> None:
    ids = ask(engine)
    plain = probabilities_at(engine, ids, PROFILE, ("code", "text"))
    even = probabilities_at(engine, ids, PROFILE, ("code", "text"), temperature=2.0)
    first, second = plain["code"] / plain["text"], even["code"] / even["text"]
    assert second == pytest.approx(math.sqrt(first))


def test_own_words_inside_the_marker_have_what_is_left_over(engine: Any) -> None:
    ids = ask(engine)
    opened = [*ids, *engine.encode("<<<")]
    got = probabilities_at(engine, ids, PUBLISHED, tuple(PUBLISHED.labels))
    named = {
        action: math.exp(log_probability(engine, opened, engine.encode(f"{label}>>>")))
        for action, label in PUBLISHED.labels.items()
        if label
    }
    expected = {**named, "refine": 1 - math.fsum(named.values())}
    assert got == pytest.approx(expected, abs=1e-5)
    raw = "Numbers are involved, so <<<Code>>>"
    after = probabilities_after_reasons(engine, ids, raw, PUBLISHED)
    assert after is not None
    opened = [*ids, *engine.encode("Numbers are involved, so <<<")]
    code = math.exp(log_probability(engine, opened, engine.encode("Code>>>")))
    assert after["code"] == pytest.approx(code, abs=1e-5)
    assert math.fsum(after.values()) == pytest.approx(1)
    assert probabilities_after_reasons(engine, ids, "no marker", PUBLISHED) is None


def spaced_tokenizer(*words: str) -> Any:
    """As Llama-2's: a space in front of whatever is encoded by itself. `words` are its tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(set("▁" + "".join(PUBLISHED.labels.values()) + "".join(words)))
    vocabulary = {piece: number for number, piece in enumerate(letters)}
    merges: dict[tuple[str, str], None] = {}
    for word in words:
        for end in range(1, len(word)):
            merges[word[:end], word[end]] = None
            vocabulary.setdefault(word[: end + 1], len(vocabulary))
    raw = Tokenizer(models.BPE(vocabulary, list(merges)))
    raw.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    return PreTrainedTokenizerFast(tokenizer_object=raw)


def test_labels_behind_a_marker_have_no_space_in_front(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ask(engine)
    spaced = spaced_tokenizer("<<<", ">>>", "▁Code", "Code", "▁Text", "Text")
    monkeypatch.setattr(engine, "tokenizer", spaced)
    assert spaced.tokenize("Code>>>") == ["▁Code", ">>>"]
    opened = [*ids, *spaced.convert_tokens_to_ids(["▁", "<<<"])]
    got = probabilities_at(engine, ids, PUBLISHED, tuple(PUBLISHED.labels))
    for action, label in (("code", "Code"), ("text", "Text")):
        written = spaced.convert_tokens_to_ids([label, ">>>"])
        expected = math.exp(log_probability(engine, opened, written))
        assert got[action] == pytest.approx(expected, rel=1e-3)


def test_a_label_whose_first_letter_belongs_to_the_marker_s_last_token(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ask(engine)
    merging = spaced_tokenizer("<T", "<<", ">>>", "Code")
    monkeypatch.setattr(engine, "tokenizer", merging)

    def worth(*pieces: str) -> float:
        written = merging.convert_tokens_to_ids(["▁", "<<", *pieces])
        return math.exp(log_probability(engine, ids, written))

    inside = ["<T", *"ext", ">>>"]
    assert merging.tokenize("<<<Text>>>") == ["▁", "<<", *inside]
    opens = worth("<") + worth(*inside)
    got = probabilities_at(engine, ids, PUBLISHED, tuple(PUBLISHED.labels))
    assert got["text"] == pytest.approx(worth(*inside) / opens, rel=1e-3)
    assert got["code"] == pytest.approx(worth("<", "Code", ">>>") / opens, rel=1e-3)
    assert math.fsum(got.values()) == pytest.approx(1)


def test_greedy_takes_the_likeliest_sampling_follows_its_seed() -> None:
    shares = {"code": 0.2, "text": 0.5, "refine": 0.3}
    assert choose(shares, Decoding(), 1) == "text"
    drawn = [choose(shares, Decoding(1.0, seed=seed), 1) for seed in range(300)]
    assert drawn == [choose(shares, Decoding(1.0, seed=seed), 1) for seed in range(300)]
    for action, share in shares.items():
        assert drawn.count(action) / 300 == pytest.approx(share, abs=0.1)


def favour(monkeypatch: pytest.MonkeyPatch, engine: Any, action: str) -> None:
    """A model that prefers one action, for what follows from it."""
    monkeypatch.setattr(
        "codesteer_jupyter.guides.local.probabilities_at",
        lambda engine, ids, profile, actions, **options: {
            one: 0.9 if one == action else 0.1 / (len(actions) - 1) for one in actions
        },
    )


@pytest.mark.parametrize("action", ["return_answer", "terminate"])
def test_closing_writes_nothing(engine: Any, monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    favour(monkeypatch, engine, action)
    monkeypatch.setattr(engine, "generate", lambda *a, **k: pytest.fail("text was written"))
    said: list[str] = []
    made = reply(engine, ask(engine), GREEDY, PROFILE, turn=1, say=said.append, cancelled=NEVER)
    assert made.raw == "".join(said) == PROFILE.marker(action)
    assert PROFILE.parse_advice(made.raw).action == action


@pytest.mark.parametrize("action", ["code", "text", "refine"])
def test_the_marker_is_forced_and_words_follow(
    engine: Any, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    favour(monkeypatch, engine, action)
    said: list[str] = []
    made = reply(engine, ask(engine), GREEDY, PROFILE, turn=1, say=said.append, cancelled=NEVER)
    assert made.raw == "".join(said)
    assert made.raw.startswith(PROFILE.marker(action))
    assert PROFILE.parse_advice(made.raw).action == action
    assert made.completion_tokens == 8 + len(engine.encode(PROFILE.marker(action)))


def test_published_wording_reasons_first_unless_told_to_decide_directly(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ask(engine)
    made = reply(engine, ids, GREEDY, PUBLISHED, turn=1, say=lambda text: None, cancelled=NEVER)
    assert made.completion_tokens == 8
    assert (made.probabilities is None) == ("<<<" not in made.raw)
    direct = dataclasses.replace(PUBLISHED, decide="direct")
    favour(monkeypatch, engine, "code")
    monkeypatch.setattr(engine, "generate", lambda *a, **k: pytest.fail("text was written"))
    made = reply(engine, ids, GREEDY, direct, turn=1, say=lambda text: None, cancelled=NEVER)
    assert made.raw == "<<<Code>>>"
    assert made.probabilities is not None
    assert not needs_text("code", direct)
    assert needs_text("refine", direct)


async def test_the_answer_is_read_ahead_and_only_the_rest_later(folder: Path) -> None:
    short = procedure("default", guide_max_tokens=4)
    guide = LocalGuide(str(folder), PROFILE, short)
    done = a_round(block("print(sum(range(100)))") + "\n" + "It adds them. " * 20, printed="4950")
    running = dataclasses.replace(
        make_run("Add the numbers below 100."),
        unfinished=dataclasses.replace(done, execution=None),
    )
    await guide.prepare(running)
    engine = loaded.load(loaded.Wish(str(folder)))
    ahead = len(engine.kept.ids)
    finished = dataclasses.replace(running, rounds=(done,), unfinished=None)
    advice = [item async for item in guide.advise(finished)][-1]
    assert advice.usage.cached_tokens >= ahead - 2
    assert advice.usage.prompt_tokens - ahead < 0.5 * advice.usage.prompt_tokens
    assert set(advice.probabilities) == set(PROFILE.labels)
    loaded.unload()


async def test_probabilities_are_calibrated_only_by_data_for_this_checkpoint(folder: Path) -> None:
    fitted = Calibration(1.5, "200 questions of nowhere")
    short = procedure("default", guide_max_tokens=4)
    for trained, calibrated in (((folder.name,), True), ((), False)):
        profile = dataclasses.replace(PROFILE, trained_for=trained, calibration=fitted)
        guide = LocalGuide(str(folder), profile, short)
        advice = [item async for item in guide.advise(make_run("2 + 2?"))][-1]
        assert advice.calibrated is calibrated
        assert advice.guidance().calibrated is calibrated
    loaded.unload()


def _profile(tmp_path: Path, manifest: str) -> Any:
    import shutil

    made = tmp_path / "profile"
    shutil.copytree(BUILTIN / "default", made)
    whole = (made / "manifest.toml").read_text()
    (made / "manifest.toml").write_text(whole.replace("[actions]", manifest + "\n[actions]"))
    return load_profile(str(made))


def test_a_manifest_says_how_to_decide_and_how_it_was_calibrated(tmp_path: Path) -> None:
    text = 'decide = "direct"\n[calibration]\ntemperature = 1.7\ndata = "held-out rounds"'
    profile = _profile(tmp_path, text)
    assert profile.decide == "direct"
    assert profile.calibration == Calibration(1.7, "held-out rounds")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('decide = "quickly"', "profile or direct"),
        ("[calibration]\ntemperature = 2", "what it was fitted on"),
        ('[calibration]\ntemperature = 0\ndata = "x"', "above 0"),
        ('[calibration]\ntemperature = 2\ndata = " "', "above 0"),
    ],
)
def test_a_manifest_that_says_it_wrongly(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        _profile(tmp_path, text)


def test_our_wording_is_short() -> None:
    """At most 256 tokens; words and marks are counted, which real tokenizers split no finer."""
    asked = [
        re.sub(r"\{\{\w+\}\}", "", PROFILE.templates[f"guide_{name}"])
        for name in ("first", "round")
    ]
    words = [re.findall(r"\w+|[^\w\s]{1,3}", text) for text in asked]
    assert sum(map(len, words)) <= 200
    assert PROFILE.excerpts["guide_answer"] < PROFILE.excerpts["answer"]
