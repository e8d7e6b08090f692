"""The run as Markdown and as plain text, for readers without HTML: exports, diffs, terminals."""

from __future__ import annotations

import re

from codesteer_jupyter.steering.trajectory import Round, Trajectory
from codesteer_jupyter.views import text as words
from codesteer_jupyter.views.bounds import bounded
from codesteer_jupyter.views.changed import changes_text

__all__ = ["fenced", "markdown", "plain", "quote"]


def plain(trajectory: Trajectory, size: int = 20_000) -> str:
    """Answer, badge, and one line per round."""
    trajectory = bounded(trajectory, size)
    badge, _, reason = words.level_badge(trajectory)
    lines = [words.visible(words.clip(words.headline(trajectory), size)[0])]
    lines.append(words.visible(words.clip(f"{badge}{': ' + reason if reason else ''}", size)[0]))
    lines.append(words.run_line(trajectory))
    lines += [f"  {_line(r, n, trajectory)}" for n, r in enumerate(trajectory.all_rounds, 1)]
    lines.append(f"  more: {words.how_to_get(trajectory.id)}")
    return "\n".join(words.visible(line) for line in lines)


def markdown(trajectory: Trajectory, size: int = 20_000) -> str:
    """Headings, fences and quotes; no HTML, and none of the model's text can open any."""
    trajectory = bounded(trajectory, size)
    badge, _, reason = words.level_badge(trajectory)
    parts = [
        fenced(words.clip(words.headline(trajectory), min(size, 4000))[0], "text"),
        f"**{badge}** {quote(words.clip(reason, min(size, 1000))[0])}".rstrip(),
        quote(words.run_line(trajectory)),
    ]
    for number, current in enumerate(trajectory.all_rounds, 1):
        parts += _round(trajectory, current, number, size)
    parts.append(f"More: `{words.how_to_get(trajectory.id)}`")
    return "\n\n".join(parts)


def _round(trajectory: Trajectory, current: Round, number: int, size: int) -> list[str]:
    parts = [f"**{quote(_line(current, number, trajectory))}**"]
    if current.guidance is not None and current.guidance.reason:
        parts.append(f"Why: {quote(words.clip(current.guidance.reason, size)[0])}")
    answer = current.answer
    if answer is not None:
        if answer.code is not None:
            parts.append(fenced(words.clip(answer.code, size)[0], "python"))
        elif answer.text:
            parts.append(fenced(words.clip(answer.text, size)[0], "text"))
    if current.execution is not None:
        output = words.output_text(current.execution.stdout).rstrip()
        if current.execution.error is not None:
            output += f"\n{current.execution.error.name}: {current.execution.error.message}"
        if output.strip():
            parts.append(fenced(words.clip(output.strip("\n"), size)[0], "text"))
        changed = changes_text(current.execution)
        if changed:
            parts.append(fenced("\n".join(changed), "text"))
    checks = current.checks
    if checks.symbolic is not None:
        parts.append(f"- symbolic checker: {quote(words.symbolic_line(checks.symbolic)[0])}")
    if checks.self_answer is not None:
        line = words.clip(words.self_answer_line(checks.self_answer)[0], size)[0]
        parts.append(f"- self-answer checker: {quote(line)}")
    return parts


def _line(current: Round, number: int, trajectory: Trajectory) -> str:
    parts = [f"Round {number}: {words.guidance_title(current.guidance)}"]
    ran = words.execution_line(current.execution)[0]
    if ran:
        parts.append(ran)
    if current.checks.self_answer is not None:
        parts.append(f"checker: {current.checks.self_answer.verdict}")
    if current.answer is not None and current.answer.final is not None:
        parts.append(f"→ {words.clip(current.answer.final.strip().split(chr(10))[0], 60)[0]}")
    if number > len(trajectory.rounds):
        parts.append("cut short")
    if current.seconds:
        parts.append(words.duration(current.seconds))
    spent = words.usage_short(current.usage.total)
    if spent:
        parts.append(spent)
    return " · ".join(parts)


def fenced(text: str, language: str) -> str:
    """A fence longer than any run of backticks inside, so that the text cannot close it."""
    text = words.visible(text).rstrip("\n")
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def quote(text: str) -> str:
    """One line of text with every character that Markdown or HTML could act on escaped."""
    line = " ".join(words.visible(text).split())
    return re.sub(r"([\\`*_\[\]<>&$#|~!])", r"\\\1", line)
