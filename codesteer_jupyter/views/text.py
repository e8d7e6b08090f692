"""The words and units every view uses, so that each rule of wording exists once.

Plain strings only: escaping for HTML or Markdown belongs to the view that writes them.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Literal

from codesteer_jupyter.steering.trajectory import (
    Execution,
    Guidance,
    Round,
    RunUsage,
    SelfAnswerReport,
    Stop,
    SymbolicReport,
    Trajectory,
    Usage,
)

__all__ = [
    "ACTIONS",
    "LEVELS",
    "PHASES",
    "Tone",
    "clip",
    "count",
    "duration",
    "execution_line",
    "finding_text",
    "guidance_title",
    "headline",
    "how_to_get",
    "intervention_line",
    "level_badge",
    "output_text",
    "probabilities_line",
    "run_line",
    "self_answer_line",
    "stop_line",
    "symbolic_line",
    "usage_lines",
    "usage_short",
    "visible",
]

Tone = Literal["good", "warn", "bad", "plain"]

ACTIONS = {"code": "code", "text": "text", "refine": "refine"}
PHASES = {
    "guiding": "choosing the guidance",
    "answering": "the task model is answering",
    "executing": "running the code",
    "checking": "checking the answer",
}
# level: (sign, word, tone, what the word means when the record gives no reason)
LEVELS: dict[str, tuple[str, str, Tone, str]] = {
    "agreed": ("✓", "agreed", "good", "independently written programs give the same answer"),
    "checked": ("✓", "checked", "good", "a checker that was itself checked says it is correct"),
    "unchecked": ("○", "unchecked", "warn", "nothing has confirmed this answer"),
    "refuted": ("✕", "refuted", "bad", "a check says this answer is wrong"),
}

_COLOUR_CODE = re.compile("\x1b\\[[0-9;:]*m")
# Characters that are drawn as nothing, or that change the order of what is drawn.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_JOINERS = "\u200c\u200d"


def visible(text: str) -> str:
    """`text` with control, zero-width, bidirectional and tag characters shown as signs.

    Tabs and newlines stay. A (non-)joiner between two characters beyond ASCII stays as well:
    emoji and several scripts are written with it.
    """
    text = text.replace("\r\n", "\n")

    def shown(match: re.Match[str]) -> str:
        character = match.group()
        if character in _JOINERS and _joins(text, match.start()):
            return character
        number = ord(character)
        if number < 0x20:
            return chr(0x2400 + number)
        return "␡" if number == 0x7F else f"⟨U+{number:04X}⟩"

    return _UNSEEN.sub(shown, text)


def _joins(text: str, at: int) -> bool:
    around = text[at - 1 : at] + text[at + 1 : at + 2]
    return len(around) == 2 and all(
        character > "\x7f" and unicodedata.category(character)[0] in "LMS" for character in around
    )


def output_text(text: str) -> str:
    """Text a program wrote, without colour codes; a carriage return starts a new line, so that
    nothing is overwritten.
    """
    text = _COLOUR_CODE.sub("", text)
    return visible(re.sub("\r+\n", "\n", text).replace("\r", "\n"))


def clip(text: str, characters: int = 20_000, line: int = 2_000) -> tuple[str, str]:
    """The text cut to `characters`, each line to `line`, and a note on what was left out ("" when
    nothing was). The beginning and the end are kept: results tend to be printed last.
    """
    notes, whole = [], len(text)
    if whole > 4 * characters + 4 * line:
        # Cut roughly first: what follows is linear in the text, and a reply may have megabytes.
        text = f"{text[: 3 * characters]}\n…\n{text[whole - characters :]}"
    rows = text.split("\n")
    long = sum(len(row) > line for row in rows)
    if long:
        text = "\n".join(
            row if len(row) <= line else f"{row[: line // 2]} … {row[-(line // 4) :]}"
            for row in rows
        )
        notes.append(f"{count(long, 'line')} longer than {line:,} characters shortened")
    if len(text) > characters:
        head, tail = characters * 3 // 4, characters // 4
        text = f"{text[:head]}\n…\n{text[len(text) - tail :]}"
        notes.append(f"{head + tail:,} of {whole:,} characters shown")
    return text, "; ".join(notes)


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """0.04 s, 2.3 s, 1 min 05 s."""
    if 0 < seconds < 0.005:
        return "under 0.01 s"
    if seconds < 0.095:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def usage_short(usage: Usage) -> str:
    """Tokens of all kinds in a word or two; "" where there was no model call."""
    tokens = usage.prompt_tokens + usage.completion_tokens
    if tokens:
        return count(tokens, "token")
    return "tokens not reported" if usage.calls else ""


def usage_lines(usage: RunUsage) -> list[str]:
    """Who spent what, with units and how each number was obtained."""
    lines = []
    for role, name in (("task", "task model"), ("guide", "guide"), ("checker", "checkers")):
        spent: Usage = getattr(usage, role)
        if not (spent.calls or spent.seconds or spent.prompt_tokens):
            continue
        parts = [count(spent.calls, "call")]
        if spent.prompt_tokens or spent.completion_tokens:
            cached = f" ({spent.cached_tokens:,} cached)" if spent.cached_tokens else ""
            how = "estimated here" if spent.extra.get("estimated") else "as the model reported"
            parts.append(
                f"{spent.prompt_tokens:,}{cached} prompt + {spent.completion_tokens:,} completion "
                f"tokens, {how}"
            )
        elif spent.calls:
            parts.append("tokens not reported")
        parts.append(f"{duration(spent.seconds)} waited")
        if spent.cost is not None:
            parts.append(f"US$ {spent.cost:.4f} by the configured prices")
        lines.append(f"{name}: {', '.join(parts)}")
    return lines


def guidance_title(guidance: Guidance | None) -> str:
    """`code 0.93 · exact arithmetic`; the number is the guide's probability of the action."""
    if guidance is None:
        return "no guidance yet"
    share = (guidance.probabilities or {}).get(guidance.action)
    action = ACTIONS.get(guidance.action, guidance.action)
    parts: list[str] = [action if share is None else f"{action} {share:.2f}"]
    if guidance.strategy:
        parts.append(guidance.strategy.replace("_", " "))
    if guidance.fresh:
        parts.append("written independently")
    return " · ".join(parts)


