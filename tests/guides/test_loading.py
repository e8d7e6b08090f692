"""Loading a local guide: what it takes, how it is held, what is refused, and that it is freed."""

from __future__ import annotations

import gc
import json
import shutil
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codesteer_jupyter.errors import GuideError
from codesteer_jupyter.guides import loaded, loading, local, sizing
from codesteer_jupyter.guides.engine import reading
from codesteer_jupyter.guides.local import LocalGuide, fit
from codesteer_jupyter.guides.rules import RulesGuide
from codesteer_jupyter.guides.weights import locate
from codesteer_jupyter.steering.events import fold_all
from codesteer_jupyter.steering.guidance import Advice
from codesteer_jupyter.steering.loop import new_run, steer
from codesteer_jupyter.steering.procedure import procedure
from tests.guides.runs import PROCEDURE, PROFILE, make_run
from tests.guides.tiny import make_tiny_llama
from tests.steering.parts import ScriptedReplies, parts

torch = pytest.importorskip("torch", reason="the extra [local] is not installed")
transformers = pytest.importorskip("transformers", reason="the extra [local] is not installed")

MANY = 10**12
CPU = sizing.Device("cpu", MANY, MANY)
SHORT = procedure("default", guide_max_tokens=8)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("tiny-loading"))


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    loaded.unload()
    loaded._BROKEN.clear()
    loaded._TOLD.clear()


# -- how it is held -------------------------------------------------------------------------------


def llama_8b(folder: Path) -> Path:
    """The configuration of an 8B model, and a header that says its weights are there."""
    config = {
        "model_type": "llama",
        "vocab_size": 128256,
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "max_position_embeddings": 8192,
    }
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    count = 8_030_261_248
    header = {"all": {"dtype": "BF16", "shape": [count], "data_offsets": [0, 2 * count]}}
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + 2 * count)  # sparse: takes no room
    return folder


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama_8b(tmp_path_factory.mktemp("large") / "8b")


def planned(folder: Path, device: str, gigabytes: float, memory: float | None = None) -> Any:
    free = int(gigabytes * 1e9)
    return sizing.plan_for(
        locate(str(folder)),
        None,
        "org/large",
        device=sizing.Device(device, free, 24 * 10**9, 2 * 10**9),
        memory=None if memory is None else int(memory * 1e9),
    )


def test_sizes_of_an_8b_model(large: Path) -> None:
    shape = sizing.shape_of(locate(str(large)))
    assert shape.parameters == 8_030_261_248
    assert shape.embedding == 128256 * 4096
    assert shape.cache_numbers * 2 == 131072, "bytes a token in bfloat16"
    plan = planned(large, "cuda", 24)
    assert (plan.held, plan.dtype, plan.context, plan.why) == ("bfloat16", "bfloat16", 8192, "")
    assert plan.weights == 2 * 8_030_261_248
    assert plan.needed - plan.weights - 8192 * 131072 <= 1.5e9
    assert "16.1 GB of weights" in plan.sentence("org/large")


def test_fewer_bits_where_there_is_less_room(large: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(sizing, "_backend", lambda held: "torchao")
    eight, four = planned(large, "cuda", 13), planned(large, "cuda", 8)
    assert (eight.held, eight.backend, four.held) == ("8-bit", "torchao", "4-bit")
    assert "8-bit (torchao)" in eight.sentence("m")
    assert "there is no room for more" in eight.sentence("m")
    bounded = planned(large, "cuda", 24, memory=13)
    assert bounded.held == "8-bit"
    assert "guide_memory allows no more" in bounded.why


def test_four_bits_are_planned_only_where_they_can_be_had(large: Path, monkeypatch: Any) -> None:
    here = {"torchao": ("8-bit",), "bitsandbytes": ()}
    monkeypatch.setattr(sizing, "usable", lambda backend, held: held in here[backend])
    assert planned(large, "cuda", 13).backend == "torchao"
    with pytest.raises(GuideError, match="4-bit weights need bitsandbytes on this GPU"):
        planned(large, "cuda", 8)
    here["bitsandbytes"] = ("8-bit", "4-bit")
    four = planned(large, "cuda", 8)
    assert (four.held, four.backend) == ("4-bit", "bitsandbytes")


def test_a_backend_is_usable_if_it_imports_and_the_gpu_is_new_enough(monkeypatch: Any) -> None:
    found = sizing.importlib.util.find_spec
    monkeypatch.setattr(
        sizing.importlib.util, "find_spec", lambda name: name == "torchao" or found(name)
    )
    assert not sizing.usable("torchao", "8-bit"), "found, but it does not import"
    real = sizing.importlib.import_module
    monkeypatch.setattr(
        sizing.importlib,
        "import_module",
        lambda name, *more: None if name.startswith("torchao") else real(name, *more),
    )
    monkeypatch.setattr(transformers.utils, "is_torchao_available", lambda: True)
    capability = [(9, 0)]
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability[0])
    assert sizing.usable("torchao", "4-bit")
    capability[0] = (7, 5)
    assert sizing.usable("torchao", "8-bit")
    assert not sizing.usable("torchao", "4-bit")
    monkeypatch.setattr(transformers.utils, "is_torchao_available", lambda: False)
    assert not sizing.usable("torchao", "8-bit"), "older than transformers takes"


