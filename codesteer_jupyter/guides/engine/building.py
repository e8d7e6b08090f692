"""A model around weights that are read elsewhere, and the refusal of weights that are not whole."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from codesteer_jupyter.errors import GuideError

__all__ = ["bare_model", "complete", "fill", "places"]


def bare_model(config: Any, dtype: Any, device: Any) -> Any:
    """The causal language model of `config` without its weights (they are on `meta`), with the
    buffers that no file holds computed on `device`. None where transformers has to load it itself:
    its weights are converted on the way, or some stay in 32 bits.
    """
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(copy.deepcopy(config), dtype=dtype)
        # Before the weights are there: those it would initialise too, which is nothing on `meta`.
        for module in model.modules():
            for name in module._non_persistent_buffers_set:
                buffer = module._buffers.get(name)
                if buffer is not None:
                    module._buffers[name] = torch.empty_like(buffer, device=device)
        model.initialize_weights()
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return None  # something in it needs real numbers while it is made
    if dtype != torch.float32 and model._keep_in_fp32_modules_strict:
        return None
    return None if _converted(model) else model


def _converted(model: Any) -> bool:
    """Whether transformers computes some of this model's weights from those in the files."""
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightConverter

    return any(isinstance(step, WeightConverter) for step in get_model_conversion_mapping(model))


def places(model: Any, saved: Mapping[str, Any]) -> dict[str, tuple[str, Any]] | None:
    """Where the tensors in the files (`saved`: their header entries by name) belong in `model`:
    name and dtype there, by name in the files. None where some of the model's are not there or of
    another shape.
    """
    wanted = model.state_dict()
    found: dict[str, tuple[str, Any]] = {}
    for name, entry in saved.items():
        # Some files hold the model below the head, without its name before theirs.
        place = name if name in wanted else f"{model.base_model_prefix}.{name}"
        if place not in wanted:
            continue  # a buffer that used to be saved
        if list(wanted[place].shape) != entry["shape"]:
            return None
        found[name] = place, wanted[place].dtype
    missing = wanted.keys() - {place for place, _ in found.values()}
    return None if missing - _tied_to_others(model, missing) else found


def _tied_to_others(model: Any, missing: Iterable[str]) -> set[str]:
    """Those of `missing` that are tied to a weight which is not missing."""
    missing = set(missing)
    groups: dict[str, set[str]] = {}
    for one, other in model.all_tied_weights_keys.items():
        groups.setdefault(other, {other}).add(one)
    return {name for group in groups.values() if group - missing for name in group & missing}


def fill(model: Any, tensors: Mapping[str, Any]) -> Any:
    """`model` with `tensors` as its weights: nothing is copied."""
    missing = set(model.state_dict()) - tensors.keys()
    model.load_state_dict(tensors, strict=False, assign=True)
    model.tie_weights(missing_keys=missing, recompute_mapping=False)
    return model.eval()


def complete(kind: Any, folder: str, **options: Any) -> Any:
    """`kind.from_pretrained(folder, **options)`, which makes up at random what is not in the files.

    Raises:
        GuideError: it had to.
    """
    model, told = kind.from_pretrained(
        folder, output_loading_info=True, ignore_mismatched_sizes=True, **options
    )
    weights = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    wrong = {*weights.intersection(told["missing_keys"])}
    wrong |= {name for name, *_ in told["mismatched_keys"]}
    if wrong:
        raise GuideError(
            f"The weights in {folder} are incomplete or do not fit its config.json (missing or of "
            f"another shape: {len(wrong)}, such as {min(wrong)}); fetch the model again."
        )
    return model
