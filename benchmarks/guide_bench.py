"""A model of Llama-3-8B's shape with random weights, and what its limits are made of."""

from __future__ import annotations

import argparse
import contextlib
import gc
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from codesteer_jupyter.guides.engine.engine import Engine
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
    """The model under measure and what its limits are made of.

    Attributes:
        bandwidth: bytes a second, once it was measured.
        load_seconds, decode_seconds (by context): what later rows compare with.
    """

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
        self.config = self._config()
        self.model: Any = None
        self.engine: Any = None
        self.renew()

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

    def part(self, name: str, work: Callable[[], None]) -> None:
        """One part of the report. What breaks in it is renewed, so that the others still run."""
        if not self.report.section(name, work):
            self.report.section(f"{name}: setting up again", self.renew)

    def renew(self, model: Any = None) -> None:
        """An engine that has read nothing, on `model`, else on the one there is, else on a new
        random one.
        """
        if model is not None:
            self.model = model
        if self.model is None:
            self.model = self._random_model()
        if self.engine is not None:
            self.engine.close()
        self.free()
        self.engine = Engine(
            self.model, Numbers(), "random", self.config.max_position_embeddings, fixed=True
        )
        self.engine.draft = 0  # random text repeats itself as no guidance does

    def drop(self) -> None:
        """Free engine and weights; `renew` makes them again."""
        if self.engine is not None:
            self.engine.close()
        self.engine = self.model = None
        self.free()

    def free(self) -> None:
        gc.collect()
        if self.gpu:
            torch.cuda.empty_cache()

    def sync(self) -> None:
        if self.gpu:
            torch.cuda.synchronize()

    def ids(self, count: int) -> list[int]:
        made = torch.randint(0, 500, (count // self.scale,), generator=self.rng)
        return list(map(int, made))

    # -- limits ------------------------------------------------------------------------------------

    def weights(self) -> int:
        """Bytes of all weights."""
        return sum(p.numel() * p.element_size() for p in self.model.parameters())

    def bytes_of_step(self, context: float) -> float:
        """What one token has to read: all weights but the input embedding, and the KV cache."""
        width = torch.empty((), dtype=self.dtype).element_size()
        shape = self.config
        weights = sum(p.numel() for p in self.model.parameters())
        weights -= self.model.get_input_embeddings().weight.numel()
        depth = shape.hidden_size // shape.num_attention_heads
        kept = 2 * shape.num_key_value_heads * shape.num_hidden_layers * depth
        return width * (weights + context * kept)

    def step_limit(self, context: float) -> float:
        """Seconds for one token at the memory's speed.

        Raises:
            RuntimeError: the memory's speed was not measured.
        """
        if not self.bandwidth:
            raise RuntimeError("the copy bandwidth was not measured")
        return self.bytes_of_step(context) / self.bandwidth

    def measure_bandwidth(self) -> None:
        count = 2**32 if self.gpu and not self.tiny else 2**26
        one = torch.empty(count, dtype=torch.uint8, device=self.device).random_(0, 255)
        other = torch.empty_like(one)
        self.seconds(lambda: other.copy_(one), 2)
        self.bandwidth = 2 * count / self.seconds(lambda: other.copy_(one), 10)
        note = "device-to-device copy, bytes read and written"
        self.report.row("copy bandwidth", self.bandwidth / 1e12, "TB/s", note=note)

    # -- measuring ---------------------------------------------------------------------------------

    def seconds(self, work: Callable[[], Any], times: int | None = None) -> float:
        from guide import in_turns

        works = {"it": work}
        return in_turns(works, times or self.options.times, self.sync, self._begin)["it"]

    def in_turns(
        self, works: Mapping[str, Callable[[], Any]], bare: str = "", times: int = 5
    ) -> dict[str, float]:
        """Median seconds of each, warm, taken in turns; the one named `bare` runs with the
        attention that transformers brings.
        """
        from guide import in_turns

        def begin(name: str) -> None:
            self._begin(name)
            self._attention("sdpa" if name == bare else own)

        own = self.model.config._attn_implementation
        try:
            in_turns(works, 2, self.sync, begin)
            return in_turns(works, max(self.options.times, times), self.sync, begin)
        finally:
            self._attention(own)

    def _begin(self, _: str) -> None:
        self.report.check()

    @contextlib.contextmanager
    def bare(self) -> Iterator[None]:
        """The model with the attention that transformers brings, as without this package."""
        own = self.model.config._attn_implementation
        self._attention("sdpa")
        try:
            yield
        finally:
            self._attention(own)

    def _attention(self, name: str) -> None:
        if self.model.config._attn_implementation != name:
            self.model.set_attn_implementation(name)

    def forward(self, ids: Sequence[int], cache: Any = None) -> Any:
        """A pass of transformers: logits after the last token."""
        self.report.check()
        with torch.no_grad():
            return self.model(
                input_ids=torch.tensor([list(ids)], device=self.device),
                use_cache=cache is not None,
                logits_to_keep=1,
                **({} if cache is None else {self.engine._cache_name: cache}),
            ).logits

    def write(self, ids: Sequence[int], tokens: int) -> Any:
        self.report.check()
        decoding = Decoding(max_tokens=tokens)
        return self.engine.generate(ids, decoding, _unheard, NEVER)