def test_four_bits_of_torchao_need_no_other_package(monkeypatch: Any) -> None:
    import sys
    from types import SimpleNamespace

    # Its default packing raises ImportError for a package that the extra does not bring.
    fake = SimpleNamespace(Int4WeightOnlyConfig=dict, Int8WeightOnlyConfig=dict)
    monkeypatch.setitem(sys.modules, "torchao", SimpleNamespace(quantization=fake))
    monkeypatch.setitem(sys.modules, "torchao.quantization", fake)
    asked = loading.torchao_config(eight=False)
    assert asked == {"group_size": 128, "int4_packing_format": "tile_packed_to_4d"}


def test_less_room_means_a_shorter_dialogue(large: Path) -> None:
    plan = planned(large, "cuda", 17.8)
    assert plan.held == "bfloat16"
    assert 2048 <= plan.context < 8192
    assert "reads" in plan.why
    assert "tokens at most" in plan.why
    assert plan.needed <= plan.free


@pytest.mark.parametrize(
    ("device", "free", "memory", "words"),
    [
        ("cuda", 6, None, r"6\.0 GB are free of 24\.0 GB \(this kernel holds 2\.0 GB, other"),
        ("cuda", 6, None, r"codesteer_jupyter\[quant\].*end what else uses the GPU"),
        ("cuda", 24, 5, r"guide_memory allows 5\.0 GB; raise it"),
        ("cpu", 6, None, r"needs about .* of memory on cpu, 6\.0 GB are free; close other"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_taken(
    large: Path, monkeypatch: Any, device: str, free: float, memory: float | None, words: str
) -> None:
    monkeypatch.setattr(sizing, "_backend", lambda held: None)
    with pytest.raises(GuideError, match=words):
        planned(large, device, free, memory)


def test_a_cpu_with_little_memory_computes_in_bfloat16(tiny: Path) -> None:
    whole = sizing.plan_for(locate(str(tiny)), None, "m", device=CPU, memory=None)
    assert whole.held == "float32"
    least = sizing.least(sizing.shape_of(locate(str(tiny))), "bfloat16", "cpu")
    tight = sizing.plan_for(locate(str(tiny)), None, "m", device=CPU, memory=least)
    assert tight.held == "bfloat16"
    engine = loading.engine_from(tight, "m")
    assert engine.model.dtype == torch.bfloat16


def test_a_gpu_that_another_process_holds(monkeypatch: Any) -> None:
    def busy() -> Any:
        raise RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable\nmore")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", busy)
    with pytest.raises(GuideError, match=r"busy or unavailable\): another process may hold it"):
        sizing.device_here()


def test_memory_that_was_taken_meanwhile(tiny: Path, monkeypatch: Any) -> None:
    def full(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(reading, "read_model", full)
    with pytest.raises(GuideError, match="another process took it"):
        loaded.load(loaded.Wish(str(tiny)))
    assert not loaded.is_loaded(str(tiny))


# -- reading --------------------------------------------------------------------------------------


def test_weights_read_in_pieces_are_those_of_transformers(
    tiny: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(reading, "_PIECE", 1000)
    reference = transformers.AutoModelForCausalLM.from_pretrained(tiny)
    reference.to(torch.bfloat16).save_pretrained(tmp_path / "saved", max_shard_size="60KB")
    assert len(list((tmp_path / "saved").glob("*.safetensors"))) > 1
    heard: list[tuple[int, int]] = []
    model = reading.read_model(
        tmp_path / "saved", torch.float32, "cpu", lambda done, total: heard.append((done, total))
    )
    expected = dict(reference.named_parameters())
    for name, parameter in model.named_parameters():
        assert parameter.dtype == torch.float32
        assert torch.equal(parameter, expected[name].float())
    assert heard[-1][0] == heard[-1][1] > 0
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    assert not model.training


def test_tied_weights_stay_tied(tmp_path: Path) -> None:
    config = transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        tie_word_embeddings=True,
    )
    saved = transformers.LlamaForCausalLM(config)
    saved.save_pretrained(tmp_path)
    model = reading.read_model(tmp_path, torch.float32, "cpu")
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    assert torch.equal(model.lm_head.weight, saved.lm_head.weight)


def test_an_interrupted_load_leaves_nothing(tiny: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(GuideError, match="was interrupted; ask again"):
        loaded.load(loaded.Wish(str(tiny)), cancelled=cancelled)
    assert loaded.status() == []
    loaded.load(loaded.Wish(str(tiny)))


def test_a_damaged_configuration(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "odd")
    (tmp_path / "odd" / "config.json").write_text("{")
    with pytest.raises(GuideError, match=r"config\.json cannot be read .* download"):
        loaded.load(loaded.Wish(str(tmp_path / "odd")))
    (tmp_path / "odd" / "config.json").write_text("[]")
    with pytest.raises(GuideError, match=r"config\.json cannot be read \(it holds no .* download"):
        loaded.load(loaded.Wish(str(tmp_path / "odd")))


async def test_a_model_with_few_positions_is_not_asked_for_more(tiny: Path, tmp_path: Path) -> None:
    config = transformers.GPT2Config(
        vocab_size=1000,
        n_positions=64,
        n_embd=16,
        n_layer=2,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(tiny / name, tmp_path)
    shape = sizing.shape_of(locate(str(tmp_path)))
    assert (shape.context, shape.cache_numbers, shape.embedding) == (64, 2 * 2 * 16, 16000)
    assert loading._context(transformers.GPT2LMHeadModel(config), 8192) == 64
    engine = loaded.load(loaded.Wish(str(tmp_path)))
    assert engine.context == 64
    run = await _steered(LocalGuide(str(tmp_path), PROFILE, SHORT))
    assert run.status == "answered"
    assert {item.guidance.by for item in run.rounds} == {"rules"}


# -- adapters -------------------------------------------------------------------------------------


def adapter_for(folder: Path, base: Path, *targets: str) -> Path:
    peft = pytest.importorskip("peft", reason="the extra [local] is not installed")
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    config = peft.LoraConfig(r=2, target_modules=list(targets))
    peft.get_peft_model(model, config).save_pretrained(folder)
    return folder


def test_an_adapter_for_another_base(tiny: Path, tmp_path: Path) -> None:
    config = transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path / "other")
    adapter = adapter_for(tmp_path / "adapter", tmp_path / "other", "q_proj")
    with pytest.raises(GuideError, match=r"does not fit its base.*made for .*other.*plus sign"):
        loaded.load(loaded.Wish(f"{tiny}+{adapter}"))


@pytest.mark.parametrize("targets", [["embed_tokens", "q_proj"], ["embed_tokens"]])
def test_an_adapter_of_the_embedding_fits_its_own_base(
    tiny: Path, tmp_path: Path, targets: list[str]
) -> None:
    adapter = adapter_for(tmp_path / "adapter", tiny, *targets)
    engine = loaded.load(loaded.Wish(f"{tiny}+{adapter}"))
    assert any("lora_embedding_A" in name for name, _ in engine.model.named_parameters())


def test_folders_that_hold_no_adapter(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(GuideError, match=r"no adapter_config\.json"):
        loaded.load(loaded.Wish(f"{tiny}+{tmp_path / 'empty'}"))


def test_a_gated_repository_says_how_to_log_in(tmp_path: Path, monkeypatch: Any) -> None:
    import httpx
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError

    response = httpx.Response(403, request=httpx.Request("GET", "http://127.0.0.1/"))

    def gated(*args: Any, **kwargs: Any) -> Any:
        raise GatedRepoError("403", response=response)

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", gated)
    with pytest.raises(GuideError, match=r"is gated: accept its licence.*hf auth login"):
        loaded.load(loaded.Wish("meta-llama/Meta-Llama-3-8B-Instruct"))


# -- while it is there ----------------------------------------------------------------------------


def test_unloading_frees_every_tensor(tiny: Path) -> None:
    engine = loaded.load(loaded.Wish(str(tiny)))
    engine.prefill(list(range(40)))
    layer = engine.kept.layers[0]
    held = [weakref.ref(item) for item in (*engine.model.parameters(), layer.keys, layer.values)]
    assert all(item() is not None for item in held)
    del layer
    assert loaded.unload() == [str(tiny)]
    gc.collect()
    assert all(item() is None for item in held)


def test_unloading_while_it_compiles_says_so(tiny: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(loaded, "_PATIENCE_SECONDS", 0.05)
    engine = loaded.load(loaded.Wish(str(tiny)))
    held = [weakref.ref(item) for item in engine.model.parameters()]
    ended = threading.Event()
    model = engine.model
    thread = threading.Thread(target=lambda kept: ended.wait(30), args=(model,), daemon=True)
    thread.start()
    monkeypatch.setattr(engine, "close", lambda: thread)
    engine.model = None
    del model, engine
    assert loaded.unload() == [str(tiny)]
    assert loaded.leaving() == [str(tiny)]
    ended.set()
    thread.join()
    assert loaded.leaving() == []
    gc.collect()
    assert all(item() is None for item in held)


def test_a_failed_load_keeps_no_tensor_and_gives_its_memory_back(
    tiny: Path, monkeypatch: Any
) -> None:
    held: list[Any] = []
    emptied: list[bool] = []

    def fails(*args: Any, **kwargs: Any) -> Any:
        tensor = torch.zeros(100)
        held.append(weakref.ref(tensor))
        raise RuntimeError(f"no room behind {tensor.shape}")

    monkeypatch.setattr(reading, "read_model", fails)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    with pytest.raises(GuideError, match="could not be loaded") as caught:
        loaded.load(loaded.Wish(str(tiny)))
    assert caught.value is not None
    assert held[0]() is None
    assert emptied == [True]


def test_no_memory_is_given_back_while_a_guide_replies(tiny: Path, monkeypatch: Any) -> None:
    emptied: list[bool] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    engine = loaded.load(loaded.Wish(str(tiny)))
    with engine.lock:
        other = threading.Thread(target=loaded._give_back)
        other.start()
        other.join()
    assert emptied == []
    loaded._give_back()
    assert emptied == [True]


def test_a_recording_elsewhere_does_not_end_the_guide() -> None:
    error = RuntimeError("CUDA error: operation not permitted when stream is capturing")
    assert "ask again" in loaded.failed("m", error).message
    assert "m" not in loaded._BROKEN
    lasting = loaded.failed("m", RuntimeError("CUDA error: an illegal memory access"))
    assert "restart the kernel" in lasting.message


def test_loading_behind_says_how_far_it_is_and_what_went_wrong(tiny: Path, tmp_path: Path) -> None:
    loaded.begin(loaded.Wish(str(tiny))).join()
    (known,) = loaded.status()
    assert known["held"] == "float32"
    loaded.begin(loaded.Wish(str(tmp_path))).join()
    waiting, known = loaded.status()
    assert "holds no weights" in waiting["told"]


async def _steered(guide: LocalGuide) -> Any:
    model = ScriptedReplies("It is <<<5>>>.", "It is still <<<5>>>.", "Yes, <<<5>>>.")
    set_up = parts(guide, model, rounds=3)
    rules = RulesGuide(PROFILE, PROCEDURE)
    set_up = type(set_up)(**{**vars(set_up), "fallback_guide": rules})
    run = new_run("2 + 3?", set_up, version="0")
    return fold_all([event async for event in steer(run, set_up)])


async def test_a_gpu_error_in_mid_reply_leaves_the_run_to_the_rules(tiny: Path) -> None:
    engine = loaded.load(loaded.Wish(str(tiny)))
    forward = engine.model.forward

    def fails(*args: Any, **kwargs: Any) -> Any:
        if kwargs["input_ids"].shape[1] == 1:
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nmore")
        return forward(*args, **kwargs)

    engine.model.forward = fails
    engine.draft = 0
    run = await _steered(LocalGuide(str(tiny), PROFILE, SHORT))
    assert run.status == "answered"
    said = [item["message"] for item in run.notices if item["kind"] == "guide"]
    assert "illegal memory access" in said[0]
    assert "restart the kernel" in said[0]
    assert "The rules guide steers this round." in said[0]
    assert len(said) >= len(run.rounds), "each round says so"
    assert {item.guidance.by for item in run.rounds} == {"rules"}
    assert not loaded.is_loaded(str(tiny))


async def test_no_memory_in_mid_reply_costs_one_round(tiny: Path) -> None:
    engine = loaded.load(loaded.Wish(str(tiny)))
    forward = engine.model.forward
    failed = False

    def fails_once(*args: Any, **kwargs: Any) -> Any:
        nonlocal failed
        if not failed:
            failed = True
            raise RuntimeError("CUDA out of memory. Tried to allocate 64.00 MiB")
        return forward(*args, **kwargs)

    engine.model.forward = fails_once
    run = await _steered(LocalGuide(str(tiny), PROFILE, SHORT))
    by = [item.guidance.by for item in run.rounds]
    assert by[0] == "rules"
    assert by[1:] == ["guide"] * (len(by) - 1)
    assert loaded.is_loaded(str(tiny))


async def test_an_error_of_any_kind_leaves_the_run_to_the_rules(
    tiny: Path, monkeypatch: Any
) -> None:
    engine = loaded.load(loaded.Wish(str(tiny)))

    def odd(*args: Any, **kwargs: Any) -> Any:
        raise IndexError("index 64 is out of range")

    monkeypatch.setattr(engine, "score", odd)
    run = await _steered(LocalGuide(str(tiny), PROFILE, SHORT))
    assert run.status == "answered"
    said = [item["message"] for item in run.notices if item["kind"] == "guide"]
    assert "could not reply (index 64 is out of range)" in said[0]
    assert "The rules guide steers this round." in said[0]
    assert {item.guidance.by for item in run.rounds} == {"rules"}


async def test_unloaded_before_its_reply_it_is_loaded_once_more(
    tiny: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(
        local, "fit", lambda *given: (fit(*given), loaded.unload() if spared.pop() else None)[0]
    )
    spared = [False, True]
    items = [item async for item in LocalGuide(str(tiny), PROFILE, SHORT).advise(make_run("2?"))]
    assert isinstance(items[-1], Advice)
    assert spared == []
    spared = [True, True]
    with pytest.raises(GuideError, match="could not reply"):
        async for _ in LocalGuide(str(tiny), PROFILE, SHORT).advise(make_run("2?")):
            pass


async def test_unloading_ends_what_loads_and_who_waits_for_it_hears(
    tiny: Path, monkeypatch: Any
) -> None:
    import asyncio

    begun = threading.Event()

    def slow(plan: Any, spec: str, tell: Any, cancelled: threading.Event) -> Any:
        begun.set()
        assert cancelled.wait(20)
        raise GuideError("given up")

    monkeypatch.setattr(loaded, "engine_from", slow)

    async def ask() -> None:
        async for _ in LocalGuide(str(tiny), PROFILE, SHORT).advise(make_run("2 + 3?")):
            pass

    task = asyncio.create_task(ask())
    assert await asyncio.to_thread(begun.wait, 20)
    assert await asyncio.wait_for(asyncio.to_thread(loaded.unload), 10) == []
    with pytest.raises(GuideError, match="given up"):
        await asyncio.wait_for(task, 10)


def test_waiting_for_another_load_can_be_given_up(tiny: Path) -> None:
    cancelled = threading.Event()
    threading.Timer(0.3, cancelled.set).start()
    ended: list[str] = []

    def wait() -> None:
        try:
            loaded.load(loaded.Wish(str(tiny)), cancelled=cancelled)
        except GuideError as error:
            ended.append(error.message)

    with loaded._LOCK:  # as another guide that is being loaded
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(10)
    assert "was interrupted; ask again" in ended[0]
    assert loaded._LOADING == []


def test_loading_by_transformers_alone_can_be_given_up(tiny: Path, monkeypatch: Any) -> None:
    cancelled = threading.Event()
    monkeypatch.setattr(reading, "read_model", lambda *args: cancelled.set())
    with pytest.raises(GuideError, match="was interrupted; ask again"):
        loaded.load(loaded.Wish(str(tiny)), cancelled=cancelled)
    assert transformers.utils.logging._tqdm_hook is None


async def test_leaving_while_it_loads_gives_it_up(tiny: Path, monkeypatch: Any) -> None:
    import asyncio

    begun = threading.Event()
    ended: list[str] = []

    def slow(plan: Any, spec: str, tell: Any, cancelled: threading.Event) -> Any:
        begun.set()
        if cancelled.wait(20):
            ended.append("given up")
        raise GuideError("given up")

    monkeypatch.setattr(loaded, "engine_from", slow)
    guide = LocalGuide(str(tiny), PROFILE, SHORT)

    async def ask() -> None:
        async for _ in guide.advise(make_run("2 + 3?")):
            pass

    task = asyncio.create_task(ask())
    await asyncio.to_thread(begun.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    until = time.monotonic() + 10
    while not ended and time.monotonic() < until:
        await asyncio.sleep(0.01)
    assert ended == ["given up"]
