"""The engine on a tiny random Llama in float64: every fast way gives what the slow way gives."""

from __future__ import annotations

import math
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from codesteer_jupyter.steering.completion import Decoding, Message
from tests.guides.tiny import make_tiny_llama

torch = pytest.importorskip("torch", reason="the extra [local] is not installed")
transformers = pytest.importorskip("transformers", reason="the extra [local] is not installed")

NEVER = threading.Event()
CHAT = [Message("user", "Say something about numbers. " * 28)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("tiny-engine"))


def engine_for(folder: Path, **options: Any) -> Any:
    from codesteer_jupyter.guides.engine.engine import Engine

    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return Engine(model.eval(), tokenizer, "tiny", 4096, **options)


@pytest.fixture
def engine(folder: Path) -> Any:
    return engine_for(folder)


def write(engine: Any, ids: list[int], tokens: int = 16, **options: Any) -> Any:
    return engine.generate(ids, Decoding(max_tokens=tokens, **options), lambda text: None, NEVER)


def slow(engine: Any, ids: list[int], tokens: int = 16) -> list[int]:
    """Greedy, reading everything again for each token, without any cache."""
    known = (type(engine.model).__name__, tuple(ids), tokens)
    if known not in SLOW:
        SLOW[known] = _slow(engine, ids, tokens)
    return SLOW[known]


# Every engine of a class here has the same weights.
SLOW: dict[Any, list[int]] = {}


def _slow(engine: Any, ids: list[int], tokens: int) -> list[int]:
    written: list[int] = []
    with torch.no_grad():
        while len(written) < tokens:
            logits = engine.model(torch.tensor([ids + written]), use_cache=False).logits[0, -1]
            written.append(int(logits.argmax()))
    return written


def looping(engine: Any) -> list[int]:
    """A prompt in which much stands twice."""
    return engine.encode("one two three four five six seven " * 8)


@pytest.mark.parametrize("fixed", [False, True], ids=["as it comes", "fixed shapes"])
@pytest.mark.parametrize("draft", [0, 1, 7])
def test_plain_cached_static_and_speculative_text_is_the_slow_one(
    folder: Path, draft: int, fixed: bool
) -> None:
    engine = engine_for(folder, draft=draft, fixed=fixed)
    assert (engine.steps is not None) is fixed
    for ids in (engine.prompt(CHAT), looping(engine)):
        expected = slow(engine, ids)
        assert list(write(engine, ids).ids) == expected
        again = write(engine, ids)
        assert list(again.ids) == expected
        assert again.cached_tokens == len(ids) - 1


def test_drafts_are_taken_and_save_passes(folder: Path) -> None:
    engine = engine_for(folder, draft=7)
    passes = 0
    forward = engine.model.forward

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal passes
        passes += 1
        return forward(*args, **kwargs)

    ids = looping(engine)
    ids += list(write(engine, ids, 60).ids)  # what it will say next has been said
    engine.model.forward = counted
    made = len(write(engine, ids, 60).ids)
    assert passes < made


def test_a_prompt_is_read_in_pieces_and_only_once(engine: Any) -> None:
    ids = engine.prompt(CHAT)
    assert len(ids) > 512
    assert engine.prefill(ids) == len(ids)
    assert engine.prefill(ids) == 0
    assert engine.prefill([*ids, 7, 8]) == 2


def test_what_follows_an_edit_is_read_again(engine: Any) -> None:
    ids = engine.prompt(CHAT)
    write(engine, ids)
    edited = [*ids[:300], 9, 9, 9, *ids[320:]]
    made = write(engine, edited)
    assert made.cached_tokens == 300
    assert list(made.ids) == slow(engine, edited)
    back = write(engine, ids)
    assert back.cached_tokens == 300
    assert list(back.ids) == slow(engine, ids)
    longer = [*ids, *back.ids[:10], 5, 6, 7]
    made = write(engine, longer)
    assert made.cached_tokens == len(ids) + 10
    assert list(made.ids) == slow(engine, longer)


def reference(engine: Any, ids: list[int], label: list[int]) -> float:
    with torch.no_grad():
        logits = engine.model(torch.tensor([ids + label]), use_cache=False).logits[0]
    shares = torch.log_softmax(logits, dim=-1)
    return sum(float(shares[len(ids) - 1 + at, token]) for at, token in enumerate(label))


