"""Guides whose model is in another process: served on this machine for all notebooks, or at an
address that the user gave.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, cast

from codesteer_jupyter.guides import loaded
from codesteer_jupyter.guides.chat import ChatGuide
from codesteer_jupyter.guides.local import Engines, LocalGuide
from codesteer_jupyter.guides.serving.client import RemoteEngine, remote_engine
from codesteer_jupyter.guides.serving.discovery import (
    ServedGuide,
    announced,
    find_served,
    served_at,
)
from codesteer_jupyter.models.client import OpenAICompatible
from codesteer_jupyter.models.endpoint import Endpoint, Secret
from codesteer_jupyter.steering.completion import Delta, Notice
from codesteer_jupyter.steering.guidance import Advice, Guide
from codesteer_jupyter.steering.procedure import Procedure
from codesteer_jupyter.steering.profile import Profile
from codesteer_jupyter.steering.trajectory import Trajectory

if TYPE_CHECKING:
    from codesteer_jupyter.guides.engine.engine import Engine
    from codesteer_jupyter.guides.loading import Tell

__all__ = ["AddressedGuide", "local_guide"]


def local_guide(
    wish: loaded.Wish,
    profile: Profile,
    procedure: Procedure,
    *,
    seed: int | None = None,
) -> Guide:
    """The guide `local:SPEC`: the one that is served on this machine, else one in this process.

    Whether our own server is there is looked up anew before each advice, so that a guide whose
    server ended goes on here.
    """
    info = None if loaded.is_loaded(wish.spec) else announced(wish.spec)
    if info is not None and info.backend == "vllm":
        endpoint = Endpoint(
            name=f"local:{wish.spec}",
            model=info.model,
            base_url=info.base_url,
            key=Secret(info.token),
            start="start it again with codesteer guide serve",
        )
        client = OpenAICompatible(endpoint)
        said = Notice("guide_served", _sentence(wish.spec, info))
        return ChatGuide(
            client, profile, procedure, endpoint.name, seed=seed, owned=True, opening=said
        )
    return LocalGuide(
        wish.spec,
        profile,
        procedure,
        seed=seed,
        memory=wish.memory,
        allow_download=wish.allow_download,
        engine=_served_or_loaded(wish),
    )


def _sentence(spec: str, info: ServedGuide) -> str:
    return (
        f"{spec} is served on this machine ({info.about}, process {info.pid}); this notebook "
        "shares it and loads nothing."
    )


def _served_or_loaded(wish: loaded.Wish) -> Engines:
    """The served engine while it is there, said once; else the one of this process."""
    known: dict[ServedGuide, RemoteEngine] = {}
    told: set[ServedGuide] = set()
    lock = threading.Lock()

    def engine(tell: Tell | None, cancelled: threading.Event | None) -> Engine:
        info = None if loaded.is_loaded(wish.spec) else find_served(wish.spec)
        if info is None or info.backend != "codesteer":
            return loaded.load(wish, tell, cancelled)
        with lock:
            if info not in known:
                found = remote_engine(info.base_url, info.model, Secret(info.token), wish.spec)
                if found is None:  # it ended just now
                    return loaded.load(wish, tell, cancelled)
                known[info] = found
            if tell is not None and info not in told:
                told.add(info)
                tell(_sentence(wish.spec, info))
            return _as_engine(known[info])

    return engine


def _as_engine(remote: RemoteEngine) -> Engine:
    """What the local guide calls is there, by the same names; the rest of `Engine` is not."""
    return cast("Engine", remote)


class AddressedGuide:
    """`endpoint:http…/v1#NAME`: a guide of ours is asked as one in this process, any other server
    as a chat model. Which it is, is found out at its first advice.

    Args:
        client: of the address, as the model string says.
    """

    def __init__(
        self,
        client: OpenAICompatible,
        profile: Profile,
        procedure: Procedure,
        *,
        seed: int | None = None,
    ) -> None:
        self._client = client
        self._seed = seed
        self._profile = profile
        self._procedure = procedure
        self._found: Guide | None = None

    @property
    def name(self) -> str:
        return f"endpoint:{self._client.name}"

    async def prepare(self, trajectory: Trajectory) -> None:
        """As the guide that it turned out to be."""
        if self._found is not None:
            await self._found.prepare(trajectory)

    async def close(self) -> None:
        """Close the connections; a served model stays."""
        if self._found is not None:
            await self._found.close()
        await self._client.close()

    async def advise(self, trajectory: Trajectory) -> AsyncIterator[Delta | Notice | Advice]:
        """See `Guide.advise`."""
        if self._found is None:
            self._found = await asyncio.to_thread(self._find)
        stream = self._found.advise(trajectory)
        try:
            async for item in stream:
                yield item
        finally:
            aclose: Callable[[], object] | None = getattr(stream, "aclose", None)
            if aclose is not None:
                await aclose()  # type: ignore[misc]  # an async generator behind the protocol

    def _find(self) -> Guide:
        endpoint = self._client.endpoint
        info = served_at(endpoint.base_url)
        key = endpoint.key
        if not key and info is not None:
            key = Secret(info.token)  # our own user's server: the token is ours to read
        found = remote_engine(endpoint.base_url, endpoint.model, key, endpoint.name)
        if found is not None:
            return LocalGuide(
                endpoint.name,
                self._profile,
                self._procedure,
                seed=self._seed,
                engine=lambda *_: _as_engine(found),
                name=self.name,
            )
        client = self._client if key is endpoint.key else self._client.with_key(key)
        return ChatGuide(
            client,
            self._profile,
            self._procedure,
            self.name,
            seed=self._seed,
            owned=client is not self._client,
        )
