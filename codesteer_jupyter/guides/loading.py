"""From weight files to an engine. torch and transformers are imported inside functions only, in
the thread that calls them.
"""

from __future__ import annotations

import contextlib
import functools
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codesteer_jupyter.errors import GuideError
from codesteer_jupyter.guides.sizing import Plan, size

if TYPE_CHECKING:
    from codesteer_jupyter.guides.engine.engine import Engine

__all__ = ["engine_from", "torchao_config"]

Tell = Callable[[str], None]
_TELL_SECONDS = 3.0


def engine_from(
    plan: Plan, spec: str, tell: Tell | None = None, cancelled: threading.Event | None = None
) -> Engine:
    """Load what `plan` says. Blocking. `tell` hears how far it is, at most once in 3 s; `cancelled`
    is set to give up, and what was read is dropped.

    Raises:
        GuideError: no chat template, weights that do not fit the model, no memory, given up.
    """
    from transformers import AutoTokenizer

    from codesteer_jupyter.guides.engine.engine import Engine

    source = plan.source
    options = {"gguf_file": source.gguf} if source.gguf else {}
    try:
        with quiet(cancelled):
            tokenizer = AutoTokenizer.from_pretrained(
                str(source.here), local_files_only=True, **options
            )
            if not tokenizer.chat_template:
                raise GuideError(
                    f"{spec} has no chat template: it is a base model that follows no "
                    "instructions; take its instruct or chat version."
                )
            model = _model(plan, spec, tell, cancelled)
            if plan.adapter is not None:
                _add_adapter(model, plan.adapter, spec)
            model.eval()
            if cancelled is not None and cancelled.is_set():
                raise InterruptedError
        engine = Engine(model, tokenizer, spec, _context(model, plan.context))
        engine.warm()
        return engine
    except GuideError:
        raise
    except InterruptedError as error:
        raise GuideError(f"Loading {spec} was interrupted; ask again to load it.") from error
    except Exception as error:  # whatever a damaged or foreign checkpoint makes them raise
        first = (str(error).strip() or type(error).__name__).split("\n")[0][:300]
        if "out of memory" in first.casefold():
            raise GuideError(
                f"There was no memory left while {spec} was loading, although "
                f"{size(plan.needed)} were free before; another process took it: end that, take "
                "a smaller model, or use --guide rules."
            ) from error
        raise GuideError(
            f"{spec} could not be loaded ({first}); check that it is a complete causal language "
            "model, or use --guide rules."
        ) from error


def _context(model: Any, planned: int) -> int:
    """Tokens to read at most: a model that learned an embedding for each position has no more."""
    known = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return min(planned, known) if isinstance(known, int) and known > 0 else planned


def _model(plan: Plan, spec: str, tell: Tell | None, cancelled: threading.Event | None) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    from codesteer_jupyter.guides.engine.reading import complete, read_model

    folder, dtype = plan.source.here, getattr(torch, plan.dtype)
    if plan.source.gguf:
        model = complete(
            AutoModelForCausalLM,
            str(folder),
            gguf_file=plan.source.gguf,
            local_files_only=True,
            dtype=dtype,
        )
        return model.to(plan.device)
    if plan.backend is None:
        model = read_model(folder, dtype, plan.device, _progress(spec, tell), cancelled)
        if model is not None:
            return model
    return complete(
        AutoModelForCausalLM,
        str(folder),
        local_files_only=True,
        dtype=dtype,
        device_map={"": plan.device},
        **({"quantization_config": _quantised(plan)} if plan.backend else {}),
    )


def _quantised(plan: Plan) -> Any:
    eight = plan.held == "8-bit"
    if plan.backend == "bitsandbytes":
        import torch
        from transformers import BitsAndBytesConfig

        return BitsAndBytesConfig(
            load_in_8bit=eight, load_in_4bit=not eight, bnb_4bit_compute_dtype=torch.bfloat16
        )
    from transformers import TorchAoConfig

    return TorchAoConfig(torchao_config(eight=eight))


def torchao_config(*, eight: bool) -> Any:
    """How torchao holds the weights of linear layers."""
    from torchao.quantization import Int4WeightOnlyConfig, Int8WeightOnlyConfig

    if eight:
        return Int8WeightOnlyConfig()
    # The packing that torch itself has kernels for; torchao's default asks for one more package.
    return Int4WeightOnlyConfig(group_size=128, int4_packing_format="tile_packed_to_4d")


def _progress(spec: str, tell: Tell | None) -> Callable[[int, int], None] | None:
    if tell is None:
        return None
    last = time.monotonic()

    def heard(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _TELL_SECONDS:
            last = time.monotonic()
            tell(f"Loading {spec}: {size(done)} of {size(total)}.")

    return heard


def _add_adapter(model: Any, adapter: Path, spec: str) -> None:
    _check_adapter(model, adapter, spec)
    model.load_adapter(str(adapter))


def _check_adapter(model: Any, adapter: Path, spec: str) -> None:
    """Compare the shapes of a LoRA adapter with the base's, from the file's header alone.

    Raises:
        GuideError: it was made for another base.
    """
    import torch

    try:
        made_for = json.loads((adapter / "adapter_config.json").read_text("utf-8")).get(
            "base_model_name_or_path"
        )
        with (adapter / "adapter_model.safetensors").open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    except (OSError, ValueError):
        return  # another file form: what does not fit fails while it is loaded
    modules = dict(model.named_modules())
    for name, entry in header.items():
        module, _, kind = name.removeprefix("base_model.model.").rpartition(".lora_")
        if not module:
            continue
        base = modules.get(module)
        fits = base is not None
        # Only of linear layers is it plain which side is which; peft itself compares the others.
        if isinstance(base, torch.nn.Linear) and kind in ("A.weight", "B.weight"):
            rows, columns = base.out_features, base.in_features
            fits = entry["shape"][1] == columns if kind[0] == "A" else entry["shape"][0] == rows
        if not fits:
            made = f" It was made for {made_for}." if made_for else ""
            raise GuideError(
                f"The adapter {adapter} does not fit its base in {spec}: {module} is "
                f"{'missing' if base is None else 'of another shape'} there.{made} Give the base "
                "it was trained on before the plus sign."
            )


@contextlib.contextmanager
def quiet(cancelled: threading.Event | None = None) -> Iterator[None]:
    """Without transformers' progress bars and advice in the user's cell. Where a bar would move,
    transformers can be left: once `cancelled` is set, InterruptedError is raised there.
    """
    from transformers import modeling_gguf_pytorch_utils as dequantising
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    bar = getattr(dequantising, "tqdm", None)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if bar is not None:
        # This one bar does not ask transformers whether bars are wanted.
        dequantising.tqdm = lambda items, **_: _until(cancelled, items)
    hook = getattr(logging, "set_tqdm_hook", None)
    before = None if hook is None else hook(functools.partial(_bar, cancelled))
    try:
        yield
    finally:
        if hook is not None:
            hook(before)
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
        if bar is not None:
            dequantising.tqdm = bar


def _bar(
    cancelled: threading.Event | None,
    factory: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    if args:
        args = _until(cancelled, args[0]), *args[1:]
    return factory(*args, **kwargs)


def _until(cancelled: threading.Event | None, items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        if cancelled is not None and cancelled.is_set():
            raise InterruptedError("loading was interrupted")
        yield item
