"""Writing: tokens a second against the memory's speed, compiled, by guesses, in fewer bits."""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from codesteer_jupyter.guides.loading import torchao_config

if TYPE_CHECKING:
    from guide_bench import Bench

# Compiling may take this share of what is left of the command's time, for there are rows behind it.
_SHARE = 0.6


def decode(bench: Bench, label: str) -> None:
    """Tokens a second behind 2k and 6k tokens, from the second token on."""
    tokens = 128 // bench.scale * (2 if bench.tiny else 1)
    few = tokens // 4
    for context in (2048, 6144):
        ids = bench.ids(context)
        began = time.perf_counter()
        bench.write(ids, few)  # reads the prompt, captures what is not captured
        bench.sync()
        cold = time.perf_counter() - began
        bench.write(ids, tokens)
        taken = []
        for _ in range(bench.options.times):
            short = bench.seconds(lambda: bench.write(ids, few), 1)  # noqa: B023
            long = bench.seconds(lambda: bench.write(ids, tokens), 1)  # noqa: B023
            taken.append((long - short) / (tokens - few))
        step = max(statistics.median(taken), 1e-9)  # below what is told apart, on tiny shapes
        bench.decode_seconds[context] = step
        limit = bench.step_limit(len(ids) + tokens / 2) if bench.bandwidth else None
        told = "limit not measured" if limit is None else f"limit {1 / limit:.1f}"
        bench.report.row(
            f"decode at {context // 1024}k, {label}",
            1 / step,
            "tokens/s",
            note=f"{told}; cold, with reading, {cold:.2f} s",
        )
        if limit is not None and "4-bit" not in label:
            name = f"share of the limit at {context // 1024}k, {label}"
            bench.report.row(name, limit / step, "", "≥ 0.8")


def compiled(bench: Bench) -> None:
    """The passes compiled in the background, and what is written then."""
    from guide_decide import five_rounds

    label = "compiled and graphs" if bench.gpu else "compiled"
    if _compile(bench, "compile"):
        decode(bench, label)
        five_rounds(bench, label)


def _compile(bench: Bench, name: str) -> bool:
    if bench.options.no_compile:
        bench.report.row(name, None, "s", note="skipped: --no-compile")
        return False
    bench.write(bench.ids(1024), 4)  # compiled for what has been read
    thread = bench.engine.compile_behind()
    if thread is None:
        bench.report.row(name, None, "s", note="skipped: no passes of fixed shape")
        return False
    patience = _SHARE * bench.report.remaining()
    thread.join(timeout=patience)
    if thread.is_alive():
        note = f"not done after {patience:.0f} s; it goes on behind the rows below"
        bench.report.row(name, None, "s", note=note)
        return False
    steps = bench.engine.steps
    took = steps.seconds.get("compile")
    note = steps.remark or "in the background; kept on disk by torch for next time"
    bench.report.row(name, took, "s", note=note)
    return took is not None


def drafts(bench: Bench) -> None:
    """A reply that quotes: what is written repeats what was read."""
    ids = bench.ids(2048)
    own = list(bench.write(ids, 96 // bench.scale * 2).ids)
    ids = [*ids, *own]
    plain = bench.seconds(lambda: bench.write(ids, len(own)))
    bench.engine.draft = 7
    try:
        bench.write(ids, len(own))
        guessed = bench.seconds(lambda: bench.write(ids, len(own)))
    finally:
        bench.engine.draft = 0
    note = f"{len(own)} tokens behind a dialogue that holds their like"
    name = "prompt lookup, 7 tokens: plain / drafted"
    bench.report.row(name, plain / guessed, "times", note=note)


def agreement(bench: Bench) -> None:
    """Where a fixed pass first writes another token than a bare pass, and how close it was."""
    from transformers import DynamicCache

    ids = bench.ids(1024)
    made = bench.write(ids, 64)
    cache = DynamicCache(config=bench.config)
    with bench.bare():
        logits = bench.forward(ids, cache)[0, -1].float()
        for at, token in enumerate(made.ids):
            best = int(logits.argmax())
            if best != token:
                gap = float(logits[best] - logits[token])
                note = f"gap of the two logits {gap:.3g}, spread {float(logits.std()):.3g}"
                bench.report.row("first differing token", at, "th", note=note)
                return
            logits = bench.forward([token], cache)[0, -1].float()
    bench.report.row("first differing token", None, "", note=f"none in {len(made.ids)}")


# -- fewer bits ------------------------------------------------------------------------------------


def four_bit(bench: Bench) -> None:
    """Decoding with 4-bit weights against bfloat16, both by graphs."""
    name = "4-bit / bfloat16 decode rate at 2k"
    before = bench.decode_seconds.get(2048)
    if not bench.gpu or before is None:
        note = "skipped: no GPU" if not bench.gpu else "skipped: no decode rate to compare with"
        bench.report.row(name, None, "times", "≥ 2", note)
        return
    reasons = []
    for backend, narrow in (("torchao", _by_torchao), ("bitsandbytes", _by_bitsandbytes)):
        if reason := _refusal(bench, backend, narrow):
            reasons.append(f"{backend}: {reason}")
            continue
        narrow(bench.model.model)
        bench.renew()
        decode(bench, f"4-bit ({backend}), graphs")
        ratio = before / bench.decode_seconds[2048]
        bench.report.row(name, ratio, "times", "≥ 2", f"{backend}, graphs")
        if _compile(bench, "compile, 4-bit"):
            decode(bench, f"4-bit ({backend}), compiled and graphs")
        return
    bench.report.row(name, None, "times", "≥ 2", f"skipped: {'; '.join(reasons)}")


def _refusal(bench: Bench, backend: str, narrow: Callable[[Any], None]) -> str:
    """Why `backend` does not do here, tried on one small layer, or ""."""
    try:
        importlib.import_module(backend)
        layer = torch.nn.Linear(1024, 128, bias=False, dtype=bench.dtype, device=bench.device)
        probe = torch.nn.Sequential(layer)
        narrow(probe)
        with torch.no_grad():
            probe(torch.ones(1, 1024, dtype=bench.dtype, device=bench.device))
    except Exception as error:
        return (str(error).strip() or type(error).__name__).split("\n")[0][:120]
    return ""


def _by_torchao(module: Any) -> None:
    from torchao.quantization import quantize_

    quantize_(module, torchao_config(eight=False))


def _by_bitsandbytes(module: Any) -> None:
    """As transformers does it while it loads."""
    import bitsandbytes

    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, torch.nn.Linear):
                weight = child.weight.data
                made = bitsandbytes.nn.Linear4bit(
                    child.in_features,
                    child.out_features,
                    bias=False,
                    compute_dtype=weight.dtype,
                    device="meta",
                )
                parameter = bitsandbytes.nn.Params4bit(weight, requires_grad=False)
                made.weight = parameter.to(weight.device)
                setattr(parent, name, made)
