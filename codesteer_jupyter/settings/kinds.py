"""The kinds of values a setting can have: how each is read from text, and shown as text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codesteer_jupyter.steering.parts import Budget

__all__ = ["KINDS", "Kind", "Prices", "number", "whole"]

Prices = Mapping[str, tuple[float, float]]

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True)
class Kind:
    """`read` turns text or a Python value into the setting's value and raises ValueError with
    what is wanted; `wants` says it; `text` is the inverse for showing and saving.
    """

    name: str
    wants: str
    read: Callable[[Any], Any]
    text: Callable[[Any], str] = str


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("text")
    if any(ord(character) < 32 for character in value):
        raise ValueError("one line of text")
    return value.strip()


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    plain = str(value).strip().casefold()
    if plain in _TRUE or plain in _FALSE:
        return plain in _TRUE
    raise ValueError("yes or no")


def whole(least: int) -> Callable[[Any], int]:
    """Reads whole numbers from `least` on."""

    def read(value: Any) -> int:
        wants = f"a whole number from {least}"
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise ValueError(wants)
        try:
            found = int(value)
        except ValueError:
            raise ValueError(wants) from None
        if found < least:
            raise ValueError(wants)
        return found

    return read


def number(least: float, *, above: bool = False) -> Callable[[Any], float]:
    """Reads finite numbers from `least` on, or only above it."""

    def read(value: Any) -> float:
        wants = f"a number {'above' if above else 'from'} {least:g}{'' if above else ' on'}"
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError(wants)
        try:
            found = float(value)
        except ValueError:
            raise ValueError(wants) from None
        if not math.isfinite(found) or found < least or (above and found == least):
            raise ValueError(wants)
        return found

    return read


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        parts: Sequence[Any] = re.split(r"[\s,]+", value.strip())
    elif isinstance(value, Sequence):
        parts = value
    else:
        raise ValueError("names separated by commas")
    names = tuple(dict.fromkeys(part for part in parts if part))
    if not all(isinstance(name, str) and name.isidentifier() for name in names):
        raise ValueError("names of variables separated by commas")
    return names


def _paths(value: Any) -> tuple[str, ...]:
    wants = "paths separated by commas"
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, Sequence):
        raise ValueError(wants)
    try:
        paths = [_text(part) for part in value]
    except ValueError:
        raise ValueError(wants) from None
    return tuple(dict.fromkeys(path for path in paths if path))


def _name(value: Any) -> str:
    if not isinstance(value, str) or not (value == "" or value.isidentifier()):
        raise ValueError("the name of a variable")
    return value


_BUDGET: Mapping[str, Callable[[Any], Any]] = {
    "seconds": number(0, above=True),
    "tokens": whole(1),
    "usd": number(0, above=True),
}


def _budget(value: Any) -> Budget:
    if isinstance(value, Budget):
        return value
    wants = "any of seconds=60,tokens=20000,usd=0.5"
    if isinstance(value, str):
        pairs = [part.partition("=") for part in re.split(r"[\s,]+", value.strip()) if part]
        if len({name for name, _, _ in pairs}) < len(pairs):
            raise ValueError(f"{wants}, each once")
        given: Mapping[Any, Any] = {name: text for name, _, text in pairs}
    elif isinstance(value, Mapping):
        given = {name: bound for name, bound in value.items() if bound is not None}
    else:
        raise ValueError(wants)
    if not set(given) <= set(_BUDGET):
        raise ValueError(wants)
    found: dict[str, Any] = {}
    for name, bound in given.items():
        try:
            found[name] = _BUDGET[name](bound)
        except ValueError as error:
            raise ValueError(f"{error} for {name}") from None
    return Budget(**found)


def _budget_text(value: Budget) -> str:
    pairs = [(name, getattr(value, name)) for name in _BUDGET]
    return ",".join(f"{name}={bound:g}" for name, bound in pairs if bound is not None)


def _prices(value: Any) -> Prices:
    wants = "MODEL=IN/OUT with both prices in USD per million tokens, several separated by commas"
    if isinstance(value, str):
        given: dict[Any, Any] = {}
        for part in (part.strip() for part in value.split(",")):
            if part:
                model, equals, both = part.rpartition("=")
                if not equals or not model:
                    raise ValueError(wants)
                given[model] = both.split("/")
    elif isinstance(value, Mapping):
        given = dict(value)
    else:
        raise ValueError(wants)
    read = number(0)
    found: dict[str, tuple[float, float]] = {}
    for model, both in given.items():
        if not isinstance(model, str) or not isinstance(both, Sequence) or len(both) != 2:
            raise ValueError(wants)
        try:
            found[model] = (read(both[0]), read(both[1]))
        except ValueError:
            raise ValueError(wants) from None
    return found


def _prices_text(value: Prices) -> str:
    return ",".join(f"{model}={put_in:g}/{out:g}" for model, (put_in, out) in value.items())


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("text", "text", _text),
        Kind("flag", "yes or no", _flag, lambda value: "yes" if value else "no"),
        Kind("whole", "a whole number", whole(0)),
        Kind("number", "a number", number(0)),
        Kind("names", "names separated by commas", _names, ",".join),
        Kind("paths", "paths separated by commas", _paths, ",".join),
        Kind("name", "a name", _name),
        Kind("budget", "seconds=60,tokens=20000,usd=0.5", _budget, _budget_text),
        Kind("prices", "MODEL=IN/OUT", _prices, _prices_text),
    )
}
