"""A guide that is a chat model: the task model itself (`self`), or another one (`endpoint:`).

`self` is the unified-model baseline: the same model steers and answers, with the context and the
actions every guide has. A strong model as `endpoint` is the paper's Symbolic Agent; a served
CodeSteer checkpoint is the paper's CodeSteer.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import AsyncGenerator, AsyncIterator

from codesteer_jupyter.errors import GuideError, TaskModelError
from codesteer_jupyter.guides.actions import offered
from codesteer_jupyter.guides.told import probabilities_told
from codesteer_jupyter.steering.completion import (
    Completion,
    Decoding,
    Delta,
    Message,
    Notice,
    Restart,
    TaskModel,
)
from codesteer_jupyter.steering.guidance import Advice
from codesteer_jupyter.steering.guide_dialogue import guide_messages
from codesteer_jupyter.steering.procedure import Procedure
from codesteer_jupyter.steering.profile import Profile
from codesteer_jupyter.steering.trajectory import Trajectory, Usage

__all__ = ["ChatGuide", "read_advice", "untrained"]

#: As many as the protocol allows: every label is to be among them.
_ALTERNATIVES = 20


class ChatGuide:
    """Asks a chat model for advice.

    Args:
        model: the model that steers. Its usage is counted as the guide's, not the task's.
        name: the guide string of the record, `self` or `endpoint:<model string>`.
        seed: passed on to the model where it samples.
        owned: the model was made for this guide: closing the guide closes it.
        opening: said before the first advice.
    """

    def __init__(
        self,
        model: TaskModel,
        profile: Profile,
        procedure: Procedure,
        name: str,
        *,
        seed: int | None = None,
        owned: bool = False,
        opening: Notice | None = None,
    ) -> None:
        self._model = model
        self._profile = profile
        self._procedure = procedure
        self._name = name
        self._seed = seed
        self._owned = owned
        self._opening = opening

    @property
    def name(self) -> str:
        return self._name

    async def prepare(self, trajectory: Trajectory) -> None:
        """Nothing: a server decides by itself what it keeps of the prompts it has read."""

    async def close(self) -> None:
        if self._owned:
            await self._model.close()

    async def advise(self, trajectory: Trajectory) -> AsyncIterator[Delta | Notice | Advice]:
        """One reply, read by the profile; the probabilities of its actions where the server tells
        those of its tokens.

        A reply without a known marker is guidance in the guide's own words (`refine`); before the
        first answer, where there is nothing to refine, it is sent with the question as it stands.

        Raises:
            GuideError: the model cannot be reached, or said nothing.
        """
        opening, self._opening = self._opening, None
        if opening is not None:
            yield opening
        if not trajectory.rounds and "codesteer" in self._name.casefold():
            notice = untrained(self._profile, self._name.removeprefix("endpoint:"))
            if notice is not None:
                yield notice
        messages = guide_messages(trajectory, self._profile, self._procedure)
        decoding = dataclasses.replace(
            self._procedure.guide_decoding, seed=self._seed, top_logprobs=_ALTERNATIVES
        )
        done: Completion | None = None
        try:
            async with contextlib.aclosing(self._stream(messages, decoding)) as stream:
                async for item in stream:
                    if isinstance(item, Completion):
                        done = item
                    elif isinstance(item, Restart):
                        yield Notice("guide", "The guide's reply broke off and is asked for again.")
                    elif isinstance(item, Notice) or not item.reasoning:
                        yield item
        except TaskModelError as error:
            raise GuideError(f"The guide {self._name} gave no advice: {error.message}") from error
        if done is None:
            raise GuideError(f"The guide {self._name} ended its reply before it began.")
        advice = read_advice(done.text, self._profile, done.usage, self._name)
        actions = offered(self._profile, answered=bool(trajectory.rounds))
        shares = probabilities_told(done.logprobs or (), done.text, self._profile, actions)
        yield dataclasses.replace(advice, probabilities=shares)

    async def _stream(
        self, messages: list[Message], decoding: Decoding
    ) -> AsyncGenerator[Delta | Restart | Notice | Completion, None]:
        stream = self._model.complete(messages, decoding)
        try:
            async for item in stream:
                yield item
        finally:
            # Ends the request at once when the run is cancelled while the guide still speaks.
            aclose = getattr(stream, "aclose", None)
            if aclose is not None:
                await aclose()


def read_advice(raw: str, profile: Profile, usage: Usage, name: str) -> Advice:
    """The advice in a guide's reply.

    Raises:
        GuideError: the reply is empty.
    """
    if not raw.strip():
        raise GuideError(
            f"The guide {name} replied with nothing; try again, or use --guide rules.",
        )
    return dataclasses.replace(profile.parse_advice(raw), raw=raw, usage=usage, by="guide")


def untrained(profile: Profile, checkpoint: str) -> Notice | None:
    """A line for the user when a checkpoint is driven with wording it was not trained on."""
    bare = checkpoint.casefold().rstrip("/")
    names = [known.casefold() for known in profile.trained_for]
    if any(re.fullmatch(rf"(.*[/:#])?{re.escape(known)}", bare) for known in names):
        return None
    return Notice(
        "untrained_profile",
        f"{checkpoint} was not trained with the prompt profile {profile.name!r}; "
        "its guidance may be poor.",
    )
