"""A real model on a CPU: time to guidance at round 5, with what was read kept and without."""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import threading
import time
from typing import TYPE_CHECKING, Any

import psutil

from codesteer_jupyter.guides import loaded
from codesteer_jupyter.guides.actions import offered, probabilities_at
from codesteer_jupyter.guides.local import fit, reply
from codesteer_jupyter.steering.answers import final_answer, find_code
from codesteer_jupyter.steering.guide_dialogue import guide_messages, guide_messages_ahead
from codesteer_jupyter.steering.procedure import procedure
from codesteer_jupyter.steering.profile import load_profile
from codesteer_jupyter.steering.trajectory import (
    Answer,
    Checks,
    Execution,
    Guidance,
    Round,
    SelfAnswerReport,
    SymbolicReport,
    Trajectory,
)

if TYPE_CHECKING:
    from guide import Report

QUESTION = (
    "A shop sells boxes of 6, 9 and 20 pieces. A customer wants exactly N pieces and no loose "
    "ones. What is the largest N that cannot be bought, how many such N are there, in how many "
    "ways can exactly 120 pieces be bought? Answer with the three numbers, separated by commas."
)
PROGRAM = """I will count the ways for each number of pieces and read off the three values.

```python
SIZES = (6, 9, 20)
LIMIT = {limit}

def ways(limit):
    table = [0] * (limit + 1)
    table[0] = 1
    for size in SIZES:
        for pieces in range(size, limit + 1):
            table[pieces] += table[pieces - size]
    return table

table = ways(LIMIT)
missing = [n for n in range(1, LIMIT + 1) if table[n] == 0]
print(max(missing), len(missing), table[120], sep=", ")
```

This prints the largest number, the count and the number of ways for {limit} pieces at most."""
GUIDANCE = (
    "<<<Refine>>> The table ends too early, so the count may miss numbers above it. Raise the "
    "limit and say why no larger number can be missing."
)
SHORT = 24
PROFILE = load_profile()
PROCEDURE = procedure("default", guide_max_tokens=SHORT)


def a_round(number: int) -> Round:
    text = PROGRAM.format(limit=100 * number + 50)
    printed = f"43, {20 + number}, {number + 10}"
    guidance = Guidance("refine", GUIDANCE.partition(" ")[2], raw=GUIDANCE)
    if number == 1:
        guidance = Guidance("code", "Count with a table.", raw="<<<Code>>> Count with a table.")
    final, source = final_answer(text, printed)
    return Round(
        id=f"r{number}",
        guidance=guidance,
        answer=Answer(text, None, find_code(text), final, source, "stop"),
        execution=Execution("ok", stdout=printed),
        checks=Checks(
            symbolic=SymbolicReport(5.0, 5.0, True),
            self_answer=SelfAnswerReport("incorrect", f"there are 22 such numbers, not {number}"),
        ),
    )


def run_with(rounds: int, *, unfinished: bool = False) -> Trajectory:
    made = [a_round(number) for number in range(1, rounds + 1 + unfinished)]
    run = Trajectory(
        id="run",
        created="2026-01-01T00:00:00+00:00",
        version="0",
        question=QUESTION,
        model="scripted",
        guide="local",
        procedure="default",
        profile=PROFILE.ref,
        rounds=tuple(made[:rounds]),
    )
    if not unfinished:
        return run
    cut = dataclasses.replace(made[-1], execution=None, checks=Checks())
    return dataclasses.replace(run, unfinished=cut)


def measure(report: Report, options: argparse.Namespace, _: str) -> None:
    never = threading.Event()
    began = time.perf_counter()
    engine = loaded.load(loaded.Wish(str(options.model)))
    report.row("load", time.perf_counter() - began, "s", note="GGUF files are unpacked first")
    held = loaded.status()[0]
    report.row("weights", held["bytes"] / 2**20, "MiB", note=f"as {held['held']}")
    read: dict[str, str] = {}
    report.row("memory of the process", psutil.Process().memory_info().rss / 2**20, "MiB")

    def guidance(rounds: int) -> tuple[float, float, Any]:
        """Seconds to its first words, to its last, and the reply."""
        began = time.perf_counter()
        spoke: list[float] = []
        messages = guide_messages(run_with(rounds), PROFILE, PROCEDURE)
        ids, decoding = fit(engine, messages, PROCEDURE.guide_decoding)
        made = reply(
            engine,
            ids,
            decoding,
            PROFILE,
            turn=rounds,
            say=lambda _: spoke.append(time.perf_counter() - began),
            cancelled=never,
        )
        return spoke[0], time.perf_counter() - began, made

    def kept(*, ahead: bool) -> None:
        """As a run leaves it before its fifth guidance."""
        before = run_with(3, unfinished=True)
        messages = guide_messages(run_with(3), PROFILE, PROCEDURE)
        ids = engine.prompt(messages)
        if ahead:
            ids = engine.beginning(guide_messages_ahead(before, PROFILE, PROCEDURE) or messages)
        engine.prefill(ids)
        engine.kept.rewind(len(ids))

    def forget() -> None:
        engine.kept.rewind(0)

    cases = {
        "read again": forget,
        "kept": lambda: kept(ahead=False),
        "kept, answer read ahead": lambda: kept(ahead=True),
    }
    firsts: dict[str, list[float]] = {name: [] for name in cases}
    wholes: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(options.times):
        for name, ready in cases.items():
            ready()
            first, whole, made = guidance(4)
            firsts[name].append(first)
            wholes[name].append(whole)
            new = made.prompt_tokens - made.cached_tokens
            read[name] = f"{new} of {made.prompt_tokens} tokens to read"
    for name in cases:
        middle = statistics.median(firsts[name])
        report.row(f"time to guidance at round 5, {name}", middle, "s", note=read[name])
    for name in cases:
        middle = statistics.median(wholes[name])
        report.row(f"the same with its {SHORT} tokens of text, {name}", middle, "s")
    again = statistics.median(firsts["read again"])
    for name, aim in (("kept", "≥ 3"), ("kept, answer read ahead", "≥ 3")):
        ratio = again / statistics.median(firsts[name])
        report.row(f"read again / {name}", ratio, "times", aim)

    forget()
    opening = guide_messages(run_with(0), PROFILE, PROCEDURE)
    ids = engine.prompt(opening)
    taken = []
    for _ in range(options.times):
        other = dataclasses.replace(run_with(0), question="What is the capital of France?")
        engine.prefill(engine.prompt(guide_messages(other, PROFILE, PROCEDURE)))
        known = engine.known(ids)
        began = time.perf_counter()
        probabilities_at(engine, ids, PROFILE, offered(PROFILE, answered=False))
        taken.append(time.perf_counter() - began)
    report.row(
        "first decision on another question",
        statistics.median(taken),
        "s",
        "≤ 2 on one core",
        f"{len(ids) - known} of {len(ids)} tokens to read",
    )
