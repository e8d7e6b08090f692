"""A loaded model that reads, scores and writes, and keeps what it has read.

One engine a model. All work goes through one kept cache: of a prompt only what follows the longest
common beginning with what was read before is computed. Blocking; call from a worker thread.
"""

from __future__ import annotations

import inspect
import logging
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from codesteer_jupyter.errors import GuideError
from codesteer_jupyter.guides.engine import attention
from codesteer_jupyter.guides.engine.drawing import (
    Lookup,
    TokenLogprob,
    draw,
    token_logprob,
    wide,
)
from codesteer_jupyter.guides.engine.graphs import Recorder, replayable
from codesteer_jupyter.guides.engine.kept import Kept, KeptCache, common_prefix, kept_for
from codesteer_jupyter.guides.engine.steps import Steps
from codesteer_jupyter.guides.engine.voice import Voice
from codesteer_jupyter.steering.completion import Decoding, Message

__all__ = ["Cancelled", "Engine", "Generated"]

_log = logging.getLogger(__name__)
_END = "\x00end\x00"
_DEFAULT_TOKENS = 512
# Tokens of a prompt that are read in one pass: a GPU wants them all, a CPU looks up in between to
# see whether it was cancelled.
_CHUNK = {"cuda": 4096, "mps": 1024}
_CHUNK_CPU = 256
# Tokens the kept buffers hold from the beginning. On a GPU growing them costs new CUDA graphs.
_CAPACITY = 8192
_CAPACITY_CPU = 1024
# Tokens of the wider pass of fixed shape. A GPU reads all weights for it as for one token; a CPU
# also computes for each.
_WIDE = 8
_DRAFT_CPU = 3


class Cancelled(Exception):
    """The caller no longer wants the result."""


@dataclass(frozen=True)
class Generated:
    """One reply.

    Attributes:
        finish_reason: `stop` (the end token, or a stop word), `length` or `cancelled`.
        prompt_tokens, completion_tokens: counts; `cached_tokens` of the prompt were not read again.
        ids: the tokens written.
        logprobs: one a token, if they were asked for.
    """

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    ids: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()