def probabilities_line(probabilities: Mapping[str, float] | None, calibrated: bool) -> str:
    if not probabilities:
        return ""
    ranked = sorted(probabilities.items(), key=lambda item: -item[1])
    shares = " · ".join(f"{action.replace('_', ' ')} {share:.2f}" for action, share in ranked)
    return f"{shares} ({'calibrated' if calibrated else 'the guide’s own, not calibrated'})"


def execution_line(execution: Execution | None) -> tuple[str, Tone]:
    """How the code's run ended, in a few words."""
    if execution is None:
        return "", "plain"
    took = duration(execution.seconds)
    if execution.status == "ok":
        return f"ran in {took}", "good"
    if execution.status == "error":
        name = execution.error.name if execution.error else "an error"
        return f"{name} after {took}", "bad"
    if execution.limit is not None:
        value = "" if execution.limit.value is None else f" of {execution.limit.value:g}"
        name = "time" if execution.limit.name == "wall" else execution.limit.name
        unit = f" {execution.limit.unit}" if execution.limit.unit and value else ""
        return f"hit the {name} limit{value}{unit}", "bad"
    return {"timeout": "ran out of time", "killed": "was killed"}.get(
        execution.status, f"ended: {execution.status}"
    ), "bad"


def finding_text(item: Any) -> str:
    """One finding of a checker this version does not know: its words, or its data."""
    if isinstance(item, Mapping):
        return str(item.get("message") or item.get("text") or json.dumps(dict(item), default=str))
    return str(item)


def intervention_line(by: str, decision: str, gate: str, reason: str) -> str:
    """Who decided otherwise at a gate, and why."""
    did = {"replace": "replaced", "skip": "skipped", "stop": "stopped the run at"}
    what = {"guidance": "the guidance", "execution": "the code"}
    line = f"{by} {did.get(decision, decision)} {what.get(gate, gate)}"
    return f"{line}: {reason}" if reason else line


