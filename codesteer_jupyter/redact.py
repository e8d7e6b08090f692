"""Takes the secrets this process knows out of everything that is recorded or displayed.

Known secrets are the values of environment variables, and of the user's own variables, whose
names say key, token, secret or password. Generated code and servers may echo them; a record must
not keep them.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from codesteer_jupyter.secret_shapes import names_a_secret
from codesteer_jupyter.steering.events import AnswerDelta, Event, GuidanceDelta, OutputProduced

__all__ = ["LEAST_LENGTH", "EventRedactor", "Redactor", "known_secrets", "secrets_of"]

LEAST_LENGTH = 8
"""Shorter values are words that occur by chance; hiding them would mangle answers."""

_NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)

T = TypeVar("T")


def secrets_of(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Secret value: the name of the variable that holds it."""
    environ = os.environ if environ is None else environ
    found: dict[str, str] = {}
    for name, value in sorted(environ.items()):
        value = value.strip()
        if name.startswith("CODESTEER_") and not name.endswith("_KEY"):
            continue  # a setting, e.g. CODESTEER_MAX_TOKENS
        # A file's place (SSH_KEY_PATH, a socket) is no secret, and common in tracebacks.
        if _NAMES.search(name) and len(value) >= LEAST_LENGTH and not os.path.exists(value):
            found.setdefault(value, name)
    return found


def known_secrets(namespace: Mapping[str, object] | None = None) -> dict[str, str]:
    """Secret value: name, of the environment and of the variables in `namespace`."""
    found = secrets_of()
    for name, value in list((namespace or {}).items()):
        if isinstance(value, str) and len(value) >= LEAST_LENGTH and names_a_secret(name):
            found.setdefault(value, name)
    return found


class Redactor:
    """Replaces each known secret by `[hidden: NAME]`. `secrets` maps values to names."""

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        self._secrets = dict(secrets_of() if secrets is None else secrets)
        ordered = sorted(self._secrets, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def text(self, text: str) -> str:
        """`text` without secrets."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: f"[hidden: {self._secrets[match[0]]}]", text)

    def value(self, value: T) -> T:
        """`value` (records, mappings, sequences, text) without secrets; the same object where
        there was none.
        """
        if self._pattern is None:
            return value
        cleaned: T = self._clean(value)
        return cleaned

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
            changed = {
                name: new
                for name, old in fields.items()
                if (new := self._clean(old)) is not old and new != old
            }
            return dataclasses.replace(value, **changed) if changed else value
        if isinstance(value, Mapping):
            mapped = {self._clean(key): self._clean(item) for key, item in value.items()}
            return value if mapped == value else mapped
        if isinstance(value, (list, tuple)):
            items = type(value)(self._clean(item) for item in value)
            return value if items == value else items
        return value

    def tail(self, text: str) -> int:
        """How many characters at the end of `text` may be the beginning of a secret."""
        longest = max(map(len, self._secrets), default=0)
        for size in range(min(len(text), longest - 1), 0, -1):
            end = text[-size:]
            if any(secret.startswith(end) for secret in self._secrets):
                return size
        return 0


class EventRedactor:
    """Redacts a stream of events; a secret cut in two by streaming is caught as well, by holding
    back the end of a piece that may be the beginning of one.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held: Event | None = None

    def add(self, event: Event) -> list[Event]:
        """What can be shown now that `event` came."""
        held, self._held = self._held, None
        ready: list[Event] = []
        if held is not None:
            joined = _joined(held, event)
            if joined is None:
                ready.append(self._redactor.value(held))
            else:
                event = joined
        if not isinstance(event, (AnswerDelta, GuidanceDelta, OutputProduced)) or not event.text:
            return [*ready, self._redactor.value(event)]
        text = self._redactor.text(event.text)
        size = self._redactor.tail(text)
        if size:
            self._held = dataclasses.replace(event, text=text[-size:])
            text = text[:-size]
        return [*ready, dataclasses.replace(event, text=text)] if text else ready

    def flush(self) -> list[Event]:
        """What was held back."""
        held, self._held = self._held, None
        return [] if held is None else [self._redactor.value(held)]


def _joined(first: Event, second: Event) -> Event | None:
    """Two pieces of the same stream as one, or None."""
    streams: Iterable[tuple[type, tuple[str, ...]]] = (
        (AnswerDelta, ("reasoning",)),
        (GuidanceDelta, ()),
        (OutputProduced, ("name",)),
    )
    for kind, same in streams:
        if isinstance(first, kind) and isinstance(second, kind):
            if any(getattr(first, name) != getattr(second, name) for name in same):
                return None
            if not isinstance(first, (AnswerDelta, GuidanceDelta, OutputProduced)):
                return None
            if not isinstance(second, (AnswerDelta, GuidanceDelta, OutputProduced)):
                return None
            if not second.text:
                return None
            return dataclasses.replace(second, text=first.text + second.text)
    return None