@pytest.mark.parametrize("fixed", [False, True], ids=["as it comes", "fixed shapes"])
def test_scores_are_those_of_the_slow_reference(folder: Path, fixed: bool) -> None:
    engine = engine_for(folder, fixed=fixed)
    ids = engine.prompt(CHAT)
    labels = [[5], [6, 7], [6, 8, 9], [6, 8], [300, 4, 4, 4]]
    expected = [reference(engine, ids, label) for label in labels]
    for _ in range(2):
        assert engine.score(ids, labels) == pytest.approx(expected, abs=1e-9)
    assert len(engine.kept.ids) == len(ids), "the labels are not kept"
    assert list(write(engine, ids).ids) == slow(engine, ids)
    every = engine.score(ids, [[token] for token in range(len(engine.tokenizer))])
    assert math.fsum(map(math.exp, every)) == pytest.approx(1, abs=1e-9)


def test_few_tokens_behind_many_are_read_by_a_pass_of_fixed_shape(folder: Path) -> None:
    engine = engine_for(folder, fixed=True)
    ids = engine.prompt(CHAT)
    write(engine, ids)
    longer = [*ids, 5, 6, 7]
    expected = reference(engine, longer, [5])
    engine.prefill(ids)
    shapes = []
    forward = engine.model.forward
    engine.model.forward = lambda *a, **k: (
        shapes.append(tuple(k["input_ids"].shape)),
        forward(*a, **k),
    )[1]
    assert engine.score(longer, [[5]]) == pytest.approx([expected], abs=1e-9)
    assert shapes == [(1, 8)]
    assert len(engine.kept.ids) == len(longer)


def test_short_labels_take_one_pass(engine: Any) -> None:
    ids = engine.prompt(CHAT)
    engine.prefill(ids[:-30])
    seen = []
    forward = engine.model.forward
    engine.model.forward = lambda *a, **k: (seen.append(k["input_ids"].shape), forward(*a, **k))[1]
    engine.score(ids, [[5], [6], [7]])
    assert seen == [(1, 30)]
    seen.clear()
    engine.score(ids, [[5, 1], [6, 1, 2], [7]])
    assert seen == [(1, 1), (2, 2)]


@pytest.mark.parametrize("labels", [[[]], [[1], []]])
def test_scores_need_labels_and_a_prompt(engine: Any, labels: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="at least one token"):
        engine.score([1, 2], labels)
    with pytest.raises(ValueError, match="at least one token"):
        engine.score([], [[1]])


def test_log_probabilities_of_what_is_written(engine: Any) -> None:
    ids = engine.prompt(CHAT)
    made = engine.generate(ids, Decoding(max_tokens=5), lambda text: None, NEVER, logprobs=3)
    assert [item.id for item in made.logprobs] == list(made.ids)
    for at, item in enumerate(made.logprobs):
        before = ids + list(made.ids[:at])
        assert item.logprob == pytest.approx(reference(engine, before, [item.id]), abs=1e-9)
        assert len(item.top) == 3
        assert item.top[0] == (item.id, pytest.approx(item.logprob))
        assert item.top[0][1] >= item.top[1][1] >= item.top[2][1]


