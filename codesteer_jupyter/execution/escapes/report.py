"""Findings as data and as text: what an administrator attaches to a change ticket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from codesteer_jupyter.execution.confinement import LAYERS, probe
from codesteer_jupyter.execution.escapes.corpus import CORPUS
from codesteer_jupyter.execution.escapes.host import host_facts
from codesteer_jupyter.execution.escapes.prove import Finding

__all__ = ["SCHEMA", "document", "lines", "proven"]

SCHEMA = "codesteer.prove/1"
_SIGNS = {"blocked": " ", "not applicable": "-", "not run": "?", "succeeded": "!"}


def proven(findings: Iterable[Finding]) -> bool:
    """Whether every attempt was run and no active layer failed to keep what it claims."""
    return not any(item.broken or item.outcome == "not run" for item in findings)


def document(runs: Sequence[tuple[str, Sequence[Finding]]]) -> dict[str, Any]:
    """JSON data: the host, its layers, and for each executor its totals and every attempt."""
    reasons = probe()
    return {
        "schema": SCHEMA,
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
        "host": host_facts(),
        "layers": {
            name: {"stops": stops, "available": not reasons[name], "reason": reasons[name]}
            for name, stops in LAYERS.items()
        },
        "executors": [
            {
                "executor": name,
                "isolation": list(_isolation(findings)),
                "totals": dict(_totals(findings)),
                "proven": proven(findings),
                "attempts": [_row(item) for item in _sorted(findings)],
            }
            for name, findings in runs
        ],
    }


def lines(runs: Sequence[tuple[str, Sequence[Finding]]]) -> Iterator[str]:
    """The same as text, one line each."""
    facts = host_facts()
    yield "  ".join(f"{name} {value}" for name, value in facts.items())
    yield ""
    yield "Layers on this host"
    width = max(map(len, LAYERS))
    for name, reason in probe().items():
        yield f"{'-' if reason else ' '} {name:<{width}}  {reason or LAYERS[name]}"
    for name, findings in runs:
        yield ""
        yield f"{name}: active layers {', '.join(_isolation(findings)) or 'none'}"
        yield from _table(_sorted(findings))
        totals = _totals(findings)
        yield f"{name}: {', '.join(f'{number} {word}' for word, number in totals.items())}"
        if proven(findings):
            yield f"{name}: no attempt succeeded that an active layer claims to stop"
        else:
            yield f"{name}: NOT PROVEN; see the lines that begin with ! or ?"


def _table(findings: Sequence[Finding]) -> Iterator[str]:
    width = max(len(item.attempt.name) for item in findings)
    family = ""
    for item in findings:
        if item.attempt.family != family:
            family = item.attempt.family
            yield f"  {family}"
        if item.outcome == "succeeded":
            what = "; ".join(effect.text for effect in item.effects[:3])
            claim = (
                f"claimed by {', '.join(item.claimed)}" if item.claimed else "no layer claims it"
            )
            what = f"SUCCEEDED: {what} ({claim})"
        elif item.outcome == "blocked":
            what = f"{item.layer or 'blocked'} ({item.reported})"
        else:
            what = f"{item.outcome}: {item.reported}"
        yield f"{_SIGNS[item.outcome]}   {item.attempt.name:<{width}}  {' '.join(what.split())}"


def _row(item: Finding) -> dict[str, Any]:
    return {
        "name": item.attempt.name,
        "family": item.attempt.family,
        "tries": item.attempt.tries,
        "outcome": item.outcome,
        "effects": [{"kind": effect.kind, "text": effect.text} for effect in item.effects],
        "reported": item.reported,
        "layer": item.layer,
        "claimed": list(item.claimed),
    }


def _totals(findings: Sequence[Finding]) -> Counter[str]:
    counted = Counter(dict.fromkeys(("blocked", "succeeded", "not applicable"), 0))
    counted.update(item.outcome for item in findings)
    return counted


def _isolation(findings: Sequence[Finding]) -> tuple[str, ...]:
    """The layers that every run had."""
    ran = [item.isolation for item in findings if item.isolation]
    return tuple(name for name in (ran[0] if ran else ()) if all(name in each for each in ran))


def _sorted(findings: Sequence[Finding]) -> list[Finding]:
    order = {each.name: at for at, each in enumerate(CORPUS)}
    families = list(dict.fromkeys(each.family for each in CORPUS))
    return sorted(
        findings,
        key=lambda item: (families.index(item.attempt.family), order[item.attempt.name]),
    )
