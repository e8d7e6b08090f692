"""The local guide on a tiny, untrained Llama: loading, streaming, stopping, refusing."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from codesteer_jupyter.errors import GuideError
from codesteer_jupyter.guides import loaded as store
from codesteer_jupyter.guides import sizing
from codesteer_jupyter.guides.local import LocalGuide, fit
from codesteer_jupyter.guides.weights import is_cached, locate, split_adapter
from codesteer_jupyter.steering.completion import Decoding, Delta, Message, Notice
from codesteer_jupyter.steering.guidance import Advice
from codesteer_jupyter.steering.procedure import procedure
from tests.guides.runs import PROFILE, a_round, make_run
from tests.guides.tiny import make_tiny_llama

torch = pytest.importorskip("torch", reason="the extra [local] is not installed")
pytest.importorskip("transformers", reason="the extra [local] is not installed")

SHORT = procedure("default", guide_max_tokens=24)
RUN = make_run("What is 2 + 3?")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("tiny-guide"))


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    store.unload()


async def advise(guide: LocalGuide, run: Any = RUN) -> list[Any]:
    return [item async for item in guide.advise(run)]


async def test_advice_is_streamed_and_counted(tiny: Path) -> None:
    guide = LocalGuide(str(tiny), PROFILE, SHORT)
    items = await advise(guide)
    advice = items[-1]
    assert isinstance(advice, Advice)
    streamed = "".join(item.text for item in items if isinstance(item, Delta))
    assert streamed == advice.raw
    assert advice.by == "guide"
    assert advice.raw == f"{PROFILE.marker(advice.action)}{advice.raw.partition('>>>')[2]}"
    assert advice.text
    assert set(advice.probabilities or {}) == {"code", "text"}
    assert not advice.calibrated
    assert advice.usage.calls == 1
    marker = len(store.load(store.Wish(str(tiny))).encode(PROFILE.marker(advice.action)))
    assert advice.usage.completion_tokens == 24 + marker
    assert advice.usage.prompt_tokens > 50
    assert guide.name == f"local:{tiny}"


async def test_size_memory_and_missing_training_are_said_before(tiny: Path) -> None:
    items = await advise(LocalGuide(str(tiny), PROFILE, SHORT))
    notices = [item for item in items if isinstance(item, Notice)]
    assert [item.kind for item in notices] == ["guide_loading", "untrained_profile"]
    assert "of weights" in notices[0].message
    assert "free" in notices[0].message
    assert items.index(notices[0]) == 0
    trained = dataclasses.replace(PROFILE, trained_for=(tiny.name,))
    items = await advise(LocalGuide(str(tiny), trained, SHORT))
    assert not [item for item in items if isinstance(item, Notice)], "loaded already, and trained"


async def test_loaded_once_and_freed_on_demand(tiny: Path) -> None:
    assert store.status() == []
    await LocalGuide(str(tiny), PROFILE, SHORT).prepare(RUN)
    first = store.load(store.Wish(str(tiny)))
    assert store.load(store.Wish(str(tiny))) is first
    (known,) = store.status()
    assert (known["spec"], known["context"]) == (str(tiny), 4096)
    assert store.unload("another") == []
    assert store.unload() == [str(tiny)]
    assert store.status() == []


async def test_greedy_is_repeatable_and_leaves_the_global_generator_alone(tiny: Path) -> None:
    before = torch.random.get_rng_state()
    one = (await advise(LocalGuide(str(tiny), PROFILE, SHORT)))[-1]
    two = (await advise(LocalGuide(str(tiny), PROFILE, SHORT)))[-1]
    assert one.raw == two.raw
    assert torch.equal(before, torch.random.get_rng_state())


async def test_sampling_follows_its_seed(tiny: Path) -> None:
    sampled = procedure("released", guide_max_tokens=24)
    before = torch.random.get_rng_state()
    raws = [
        (await advise(LocalGuide(str(tiny), PROFILE, sampled, seed=seed)))[-1].raw
        for seed in (1, 1, 2)
    ]
    assert raws[0] == raws[1] != raws[2]
    assert torch.equal(before, torch.random.get_rng_state())


def test_own_decoding_agrees_with_transformers(tiny: Path) -> None:
    guide = store.load(store.Wish(str(tiny)))
    ids = guide.prompt([Message("user", "Say something. " * 60)])
    said: list[str] = []
    reply = guide.generate(ids, Decoding(max_tokens=20), said.append, threading.Event())
    with torch.inference_mode():
        reference = guide.model.generate(
            torch.tensor([ids]), max_new_tokens=20, do_sample=False, pad_token_id=0
        )
    expected = guide.tokenizer.decode(reference[0, len(ids) :], skip_special_tokens=True)
    assert reply.text == "".join(said) == expected
    assert reply.prompt_tokens == len(ids) > 256, "the prompt is read in several pieces"


async def test_cancelling_stops_the_thread(tiny: Path) -> None:
    endless = procedure("default", guide_max_tokens=3000)
    guide = LocalGuide(str(tiny), PROFILE, endless)
    stream = guide.advise(RUN)
    async for item in stream:
        if isinstance(item, Delta):
            break
    await stream.aclose()
    lock = store.load(store.Wish(str(tiny))).lock

    def take() -> bool:
        taken = lock.acquire(timeout=10)
        if taken:
            lock.release()
        return taken

    assert await asyncio.to_thread(take), "the worker gave the model back"


def test_old_rounds_are_shortened_first_never_question_or_newest(tiny: Path) -> None:
    guide = store.load(store.Wish(str(tiny)))
    guide.context = 2400
    messages = [Message("user", "QUESTION " * 20)]
    for number in range(5):
        messages.append(Message("assistant", f"guidance {number}"))
        messages.append(Message("user", f"report {number} " + "word " * 120))
    seen: list[list[Message]] = []
    prompt = guide.prompt
    spy = SimpleNamespace(
        prompt=lambda chat: (seen.append(list(chat)), prompt(chat))[1],
        context=guide.context,
        spec=guide.spec,
    )
    whole = len(prompt(messages))
    ids, decoding = fit(spy, messages, Decoding(max_tokens=64))  # type: ignore[arg-type] # a spy
    assert whole + 64 > guide.context >= len(ids) + 64
    sent = seen[-1]
    assert sent[0] == messages[0]
    assert sent[-4:] == messages[-4:]
    assert "left out" in sent[2].content
    assert decoding.max_tokens == 64


async def test_question_longer_than_the_context_is_refused(tmp_path: Path) -> None:
    folder = make_tiny_llama(tmp_path / "short", context=128)
    with pytest.raises(GuideError, match=r"tokens long; .* reads 128.*longer context"):
        await advise(LocalGuide(str(folder), PROFILE, SHORT))


async def test_base_model_without_chat_template(tmp_path: Path) -> None:
    folder = make_tiny_llama(tmp_path / "base", template=None)
    with pytest.raises(GuideError, match=r"no chat template.*instruct"):
        await advise(LocalGuide(str(folder), PROFILE, SHORT))


async def test_template_that_refuses_the_dialogue(tmp_path: Path) -> None:
    folder = make_tiny_llama(tmp_path / "fussy", template="{{ raise_exception('roles!') }}")
    with pytest.raises(GuideError, match=r"refuses the guide's dialogue.*roles!"):
        await advise(LocalGuide(str(folder), PROFILE, SHORT))


async def test_truncated_weights(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(tiny, folder)
    weights = folder / "model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[: len(data) // 2])
    with pytest.raises(GuideError, match=r"cut off or damaged.*of .* bytes"):
        await advise(LocalGuide(str(folder), PROFILE, SHORT))
    weights.write_bytes(b"no weights at all")
    with pytest.raises(GuideError, match="cut off or damaged"):
        await advise(LocalGuide(str(folder), PROFILE, SHORT))


async def test_truncated_gguf(tmp_path: Path) -> None:
    (tmp_path / "guide.gguf").write_bytes(b"GGUF\x03\0\0\0" + b"\0" * 40)
    with pytest.raises(GuideError, match="cut off or no GGUF"):
        await advise(LocalGuide(str(tmp_path / "guide.gguf"), PROFILE, SHORT))


async def test_weights_of_another_shape(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    shutil.copytree(tiny, folder)
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"hidden_size": 32', '"hidden_size": 64'))
    with pytest.raises(GuideError, match=r"do not fit its config\.json"):
        await advise(LocalGuide(str(folder), PROFILE, SHORT))


async def test_too_little_memory(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sizing.psutil, "virtual_memory", lambda: SimpleNamespace(available=10_000, total=10_000)
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(GuideError, match=r"needs about .* of memory on cpu"):
        await advise(LocalGuide(str(tiny), PROFILE, SHORT))


async def test_missing_extra(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizing.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(GuideError, match=r"codesteer_jupyter\[local\]") as caught:
        await advise(LocalGuide(str(tiny), PROFILE, SHORT))
    assert caught.value.kind == "missing_extra"


async def test_adapter_without_peft(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = sizing.importlib.util.find_spec
    monkeypatch.setattr(
        sizing.importlib.util, "find_spec", lambda name: None if name == "peft" else found(name)
    )
    with pytest.raises(GuideError, match="needs peft"):
        await advise(LocalGuide(f"{tiny}+adapter", PROFILE, SHORT))


async def test_adapter_is_loaded_on_top(tiny: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="the extra [local] is not installed")
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(tiny)
    config = peft.LoraConfig(
        r=8, lora_alpha=4096, target_modules=["down_proj", "o_proj"], init_lora_weights=False
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        peft.get_peft_model(base, config).save_pretrained(tmp_path / "adapter")
    plain = (await advise(LocalGuide(str(tiny), PROFILE, SHORT)))[-1]
    adapted = (await advise(LocalGuide(f"{tiny}+{tmp_path / 'adapter'}", PROFILE, SHORT)))[-1]
    assert adapted.raw != plain.raw
    with pytest.raises(GuideError, match="no adapter folder"):
        await advise(LocalGuide(f"{tiny}+{tmp_path / 'nothing'}", PROFILE, SHORT))


def test_plus_sign_in_a_folder_is_no_adapter(tmp_path: Path) -> None:
    (tmp_path / "a+b").mkdir()
    assert split_adapter(str(tmp_path / "a+b")) == (str(tmp_path / "a+b"), None)
    assert split_adapter("org/model+org/adapter") == ("org/model", "org/adapter")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("/no/such/folder", "no model folder"),
        ("justaname", "no model folder"),
        ("./nothing/here", "no model folder"),
    ],
)
def test_unknown_places(spec: str, words: str) -> None:
    with pytest.raises(GuideError, match=words):
        locate(spec)


def test_folders_that_hold_no_model(tmp_path: Path) -> None:
    with pytest.raises(GuideError, match="holds no weights"):
        locate(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(GuideError, match=r"no config\.json"):
        locate(str(tmp_path))
    (tmp_path / "note.txt").write_text("x")
    with pytest.raises(GuideError, match=r"is no \.gguf file"):
        locate(str(tmp_path / "note.txt"))


def test_several_gguf_files_must_be_told_apart(tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(GuideError, match=r"name one of a\.gguf, b\.gguf"):
        locate(str(tmp_path))


# -- the hub --------------------------------------------------------------------------------------


def _hub(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[str]:
    import huggingface_hub

    asked: list[str] = []

    def model_info(self: Any, repository: str, **options: Any) -> Any:
        asked.append(repository)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def snapshot(*args: Any, **options: Any) -> None:
        raise AssertionError("nothing may be fetched")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return asked


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


async def test_nothing_large_is_fetched_unasked(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [SimpleNamespace(rfilename="model.safetensors", size=16 * 10**9)]
    asked = _hub(monkeypatch, SimpleNamespace(siblings=files))
    with pytest.raises(GuideError, match=r"16\.0 GB would be fetched.*ALLOW_DOWNLOAD") as caught:
        await advise(LocalGuide("org/large", PROFILE, SHORT))
    assert caught.value.kind == "download_refused"
    assert asked == ["org/large"]


async def test_unreachable_hub(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _hub(monkeypatch, ConnectionError("no route to host"))
    with pytest.raises(GuideError, match=r"cannot be reached.*no route to host"):
        await advise(LocalGuide("org/any", PROFILE, SHORT))


async def test_unknown_id_on_the_hub(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx
    from huggingface_hub.errors import RepositoryNotFoundError

    response = httpx.Response(404, request=httpx.Request("GET", "http://127.0.0.1/"))
    _hub(monkeypatch, RepositoryNotFoundError("404", response=response))
    with pytest.raises(GuideError, match="hub has no model org/typo"):
        await advise(LocalGuide("org/typo", PROFILE, SHORT))


async def test_cached_weights_work_offline(
    tiny: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _hub(monkeypatch, ConnectionError("offline"))
    assert not is_cached("org/tiny")
    shutil.copytree(tiny, empty_cache / "models--org--tiny" / "snapshots" / "abc")
    assert is_cached("org/tiny")
    items = await advise(LocalGuide("org/tiny", PROFILE, SHORT))
    assert isinstance(items[-1], Advice)
    assert asked == []
    index = empty_cache / "models--org--tiny" / "snapshots" / "abc" / "m.safetensors.index.json"
    index.write_text('{"weight_map": {"a": "model-00002.safetensors"}}')
    assert not is_cached("org/tiny"), "a shard is missing"


async def test_later_rounds_are_shown_to_the_guide(tiny: Path) -> None:
    guide = LocalGuide(str(tiny), PROFILE, SHORT)
    first = (await advise(guide))[-1].usage.prompt_tokens
    longer = (await advise(guide, make_run(RUN.question, a_round("It is 5."))))[-1]
    assert longer.usage.prompt_tokens > first + 50
