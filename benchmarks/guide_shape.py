"""A model of Llama-3-8B's shape with random weights: each measure beside its limit."""

from __future__ import annotations

import argparse
import gc
import importlib.util
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from codesteer_jupyter.guides.engine.engine import Engine
from codesteer_jupyter.guides.engine.kept import KeptCache
from codesteer_jupyter.guides.engine.reading import read_model
from codesteer_jupyter.steering.completion import Decoding

if TYPE_CHECKING:
    from guide import Report

# meta-llama/Meta-Llama-3-8B-Instruct, config.json.
LLAMA_3_8B: dict[str, Any] = {
    "vocab_size": 128256,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
    "rope_theta": 500000.0,
}
TINY = {
    **LLAMA_3_8B,
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
}
NEVER = threading.Event()


def _unheard(_: str) -> None:
    """Nobody listens."""


class Numbers:
    """Stands for a tokenizer: speed does not depend on words."""

    eos_token_id = None
    chat_template = "none"

    def __call__(self, text: str, add_special_tokens: bool = False) -> dict[str, list[int]]:
        return {"input_ids": [ord(mark) % 500 for mark in text]}

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        return " ".join(map(str, ids))


class Bench:
    """The model under measure and what its limits are made of."""

    def __init__(self, report: Report, options: argparse.Namespace, device: str) -> None:
        self.report = report
        self.options = options
        self.device = torch.device(device)
        self.gpu = device == "cuda"
        self.tiny = options.tiny or not self.gpu
        self.scale = 16 if self.tiny else 1
        self.dtype = torch.bfloat16 if self.gpu else torch.float32
        self.bandwidth = 0.0
        self.load_seconds: float | None = None
        self.decode_seconds: dict[int, float] = {}
        self.rng = torch.Generator().manual_seed(7)
        if self.gpu:
            torch.cuda.reset_peak_memory_stats()
        self.config = self._config()
        self.model = self._random_model()
        self.engine = self._engine()

    def _config(self) -> Any:
        from transformers import LlamaConfig

        shape = TINY if self.tiny else LLAMA_3_8B
        return LlamaConfig(**shape, eos_token_id=None, bos_token_id=None, pad_token_id=None)

    def _random_model(self) -> Any:
        from transformers import LlamaForCausalLM
        from transformers.initialization import no_init_weights

        default = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)
        try:
            with torch.device(self.device), no_init_weights():
                model = LlamaForCausalLM(self.config)
        finally:
            torch.set_default_dtype(default)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(0, 0.02) if parameter.dim() > 1 else parameter.fill_(1)
        return model.eval()

    def _engine(self) -> Engine:
        engine = Engine(
            self.model, Numbers(), "random", self.config.max_position_embeddings, fixed=True
        )
        engine.draft = 0  # random text repeats itself as no guidance does
        return engine

    def sync(self) -> None:
        if self.gpu:
            torch.cuda.synchronize()

    def ids(self, count: int) -> list[int]:
        made = torch.randint(0, 500, (count // self.scale,), generator=self.rng)
        return list(map(int, made))

    # -- limits ------------------------------------------------------------------------------------

    def bytes_of_step(self, context: float) -> float:
        """What one token has to read: all weights but the input embedding, and the KV cache."""
        width = torch.empty((), dtype=self.dtype).element_size()
        weights = sum(p.numel() for p in self.model.parameters())
        weights -= self.model.get_input_embeddings().weight.numel()
        heads, layers = self.config.num_key_value_heads, self.config.num_hidden_layers
        depth = self.config.hidden_size // self.config.num_attention_heads
        return width * (weights + context * 2 * heads * layers * depth)

    def step_limit(self, context: float) -> float:
        return self.bytes_of_step(context) / self.bandwidth

    # -- measures ----------------------------------------------------------------------------------

    def seconds(self, work: Callable[[], Any], times: int | None = None) -> float:
        from guide import median_seconds

        return median_seconds(work, times or self.options.times, self.sync)

    def measure_bandwidth(self) -> None:
        count = 2**32 if self.gpu else 2**26
        one = torch.empty(count, dtype=torch.uint8, device=self.device).random_(0, 255)
        other = torch.empty_like(one)
        self.seconds(lambda: other.copy_(one), 2)
        self.bandwidth = 2 * count / self.seconds(lambda: other.copy_(one), 10)
        note = "device-to-device copy, bytes read and written"
        self.report.row("copy bandwidth", self.bandwidth / 1e12, "TB/s", note=note)

    def forward(self, ids: Sequence[int], cache: Any = None) -> Any:
        """A bare pass of transformers: logits after the last token."""
        with torch.no_grad():
            return self.model(
                input_ids=torch.tensor([list(ids)], device=self.device),
                use_cache=cache is not None,
                logits_to_keep=1,
                **({} if cache is None else {self.engine._cache_name: cache}),
            ).logits

    def write(self, ids: Sequence[int], tokens: int) -> Any:
        decoding = Decoding(max_tokens=tokens)
        return self.engine.generate(ids, decoding, _unheard, NEVER)

    def decode(self, label: str) -> None:
        """Tokens a second behind 2k and 6k tokens, from the second token on."""
        tokens = 128 // self.scale * (2 if self.tiny else 1)
        for context in (2048, 6144):
            ids = self.ids(context)
            few = tokens // 4
            began = time.perf_counter()
            self.write(ids, few)  # reads the prompt, captures what is not captured
            self.sync()
            cold = time.perf_counter() - began
            self.write(ids, tokens)
            rates = []
            for _ in range(self.options.times):
                short = self.seconds(lambda: self.write(ids, few), 1)  # noqa: B023
                long = self.seconds(lambda: self.write(ids, tokens), 1)  # noqa: B023
                rates.append((tokens - few) / (long - short))
            rate = statistics.median(rates)
            self.decode_seconds[context] = 1 / rate
            limit = self.step_limit(len(ids) + tokens / 2)
            self.report.row(
                f"decode at {context // 1024}k, {label}",
                rate,
                "tokens/s",
                note=f"limit {1 / limit:.1f}; cold, with reading, {cold:.2f} s",
            )
            self.report.row(
                f"share of the limit at {context // 1024}k, {label}", rate * limit, "", "≥ 0.8"
            )

    def compiled(self) -> None:
        if self.options.no_compile:
            self.report.row("compile", None, "s", note="skipped: --no-compile")
            return
        assert self.engine.steps is not None
        thread = self.engine.compile_behind()
        assert thread is not None
        thread.join()
        took = self.engine.steps.seconds.get("compile")
        note = self.engine.steps.remark or "in the background; kept on disk by torch for next time"
        self.report.row("compile", took, "s", note=note)
        if took is not None:
            self.decode("compiled and graphs" if self.gpu else "compiled")

    def drafts(self) -> None:
        """A reply that quotes: what is written repeats what was read."""
        ids = self.ids(2048)
        own = list(self.write(ids, 96 // self.scale * 2).ids)
        ids = [*ids, *own]
        plain = self.seconds(lambda: self.write(ids, len(own)))
        self.engine.draft = 7
        self.write(ids, len(own))
        guessed = self.seconds(lambda: self.write(ids, len(own)))
        self.engine.draft = 0
        note = f"{len(own)} tokens behind a dialogue that holds their like"
        self.report.row(
            "prompt lookup, 7 tokens: plain / drafted", plain / guessed, "times", note=note
        )

    def agreement(self) -> None:
        """Where a fixed pass first writes another token than a bare pass, and how close it was."""
        ids = self.ids(1024)
        made = self.write(ids, 64)
        from transformers import DynamicCache

        cache = DynamicCache(config=self.config)
        logits = self.forward(ids, cache)[0, -1].float()
        for at, token in enumerate(made.ids):
            best = int(logits.argmax())
            if best != token:
                gap = float(logits[best] - logits[token])
                note = f"gap of the two logits {gap:.3g}, spread {float(logits.std()):.3g}"
                self.report.row("first differing token", at, "th", note=note)
                return
            logits = self.forward([token], cache)[0, -1].float()
        self.report.row("first differing token", None, "", note=f"none in {len(made.ids)}")

    def first_decision(self) -> None:
        """From a question of 1k tokens to the probabilities of two actions."""
        from guide import in_turns

        ids = self.ids(1024)
        labels = [[11], [12]]

        def decide() -> None:
            self.engine.kept.rewind(0)
            self.engine.score(ids, labels)

        works = {"ours": decide, "bare": lambda: self.forward(ids)}
        in_turns(works, 2, self.sync)
        taken = in_turns(works, max(self.options.times, 5), self.sync)
        self.report.row("first decision, 1k tokens", 1e3 * taken["ours"], "ms", "≤ 40")
        self.report.row(
            "the same / a bare forward pass", taken["ours"] / taken["bare"], "times", "≤ 1.3"
        )

    def next_guidance(self) -> None:
        """800 new tokens behind 6k, against 800 alone and against all 6.8k again."""
        from guide import in_turns

        old, new = self.ids(6144), self.ids(800)
        labels = [[11], [12], [13], [14], [15]]
        self.engine.prefill(old)

        def grown() -> None:
            self.engine.kept.rewind(len(old))
            self.engine.score([*old, *new], labels)

        def alone() -> None:
            self.forward(new)

        works: dict[str, Callable[[], Any]] = {"grown": grown, "alone": alone}
        in_turns(works, 2, self.sync)
        taken = in_turns(works, max(self.options.times, 5), self.sync)

        def again() -> None:
            self.engine.kept.rewind(0)
            self.engine.score([*old, *new], labels)

        again_seconds = self.seconds(again)
        self.report.row("decision after 800 new tokens behind 6k", 1e3 * taken["grown"], "ms")
        self.report.row("the same / a fresh 800", taken["grown"] / taken["alone"], "times", "≤ 1.3")
        self.report.row(
            "reading all 6.8k again / the same", again_seconds / taken["grown"], "times"
        )

    def five_rounds(self) -> None:
        """Five rounds: a decision each, four guidances of 60 tokens, a dialogue growing to 6k."""
        text = 60 // self.scale + (self.tiny and 1)
        first, report = self.ids(1024), [self.ids(1216) for _ in range(4)]
        labels = [[11], [12], [13], [14], [15]]

        def dialogue(turn: Callable[[list[int], bool], list[int]]) -> None:
            ids = list(first)
            for number in range(5):
                ids += turn(ids, number < 4)
                if number < 4:
                    ids += report[number]

        def ours(ids: list[int], writes: bool) -> list[int]:
            self.engine.score(ids, labels)
            return list(self.write(ids, text).ids) if writes else []

        def plain(ids: list[int], writes: bool) -> list[int]:
            with torch.no_grad():
                made = self.model.generate(
                    torch.tensor([ids], device=self.device),
                    max_new_tokens=text if writes else 1,
                    do_sample=False,
                    pad_token_id=0,
                )
            return made[0, len(ids) :].tolist() if writes else []

        def steered() -> None:
            self.engine.kept.rewind(0)
            dialogue(ours)

        steered()
        mine = self.seconds(steered)
        own_attention = self.model.config._attn_implementation
        self.model.set_attn_implementation("sdpa")
        try:
            dialogue(plain)
            theirs = self.seconds(lambda: dialogue(plain), 1 if self.tiny else 2)
        finally:
            self.model.set_attn_implementation(own_attention)
        # The parts' limits: each new piece read by a bare pass, each token at the memory's speed.
        reading = self.seconds(lambda: self.forward(first)) + 4 * self.seconds(
            lambda: self.forward([*report[0], *self.ids(60)])
        )
        contexts = [len(first) + number * len(report[0]) for number in range(4)]
        writing = sum(text * self.step_limit(context) for context in contexts)
        self.report.row("guide's share of a five-round question", mine, "s", note="all five rounds")
        self.report.row(
            "the same / the sum of its parts' limits",
            mine / (reading + writing),
            "times",
            "≤ 1.4",
            f"{reading:.3f} s reading + {writing:.3f} s writing",
        )
        self.report.row(
            "model.generate that reads the dialogue again / ours",
            theirs / mine,
            "times",
            note=f"{theirs:.2f} s",
        )
        if self.load_seconds is not None:
            loads = theirs + 5 * self.load_seconds
            self.report.row(
                "the same with a load each round / ours",
                loads / mine,
                "times",
                note=f"{loads:.1f} s",
            )

    def memory(self) -> None:
        if not self.gpu:
            self.report.row("peak memory", None, "GB", note="skipped: no GPU")
            return
        held = sum(p.numel() * p.element_size() for p in self.model.parameters())
        kept = self.engine.kept.size()
        peak = torch.cuda.max_memory_allocated()
        aim, note = (
            "≤ 1.5",
            f"peak {peak / 1e9:.2f} GB, weights {held / 1e9:.2f}, cache {kept / 1e9:.2f}",
        )
        self.report.row(
            "peak memory above weights and cache", (peak - held - kept) / 1e9, "GB", aim, note
        )

    # -- loading -----------------------------------------------------------------------------------

    def loading(self) -> None:
        """From safetensors on a local disk, against plain reading, both with cold pages."""
        folder = Path(tempfile.mkdtemp(dir=self.options.scratch, prefix="guide-bench-"))
        try:
            free, needed = shutil.disk_usage(folder).free, self.bytes_of_step(0) * 1.1
            if free < needed + 2e9:
                note = (
                    f"skipped: {needed / 1e9:.0f} GB of disk are needed, {free / 1e9:.0f} are free"
                )
                self.report.row("load", None, "s", note=note)
                return
            self.model.save_pretrained(folder, max_shard_size="4GB")
            files = sorted(folder.glob("*.safetensors"))
            total = sum(file.stat().st_size for file in files)
            self._forget_pages(files)
            began = time.perf_counter()
            read = self._plain_read(files[0])
            disk = read / (time.perf_counter() - began)
            self._release()
            self._forget_pages(files)
            began = time.perf_counter()
            self.model = read_model(folder, self.dtype, self.device)
            self.sync()
            self.load_seconds = time.perf_counter() - began
            self.engine = self._engine()
            rate = total / self.load_seconds
            self.report.row(
                "load from safetensors", self.load_seconds, "s", note=f"{total / 1e9:.1f} GB"
            )
            note = f"{rate / 1e9:.2f} of {disk / 1e9:.2f} GB/s, pages dropped before both"
            self.report.row("load / sequential read rate", rate / disk, "", "≥ 0.6", note)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _release(self) -> None:
        self.engine.close()
        self.model = None
        gc.collect()
        if self.gpu:
            torch.cuda.empty_cache()

    @staticmethod
    def _forget_pages(files: Sequence[Path]) -> None:
        for file in files:
            fd = os.open(file, os.O_RDONLY)
            try:
                os.fsync(fd)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(fd)

    @staticmethod
    def _plain_read(file: Path) -> int:
        buffer = bytearray(16 * 2**20)
        total = 0
        with file.open("rb", buffering=0) as opened:
            while got := opened.readinto(buffer):
                total += got
        return total

    # -- fewer bits --------------------------------------------------------------------------------

    def four_bit(self) -> None:
        """Decoding with 4-bit weights against bfloat16, both by graphs."""
        reasons = []
        for name in ("torchao", "bitsandbytes"):
            if importlib.util.find_spec(name) is None:
                reasons.append(f"{name} is not installed")
        if len(reasons) == 2 or not self.gpu:
            note = "; ".join(reasons) or "no GPU"
            self.report.row(
                "4-bit / bfloat16 decode rate at 2k", None, "times", "≥ 2", f"skipped: {note}"
            )
            return
        from torchao.quantization import Int4WeightOnlyConfig, quantize_

        before = self.decode_seconds[2048]
        kept = self.engine.kept
        assert isinstance(kept, KeptCache)
        quantize_(self.model.model, Int4WeightOnlyConfig(group_size=128))
        self.engine = self._engine()
        self.decode("4-bit, graphs")
        self.compiled()
        after = self.decode_seconds[2048]
        self.report.row("4-bit / bfloat16 decode rate at 2k", before / after, "times", "≥ 2")


def measure(report: Report, options: argparse.Namespace, device: str) -> None:
    bench = Bench(report, options, device)
    parts = sum(p.numel() for p in bench.model.parameters())
    report.row("parameters", parts / 1e9, "10⁹", note=f"random, {bench.dtype}")
    report.section("copy bandwidth", bench.measure_bandwidth)
    report.section("load", bench.loading)
    report.section("decode", lambda: bench.decode("graphs" if bench.gpu else "fixed shapes"))
    report.section("agreement with a bare pass", bench.agreement)
    report.section("first decision", bench.first_decision)
    report.section("next guidance", bench.next_guidance)
    report.section("compile", bench.compiled)
    report.section("prompt lookup", bench.drafts)
    report.section("five rounds", bench.five_rounds)
    report.section("peak memory", bench.memory)
    report.section("4-bit", bench.four_bit)
