"""How likely each action is, read from the model's distribution where the profile decides.

One forward pass: the markers' shared beginning is read as part of the prompt, and where the next
token already tells the actions apart, that token's distribution is the decision. Where it does not,
whole markers are scored in one batch.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from codesteer_jupyter.steering.completion import Decoding
from codesteer_jupyter.steering.profile import Profile

if TYPE_CHECKING:
    from codesteer_jupyter.guides.engine.engine import Engine

__all__ = ["choose", "needs_text", "offered", "probabilities_after_reasons", "probabilities_at"]


def offered(profile: Profile, *, answered: bool) -> tuple[str, ...]:
    """The actions to choose from: before the first answer there is nothing to mend or to return."""
    return tuple(profile.labels) if answered else ("code", "text")


def needs_text(action: str, profile: Profile) -> bool:
    """Whether the guide has to say more than the marker of `action`."""
    if action in ("return_answer", "terminate"):
        return False
    return profile.guidance_text == "after" or not profile.labels[action]


def probabilities_at(
    engine: Engine,
    ids: Sequence[int],
    profile: Profile,
    actions: Sequence[str],
    *,
    temperature: float = 1.0,
    cancelled: threading.Event | None = None,
) -> dict[str, float]:
    """Probability of each action if the reply to `ids` begins with a marker; they sum to 1. The
    profile's fitted `temperature`, above 1, evens them out.

    Raises:
        Cancelled: `cancelled` was set before the prompt was read.
    """
    if not all(profile.labels[action] for action in actions):
        opening = profile.markers[0]
        return _with_the_rest(engine, ids, opening, profile, actions, temperature, cancelled)
    labels = [engine.encode(profile.marker(action)) for action in actions]
    shared = min(_common(labels), min(map(len, labels)) - 1)  # at least one is left of each
    rests = [label[shared:] for label in labels]
    if len({rest[0] for rest in rests}) == len(rests):
        rests = [rest[:1] for rest in rests]
    scores = engine.score([*ids, *labels[0][:shared]], rests, cancelled)
    return dict(zip(actions, _softmax(scores, temperature), strict=True))


def probabilities_after_reasons(
    engine: Engine,
    ids: Sequence[int],
    raw: str,
    profile: Profile,
    *,
    temperature: float = 1.0,
    cancelled: threading.Event | None = None,
) -> dict[str, float] | None:
    """Probability of each action where the reply `raw` to `ids` opened its last marker; None if it
    opened none.
    """
    at = raw.rfind(profile.markers[0])
    if at < 0:
        return None
    opening = raw[: at + len(profile.markers[0])]
    actions = tuple(profile.labels)
    return _with_the_rest(engine, ids, opening, profile, actions, temperature, cancelled)


def _with_the_rest(
    engine: Engine,
    ids: Sequence[int],
    opening: str,
    profile: Profile,
    actions: Sequence[str],
    temperature: float,
    cancelled: threading.Event | None,
) -> dict[str, float]:
    """After `ids` and `opening`, which ends with an opened marker: whole labels are scored; an
    action without a label of its own (the guide's own words stand there) has what is left over.
    """
    named = [action for action in actions if profile.labels[action]]
    opened = engine.encode(opening)
    # Encoded with what stands before it: by itself a label may get a space in front that is not
    # written there, and its first letters may belong to a token of the marker.
    wholes = [engine.encode(opening + profile.labels[a] + profile.markers[1]) for a in named]
    begin = _common([opened, *wholes])
    tails = [whole[begin:] for whole in wholes]
    rest = [opened[begin:]] if begin < len(opened) else []
    known = engine.score([*ids, *opened[:begin]], [*tails, *rest], cancelled)
    # Where the marker's end is part of some label's token, there is more than one way to open the
    # marker in tokens; a label's share is of all of them together.
    merged = [
        math.exp(score)
        for whole, score in zip(wholes, known, strict=False)
        if whole[: len(opened)] != opened
    ]
    opens = math.log(math.fsum([math.exp(known[-1]), *merged])) if rest else 0.0
    scores = {action: score - opens for action, score in zip(named, known, strict=False)}
    left = max(1 - math.fsum(map(math.exp, scores.values())), 1e-9)
    open_ended = [action for action in actions if not profile.labels[action]]
    scores |= {action: math.log(left / len(open_ended)) for action in open_ended}
    return dict(zip(actions, _softmax([scores[a] for a in actions], temperature), strict=True))


def _common(sequences: Sequence[Sequence[int]]) -> int:
    """How many tokens all begin with."""
    most = min(map(len, sequences))
    first = sequences[0]
    return next((at for at in range(most) if any(one[at] != first[at] for one in sequences)), most)


def _softmax(scores: Sequence[float], temperature: float) -> list[float]:
    top = max(scores)
    weights = [math.exp((score - top) / temperature) for score in scores]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def choose(probabilities: Mapping[str, float], decoding: Decoding, turn: int) -> str:
    """The likeliest action; where the procedure's guide samples, one drawn by its seed."""
    if not decoding.temperature:
        return max(probabilities, key=lambda action: probabilities[action])
    rng = random.Random(f"{decoding.seed or 0}:{turn}")  # noqa: S311 # repeatable, not secret
    weights = [share ** (1 / decoding.temperature) for share in probabilities.values()]
    return rng.choices(list(probabilities), weights)[0]
