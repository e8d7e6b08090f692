"""Weights are read once, into place, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codesteer_jupyter.errors import GuideError
from codesteer_jupyter.guides import loaded
from codesteer_jupyter.guides.engine import building, reading
from tests.guides.tiny import make_tiny_llama

torch = pytest.importorskip("torch", reason="the extra [local] is not installed")
transformers = pytest.importorskip("transformers", reason="the extra [local] is not installed")

SMALL = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": None,
}
TINY_GPT2 = {"vocab_size": 64, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64}
ROPE = {
    "rope_type": "llama3",
    "rope_theta": 5e5,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
FAMILIES = {
    "llama": ("Llama", SMALL),
    "llama, tied": ("Llama", {**SMALL, "tie_word_embeddings": True}),
    "llama, scaled rope": ("Llama", {**SMALL, "rope_parameters": ROPE}),
    "mistral": ("Mistral", SMALL),
    "qwen2": ("Qwen2", SMALL),
    "qwen3": ("Qwen3", {**SMALL, "tie_word_embeddings": True}),
    "gemma": ("Gemma", SMALL),
    "gemma2": ("Gemma2", SMALL),
    "gemma3": ("Gemma3Text", SMALL),
    "phi3": ("Phi3", SMALL),
    "olmo2": ("Olmo2", SMALL),
    "gpt2": ("GPT2", TINY_GPT2),
    "gpt2, untied": ("GPT2", {**TINY_GPT2, "tie_word_embeddings": False}),
}


def saved(folder: Path, family: str) -> Any:
    name, options = FAMILIES[family]
    config = getattr(transformers, f"{name}Config")(**options)
    kind = transformers.MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = kind(config).eval()
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)  # nothing is as it was initialised
    model.save_pretrained(folder)
    return model


def logits(model: Any) -> Any:
    with torch.no_grad():
        return model(torch.arange(1, 40)[None]).logits


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_read_here_is_the_one_that_transformers_reads(
    tmp_path: Path, family: str, dtype: str
) -> None:
    saved(tmp_path, family)
    dtype = getattr(torch, dtype)
    expected = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=dtype)
    model = reading.read_model(tmp_path, dtype, "cpu")
    assert model is not None
    assert not model.training
    assert {name: item.dtype for name, item in model.named_parameters()} == {
        name: item.dtype for name, item in expected.named_parameters()
    }
    ours, theirs = dict(model.named_buffers()), dict(expected.named_buffers())
    assert ours.keys() == theirs.keys()
    for name, buffer in ours.items():
        assert torch.equal(buffer, theirs[name]), name
    assert torch.equal(logits(model), logits(expected))
    embeddings = [item.get_input_embeddings().weight.data_ptr() for item in (model, expected)]
    heads = [item.get_output_embeddings().weight.data_ptr() for item in (model, expected)]
    assert (embeddings[0] == heads[0]) is (embeddings[1] == heads[1])


def test_reading_needs_no_warm_up_and_no_accelerate(tmp_path: Path, monkeypatch: Any) -> None:
    saved(tmp_path, "llama")

    def second_time(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("transformers would allocate all weights once more")

    monkeypatch.setattr(transformers.PreTrainedModel, "from_pretrained", second_time)
    monkeypatch.setattr(transformers.modeling_utils, "caching_allocator_warmup", second_time)
    assert reading.read_model(tmp_path, torch.bfloat16, "cpu") is not None


def test_no_tensor_is_held_in_two_dtypes(tmp_path: Path, monkeypatch: Any) -> None:
    saved(tmp_path, "llama, tied")
    monkeypatch.setattr(reading, "_PIECE", 512)
    made: list[Any] = []
    read = reading.read_tensors
    monkeypatch.setattr(
        reading, "read_tensors", lambda *a, **k: made.append(read(*a, **k)) or made[-1]
    )
    model = reading.read_model(tmp_path, torch.bfloat16, "cpu")
    assert {item.dtype for item in made[0].values()} == {torch.bfloat16}
    for name, parameter in model.named_parameters():
        assert parameter.data_ptr() == made[0][name].data_ptr(), "what was read is what is used"


def test_a_file_without_the_name_of_the_model_below_the_head(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    expected = saved(tmp_path, "gpt2")
    path = tmp_path / "model.safetensors"
    tensors = {k.removeprefix("transformer."): v for k, v in load_file(path).items()}
    save_file({**tensors, "h.0.attn.bias": torch.ones(1, 1, 64, 64)}, path, {"format": "pt"})
    model = reading.read_model(tmp_path, torch.float32, "cpu")
    assert torch.equal(logits(model), logits(expected))


def test_weights_that_are_converted_are_left_to_transformers(tmp_path: Path) -> None:
    config = transformers.MixtralConfig(
        **{**SMALL, "num_local_experts": 2, "num_experts_per_tok": 1}
    )
    transformers.MixtralForCausalLM(config).save_pretrained(tmp_path)
    assert reading.read_model(tmp_path, torch.float32, "cpu") is None
    assert building.complete(transformers.AutoModelForCausalLM, str(tmp_path)) is not None


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return make_tiny_llama(tmp_path / "tiny")


def changed(folder: Path, change: Any) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, {"format": "pt"})


def test_weights_without_a_layer_are_refused(tiny: Path) -> None:
    changed(tiny, lambda all_: {k: v for k, v in all_.items() if "layers.1." not in k})
    with pytest.raises(GuideError, match=r"are incomplete .*: 9, such as .*layers\.1\..*; fetch"):
        loaded.load(loaded.Wish(str(tiny)))


def test_weights_of_another_shape_are_refused(tiny: Path) -> None:
    config = json.loads((tiny / "config.json").read_text())
    (tiny / "config.json").write_text(json.dumps({**config, "intermediate_size": 32}))
    with pytest.raises(GuideError, match=r"do not fit its config\.json .*: 6,"):
        loaded.load(loaded.Wish(str(tiny)))


def test_a_missing_head_that_is_not_tied_is_refused(tiny: Path) -> None:
    changed(tiny, lambda all_: {k: v for k, v in all_.items() if k != "lm_head.weight"})
    with pytest.raises(GuideError, match=r": 1, such as lm_head\.weight"):
        loaded.load(loaded.Wish(str(tiny)))
