"""What generated code printed and displayed, as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codesteer_jupyter.steering.trajectory import Execution
from codesteer_jupyter.views.changed import changes_html, where_lines
from codesteer_jupyter.views.markup import render
from codesteer_jupyter.views.sanitise import clean, escape, image_source
from codesteer_jupyter.views.style import box, note
from codesteer_jupyter.views.text import Tone, clip, output_text

__all__ = ["Figures", "execution_html", "joined", "stream_html"]


class Figures:
    """The figures of one page: each is embedded once, a repeat only names the first.

    Figures of more than `largest` characters (base64) are named, not embedded.
    """

    def __init__(self, *, embed: bool = True, largest: int | None = None) -> None:
        self.embed = embed
        self.largest = largest
        self.seen: dict[str, int] = {}

    def html(self, source: str, name: str) -> str:
        number = self.seen.get(name)
        if number is not None:
            return f'<div style="{note()}">same as figure {number}</div>'
        number = self.seen[name] = len(self.seen) + 1
        if not self.embed or (self.largest is not None and len(source) > self.largest):
            return f'<div style="{note()}">figure {number} is kept in the journal</div>'
        # Plots are drawn for paper: a white ground keeps their axes readable in dark themes.
        return (
            f'<div style="margin:6px 0"><img src="{source}" alt="Figure {number}" title="{name}" '
            'style="max-width:100%;height:auto;background-color:#ffffff;border-radius:4px"></div>'
        )


def joined(value: Any) -> str:
    """Text, which nbformat allows as a string or a list of lines."""
    return "".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value or "")


def stream_html(text: str, *, tone: Tone = "plain", size: int = 20_000) -> str:
    shown, left_out = clip(text.rstrip("\n"), size)
    shown = output_text(shown)
    if not shown:
        return ""
    scroll = shown.count("\n") > 30
    return f'<pre style="{box(wrap=True, scroll=scroll, tone=tone)}">{escape(shown)}</pre>' + (
        f'<div style="{note()};margin:-4px 0 8px 0">{escape(left_out)}</div>' if left_out else ""
    )


def execution_html(execution: Execution, figures: Figures, size: int = 20_000) -> str:
    """Streams, rich outputs, error and changed names of one run of code, and where it ran."""
    parts = [stream_html(execution.stdout, size=size)]
    parts += [_output(output, figures, size) for output in execution.outputs]
    parts.append(stream_html(execution.stderr, tone="warn", size=size))
    if execution.error is not None:
        error = execution.error
        head = f"{error.name}: {error.message}" if error.message else error.name
        trace = error.traceback or head
        parts.append(stream_html(trace, tone="bad", size=size))
    if not any(parts):
        parts.append(f'<div style="{note()}">nothing was printed</div>')
    parts.append(changes_html(execution))
    parts += [f'<div style="{note()}">{escape(line)}</div>' for line in where_lines(execution)]
    return "".join(parts)


def _output(output: Mapping[str, Any], figures: Figures, size: int) -> str:
    data = output.get("data")
    if not isinstance(data, Mapping):
        return ""
    image = image_source(data)
    if image is not None:
        return figures.html(*image)
    if "text/html" in data:
        markup = joined(data["text/html"])
        if len(markup) <= size:
            return f'<div style="overflow-x:auto;margin:6px 0">{clean(markup)}</div>'
    if "text/markdown" in data:
        return render(joined(data["text/markdown"]), size=size)[0]
    text = joined(data.get("text/plain"))
    if not text and data:
        kinds = ", ".join(map(str, data))
        return f'<div style="{note()}">output not shown here: {escape(kinds)}</div>'
    return stream_html(text, size=size)
