"""Passes of fixed shape: what is recorded and compiled, when, and what happens where it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from codesteer_jupyter.errors import GuideError
from tests.guides.test_engine import CHAT, engine_for, looping, slow, write
from tests.guides.tiny import make_tiny_llama

torch = pytest.importorskip("torch", reason="the extra [local] is not installed")
transformers = pytest.importorskip("transformers", reason="the extra [local] is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("tiny-steps"))


class Recorded:
    """Stands in for a GPU's recorder: replays by running again, and counts."""

    def __init__(self) -> None:
        self.recorded = 0
        self.replayed = 0
        self.fails = False

    def __call__(self, call: Callable[[], Any]) -> Callable[[], Any]:
        from codesteer_jupyter.guides.engine.graphs import NotRecorded

        call()
        self.recorded += 1
        if self.fails:
            raise NotRecorded("CUDA error: operation failed due to a previous error during capture")

        def replay() -> Any:
            self.replayed += 1
            return call()

        return replay


@pytest.fixture
def recorded(folder: Path) -> Any:
    engine = engine_for(folder, draft=3, fixed=True)
    engine.steps.record = Recorded()
    return engine


@pytest.fixture
def compiling(monkeypatch: Any) -> Iterator[Any]:
    """A compiler that waits until it is let go on, and compiles nothing."""

    class Compiler:
        def __init__(self) -> None:
            self.go = threading.Event()
            self.begun = threading.Event()
            self.codes: list[Any] = []

        def __call__(self, method: Any, **options: Any) -> Any:
            self.codes.append(method.__func__.__code__)

            def compiled(*args: Any) -> Any:
                self.begun.set()
                assert self.go.wait(30)
                return method(*args)

            return compiled

    compiler = Compiler()
    monkeypatch.setattr(torch, "compile", compiler)
    yield compiler
    compiler.go.set()


def test_all_is_recorded_before_a_reply_needs_it(recorded: Any) -> None:
    from codesteer_jupyter.guides.engine.steps import windows

    recorded.warm()
    record = recorded.steps.record
    assert record.recorded == 2 * len(windows(recorded.kept.room))
    before = record.recorded
    ids = recorded.prompt(CHAT)
    assert list(write(recorded, ids).ids) == slow(recorded, ids)
    assert record.recorded == before
    assert record.replayed > 0


def test_a_failed_recording_means_passes_as_they_are(recorded: Any) -> None:
    recorded.steps.record.fails = True
    ids = looping(recorded)
    assert list(write(recorded, ids).ids) == slow(recorded, ids)
    assert recorded.steps.record is None
    assert "no CUDA graphs: CUDA error" in recorded.steps.told()


def test_a_forward_that_cannot_be_recorded_is_loaded_all_the_same(recorded: Any) -> None:
    recorded.steps.record.fails = True
    recorded.warm()
    assert recorded.steps is not None
    ids = looping(recorded)
    assert list(write(recorded, ids).ids) == slow(recorded, ids)


def test_an_error_of_the_pass_itself_is_not_taken_for_one_of_recording(recorded: Any) -> None:
    ids = looping(recorded)
    write(recorded, ids)
    recorded.steps._captured.clear()

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("CUDA error: device-side assert triggered")

    recorded.steps._forward = broken
    with pytest.raises(RuntimeError, match="device-side"):
        write(recorded, ids)
    assert recorded.steps.record is not None