def test_stop_words_end_the_reply_and_are_not_said(engine: Any) -> None:
    ids = engine.prompt(CHAT)
    whole = write(engine, ids, 40)
    word = whole.text[len(whole.text) // 2 :][:3]
    said: list[str] = []
    decoding = Decoding(max_tokens=40, stop=(word,))
    made = engine.generate(ids, decoding, said.append, NEVER)
    assert made.finish_reason == "stop"
    assert made.text == whole.text[: whole.text.index(word)] == "".join(said)


@pytest.mark.parametrize("fixed", [False, True], ids=["as it comes", "fixed shapes"])
def test_buffers_grow_and_hold_what_was_read(folder: Path, fixed: bool) -> None:
    engine = engine_for(folder, fixed=fixed)
    random.seed(4)
    ids = [random.randrange(300) for _ in range(900)]
    write(engine, ids)
    before = engine.kept.size()
    longer = ids + [random.randrange(300) for _ in range(900)]
    made = write(engine, longer)
    assert engine.kept.size() > before
    assert made.cached_tokens >= 900
    assert list(made.ids) == slow(engine, longer)


def test_a_failed_pass_leaves_nothing_wrong_behind(engine: Any) -> None:
    ids = engine.prompt(CHAT)
    layer = engine.model.model.layers[1]
    forward = layer.forward

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    layer.forward = broken
    with pytest.raises(RuntimeError, match="illegal"):
        write(engine, ids)
    layer.forward = forward
    assert list(write(engine, ids).ids) == slow(engine, ids)


def test_cancelling_keeps_what_was_read(engine: Any) -> None:
    ids = engine.prompt(CHAT)
    cancelled = threading.Event()
    forward = engine.model.forward

    def stopping(*args: Any, **kwargs: Any) -> Any:
        cancelled.set()
        return forward(*args, **kwargs)

    engine.model.forward = stopping
    made = engine.generate(ids, Decoding(max_tokens=5), lambda text: None, cancelled)
    assert (made.finish_reason, made.ids) == ("cancelled", ())
    assert len(engine.kept.ids) == 256
    cancelled.clear()
    assert engine.prefill(ids, cancelled) == 256, "one more piece, then it stops again"


def test_models_with_windows_and_states_work_without_buffers(folder: Path) -> None:
    from codesteer_jupyter.guides.engine.engine import Engine
    from codesteer_jupyter.guides.engine.kept import PlainCache

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    config = transformers.MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        sliding_window=64,
        bos_token_id=None,
        eos_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = transformers.MistralForCausalLM(config).double().eval()
    model.lm_head.weight.data[0] = 0
    engine = Engine(model, tokenizer, "windowed", 2048)
    assert isinstance(engine.kept, PlainCache)
    ids = engine.encode("one two three four five six " * 6)
    labels = [[5], [6, 7], [6, 8, 9]]
    for prompt in (ids[:30], ids, [*ids[:40], 9, *ids[40:]], ids):
        assert list(write(engine, prompt).ids) == slow(engine, prompt)
        assert engine.score(prompt, labels) == pytest.approx(
            [reference(engine, prompt, label) for label in labels], abs=1e-9
        )


def test_the_beginning_of_a_message_is_a_beginning_of_the_prompt(engine: Any) -> None:
    from codesteer_jupyter.guides.engine.kept import common_prefix

    part = engine.beginning([*CHAT, Message("user", "The answer: 12")])
    whole = engine.prompt([*CHAT, Message("user", "The answer: 12\n\nIt printed 5.")])
    assert common_prefix(part, whole) >= len(part) - 1
    assert len(whole) > len(part) + 5


@pytest.mark.slow
def test_compiled_passes_write_the_same_text(folder: Path) -> None:
    """Needs a C++ compiler; a minute and more on two cores."""
    engine = engine_for(folder, draft=3, fixed=True)
    ids = looping(engine)
    expected = slow(engine, ids)
    assert list(write(engine, ids).ids) == expected
    plain = engine.steps._pass
    engine.compile_behind().join()
    assert engine.steps.remark == ""
    assert engine.steps._pass is not plain
    assert "compiled in" in engine.steps.told()
    longer = engine.prompt(CHAT)
    longest = (longer * 2)[: engine.kept.room - 40]
    with torch._dynamo.config.patch(error_on_recompile=True):  # a reply never waits for that
        assert list(write(engine, ids).ids) == expected
        assert list(write(engine, longer).ids) == slow(engine, longer)
        assert list(write(engine, longest).ids) == slow(engine, longest)


def test_a_pass_that_cannot_be_compiled_runs_as_it_is(folder: Path, monkeypatch: Any) -> None:
    def no_compiler(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("no C++ compiler\nmore")

    engine = engine_for(folder, fixed=True)
    ids = looping(engine)
    assert engine.compile_behind() is None, "nothing was read: there are no buffers yet"
    write(engine, ids)
    monkeypatch.setattr(torch, "compile", no_compiler)
    engine.compile_behind().join()
    assert engine.steps.told() == "not compiled: no C++ compiler"
    assert list(write(engine, ids).ids) == slow(engine, ids)


def test_windows_are_few_and_never_much_larger_than_needed() -> None:
    from codesteer_jupyter.guides.engine.steps import window_for

    sizes = {window_for(tokens, 8192) for tokens in range(1, 8193)}
    assert len(sizes) <= 16
    for tokens in range(513, 8193, 7):
        window = window_for(tokens, 8192)
        assert tokens <= window <= max(1.25 * tokens + 256, 512)
        assert window % 256 == 0


def test_a_bound_of_zero_leaves_the_likeliest_token(engine: Any) -> None:
    ids = engine.prompt(CHAT)
    drawn = write(engine, ids, 6, temperature=1.0, top_p=0.0, seed=3)
    assert list(drawn.ids) == slow(engine, ids, 6)
