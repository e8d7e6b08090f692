"""How likely each action was, from the tokens that a server tells of a reply.

An endpoint cannot be asked to score labels; it tells, at each token of what it wrote, the likeliest
other ones. At the marker that decided, an alternative that begins one label alone counts for that
label: the rest of the label is taken as certain once its beginning is there. What might begin
several labels counts for none, and where that is more than a hundredth nothing is said at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from codesteer_jupyter.steering.completion import TokenLogprob
from codesteer_jupyter.steering.profile import Profile

__all__ = ["probabilities_told"]

_MOST_DOUBT = 0.01


def probabilities_told(
    tokens: Sequence[TokenLogprob], raw: str, profile: Profile, actions: Sequence[str]
) -> dict[str, float] | None:
    """Probability of each of `actions` at the marker that decided in the reply `raw`; they sum to
    1. None without such a marker or its tokens, if the labels cannot be told apart, or if the reply
    took another action than those.
    """
    found = profile.decision_in(raw)
    if found is None or found[2] not in actions:
        return None
    walk = list(_from_marker(tokens, raw, found[0], found[1]))
    markers = {
        action: profile.marker(action).casefold() for action in actions if profile.labels[action]
    }
    open_ended = [action for action in actions if not profile.labels[action]]
    if not walk or len(open_ended) > 1:
        return None
    scores = _scores(walk, markers, open_ended, len(profile.markers[0]))
    if scores is None or not scores.get(found[2]):
        return None
    total = math.fsum(scores.values())
    return {action: scores.get(action, 0.0) / total for action in actions}


_Step = tuple[str, float, tuple[tuple[str, float], ...]]


def _from_marker(tokens: Sequence[TokenLogprob], raw: str, start: int, end: int) -> Iterator[_Step]:
    """The tokens from the marker on, each with its alternatives, without what stands before the
    marker in its first token. A reply's tokens may hold reasoning that `raw` lacks, so the marker
    is counted from the end.
    """
    whole = "".join(item.token for item in tokens)
    marker = raw[start:end]
    at = len(whole)
    for _ in range(raw.count(marker, start)):
        at = whole.rfind(marker, 0, at)
        if at < 0:
            return
    passed = 0
    for item in tokens:
        begin, passed = passed, passed + len(item.token)
        if passed <= at:
            continue
        lead = item.token[: max(0, at - begin)]
        top = [
            (text[len(lead) :], value)
            for text, value in item.top
            if text != item.token and text.startswith(lead)
        ]
        yield item.token[len(lead) :], item.logprob, tuple(top)


def _scores(
    walk: Sequence[_Step], markers: Mapping[str, str], open_ended: Sequence[str], opening: int
) -> dict[str, float] | None:
    """Weight of each action; None where too much of it could be several actions'. `open_ended`
    holds the action that any words but a label stand for, if there is one; `opening` is the length
    of the mark before a label.
    """
    scores: dict[str, float] = {}
    left = dict(markers)
    path = 1.0  # probability of what was written since the marker began
    doubt = 0.0
    read = 0
    for token, logprob, top in walk:
        known = 0.0
        for text, value in top:
            share = path * math.exp(value)
            fitting = _fitting(left, text)
            known += share if fitting else 0.0
            if len(fitting) == 1:
                scores[fitting[0]] = scores.get(fitting[0], 0.0) + share
            elif fitting:
                doubt += share
        fitting = _fitting(left, token)
        share = path * math.exp(logprob)
        if open_ended and read >= opening:
            known += share if fitting else 0.0
            rest = max(path - known, 0.0)
            scores[open_ended[0]] = scores.get(open_ended[0], 0.0) + rest
        path = share
        read += len(token)
        left = {action: left[action][len(token) :] for action in fitting}
        if len(left) == 1 and read > opening:
            (action,) = left
            scores[action] = scores.get(action, 0.0) + path
            break
        if not left or not all(left.values()):
            break
    total = math.fsum(scores.values())
    return scores if total > 0 and doubt <= _MOST_DOUBT * (total + doubt) else None


def _fitting(left: Mapping[str, str], text: str) -> list[str]:
    """The actions whose marker may go on with `text`."""
    plain = text.casefold()
    if not plain:
        return []
    return [
        action
        for action, rest in left.items()
        if rest.startswith(plain) or (rest and plain.startswith(rest))
    ]
