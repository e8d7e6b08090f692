"""What a local guide would take of this machine's memory, and how it would be held: known before
anything is taken.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from codesteer_jupyter.errors import GuideError
from codesteer_jupyter.guides.weights import Source

__all__ = ["Device", "Plan", "Shape", "device_here", "least", "need", "plan_for", "size", "usable"]

_EXTRA = "pip install 'codesteer_jupyter[local]'"
_QUANT_EXTRA = "pip install 'codesteer_jupyter[quant]'"
# Packages that hold weights in 8 or 4 bits through transformers, the preferred one first.
BACKENDS = ("torchao", "bitsandbytes")
# Tokens of dialogue that must fit beside the weights; more is used where there is room.
_LEAST_TOKENS = 2048
_USUAL_TOKENS = 8192
# Beside weights and cache: activations of a long prompt, workspaces, copies made while loading.
_BESIDE = {"cuda": 1.2e9, "mps": 0.8e9, "cpu": 0.2e9}
# Beside those whatever the model's size. On a GPU: workspaces of two streams, staged pieces of the
# files; and tokens behind the dialogue, where passes of fixed shape may write.
_ALWAYS = {"cuda": 0.2e9, "mps": 0.05e9, "cpu": 0.05e9}
_SPARE_TOKENS = {"cuda": 520}
# What a weight takes as held, bytes: scales of the quantised groups are in it.
_WIDTHS = {"float32": 4.0, "bfloat16": 2.0, "8-bit": 1.1, "4-bit": 0.6}


@dataclass(frozen=True)
class Device:
    """Where the guide would run. Sizes in bytes; `free` as the device says, with what this
    process's allocator holds unused.
    """

    kind: str
    free: int
    total: int
    own: int = 0


@dataclass(frozen=True)
class Shape:
    """What of a model decides its size.

    Attributes:
        parameters: count; `embedding` of them are the input embedding's, which is not quantised.
        cache_numbers: numbers the KV cache holds for one token.
        context: tokens the model was made for.
    """

    parameters: int
    embedding: int
    cache_numbers: int
    context: int


@dataclass(frozen=True)
class Plan:
    """What loading takes; sizes in bytes. `needed` is weights, cache and work space, estimated.

    Attributes:
        held: float32, bfloat16, 8-bit or 4-bit; `backend` names the package that does the latter.
        context: tokens of dialogue there is room for.
        why: why the weights are held narrower than usual, or "".
    """

    source: Source
    adapter: Path | None
    device: str
    held: str
    backend: str | None
    weights: int
    needed: int
    free: int
    context: int
    why: str = ""

    @property
    def dtype(self) -> str:
        """What is computed in."""
        return "float32" if self.held == "float32" else "bfloat16"

    def sentence(self, spec: str) -> str:
        """The line for the user."""
        how = f"{self.held} weights" if self.backend is None else f"{self.held} ({self.backend})"
        why = f" {self.why}" if self.why else ""
        return (
            f"Loading {spec}: {size(self.source.bytes)} of weights, about {size(self.needed)} of "
            f"memory on {self.device} as {how} ({size(self.free)} free).{why}"
        )


def size(amount: float) -> str:
    """`1.2 GB`, `98 MB`."""
    return f"{amount / 1e9:.1f} GB" if amount >= 1e9 else f"{amount / 1e6:.0f} MB"


def need(*names: str, extra: str = _EXTRA) -> None:
    """Raise where one of these packages is missing.

    Raises:
        GuideError: of kind `missing_extra`, with the line that installs it.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise GuideError(
                f"A local guide of this kind needs {name}, which is missing: {extra}",
                kind="missing_extra",
            )


