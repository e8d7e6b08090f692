"""What running code changed or would change among the user's variables, and where it ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codesteer_jupyter.steering.trajectory import Execution
from codesteer_jupyter.views.sanitise import escape
from codesteer_jupyter.views.style import LINE, note
from codesteer_jupyter.views.text import clip, count, visible

__all__ = ["HOW", "changes_html", "changes_text", "title", "where_lines"]

HOW = (
    "%codesteer apply runs the code in this kernel, %codesteer adopt NAME takes a value over; "
    "otherwise nothing changes."
)
"""What can be done about the changes in a snapshot."""
_MOST = 20
_WIDE = 160  # characters of a description


def title(execution: Execution) -> str:
    """What the list of changes is about."""
    if execution.executor == "fork":
        return "Would change in your kernel, and has not"
    return "Changed in your kernel" if execution.executor == "live" else "Changed where it ran"


def _row(change: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Name, what happened, type, and before → after."""
    before, after = change.get("before"), change.get("after")
    # A description begins with the type, which stands in a column of its own.
    parts = [
        str(value).removeprefix(f"{change.get('type')} ")
        for value in (before, after)
        if value is not None
    ]
    told = parts[0] if len(set(parts)) == 1 else " → ".join(parts)
    if change.get("detail"):
        told = f"{told} ({change['detail']})" if told else str(change["detail"])
    kind = {"changed": "changed", "mutated": "changed in place"}.get(
        str(change.get("kind")), str(change.get("kind") or "changed")
    )
    shown = (str(change.get("name", "")), kind, str(change.get("type") or ""), told)
    name, kind, type_, told = (visible(clip(text, _WIDE, _WIDE)[0]) for text in shown)
    return name, kind, type_, told


def _left_out(changes: Sequence[Any]) -> str:
    more = len(changes) - _MOST
    return f"and {count(more, 'more name')}" if more > 0 else ""


def _not_compared(execution: Execution) -> str:
    """A sentence about values whose changes would not have been seen; "" where there is none."""
    names = execution.extra.get("not_compared")
    if not isinstance(names, Mapping) or not names:
        return ""
    said = ", ".join(f"{name} ({reason})" for name, reason in list(names.items())[:_MOST])
    more = f" and {count(len(names) - _MOST, 'more name')}" if len(names) > _MOST else ""
    text = clip(f"{said}{more}", 4 * _WIDE, _WIDE)[0]
    return visible(f"Could not be compared, so a change of it would not be seen: {text}.")


def changes_html(execution: Execution) -> str:
    """A table of the changed names, and what could not be compared; "" where there is neither."""
    changes = [item for item in execution.changes if isinstance(item, Mapping)]
    unseen = _not_compared(execution)
    unseen = f'<div style="{note()}">{escape(unseen)}</div>' if unseen else ""
    if not changes:
        return unseen
    cell = "padding:1px 14px 1px 0;text-align:left;vertical-align:top;overflow-wrap:break-word"
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td style="{cell}">{"<strong>" if at == 0 else ""}{escape(text)}'
            f"{'</strong>' if at == 0 else ''}</td>"
            for at, text in enumerate(_row(change))
        )
        + "</tr>"
        for change in changes[:_MOST]
    )
    rest = _left_out(changes)
    return (
        f'<div style="{note()};margin:8px 0 2px 0">{escape(title(execution))}:</div>'
        f'<table style="border-left:3px solid {LINE};margin:0 0 6px 2px;padding-left:8px;'
        f'border-collapse:separate;font-size:0.95em">{rows}</table>'
        + (f'<div style="{note()}">{escape(rest)}</div>' if rest else "")
        + unseen
        + (f'<div style="{note()}">{escape(HOW)}</div>' if execution.executor == "fork" else "")
    )


def changes_text(execution: Execution) -> list[str]:
    """The same as lines of text."""
    changes = [item for item in execution.changes if isinstance(item, Mapping)]
    unseen = [line] if (line := _not_compared(execution)) else []
    if not changes:
        return unseen
    rows = [_row(change) for change in changes[:_MOST]]
    width = max(len(row[0]) for row in rows)
    lines = [f"{title(execution)}:"]
    lines += [f"  {name:<{width}}  {kind} {type_}: {told}" for name, kind, type_, told in rows]
    rest = _left_out(changes)
    return [*lines, *([f"  {rest}"] if rest else []), *unseen]


def where_lines(execution: Execution) -> list[str]:
    """Where the code ran, behind which layers, and why there."""
    lines = []
    reason = execution.extra.get("executor_reason")
    if reason:
        lines.append(str(reason))
    if execution.executor and execution.executor != "live":
        layers = ", ".join(execution.isolation) or "none"
        lines.append(f"ran in: {execution.executor}; isolation: {layers}")
    return [clip(visible(line), 600)[0] for line in lines]
