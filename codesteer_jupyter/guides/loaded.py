"""A local guide's model in memory: sized up first, loaded once per process, freed on demand.

torch and transformers are imported inside functions only, in the thread that calls them.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib.util
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from codesteer_jupyter.errors import GuideError
from codesteer_jupyter.guides.fetch import fetched
from codesteer_jupyter.guides.weights import Source, locate, split_adapter

if TYPE_CHECKING:
    from codesteer_jupyter.guides.engine.engine import Engine

__all__ = ["Plan", "is_loaded", "load", "plan", "status", "unload"]

_EXTRA = "pip install 'codesteer_jupyter[local]'"
# Beside the weights: activations, cache of a few thousand tokens, copies made while loading.
_OVERHEAD = 1.25
_LOADED: dict[str, tuple[Engine, Plan]] = {}
_LOCK = threading.RLock()


@dataclass(frozen=True)
class Plan:
    """What loading would take: sizes in bytes, known before anything is taken.

    `needed` is an estimate: parameters times their width in memory, and a quarter more.
    """

    source: Source
    adapter: str | None
    device: str
    dtype: str
    weights: int
    needed: int
    free: int

    def sentence(self, spec: str) -> str:
        """The line for the user."""
        return (
            f"Loading {spec}: {_size(self.weights)} of weights, about {_size(self.needed)} of "
            f"memory on {self.device} ({_size(self.free)} free)."
        )


def _size(amount: int) -> str:
    return f"{amount / 1e9:.1f} GB" if amount >= 1e9 else f"{amount / 1e6:.0f} MB"


def plan(spec: str, *, allow_download: bool = False) -> Plan:
    """What loading `spec` takes. Fetches the weights if they are not here and that is allowed.

    Raises:
        GuideError: not found, not allowed, no extra, damaged, or too large for this machine.
    """
    name, adapter = split_adapter(spec)
    source = locate(name)
    torch = _torch()
    if source.folder is None:
        source = fetched(source, spec, allow_download)
    cuda = torch.cuda.is_available()
    device = "cuda" if cuda else "cpu"
    wide = _parameters(source)
    # A GPU computes fastest in bfloat16, a CPU in float32.
    width = 2 if cuda else 4
    free = int(torch.cuda.mem_get_info()[0]) if cuda else int(psutil.virtual_memory().available)
    made = Plan(
        source,
        adapter,
        device,
        "bfloat16" if cuda else "float32",
        source.bytes,
        int(wide * width * _OVERHEAD),
        free,
    )
    if made.needed > made.free:
        raise GuideError(
            f"{spec} needs about {_size(made.needed)} of memory on {device}, {_size(made.free)} "
            "are free; close other programs, take a smaller model, or use --guide rules."
        )
    return made


def _need(*names: str) -> None:
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise GuideError(
                f"A local guide of this kind needs {name}, which is missing: {_EXTRA}",
                kind="missing_extra",
            )


def _torch() -> Any:
    _need("torch", "transformers")
    import torch

    return torch


def _parameters(source: Source) -> int:
    """How many parameters the weight files hold."""
    if source.gguf is not None:
        _need("gguf", "accelerate")
        return _gguf_parameters(source.here / source.gguf)
    total = 0
    for path in sorted(source.here.glob("*.safetensors")):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        for name, tensor in header.items():
            if name != "__metadata__":
                count = 1
                for length in tensor["shape"]:
                    count *= length
                total += count
    return total or source.bytes // 2


def _gguf_parameters(path: Path) -> int:
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
        last = reader.tensors[-1]
        whole = int(last.data_offset) + int(last.n_bytes) <= path.stat().st_size
        count = sum(int(tensor.n_elements) for tensor in reader.tensors)
    except Exception as error:  # numpy, struct and index errors, by where the file ends
        raise GuideError(
            f"The weights in {path} are cut off or no GGUF; download them again."
        ) from error
    if not whole:
        raise GuideError(f"The weights in {path} are cut off; download them again.")
    return count


def is_loaded(spec: str) -> bool:
    """Whether `spec` is in memory."""
    return spec in _LOADED


def load(spec: str, *, allow_download: bool = False, planned: Plan | None = None) -> Engine:
    """Load `spec` once per process; a second call gives the same object. Blocking.

    Raises:
        GuideError: see `plan`; also no chat template, or weights that do not fit the model.
    """
    with _LOCK:
        if spec not in _LOADED:
            planned = planned or plan(spec, allow_download=allow_download)
            _LOADED[spec] = _load(spec, planned), planned
        return _LOADED[spec][0]


def _load(spec: str, planned: Plan) -> Engine:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from codesteer_jupyter.guides.engine.engine import Engine

    source = planned.source
    options = {"gguf_file": source.gguf} if source.gguf else {}
    folder = str(source.here)
    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, **options)
            if not tokenizer.chat_template:
                raise GuideError(
                    f"{spec} has no chat template: it is a base model that follows no "
                    "instructions; take its instruct or chat version."
                )
            model = AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, dtype=getattr(torch, planned.dtype), **options
            )
            if planned.adapter is not None:
                _add_adapter(model, planned.adapter)
            model = model.to(planned.device).eval()
    except GuideError:
        raise
    except Exception as error:  # whatever a damaged or foreign checkpoint makes them raise
        first = (str(error).strip() or type(error).__name__).split("\n")[0][:300]
        raise GuideError(
            f"{spec} could not be loaded ({first}); check that it is a complete causal language "
            "model, or use --guide rules."
        ) from error
    text_config = model.config.get_text_config()
    context = int(getattr(text_config, "max_position_embeddings", 0) or 8192)
    return Engine(model, tokenizer, spec, context)


def _add_adapter(model: Any, adapter: str) -> None:
    _need("peft")
    model.load_adapter(adapter)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars and advice in the user's cell."""
    from transformers import modeling_gguf_pytorch_utils as dequantising
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    bar = getattr(dequantising, "tqdm", None)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if bar is not None:
        # This one bar does not ask transformers whether bars are wanted.
        dequantising.tqdm = functools.partial(bar, disable=True)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
        if bar is not None:
            dequantising.tqdm = bar


def unload(spec: str | None = None) -> list[str]:
    """Drop `spec`, or all, from memory; returns what was dropped."""
    with _LOCK:
        dropped = [name for name in _LOADED if spec in (None, name)]
        cuda = any(_LOADED[name][1].device == "cuda" for name in dropped)
        for name in dropped:
            del _LOADED[name]
    gc.collect()
    if cuda:
        _torch().cuda.empty_cache()
    return dropped


def status() -> list[dict[str, Any]]:
    """What is in memory: spec, device, dtype, bytes of weights, bytes of the kept
    cache, context length in tokens.
    """
    return [
        {
            "spec": spec,
            "device": plan.device,
            "dtype": plan.dtype,
            "bytes": plan.weights,
            "kept": engine.kept.size(),
            "context": engine.context,
        }
        for spec, (engine, plan) in _LOADED.items()
    ]