def device_here() -> Device:
    """The GPU if there is one that can be used, else the CPU.

    Raises:
        GuideError: there is a GPU, but it refuses.
    """
    need("torch", "transformers")
    import torch

    if torch.cuda.is_available():
        try:
            free, total = torch.cuda.mem_get_info()
            own = torch.cuda.memory_reserved()
            idle = own - torch.cuda.memory_allocated()
        except RuntimeError as error:
            raise GuideError(
                f"The GPU cannot be used ({_first_line(error)}): another process may hold it, or "
                "an earlier error broke this kernel's use of it; restart the kernel, or set "
                "CUDA_VISIBLE_DEVICES= to take the CPU."
            ) from error
        return Device("cuda", int(free + idle), int(total), int(own))
    if torch.backends.mps.is_available():
        total = int(torch.mps.recommended_max_memory())
        own = int(torch.mps.driver_allocated_memory())
        return Device("mps", max(total - own, 0), total, own)
    memory = psutil.virtual_memory()
    return Device("cpu", int(memory.available), int(memory.total))


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0][:200]


def plan_for(
    source: Source, adapter: Path | None, spec: str, *, device: Device, memory: int | None
) -> Plan:
    """How `source` is held on `device`: as wide as there is room for in `memory` bytes (None for
    all that is free).

    Raises:
        GuideError: it does not fit in any way; or the weights are damaged.
    """
    shape = shape_of(source)
    room = device.free if memory is None else min(device.free, memory)
    ways = ("float32", "bfloat16") if device.kind == "cpu" else ("bfloat16", "8-bit", "4-bit")
    narrow = device.kind == "cuda" and source.gguf is None
    tokens = min(_USUAL_TOKENS, shape.context)
    for held in ways:
        if least(shape, held, device.kind) > room:
            continue
        backend = _backend(held) if narrow and held.endswith("bit") else None
        if held.endswith("bit") and backend is None:
            continue
        weights, beside, a_token = _parts(shape, held, device.kind)
        fits = (room - weights - beside) // a_token if a_token else shape.context
        context = min(shape.context, fits)
        needed = weights + beside + min(tokens, context) * a_token
        return Plan(
            source,
            adapter,
            device.kind,
            held,
            backend,
            weights,
            needed,
            device.free,
            context,
            _why(ways[0], held, context, shape.context, memory is not None),
        )
    raise GuideError(_refusal(spec, shape, device, memory))


def _parts(shape: Shape, held: str, kind: str) -> tuple[int, int, int]:
    """Bytes of the weights, of what is beside them, and of the cache for one token."""
    weights = _weights(shape, held)
    a_token = shape.cache_numbers * (4 if held == "float32" else 2)
    beside = int(min(_BESIDE[kind], 0.25 * weights + _ALWAYS[kind]))
    return weights, beside + _SPARE_TOKENS.get(kind, 0) * a_token, a_token


def least(shape: Shape, held: str, kind: str) -> int:
    """Bytes without which there is no use in loading: with room for a short dialogue."""
    weights, beside, a_token = _parts(shape, held, kind)
    return weights + beside + min(_LEAST_TOKENS, shape.context) * a_token


def _why(usual: str, held: str, context: int, whole: int, bounded: bool) -> str:
    cause = "guide_memory allows no more" if bounded else "there is no room for more"
    parts = [f"It is held in {held}, because {cause}."] if held != usual else []
    if context < min(whole, _USUAL_TOKENS):
        parts.append(f"It reads {context:,} tokens at most, because {cause}.")
    return " ".join(parts)


def _refusal(spec: str, shape: Shape, device: Device, memory: int | None) -> str:
    amount = least(shape, "bfloat16", device.kind)
    said = f"{spec} needs about {size(amount)} of memory on {device.kind}, "
    if memory is not None and memory < device.free:
        return (
            f"{said}guide_memory allows {size(memory)}; raise it, take a smaller model, or use "
            "--guide rules."
        )
    said += f"{size(device.free)} are free"
    cures = ["take a smaller model", "use --guide rules"]
    if device.kind == "cuda":
        others = max(device.total - device.free - device.own, 0)
        said += (
            f" of {size(device.total)} (this kernel holds {size(device.own)}, other processes "
            f"{size(others)})"
        )
        if _backend("8-bit") is None:
            said += f"; 8-bit and 4-bit weights need {_QUANT_EXTRA}"
        elif _backend("4-bit") is None:
            said += "; 4-bit weights need bitsandbytes on this GPU: pip install bitsandbytes"
        cures = ["end what else uses the GPU", *cures]
    else:
        cures = ["close other programs", *cures]
    *first, last = cures
    return f"{said}; {', '.join(first)}, or {last}."