def symbolic_line(report: SymbolicReport) -> tuple[str, Tone]:
    enough = "computes enough" if report.sufficient else "computes too little"
    return (
        f"{enough}: score {report.score:g} (published rule: {report.published_score:g}), "
        "from reading the code",
        "good" if report.sufficient else "warn",
    )


def self_answer_line(report: SelfAnswerReport) -> tuple[str, Tone]:
    """The verdict with what the checker of the checker found."""
    tone: Tone = {"correct": "good", "incorrect": "bad"}.get(report.verdict, "warn")  # type: ignore[assignment]  # literal values of the dict
    line: str = report.verdict
    if report.reason:
        line += ": " + report.reason.rstrip(".")
    if report.mutants is not None:
        line += (
            f" (its program refused {report.mutants.rejected} of "
            f"{count(report.mutants.tried, 'altered answer')})"
        )
    return line, tone


def level_badge(trajectory: Trajectory, running: bool = False) -> tuple[str, Tone, str]:
    """Badge, tone and reason: how far the answer may be believed, or why there is none."""
    if running:
        return "● running", "plain", ""
    if trajectory.answer is not None:
        sign, word, tone, meaning = LEVELS.get(
            trajectory.verification.level, ("○", "unchecked", "warn", "")
        )
        reason = trajectory.verification.reason or meaning
        if trajectory.status == "interrupted":
            reason = f"{reason}; the run was interrupted"
        return f"{sign} {word}", tone, reason
    match trajectory.status:
        case "failed":
            return "✕ failed", "bad", trajectory.error.message if trajectory.error else ""
        case "interrupted":
            return "■ interrupted", "warn", "the rounds that were finished are kept"
    return "○ unanswered", "warn", stop_line(trajectory.stop)


def headline(trajectory: Trajectory, running: bool = False) -> str:
    """The answer, or what stands in its place."""
    if trajectory.answer is not None:
        return trajectory.answer if trajectory.answer.strip() else "(an empty answer)"
    return "No answer yet" if running else "No answer"


def stop_line(stop: Stop | None) -> str:
    """Why the run ended."""
    if stop is None:
        return ""
    gave_up = stop.action == "terminate"
    line = {
        "guide": "the guide gave up" if gave_up else "the guide returned the answer",
        "verified": "stopped because the answer was confirmed",
        "rounds": "all rounds were used",
        "budget": "the budget was used up",
        "repeat": "the same failure came back three times",
        "user": "stopped by the user",
        "error": "stopped by an error",
    }.get(stop.by, f"stopped by {stop.by}")
    share = (stop.probabilities or {}).get(stop.action or "")
    if share is not None:
        line = f"{line} ({share:.2f})"
    return f"{line}: {stop.reason}" if stop.reason else line


def run_line(trajectory: Trajectory) -> str:
    """`2 rounds: text → code · 12.3 s · 1,204 tokens · openai:NAME, guide rules`."""
    rounds: tuple[Round, ...] = trajectory.all_rounds
    path = " → ".join(ACTIONS.get(r.guidance.action, "?") if r.guidance else "…" for r in rounds)
    seconds = sum(r.seconds for r in rounds)
    cut = ", the last cut short" if len(rounds) > len(trajectory.rounds) else ""
    parts = [count(len(rounds), "round") + cut + (f": {path}" if path else "")]
    if seconds:
        parts.append(duration(seconds))
    spent = usage_short(trajectory.usage.total)
    if spent:
        parts.append(spent)
    who = f"{trajectory.model}, guide {trajectory.guide}" if trajectory.guide else trajectory.model
    if who:
        parts.append(who)
    return " · ".join(parts)


def how_to_get(identifier: str) -> str:
    """How a reader gets what is not in the notebook. A record may come from anywhere, so an
    identifier that is not one is not repeated.
    """
    shown = identifier if re.fullmatch(r"[\w.:-]{1,160}", identifier, re.ASCII) else "ID"
    return f"%codesteer show {shown}"
