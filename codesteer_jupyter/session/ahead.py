"""While the task model still writes a program, the executor already imports what it names."""

from __future__ import annotations

import logging

from codesteer_jupyter.steering.control import Automatic
from codesteer_jupyter.steering.events import AnswerDelta, AnswerRestarted, Event, RoundStarted
from codesteer_jupyter.steering.parts import Parts

__all__ = ["Ahead"]

_log = logging.getLogger(__name__)


class Ahead:
    """Hands the growing answer to the optional `prepare(code)` of the executor.

    Nothing is prepared where a person or a policy decides whether code runs: then nothing of the
    model's is acted upon before that decision.

    Args:
        parts: of the run.
    """

    def __init__(self, parts: Parts) -> None:
        prepare = getattr(parts.executor, "prepare", None)
        self._prepare = prepare if isinstance(parts.control, Automatic) else None
        self._text = ""
        self._line = 0  # where the line begins that is still being written

    async def on_event(self, event: Event) -> None:
        """Take in one event of the run; a hint that fails is only logged."""
        if isinstance(event, (RoundStarted, AnswerRestarted)):
            self._text, self._line = "", 0
        if self._prepare is None or not isinstance(event, AnswerDelta) or event.reasoning:
            return
        self._text += event.text
        end = self._text.rfind("\n") + 1
        lines, self._line = self._text[self._line : end], end
        if "import" not in lines:
            return
        try:
            await self._prepare(lines)
        except Exception:
            _log.debug("preparing failed", exc_info=True)