def test_a_model_that_refuses_fixed_shapes_does_without(folder: Path) -> None:
    engine = engine_for(folder, fixed=True)
    forward = engine.model.forward

    def picky(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("attention_mask") is not None:
            raise ValueError("a mask of this form is not known")
        return forward(*args, **kwargs)

    engine.model.forward = picky
    engine.warm()
    assert engine.steps is None
    engine.model.forward = forward
    ids = engine.prompt(CHAT)
    assert list(write(engine, ids).ids) == slow(engine, ids)


def test_nothing_is_recorded_while_it_compiles(recorded: Any, compiling: Any) -> None:
    ids = looping(recorded)
    recorded.prefill(ids)
    record, before = recorded.steps.record, recorded.steps.record.recorded
    thread = recorded.compile_behind()
    assert compiling.begun.wait(30)
    assert list(write(recorded, ids).ids) == slow(recorded, ids)
    assert record.recorded == before
    compiling.go.set()
    thread.join()
    assert "compiled in" in recorded.steps.told()
    assert list(write(recorded, ids).ids) == slow(recorded, ids)
    assert record.recorded > before


def test_compiling_takes_no_buffers_and_harms_none(recorded: Any, compiling: Any) -> None:
    compiling.go.set()
    ids = recorded.prompt(CHAT)
    write(recorded, ids)
    held = [layer.keys.clone() for layer in recorded.kept.layers]
    twin = recorded.kept.twin()
    assert twin.layers[0].keys is recorded.kept.layers[0].keys
    recorded.compile_behind().join()
    assert recorded.steps.remark == ""
    count = len(recorded.kept.ids)
    for layer, before in zip(recorded.kept.layers, held, strict=True):
        assert torch.equal(layer.keys[:, :, :count], before[:, :, :count])
    assert list(write(recorded, ids).ids) == slow(recorded, ids)


def test_each_compilation_has_code_of_its_own(folder: Path, compiling: Any) -> None:
    compiling.go.set()
    for _ in range(2):
        engine = engine_for(folder, draft=3, fixed=True)
        engine.prefill(looping(engine))
        engine.compile_behind().join()
    one, other = compiling.codes
    assert one != other
    assert one.co_name != other.co_name


def test_buffers_that_grow_are_compiled_for_behind(recorded: Any, compiling: Any) -> None:
    compiling.go.set()
    steps = recorded.steps
    ids = looping(recorded)
    write(recorded, ids)
    recorded.compile_behind().join()
    compiled = steps._pass
    assert compiled != steps._plain
    longer = [7 + at % 200 for at in range(recorded.kept.capacity)]
    compiling.go.clear()
    compiling.begun.clear()
    made = write(recorded, longer)
    assert steps._pass == steps._plain, "a reply does not wait for the compiler"
    assert compiling.begun.wait(30)
    assert list(made.ids) == slow(recorded, longer)
    thread = steps._compiling
    compiling.go.set()
    thread.join()
    assert steps._pass not in (compiled, steps._plain)
    assert list(write(recorded, longer).ids) == slow(recorded, longer)


def test_buffers_that_grow_while_it_compiles_are_compiled_for(
    recorded: Any, compiling: Any
) -> None:
    ids = looping(recorded)
    write(recorded, ids)
    thread = recorded.compile_behind()
    assert compiling.begun.wait(30)
    write(recorded, [7 + at % 200 for at in range(recorded.kept.capacity)])
    compiling.go.set()
    thread.join()
    assert len(compiling.codes) == 2
    assert recorded.steps._pass != recorded.steps._plain
    assert list(write(recorded, ids).ids) == slow(recorded, ids)


@pytest.mark.parametrize("context", [300, 1024, 1500])
def test_the_end_of_the_context_grows_nothing(folder: Path, context: int) -> None:
    engine = engine_for(folder, draft=7, fixed=True)
    engine = type(engine)(engine.model, engine.tokenizer, "tiny", context, draft=7, fixed=True)
    capacities = set()
    for left in (9, 5, 3, 1):
        ids = (looping(engine) * 40)[: context - left]
        made = engine.generate(
            ids, _greedy(left), lambda text: None, threading.Event()
        )  # a draft of seven would reach beyond the end
        assert list(made.ids) == slow(engine, ids, left)
        capacities.add(engine.kept.capacity)
    assert len(capacities) == 1
    assert capacities.pop() % 256 == 0


def _greedy(tokens: int) -> Any:
    from codesteer_jupyter.steering.completion import Decoding

    return Decoding(max_tokens=tokens)


def test_windows_fit_buffers_of_whole_pieces() -> None:
    from codesteer_jupyter.guides.engine.kept import KeptCache
    from codesteer_jupyter.guides.engine.steps import windows

    for limit in (100, 1000, 8192, 8200):
        kept = KeptCache(1, limit, 8192, steps=8)
        assert kept.room >= min(limit, 8192) + 8
        assert all(window % 256 == 0 for window in windows(kept.room))
        assert windows(kept.room)[-1] == kept.room < kept.capacity
        assert kept.unused(8).start >= kept.room


def test_a_step_copies_no_window(folder: Path) -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    engine = engine_for(folder, fixed=True)
    ids = engine.prompt(CHAT)
    write(engine, ids)
    layer = engine.kept.layers[0]
    window = layer.keys[:, :, :768].numel()
    assert engine.kept.capacity > 768 > len(ids)
    copied: list[str] = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = func(*args, **(kwargs or {}))
            if func._schema.name in ("aten::clone", "aten::copy_", "aten::_to_copy"):
                copied.extend([str(func)] if result.numel() >= window else [])
            return result

    with Watch(), torch.no_grad():
        engine.steps.run([5], 1)
        engine.steps.run([5, 6, 7], 8)
    assert copied == []


def test_latent_attention_with_values_of_another_width(folder: Path) -> None:
    from codesteer_jupyter.guides.engine.engine import Engine

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    config = transformers.DeepseekV3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        first_k_dense_replace=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        q_lora_rank=16,
        kv_lora_rank=8,
        qk_rope_head_dim=4,
        qk_nope_head_dim=8,
        v_head_dim=6,
        eos_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = transformers.DeepseekV3ForCausalLM(config).double().eval()
    engine = Engine(model, tokenizer, "latent", 2048, fixed=True)
    engine.warm()
    assert engine.steps is not None
    ids = engine.prompt(CHAT)
    assert list(write(engine, ids).ids) == slow(engine, ids)


def test_positions_that_mean_nothing_stay_within_the_model(folder: Path) -> None:
    from codesteer_jupyter.guides.engine.engine import Engine

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    config = transformers.GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=2, n_positions=300, eos_token_id=0
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = transformers.GPT2LMHeadModel(config).double().eval()
    engine = Engine(model, tokenizer, "gpt2", 300, fixed=True, draft=3)
    assert engine.steps is not None
    engine.steps.record = Recorded()
    engine.warm()
    ids = (looping(engine) * 9)[:298]
    assert list(write(engine, ids, 2).ids) == slow(engine, ids, 2)


@pytest.mark.parametrize(
    ("rope", "eight", "expected"),
    [
        ({"rope_type": "default", "rope_theta": 1e4}, False, True),
        ({"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}, False, False),
        ({"rope_type": "default", "rope_theta": 1e4}, True, False),
    ],
)
def test_what_waits_for_the_gpu_is_not_recorded(rope: Any, eight: bool, expected: bool) -> None:
    from types import SimpleNamespace

    from codesteer_jupyter.guides.engine.graphs import replayable

    config = transformers.LlamaConfig(rope_parameters=rope)
    assert replayable(SimpleNamespace(config=config, is_loaded_in_8bit=eight)) is expected


def test_closing_stops_the_compiler_and_says_who_still_holds_memory(
    recorded: Any, compiling: Any
) -> None:
    recorded.prefill(looping(recorded))
    recorded.compile_behind()
    assert compiling.begun.wait(30)
    thread = recorded.close()
    assert thread is not None
    compiling.go.set()
    thread.join(30)
    assert not thread.is_alive()


def test_scores_that_are_no_numbers_are_refused(folder: Path) -> None:
    engine = engine_for(folder)
    engine.model.model.norm.weight.data[:] = float("nan")
    with pytest.raises(GuideError, match="tiny gives no usable scores"):
        engine.score(looping(engine), [[5], [6]])
