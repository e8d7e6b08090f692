"""A guide that runs on this machine: any Hugging Face causal language model with a chat template.

The shape is here, speed comes later: `prepare` reads nothing ahead yet, each advice reads the
whole dialogue again.
"""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from codesteer_jupyter.errors import GuideError
from codesteer_jupyter.guides.chat import read_advice, untrained
from codesteer_jupyter.guides.loaded import is_loaded, load, plan
from codesteer_jupyter.guides.weights import split_adapter
from codesteer_jupyter.steering.completion import Decoding, Delta, Message, Notice
from codesteer_jupyter.steering.dialogue import excerpt, guide_messages
from codesteer_jupyter.steering.guidance import Advice
from codesteer_jupyter.steering.procedure import Procedure
from codesteer_jupyter.steering.profile import Profile
from codesteer_jupyter.steering.trajectory import Trajectory, Usage

if TYPE_CHECKING:
    from codesteer_jupyter.guides.engine.engine import Engine, Generated

__all__ = ["LocalGuide", "fit"]

_SHORT = 240
_LEAST_REPLY = 48


class LocalGuide:
    """Steers with a model loaded in this process (once, shared by later runs).

    Args:
        spec: hub id, folder or .gguf file, `+adapter` behind it.
        allow_download: fetch more than 200 MB if the weights are not here.
        seed: of the drawing where the procedure's guide decoding samples.
    """

    def __init__(
        self,
        spec: str,
        profile: Profile,
        procedure: Procedure,
        *,
        allow_download: bool = False,
        seed: int | None = None,
    ) -> None:
        self._spec = spec.strip()
        self._profile = profile
        self._procedure = procedure
        self._allow_download = allow_download
        self._decoding = dataclasses.replace(procedure.guide_decoding, seed=seed)

    @property
    def name(self) -> str:
        return f"local:{self._spec}"

    async def prepare(self, trajectory: Trajectory) -> None:
        """Load the model while the round's code runs; the dialogue is not read ahead yet."""
        if is_loaded(self._spec):
            return
        try:
            await asyncio.to_thread(load, self._spec, allow_download=self._allow_download)
        except GuideError:
            return  # advise meets the same error and says it

    async def close(self) -> None:
        """The model stays for later runs; `loaded.unload` frees it."""

    async def advise(self, trajectory: Trajectory) -> AsyncIterator[Delta | Notice | Advice]:
        """Stream one reply.

        Raises:
            GuideError: the model cannot be had, the dialogue does not fit, or the reply is empty.
        """
        planned = None
        if not is_loaded(self._spec):
            planned = await asyncio.to_thread(plan, self._spec, allow_download=self._allow_download)
            yield Notice("guide_loading", planned.sentence(self._spec))
        loaded = await asyncio.to_thread(load, self._spec, planned=planned)
        if not trajectory.rounds:
            notice = untrained(self._profile, split_adapter(self._spec)[0])
            if notice is not None:
                yield notice
        messages = guide_messages(trajectory, self._profile, self._procedure)
        ids, decoding = await asyncio.to_thread(fit, loaded, messages, self._decoding)
        began = time.monotonic()
        async for item in _in_thread(loaded, ids, decoding):
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
            yield read_advice(item.text, self._profile, usage, self.name)


def fit(loaded: Engine, messages: list[Message], decoding: Decoding) -> tuple[list[int], Decoding]:
    """Token ids of the dialogue, shortened to the model's context, and the decoding that fits.

    The reports of the oldest rounds are shortened first; the question and the newest two rounds
    never are. Then the reply may become shorter.

    Raises:
        GuideError: not even that fits.
    """
    most = decoding.max_tokens or 512
    shortened = list(messages)
    ids = loaded.prompt(shortened)
    for at in range(1, max(1, len(messages) - 4)):
        if len(ids) + most <= loaded.context:
            break
        shortened[at] = dataclasses.replace(
            messages[at], content=excerpt(messages[at].content, _SHORT)
        )
        ids = loaded.prompt(shortened)
    room = loaded.context - len(ids)
    if room < _LEAST_REPLY:
        raise GuideError(
            f"The question and the newest rounds are {len(ids)} tokens long; {loaded.spec} reads "
            f"{loaded.context}. Use a guide with a longer context, or --guide rules."
        )
    return ids, dataclasses.replace(decoding, max_tokens=min(most, room))


async def _in_thread(
    loaded: Engine, ids: list[int], decoding: Decoding
) -> AsyncIterator[str | Generated]:
    """Pieces of text as they are made in a worker thread, then the whole reply. Leaving early
    (cancelled, closed) stops the thread at its next token.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    cancelled = threading.Event()

    def post(item: str | None) -> None:
        if not cancelled.is_set():
            loop.call_soon_threadsafe(queue.put_nowait, item)

    def work() -> Generated:
        try:
            return loaded.generate(ids, decoding, post, cancelled)
        finally:
            post(None)

    task = asyncio.create_task(asyncio.to_thread(work))
    try:
        while (piece := await queue.get()) is not None:
            yield piece
        yield await _unless_out_of_memory(task, loaded)
    finally:
        cancelled.set()


async def _unless_out_of_memory(task: asyncio.Task[Generated], loaded: Engine) -> Generated:
    try:
        return await task
    except (MemoryError, RuntimeError) as error:
        first = str(error).split("\n")[0][:200]
        raise GuideError(
            f"{loaded.spec} could not reply ({first}); free some memory, or use --guide rules."
        ) from error