class Engine:
    """A model, its tokenizer and its kept cache.

    Args:
        model: a transformers causal language model, in evaluation mode, on one device.
        tokenizer: its tokenizer, with a chat template.
        spec: what the user calls it; only for messages.
        context: tokens the model reads at most.
        draft: tokens guessed at a time by prompt lookup where decoding is greedy; 0 for none,
            None for what pays on the device.
        fixed: write by passes of fixed shape (`steps`); None where there is a GPU that can replay
            them. Without a GPU they run as they are, which only shows that they are right.

    Attributes:
        steps: the passes of fixed shape, or None.
        lock: held while the engine works; take it to keep several calls together.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        spec: str,
        context: int,
        *,
        draft: int | None = None,
        fixed: bool | None = None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.spec = spec
        self.context = context
        self.lock = threading.RLock()
        self.device = torch.device(model.device)
        on_gpu = self.device.type == "cuda"
        usual = _WIDE - 1 if on_gpu else _DRAFT_CPU
        wished = usual if draft is None else draft
        fits = (on_gpu if fixed is None else fixed) and attention.suits(model)
        self.kept = self._buffers(max(wished + 1, _WIDE) if fits else 0)
        # What cannot be cut token by token cannot take back a wrong draft.
        self.draft = wished if isinstance(self.kept, KeptCache) else 0
        self._chunk = _CHUNK.get(self.device.type, _CHUNK_CPU)
        names = inspect.signature(model.forward).parameters
        # transformers renamed the argument in 5.24.
        self._cache_name = "cache" if "cache" in names else "past_key_values"
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in names else {}
        self.steps: Steps | None = None
        if fits and isinstance(self.kept, KeptCache):
            attention.register()
            model.set_attn_implementation(attention.NAME)
            record = Recorder(self.device) if on_gpu and replayable(model) else None
            self.steps = Steps(model, self.kept, self._cache_name, self.device, record)

    def _buffers(self, steps: int) -> Kept:
        """What keeps what is read, with passes of fixed shape of at most so many tokens."""
        capacity = _CAPACITY if self.device.type == "cuda" else _CAPACITY_CPU
        return kept_for(self.model.config, self.context, capacity, steps=steps)

    def warm(self) -> None:
        """Where there are passes of fixed shape: set the libraries up and try them; on a GPU also
        record them all, and compile them behind. A model that refuses them does without.
        """
        if self.steps is None:
            return
        with self.lock, torch.no_grad():
            self._read([0] * 16, None)
            try:
                for width in self._widths():
                    self.steps.run([0], width)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # whatever a model's own forward makes of such a pass
                _log.info("the guide does without passes of fixed shape: %s", error)
                self.steps.close()
                self.steps, self.kept = None, self._buffers(0)
                return
            self.kept.rewind(0)
            self.steps.capture_all(self._widths())
        if self.device.type == "cuda":
            self.compile_behind()

    def compile_behind(self) -> threading.Thread | None:
        """Compile the passes of fixed shape in the background, once something has been read;
        None where there are none.
        """
        if self.steps is None or not self.steps.ready:
            return None
        return self.steps.compile_behind(self._widths(), self.lock)

    def _widths(self) -> tuple[int, int]:
        return 1, max(self.draft + 1, _WIDE)

    # -- text and tokens ---------------------------------------------------------------------------

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`, without any special token added."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of `messages` in the model's own chat format, up to its turn.

        Raises:
            GuideError: the template refuses these messages.
        """
        return self.encode(self._chat(messages, turn=True))

    def beginning(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of `messages` up to the last one's last word, which may be gone on with."""
        *earlier, last = messages
        cut = self._chat([*earlier, Message(last.role, last.content + _END)], turn=False)
        return self.encode(cut.split(_END)[0])

    def _chat(self, messages: Sequence[Message], *, turn: bool) -> str:
        chat = [{"role": item.role, "content": item.content} for item in messages]
        try:
            text: str = self.tokenizer.apply_chat_template(
                chat, tokenize=False, add_generation_prompt=turn
            )
        except Exception as error:  # a template is a program of the checkpoint's author
            raise GuideError(
                f"The chat template of {self.spec} refuses the guide's dialogue ({error}); "
                "use another checkpoint."
            ) from error
        return text

    # -- reading -----------------------------------------------------------------------------------

    def known(self, ids: Sequence[int]) -> int:
        """How many of `ids`, from the first on, have been read and are kept."""
        return min(common_prefix(self.kept.ids, ids), len(ids) - 1)

    def prefill(self, ids: Sequence[int], cancelled: threading.Event | None = None) -> int:
        """Read `ids` ahead; returns how many tokens had to be computed. Stops early, keeping what
        it has read, once `cancelled` is set.
        """
        with self.lock, torch.no_grad():
            cached = self._keep_common(ids)
            try:
                self._read(list(ids[cached:]), cancelled)
            except Cancelled:
                return len(self.kept.ids) - cached
            return len(ids) - cached

    def _keep_common(self, ids: Sequence[int]) -> int:
        return self.kept.rewind(common_prefix(self.kept.ids, ids))

    def _read(self, ids: list[int], cancelled: threading.Event | None) -> Any:
        """Logits after the last of `ids`, shape (1, vocabulary); None if there are none."""
        logits = None
        for at in range(0, len(ids), self._chunk):
            if cancelled is not None and cancelled.is_set():
                raise Cancelled
            piece = ids[at : at + self._chunk]
            if self.steps is not None and self.steps.ready and len(piece) <= self._widths()[-1]:
                # A few tokens behind much: replayed, because launching takes longer than reading.
                logits = self._fixed(piece)[0][len(piece) - 1 : len(piece)]
            else:
                logits = self._forward(piece, last_only=True)
        return logits

    def _fixed(self, ids: list[int]) -> tuple[Any, Any]:
        """`ids` by a pass of fixed shape: logits and likeliest tokens, of which the first
        `len(ids)` rows count.
        """
        assert self.steps is not None  # noqa: S101 # looked at by the caller
        one, wide = self._widths()
        result = self.steps.run(ids, one if len(ids) == 1 else wide)
        self.kept.took(ids)
        return result

    def _after(self, ids: Sequence[int], cancelled: threading.Event | None) -> tuple[Any, int]:
        """Logits after `ids`, and how many of them had been read before."""
        cached = self.kept.rewind(self.known(ids))
        return self._read(list(ids[cached:]), cancelled)[-1], cached

    def _forward(self, ids: Sequence[int], *, last_only: bool) -> Any:
        """One pass over `ids` behind what is kept: logits of shape (tokens or 1, vocabulary)."""
        self.kept.reserve(len(ids))
        begin = len(self.kept.ids)
        try:
            out = self.model(
                input_ids=torch.tensor([list(ids)], device=self.device),
                position_ids=torch.arange(begin, begin + len(ids), device=self.device)[None],
                use_cache=True,
                **{self._cache_name: self.kept.cache},
                **(self._last_only if last_only else {}),
            )
        except BaseException:
            # Some layers may have taken the tokens, others not.
            self.kept.rewind(0)
            raise
        self.kept.took(ids)
        return out.logits[0, -1:] if last_only else out.logits[0]

    # -- scoring -----------------------------------------------------------------------------------

    def score(
        self,
        ids: Sequence[int],
        labels: Sequence[Sequence[int]],
        cancelled: threading.Event | None = None,
    ) -> list[float]:
        """Natural log probability of each label, as a whole, right after `ids`.

        One pass over what of `ids` was not read yet; longer labels take one more, all at once.

        Raises:
            Cancelled: `cancelled` was set before all was read.
            GuideError: the model does not come to numbers.
            ValueError: no prompt, or an empty label.
        """
        if not ids or not all(labels):
            raise ValueError("a prompt and labels of at least one token are needed")
        with self.lock, torch.no_grad():
            logits, _ = self._after(ids, cancelled)
            first = torch.log_softmax(wide(logits), dim=-1)
            scores: list[float] = first[[label[0] for label in labels]].tolist()
            longer = [at for at, label in enumerate(labels) if len(label) > 1]
            if longer:
                rests = self._continuations([labels[at] for at in longer])
                for at, rest in zip(longer, rests, strict=True):
                    scores[at] += rest
        if not all(map(math.isfinite, scores)):
            raise GuideError(
                f"{self.spec} gives no usable scores (not finite): its weights are damaged, or too "
                "narrow for it; fetch it again, take another model, or use --guide rules."
            )
        return scores

    def _continuations(self, labels: Sequence[Sequence[int]]) -> list[float]:
        """Log probability of each label's tokens after its first, read as one batch."""
        most = max(map(len, labels)) - 1
        rows = [[*label[:-1], *[0] * (most + 1 - len(label))] for label in labels]
        begin = len(self.kept.ids)
        self.kept.reserve(most)
        out = self.model(
            input_ids=torch.tensor(rows, device=self.device),
            position_ids=torch.arange(begin, begin + most, device=self.device)[None].expand(
                len(rows), -1
            ),
            use_cache=True,
            **{self._cache_name: self.kept.branches(len(rows))},
        )
        shares = torch.log_softmax(wide(out.logits), dim=-1)
        return [
            sum(float(shares[row, at, token]) for at, token in enumerate(label[1:]))
            for row, label in enumerate(labels)
        ]

    # -- writing -----------------------------------------------------------------------------------

    def generate(
        self,
        ids: Sequence[int],
        decoding: Decoding,
        say: Callable[[str], None],
        cancelled: threading.Event,
        *,
        logprobs: int = 0,
    ) -> Generated:
        """Continue `ids`; each new piece of text goes to `say`.

        Greedy unless the decoding has a temperature; then drawn with a generator of its own,
        seeded from `decoding.seed` (0 without one): the process's random state is not touched.
        With `logprobs`, that many of the likeliest tokens are reported beside each token written.
        """
        most = min(decoding.max_tokens or _DEFAULT_TOKENS, self.context - len(ids))
        new: list[int] = []
        shares: list[TokenLogprob] = []
        voice = Voice(self.tokenizer, say, decoding.stop)
        reason = "length"
        cached = 0
        with self.lock, torch.no_grad():
            try:
                logits, cached = self._after(ids, cancelled)
                for token, share in self._tokens(logits, list(ids), most, decoding, logprobs):
                    if token is None:
                        reason = "stop"
                        break
                    new.append(token)
                    shares += [share] if share else []
                    if voice.heard(new):
                        reason = "stop"
                        break
                    if cancelled.is_set():
                        raise Cancelled
            except Cancelled:
                reason = "cancelled"
        text = voice.end(new)
        counts = (len(ids), len(new), cached)
        return Generated(text, reason, *counts, tuple(new), tuple(shares))

    def _tokens(
        self, logits: Any, ids: list[int], most: int, decoding: Decoding, logprobs: int
    ) -> Iterator[tuple[int | None, TokenLogprob | None]]:
        """Tokens as they are made; None at the end token. The pass for the next token is under way
        on a GPU before a token is handed out.
        """
        generator = torch.Generator(device="cpu").manual_seed(decoding.seed or 0)
        ends = self.ends()
        greedy = not decoding.temperature and not logprobs
        lookup = Lookup(ids, self.draft) if self.draft and greedy else None
        made = 0
        likeliest: Any = None
        taken: list[int] = []
        while made < most:
            drafted = bool(taken)
            if drafted:
                token, share = taken.pop(0), None
            else:
                token = int(likeliest) if greedy and made else draw(logits, decoding, generator)
                # Before the next pass, which may write where these logits are.
                share = token_logprob(logits, token, logprobs) if logprobs else None
            if token in ends:
                yield None, None
                return
            made += 1
            if lookup is not None:
                lookup.add(token)
            if not drafted and made < most:
                draft = lookup.draft()[: most - made - 1] if lookup is not None else []
                logits, likeliest, taken = self._step(token, draft)
                if lookup is not None and draft:
                    lookup.judged(len(taken))
            yield token, share

    def _step(self, token: int, draft: list[int]) -> tuple[Any, Any, list[int]]:
        """Read `token` and what of `draft` would have been written anyway; returns the logits after
        it, the likeliest next token (on the device), and the tokens of the draft that were taken.
        """
        read = [token, *draft]
        if self.steps is not None:
            logits, likeliest = self._fixed(read)
        else:
            logits = self._forward(read, last_only=not draft)
            likeliest = logits.argmax(dim=-1)
        if not draft:
            return logits[0], likeliest[0], []
        taken = common_prefix(draft, likeliest[: len(draft)].tolist())
        self.kept.rewind(len(self.kept.ids) - (len(draft) - taken))
        return logits[taken], likeliest[taken], draft[:taken]

    def close(self) -> threading.Thread | None:
        """Let go of model and cache; the engine is of no use afterwards. Returns the thread that
        holds them still, because it compiles, if there is one.
        """
        compiling = self.steps.close() if self.steps is not None else None
        self.model = self.steps = None
        self.kept = None  # type: ignore[assignment]  # freed on purpose
        return compiling

    def ends(self) -> set[int]:
        """Tokens that end a reply."""
        configured = getattr(self.model.generation_config, "eos_token_id", None)
        ends = configured if isinstance(configured, list) else [configured]
        return {int(end) for end in [*ends, self.tokenizer.eos_token_id] if end is not None}
