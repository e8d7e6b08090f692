"""A guide that runs on this machine: any Hugging Face causal language model with a chat template.

A decision is one forward pass over what the model has not read yet; words are written only where
the action needs words. While a round's code runs, its answer is read ahead.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from codesteer_jupyter.errors import CodeSteerError, GuideError
from codesteer_jupyter.guides import loaded
from codesteer_jupyter.guides.actions import (
    choose,
    needs_text,
    offered,
    probabilities_after_reasons,
    probabilities_at,
)
from codesteer_jupyter.guides.chat import read_advice, untrained
from codesteer_jupyter.guides.weights import split_adapter
from codesteer_jupyter.steering.completion import Decoding, Delta, Message, Notice
from codesteer_jupyter.steering.dialogue import excerpt
from codesteer_jupyter.steering.guidance import Advice
from codesteer_jupyter.steering.guide_dialogue import guide_messages, guide_messages_ahead
from codesteer_jupyter.steering.procedure import Procedure
from codesteer_jupyter.steering.profile import Calibration, Profile
from codesteer_jupyter.steering.trajectory import Trajectory, Usage

if TYPE_CHECKING:
    from codesteer_jupyter.guides.engine.engine import Engine
    from codesteer_jupyter.guides.loading import Tell

__all__ = ["Engines", "LocalGuide", "Reply", "fit", "reply"]

#: Gives an engine; it may tell lines meanwhile, and gives up when the event is set.
Engines = Callable[["Tell | None", "threading.Event | None"], "Engine"]
_SHORT = 240
_LEAST_REPLY = 48
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Reply:
    """A guide's turn: its words, the probabilities of its actions, and token counts."""

    raw: str
    probabilities: dict[str, float] | None
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


class LocalGuide:
    """Steers with a model loaded in this process (once, shared by later runs).

    Args:
        spec: hub id, folder or .gguf file, `+adapter` behind it.
        allow_download: fetch more than 200 MB if the weights are not here.
        seed: of the drawing where the procedure's guide decoding samples.
        memory: bytes the guide may take; None for what is free.
        engine: gives the engine, or one elsewhere with its methods; None loads it here.
        name: the guide string; None is `local:SPEC`.
    """

    def __init__(
        self,
        spec: str,
        profile: Profile,
        procedure: Procedure,
        *,
        allow_download: bool = False,
        seed: int | None = None,
        memory: int | None = None,
        engine: Engines | None = None,
        name: str | None = None,
    ) -> None:
        self._spec = spec.strip()
        self._profile = profile
        self._procedure = procedure
        wish = loaded.Wish(self._spec, allow_download=allow_download, memory=memory)
        self._engine = engine or functools.partial(loaded.load, wish)
        self._name = name or f"local:{self._spec}"
        self._decoding = dataclasses.replace(procedure.guide_decoding, seed=seed)

    @property
    def name(self) -> str:
        return self._name

    async def prepare(self, trajectory: Trajectory) -> None:
        """While the round's code runs: load the model if need be, and read the answer ahead."""
        cancelled = threading.Event()

        def ahead() -> None:
            engine = self._engine(None, cancelled)
            messages = guide_messages_ahead(trajectory, self._profile, self._procedure)
            if messages is None or cancelled.is_set():
                return
            ids = engine.beginning(messages)
            if len(ids) + _LEAST_REPLY < engine.context:
                engine.prefill(ids, cancelled)

        try:
            await asyncio.to_thread(ahead)
        except Exception:  # advise meets the same error and says it
            return
        finally:
            cancelled.set()

    async def close(self) -> None:
        """The model stays for later runs; `loaded.unload` frees it."""

    async def advise(self, trajectory: Trajectory) -> AsyncIterator[Delta | Notice | Advice]:
        """Decide, and say what the action needs said.

        Raises:
            GuideError: the model cannot be had, the dialogue does not fit, or the reply is empty.
        """
        messages = guide_messages(trajectory, self._profile, self._procedure)
        unfamiliar = untrained(self._profile, split_adapter(self._spec)[0])
        engine: Engine | None = None
        for last in (False, True):
            try:
                async for told in _in_thread(self._engine):
                    if isinstance(told, str):
                        yield Notice("guide_loading", told)
                    else:
                        engine = told
                assert engine is not None  # noqa: S101 # the last item of the stream
                if unfamiliar is not None and not trajectory.rounds and not last:
                    yield unfamiliar
                calibration = None if unfamiliar else self._profile.calibration
                turn = len(trajectory.rounds)
                async with aclosing(self._turn(engine, messages, turn, calibration)) as said:
                    async for item in said:
                        yield item
                return
            except CodeSteerError:
                raise
            except Exception as error:  # of torch, transformers, or a foreign checkpoint's code
                # Freed by `unload` between two steps, before anything was said: loaded once more.
                if last or not _is_closed(engine):
                    raise loaded.failed(self._spec, error) from error

    async def _turn(
        self,
        engine: Engine,
        messages: list[Message],
        turn: int,
        calibration: Calibration | None,
    ) -> AsyncGenerator[Delta | Advice, None]:
        ids, decoding = await asyncio.to_thread(fit, engine, messages, self._decoding)
        began = time.monotonic()
        stream = _in_thread(
            lambda say, cancelled: reply(
                engine,
                ids,
                decoding,
                self._profile,
                turn=turn,
                temperature=calibration.temperature if calibration else 1.0,
                say=say,
                cancelled=cancelled,
            )
        )
        try:
            async for item in stream:
                if isinstance(item, str):
                    yield Delta(item)
                    continue
                usage = Usage(
                    calls=1,
                    prompt_tokens=item.prompt_tokens,
                    completion_tokens=item.completion_tokens,
                    cached_tokens=item.cached_tokens,
                    seconds=time.monotonic() - began,
                )
                advice = read_advice(item.raw, self._profile, usage, self.name)
                yield dataclasses.replace(
                    advice,
                    probabilities=item.probabilities,
                    calibrated=calibration is not None and item.probabilities is not None,
                )
        finally:
            await stream.aclose()


