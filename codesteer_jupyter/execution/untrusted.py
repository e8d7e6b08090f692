"""JSON that a process with generated code wrote, or seems to have written."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["parsed"]

_LEVELS = 100  # honest messages have less than 20; what is deeper cannot be written out again


def parsed(data: bytes) -> dict[str, Any] | None:
    """The message in `data`, or None where it is none."""
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) and _flat(message, _LEVELS) else None


def _flat(value: object, levels: int) -> bool:
    if isinstance(value, dict):
        return levels > 0 and all(_flat(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return levels > 0 and all(_flat(item, levels - 1) for item in value)
    return True
