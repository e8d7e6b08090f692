"""The guide's dialogue, rebuilt from the trajectory: the question once, then a report a round.

In a report the answer stands first and what is known later stands last, so that a guide may read
the answer while its code still runs.
"""

from __future__ import annotations

from codesteer_jupyter.steering.completion import Message
from codesteer_jupyter.steering.dialogue import (
    describe_check,
    describe_context,
    describe_execution,
    excerpt,
    limit_of,
)
from codesteer_jupyter.steering.procedure import Procedure
from codesteer_jupyter.steering.profile import ROLES, Profile
from codesteer_jupyter.steering.repeats import repeat
from codesteer_jupyter.steering.trajectory import Guidance, Round, Trajectory

__all__ = ["guide_messages", "guide_messages_ahead"]

# Marks where a report breaks off; a text that holds it is only read ahead less far.
_BREAK = "\ue000"


def guide_messages(run: Trajectory, profile: Profile, procedure: Procedure) -> list[Message]:
    """The guide's dialogue for its next advice: the question once, then a report a round."""
    first = _guide_question(run, profile)
    messages = [Message("user", first)]
    for at, item in enumerate(run.rounds):
        if item.guidance is not None:
            messages.append(Message("assistant", _guide_turn(item.guidance, profile)))
        report = _round_report(run, at, profile, procedure)
        if profile.history == "restate":
            report = f"{first}\n\n{report}"
        messages.append(Message("user", report))
    return messages


def guide_messages_ahead(
    run: Trajectory, profile: Profile, procedure: Procedure
) -> list[Message] | None:
    """The guide's dialogue as far as it is known while the answer in `unfinished` is still being
    run and checked: its last message breaks off behind the answer. None without an answer.
    """
    current = run.unfinished
    if current is None or current.answer is None:
        return None
    messages = guide_messages(run, profile, procedure)
    first = messages[0].content
    if current.guidance is not None:
        messages.append(Message("assistant", _guide_turn(current.guidance, profile)))
    role = _report_role(profile, runs=current.answer.code is not None)
    answer = _guide_quotation(current.answer.text, "answer", profile)
    values = dict.fromkeys(ROLES["guide_round"], "")
    values |= {"question": profile.neutralise(run.question), "answer": answer + _BREAK}
    report, broken_off, _ = profile.render(role, **values).partition(_BREAK)
    if not broken_off:
        return None
    if profile.history == "restate":
        report = f"{first}\n\n{report}"
    return [*messages, Message("user", report)]


def _guide_question(run: Trajectory, profile: Profile) -> str:
    return profile.render(
        "guide_first",
        question=_guide_quotation(run.question, "question", profile),
        context=profile.neutralise(describe_context(run.context)),
    )


def _guide_quotation(text: str, name: str, profile: Profile) -> str:
    return profile.neutralise(excerpt(text, _guide_limit(profile, name)))


def _report_role(profile: Profile, *, runs: bool) -> str:
    in_text = not runs and "guide_round_text" in profile.templates
    return "guide_round_text" if in_text else "guide_round"


def _round_report(run: Trajectory, at: int, profile: Profile, procedure: Procedure) -> str:
    item = run.rounds[at]
    answer = item.answer.text if item.answer else ""
    again = repeat(run.rounds[: at + 1]) if procedure.notice_repeats else None
    told = describe_execution(item.execution, profile, _guide_limit(profile, "output"))
    return profile.render(
        _report_role(profile, runs=item.execution is not None),
        question=profile.neutralise(run.question),
        answer=_guide_quotation(answer, "answer", profile),
        execution=profile.neutralise(told),
        checks=profile.neutralise(describe_check(item.checks.self_answer)),
        symbolic=_describe_symbolic(item, profile, procedure),
        repeat=again.sentence() if again else "",
    )


def _describe_symbolic(item: Round, profile: Profile, procedure: Procedure) -> str:
    report = item.checks.symbolic
    if report is None:
        return ""
    lines = [*report.findings]
    if not report.sufficient:
        score = report.score if procedure.symbolic_score == "ast" else report.published_score
        lines.append(profile.render("symbolic_low", score=f"{score:g}"))
    return "\n".join(lines)


def _guide_turn(item: Guidance, profile: Profile) -> str:
    """The guide's own words, or, where a rule or a person spoke, the same in the profile's form."""
    if item.by == "guide" and item.raw:
        return item.raw
    label = profile.labels[item.action]
    if profile.guidance_text == "inside":
        inside = label if label and not item.text else item.text
        return f"{profile.markers[0]}{inside}{profile.markers[1]}"
    return f"{profile.marker(item.action)}\n{item.text}".strip()


def _guide_limit(profile: Profile, name: str) -> int:
    """A guide reads shorter quotations where the profile says so: each token costs it time."""
    return profile.excerpts.get(f"guide_{name}", limit_of(profile, name))
