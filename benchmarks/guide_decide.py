"""Decisions, and the guide's share of a whole question."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from guide_bench import Bench

_LABELS = [[11], [12], [13], [14], [15]]


def first_decision(bench: Bench) -> None:
    """From a question of 1k tokens to the probabilities of two actions."""
    ids = bench.ids(1024)

    def decide() -> None:
        bench.engine.kept.rewind(0)
        bench.engine.score(ids, _LABELS[:2])

    taken = bench.in_turns({"ours": decide, "bare": lambda: bench.forward(ids)}, bare="bare")
    bench.report.row("first decision, 1k tokens", 1e3 * taken["ours"], "ms", "≤ 40")
    note = f"{1e3 * taken['bare']:.1f} ms with the attention of transformers (sdpa)"
    ratio = taken["ours"] / taken["bare"]
    bench.report.row("the same / a bare forward pass", ratio, "times", "≤ 1.3", note)


def next_guidance(bench: Bench) -> None:
    """800 new tokens behind 6k, against 800 alone and against all 6.8k again."""
    old, new = bench.ids(6144), bench.ids(800)
    bench.engine.prefill(old)

    def grown() -> None:
        bench.engine.kept.rewind(len(old))
        bench.engine.score([*old, *new], _LABELS)

    def again() -> None:
        bench.engine.kept.rewind(0)
        bench.engine.score([*old, *new], _LABELS)

    taken = bench.in_turns({"grown": grown, "alone": lambda: bench.forward(new)}, bare="alone")
    row = bench.report.row
    row("decision after 800 new tokens behind 6k", 1e3 * taken["grown"], "ms")
    row("the same / a fresh 800", taken["grown"] / taken["alone"], "times", "≤ 1.3")
    row("reading all 6.8k again / the same", bench.seconds(again) / taken["grown"], "times")


def five_rounds(bench: Bench, label: str) -> None:
    """Five rounds: a decision each, four guidances of 60 tokens, a dialogue growing to 6k."""
    text = 60 // bench.scale + (bench.tiny and 1)
    first, report = bench.ids(1024), [bench.ids(1216) for _ in range(4)]

    def dialogue(turn: Callable[[list[int], bool], list[int]]) -> None:
        ids = list(first)
        for number in range(5):
            ids += turn(ids, number < 4)
            if number < 4:
                ids += report[number]

    def ours(ids: list[int], writes: bool) -> list[int]:
        bench.engine.score(ids, _LABELS)
        return list(bench.write(ids, text).ids) if writes else []

    def plain(ids: list[int], writes: bool) -> list[int]:
        bench.report.check()
        with torch.no_grad():
            made = bench.model.generate(
                torch.tensor([ids], device=bench.device),
                max_new_tokens=text if writes else 1,
                do_sample=False,
                pad_token_id=0,
            )
        return made[0, len(ids) :].tolist() if writes else []

    def steered() -> None:
        bench.engine.kept.rewind(0)
        dialogue(ours)

    steered()
    mine = bench.seconds(steered)
    name = f"guide's share of a five-round question, {label}"
    bench.report.row(name, mine, "s", note="all five rounds")
    with bench.bare():
        # The parts' limits: each new piece read by a bare pass, each token at the memory's speed.
        piece = [*report[0], *bench.ids(60)]
        reading = bench.seconds(lambda: bench.forward(first))
        reading += 4 * bench.seconds(lambda: bench.forward(piece))
    contexts = [len(first) + number * len(report[0]) for number in range(4)]
    writing = sum(text * bench.step_limit(context) for context in contexts)
    bench.report.row(
        "the same / the sum of its parts' limits",
        mine / (reading + writing),
        "times",
        "≤ 1.4",
        f"{reading:.3f} s reading + {writing:.3f} s writing",
    )
    with bench.bare():
        dialogue(plain)
        theirs = bench.seconds(lambda: dialogue(plain), 1 if bench.tiny else 2)
    row: Any = bench.report.row
    name = "model.generate that reads the dialogue again / ours"
    row(name, theirs / mine, "times", note=f"{theirs:.2f} s")
    if bench.load_seconds is not None:
        loads = theirs + 5 * bench.load_seconds
        row("the same with a load each round / ours", loads / mine, "times", note=f"{loads:.1f} s")
