"""Every prompt that is sent, rebuilt from the trajectory. The guide's own are in
`guide_dialogue.py`.

Pure functions of trajectory, profile and procedure: the loop uses them to send, the tests to show
that what was sent can be rebuilt byte for byte from a record.
"""

from __future__ import annotations

from collections.abc import Sequence

from codesteer_jupyter.steering.answers import outside_fences
from codesteer_jupyter.steering.checks import CheckInput
from codesteer_jupyter.steering.completion import Message
from codesteer_jupyter.steering.procedure import Procedure
from codesteer_jupyter.steering.profile import Profile
from codesteer_jupyter.steering.selection import conversation_start
from codesteer_jupyter.steering.trajectory import (
    Context,
    Execution,
    Guidance,
    Round,
    SelfAnswerReport,
    Trajectory,
)

__all__ = [
    "check_messages",
    "describe_check",
    "describe_context",
    "describe_execution",
    "excerpt",
    "limit_of",
    "task_messages",
]


def excerpt(text: str, limit: int) -> str:
    """At most `limit` characters of `text`: two thirds from its head, the rest from its tail."""
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    tail = limit - head
    return f"{text[:head]}\n[{len(text) - limit} characters left out]\n{text[-tail:]}"


def limit_of(profile: Profile, name: str) -> int:
    """The longest quotation of `name` in a prompt, in characters."""
    return profile.excerpts.get(name, 10**9)


def describe_context(context: Context | None) -> str:
    """The summaries of the `--with` values, as the task model reads them."""
    if context is None or not context.names:
        return ""
    parts = [f"`{name}`: {context.summaries.get(name, '')}" for name in context.names]
    return (
        "These variables exist already where the program runs; use them by name, never retype "
        "their values:\n" + "\n".join(parts)
    )


def _given(context: Context | None) -> str:
    """One line for the end of a prompt, where a small model still has it in mind."""
    if context is None or not context.names:
        return ""
    names = ", ".join(context.names)
    if len(context.names) == 1:
        return (
            f"{names} exists already with all its data: the program starts by using it and never "
            "creates or assigns it."
        )
    return (
        f"{names} exist already with all their data: the program starts by using them and never "
        "creates or assigns them."
    )


def describe_execution(
    execution: Execution | None, profile: Profile, limit: int | None = None
) -> str:
    """What running the code gave, as guide and task model read it. `limit`: characters of each
    quotation; None for the profile's own.
    """
    if execution is None:
        return ""
    limit = limit_of(profile, "output") if limit is None else limit
    if "execution" in profile.templates:
        return profile.render(
            "execution",
            stdout=excerpt(execution.stdout, limit),
            errors=excerpt(_errors(execution), limit),
        )
    lines: list[str] = []
    printed = execution.stdout.strip()
    if printed:
        lines.append(f"The program printed:\n{excerpt(printed, limit)}")
    shown = [
        str(item["data"]["text/plain"])
        for item in execution.outputs
        if "text/plain" in item.get("data", {})
    ]
    if shown:
        lines.append(f"It displayed:\n{excerpt(chr(10).join(shown), limit)}")
    if execution.error is not None:
        error = execution.error
        lines.append(f"The program raised {error.name}: {excerpt(error.message, limit)}")
        if error.traceback.strip():
            lines.append(excerpt(error.traceback.strip(), limit))
    if execution.limit is not None:
        hit = execution.limit
        size = f" of {hit.value:g} {hit.unit or ''}".rstrip() if hit.value is not None else ""
        lines.append(f"The program was stopped: it reached the {hit.name} limit{size}.")
    elif execution.status in ("timeout", "killed") and execution.error is None:
        lines.append(f"The program was stopped ({execution.status}).")
    if execution.ok and not lines:
        lines.append("The program ran and printed nothing.")
    return "\n".join(lines)


def _errors(execution: Execution) -> str:
    """What a plain `python file.py` would have written to stderr."""
    lines = [execution.stderr.rstrip()]
    if execution.error is not None:
        lines += [execution.error.traceback.rstrip()]
        lines += [f"{execution.error.name}: {execution.error.message}"]
    if execution.limit is not None:
        lines += [f"stopped at the {execution.limit.name} limit"]
    return "\n".join(line for line in lines if line)


def describe_check(report: SelfAnswerReport | None) -> str:
    """What a checking program said of the answer; nothing where it came to no verdict."""
    if report is None or report.verdict == "inconclusive":
        return ""
    if report.verdict == "correct":
        return "A program that checks the answer says: Correct."
    return f"A program that checks the answer says: Incorrect. {report.reason}".rstrip()


def task_messages(run: Trajectory, profile: Profile, procedure: Procedure) -> list[Message]:
    """The task model's conversation for the round in `unfinished` (its guidance is decided), or
    for the last round when none is unfinished. A fresh round shows nothing of earlier ones.
    """
    rounds = run.all_rounds
    start = conversation_start(rounds, len(rounds) - 1)
    messages: list[Message] = []
    for at in range(start, len(rounds)):
        item = rounds[at]
        if item.guidance is None:
            break
        previous = rounds[at - 1] if at > start else None
        text = _task_turn(run, item.guidance, previous, profile, procedure)
        messages.append(Message("user", text))
        if at < len(rounds) - 1 and item.answer is not None:
            messages.append(Message("assistant", item.answer.text or " "))
    return messages


def _task_turn(
    run: Trajectory,
    guidance: Guidance,
    previous: Round | None,
    profile: Profile,
    procedure: Procedure,
) -> str:
    action = guidance.action
    # `refine` in a first turn has nothing to refine: the guide's own words say what to do.
    stock = profile.render(f"task_{action}") if action in ("code", "text") else ""
    raw = guidance.raw if guidance.by == "guide" and guidance.raw else guidance.text
    given = _given(run.context) if action != "text" else ""
    if previous is None:
        return profile.render(
            "task_first",
            stock=stock,
            guidance=guidance.text,
            raw=raw,
            question=run.question,
            context=describe_context(run.context),
            given=given,
        )
    results = ""
    if procedure.results_to_task:
        results = profile.render(
            "task_results",
            execution=describe_execution(previous.execution, profile),
            checks=describe_check(previous.checks.self_answer),
        )
    values = {
        "guidance": guidance.text,
        "raw": raw,
        "results": results,
        "question": run.question,
        "given": given,
    }
    if action != "refine":
        values["stock"] = stock
    return profile.render(f"task_next_{action}", **values)


def check_messages(
    given: CheckInput, profile: Profile, previous: Sequence[tuple[str, str]] = ()
) -> list[Message]:
    """The self-answer check's conversation: one user message with question, whole answer and
    output; then, for a retry, each earlier program and the error it ended with.
    """
    answer = given.answer
    text = answer.text if answer.code else outside_fences(answer.text)
    messages = [
        Message(
            "user",
            profile.render(
                "check",
                question=excerpt(given.question, limit_of(profile, "question")),
                context=describe_context(given.trajectory.context),
                answer=excerpt(text, limit_of(profile, "answer")),
                execution=describe_execution(given.execution, profile),
                final=excerpt(answer.final or "", limit_of(profile, "output")),
            ),
        )
    ]
    for reply, error in previous:
        messages.append(Message("assistant", reply or " "))
        retry = profile.render("check_retry", error=excerpt(error, limit_of(profile, "output")))
        messages.append(Message("user", retry))
    return messages
