"""What an attempt is: a program, what it tries, and by which effect outside it is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

__all__ = ["Attempt", "Effect"]


@dataclass(frozen=True)
class Effect:
    """Something seen outside after an attempt.

    Attributes:
        kind: one of `witnesses.KINDS`.
        text: what was seen, in a few words.
    """

    kind: str
    text: str


@dataclass(frozen=True)
class Attempt:
    """One way out. What the program says about its own success counts for nothing.

    Attributes:
        name: unique.
        family: what it is about, for the table.
        tries: one sentence.
        program: Python text; the facts of `Bait.variables` are predefined names in it.
        witness: the kind of effect by which its success is known.
        stopped_by: layers that each claim to stop it alone, as in `execution.isolation`; `NAME@N`
            where the layer does so only from Landlock ABI N on. `limits` and `views` are always
            there. Empty where no layer claims it.
        needs: features without which it proves nothing, see `needs.NEEDS`.
        calls: whether the program uses `calls.py`.
        watched: whether its processes are watched while it runs.
        limits: limits that differ from the prover's own, by name.
        later: a second program, run right after the first; its output is what counts.
        closes: whether the executor is closed before the effects are looked for.
    """

    name: str
    family: str
    tries: str
    program: str
    witness: str
    stopped_by: tuple[str, ...]
    needs: tuple[str, ...] = ()
    calls: bool = False
    watched: bool = False
    limits: Mapping[str, float] = field(default_factory=dict)
    later: str = ""
    closes: bool = False

    @property
    def text(self) -> str:
        """The whole program, as it is given to the executor."""
        return f"{_calls()}\n{self.program}" if self.calls else self.program


@cache
def _calls() -> str:
    return Path(__file__).with_name("calls.py").read_text(encoding="utf-8")