def _is_closed(engine: Engine | None) -> bool:
    """Whether `unload` freed it; one that is in another process is not ours to free."""
    return engine is not None and getattr(engine, "model", engine) is None


def reply(
    engine: Engine,
    ids: list[int],
    decoding: Decoding,
    profile: Profile,
    *,
    turn: int,
    temperature: float = 1.0,
    say: Callable[[str], None],
    cancelled: threading.Event,
) -> Reply:
    """A guide's turn after the dialogue `ids`, of which `turn` rounds are finished. Blocking; from
    a worker thread. The probabilities are evened out by `temperature`; `say` hears the words.

    Raises:
        Cancelled: `cancelled` was set before the decision.
    """
    actions = offered(profile, answered=turn > 0)
    with engine.lock:
        cached = engine.known(ids)
        if profile.decision_point == "end" and profile.decide == "profile":
            made = engine.generate(ids, decoding, say, cancelled)
            shares = probabilities_after_reasons(
                engine, ids, made.text, profile, temperature=temperature
            )
            return Reply(made.text, shares, len(ids), made.completion_tokens, cached)
        decided = probabilities_at(
            engine, ids, profile, actions, temperature=temperature, cancelled=cancelled
        )
        action = choose(decided, decoding, turn)
        own_words = not profile.labels[action]
        raw = profile.markers[0] if own_words else profile.marker(action)
        say(raw)
        written = len(engine.encode(raw))
        if needs_text(action, profile):
            stop = (*decoding.stop, profile.markers[1]) if own_words else decoding.stop
            made = engine.generate(
                [*ids, *engine.encode(raw)],
                dataclasses.replace(decoding, stop=stop),
                say,
                cancelled,
            )
            raw += made.text
            written += made.completion_tokens
            if own_words:
                raw += profile.markers[1]
                say(profile.markers[1])
        return Reply(raw, decided, len(ids), written, cached)


def fit(engine: Engine, messages: list[Message], decoding: Decoding) -> tuple[list[int], Decoding]:
    """Token ids of the dialogue, shortened to the model's context, and the decoding that fits.

    The reports of the oldest rounds are shortened first; the question and the newest two rounds
    never are. Then the reply may become shorter.

    Raises:
        GuideError: not even that fits.
    """
    most = decoding.max_tokens or 512
    shortened = list(messages)
    ids = engine.prompt(shortened)
    for at in range(1, max(1, len(messages) - 4)):
        if len(ids) + most <= engine.context:
            break
        shortened[at] = dataclasses.replace(
            messages[at], content=excerpt(messages[at].content, _SHORT)
        )
        ids = engine.prompt(shortened)
    room = engine.context - len(ids)
    if room < _LEAST_REPLY:
        raise GuideError(
            f"The question and the newest rounds are {len(ids)} tokens long; {engine.spec} reads "
            f"{engine.context}. Use a guide with a longer context, or --guide rules."
        )
    return ids, dataclasses.replace(decoding, max_tokens=min(most, room))


async def _in_thread(
    work: Callable[[Callable[[str], None], threading.Event], Any],
) -> Any:
    """What `work` says while it runs in a worker thread, then what it returns. Leaving early
    (cancelled, closed) sets the event that `work` looks at.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    cancelled = threading.Event()
    left = False

    def post(item: str | None) -> None:
        # Not the event: `work` may be ended from elsewhere, and who waits here has to hear of it.
        if not left:
            loop.call_soon_threadsafe(queue.put_nowait, item)

    def run() -> Any:
        try:
            return work(post, cancelled)
        finally:
            post(None)

    task = asyncio.create_task(asyncio.to_thread(run))
    # Left early, what it raises is of no interest.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        while (piece := await queue.get()) is not None:
            yield piece
        yield await task
    finally:
        left = True
        cancelled.set()