def _weights(shape: Shape, held: str) -> int:
    wide = shape.embedding * (4 if held == "float32" else 2)
    return int((shape.parameters - shape.embedding) * _WIDTHS[held] + wide)


def _backend(held: str) -> str | None:
    """Of `BACKENDS` the first that can hold weights in so many bits here, or None. Asked only where
    there is a GPU and something has to be narrower.
    """
    return next((name for name in BACKENDS if usable(name, held)), None)


def usable(backend: str, held: str) -> bool:
    """Whether `backend` is here, new enough for transformers, works with this torch, and has
    kernels for this GPU.
    """
    if importlib.util.find_spec(backend) is None or importlib.util.find_spec("accelerate") is None:
        return False
    import torch
    from transformers import utils

    known = {
        "torchao": utils.is_torchao_available,
        "bitsandbytes": utils.is_bitsandbytes_available,
    }
    try:
        importlib.import_module("torchao.quantization" if backend == "torchao" else backend)
        if not known[backend]():
            return False
        # torchao packs 4-bit weights for tensor cores that came with compute capability 8.
        old = torch.cuda.get_device_capability()[0] < 8
    except Exception:  # built for another torch or another CUDA
        return False
    return not (old and backend == "torchao" and held == "4-bit")


def shape_of(source: Source) -> Shape:
    """Read from the files' headers and the configuration; no weight is read.

    Raises:
        GuideError: a GGUF file that is cut off or none.
    """
    if source.gguf is not None:
        need("gguf", "accelerate")
        return _gguf_shape(source.here / source.gguf)
    try:
        config = json.loads((source.here / "config.json").read_text("utf-8"))
        if not isinstance(config, dict):
            raise ValueError("it holds no JSON object")
    except (OSError, ValueError) as error:
        raise GuideError(
            f"{source.here / 'config.json'} cannot be read ({error}); download the model again."
        ) from error
    text: Mapping[str, Any] = config.get("text_config") or config
    total = _safetensors_parameters(source.here) or source.bytes // 2

    def fact(*names: str) -> int:
        return next((int(text[name]) for name in names if text.get(name)), 0)

    # The second names are those of GPT-2 and its kin.
    heads = fact("num_attention_heads", "n_head") or 1
    hidden = fact("hidden_size", "n_embd")
    cache = 2 * fact("num_hidden_layers", "n_layer")
    cache *= fact("num_key_value_heads") or heads
    cache *= fact("head_dim") or hidden // heads
    embedding = min(fact("vocab_size") * hidden, total)
    context = fact("max_position_embeddings", "n_positions") or _USUAL_TOKENS
    return Shape(total, embedding, cache, context)


def _safetensors_parameters(folder: Path) -> int:
    total = 0
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        total += sum(
            math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__"
        )
    return total


def _gguf_shape(path: Path) -> Shape:
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
        last = reader.tensors[-1]
        whole = int(last.data_offset) + int(last.n_bytes) <= path.stat().st_size
        count = sum(int(tensor.n_elements) for tensor in reader.tensors)
        embedding = sum(
            int(tensor.n_elements)
            for tensor in reader.tensors
            if tensor.name == "token_embd.weight"
        )

        def fact(name: str, default: int) -> int:
            field = reader.get_field(f"{kind}.{name}")
            return default if field is None else int(field.contents())

        kind = str(reader.get_field("general.architecture").contents())
        heads = fact("attention.head_count", 1)
        width = fact("attention.key_length", fact("embedding_length", 0) // heads)
        cache = 2 * fact("block_count", 0) * fact("attention.head_count_kv", heads) * width
        context = fact("context_length", _USUAL_TOKENS)
    except Exception as error:  # numpy, struct and index errors, by where the file ends
        raise GuideError(
            f"The weights in {path} are cut off or no GGUF; download them again."
        ) from error
    if not whole:
        raise GuideError(f"The weights in {path} are cut off; download them again.")
    return Shape(count, embedding, cache, context)
