"""What a snapshot reports of its program. The program can write to the same socket: so each field
is taken only where it is what it should be, and no longer than it may be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codesteer_jupyter.execution.limits import OutputCap
from codesteer_jupyter.execution.outcome import described
from codesteer_jupyter.steering.trajectory import Json

__all__ = ["Report", "display"]

_KINDS = ("new", "rebound", "mutated", "deleted")
_MOST = 400  # characters of a text about a change
_NAMES = 100  # that could not be compared, and are told


@dataclass(frozen=True)
class Report:
    """See `Execution`; `error` describes an exception, `seconds` is None where none were told,
    `extra` holds the names whose values could not be compared, with the reason.
    """

    error: Json | None
    seconds: float | None
    outputs: tuple[Json, ...]
    changes: tuple[Json, ...]
    extra: Json

    @classmethod
    def of(cls, message: Json, output: int) -> Report:
        """What `message` says; `output`: bytes of displays that are kept, as in `Limits`."""
        cap = OutputCap(output)
        shown = (display(item) for item in _list(message.get("outputs")))
        kept = (cap.display(item) for item in shown if item is not None)
        changes = (_change(item) for item in _list(message.get("changes")))
        return cls(
            described(message.get("error")),
            _seconds(message.get("seconds")),
            tuple(item for item in kept if item is not None),
            tuple(item for item in changes if item is not None),
            _unread(message.get("unread")),
        )


def display(item: object) -> Json | None:
    """`item` as an nbformat output, or None where it is none."""
    if not isinstance(item, Mapping) or not isinstance(item.get("data"), Mapping):
        return None
    kind, metadata = item.get("output_type"), item.get("metadata")
    if kind not in ("display_data", "execute_result"):
        return None
    return {
        "output_type": kind,
        "data": item["data"],
        "metadata": metadata if isinstance(metadata, Mapping) else {},
        **({"execution_count": None} if kind == "execute_result" else {}),
    }


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value < 1e9 and math.isfinite(value) else None


def _change(item: object) -> Json | None:
    if not isinstance(item, Mapping) or item.get("kind") not in _KINDS:
        return None
    texts = {key: item.get(key) for key in ("name", "type", "before", "after", "detail")}
    if not isinstance(texts["name"], str) or not isinstance(texts["type"], str):
        return None
    if any(not isinstance(text, (str, type(None))) for text in texts.values()):
        return None
    kept = {key: text[:_MOST] if isinstance(text, str) else text for key, text in texts.items()}
    detail = kept.pop("detail")
    return {"kind": item["kind"], **kept, **({"detail": detail} if detail else {})}


def _unread(found: object) -> Json:
    if not isinstance(found, Mapping) or not found:
        return {}
    kept = list(found.items())[:_NAMES]
    return {"not_compared": {str(name)[:200]: str(reason)[:200] for name, reason in kept}}
