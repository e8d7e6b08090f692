"""Prompt profiles: a folder of text templates and a small manifest.

Which words steer a run is data, not code, so that a checkpoint trained with other wording can be
driven with its own. `manifest.toml` names the format, licence, markers and action labels, how the
guide's history is written, and which checkpoints the profile was written for.
"""

from __future__ import annotations

import functools
import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

from codesteer_jupyter.errors import UsageError
from codesteer_jupyter.steering.guidance import Advice
from codesteer_jupyter.steering.trajectory import Action, ClosingAction, ProfileRef

__all__ = ["OPTIONAL_ROLES", "ROLES", "Calibration", "Profile", "load_profile"]

MANIFEST = "manifest.toml"
FORMAT = 1
BUILTIN = Path(__file__).with_name("prompts")
_SLOT = re.compile(r"\{\{(\w+)\}\}")

# Template role: the values it may use.
ROLES: Mapping[str, frozenset[str]] = {
    "guide_first": frozenset({"question", "context"}),
    "guide_round": frozenset({"question", "answer", "execution", "checks", "symbolic", "repeat"}),
    "task_code": frozenset(),
    "task_text": frozenset(),
    "task_first": frozenset({"stock", "guidance", "raw", "question", "context", "given"}),
    "task_next_code": frozenset({"stock", "guidance", "raw", "results", "question", "given"}),
    "task_next_text": frozenset({"stock", "guidance", "raw", "results", "question", "given"}),
    "task_next_refine": frozenset({"guidance", "raw", "results", "question", "given"}),
    "task_results": frozenset({"execution", "checks"}),
    "check": frozenset({"question", "context", "answer", "execution", "final"}),
    "check_retry": frozenset({"error"}),
    "symbolic_low": frozenset({"score"}),
}
# Roles a profile may leave out; what stands for them is in dialogue.py.
OPTIONAL_ROLES: Mapping[str, frozenset[str]] = {
    "guide_round_text": ROLES["guide_round"],
    "execution": frozenset({"stdout", "errors"}),
}


@dataclass(frozen=True)
class Calibration:
    """A temperature that was fitted so that a checkpoint's probabilities of actions match how
    often the action was right; `data` says on what it was fitted.
    """

    temperature: float
    data: str


@dataclass(frozen=True)
class Profile:
    """A loaded profile.

    Attributes:
        labels: the marker content that stands for each action, e.g. `Return Answer`.
        history: how the guide sees the past. `dialogue`: the first prompt once, then one report a
            round; `restate`: every turn repeats the first prompt with the question.
        guidance_text: where the guide's words stand: `after` the marker, or `inside` it.
        decision_point: the reply begins with the marker (`start`), or reasons come first (`end`).
        decide: `direct` scores the actions where the reply begins, even where the profile's own
            place for it is the `end`: quicker, but not what the checkpoint was trained to do.
        trained_for: checkpoints (hub ids) trained with this wording; others are told apart.
        calibration: of the probabilities of those checkpoints; None until it was fitted.
    """

    name: str
    templates: Mapping[str, str]
    labels: Mapping[str, str]
    sha256: str
    licence: str = ""
    history: Literal["dialogue", "restate"] = "dialogue"
    guidance_text: Literal["after", "inside"] = "after"
    decision_point: Literal["start", "end"] = "start"
    decide: Literal["profile", "direct"] = "profile"
    trained_for: tuple[str, ...] = ()
    calibration: Calibration | None = None
    tidy: bool = True
    excerpts: Mapping[str, int] = field(default_factory=dict)
    markers: tuple[str, str] = ("<<<", ">>>")

    @property
    def ref(self) -> ProfileRef:
        return ProfileRef(self.name, self.sha256)

    def render(self, role: str, **values: str) -> str:
        """The template of `role` with `{{name}}` replaced, in one pass: a value that holds braces
        is never read again.

        Raises:
            UsageError: the profile has no such template, or it uses a name that has no value.
        """
        if role not in self.templates:
            raise UsageError(f"Prompt profile {self.name!r} has no template {role}.txt; add it.")

        def fill(match: re.Match[str]) -> str:
            if match[1] not in values:
                raise UsageError(
                    f"{role}.txt of prompt profile {self.name!r} uses {{{{{match[1]}}}}}; "
                    f"it may use {', '.join(sorted(values)) or 'no value'}."
                )
            return values[match[1]]

        text = _SLOT.sub(fill, self.templates[role])
        return re.sub(r"\n{3,}", "\n\n", text).strip() if self.tidy else text

    def marker(self, action: str) -> str:
        """The marker of `action` as the guide writes it."""
        return f"{self.markers[0]}{self.labels[action]}{self.markers[1]}"

    def neutralise(self, text: str) -> str:
        """`text` with markers of actions unwrapped, for quoting outputs in a guide's prompt."""
        for label in self.labels.values():
            if label:
                text = text.replace(f"{self.markers[0]}{label}{self.markers[1]}", f"({label})")
        return text

    def parse_advice(self, raw: str) -> Advice:
        """What a guide's reply says. A marker counts only when its whole content is a label;
        a reply without one is guidance in the guide's own words (`refine`).
        """
        found = self.decision_in(raw)
        if found is None or (self.guidance_text == "inside" and not self.labels[found[2]]):
            return _advice("refine", raw.strip(), raw, "")
        start, end, action = found
        text = "" if self.guidance_text == "inside" else raw[end:].strip()
        return _advice(action, text, raw, raw[:start])

    def decision_in(self, raw: str) -> tuple[int, int, str] | None:
        """Where the marker that decides begins and ends in a guide's reply, and its action; None
        without one. Own words inside a marker are the action that has no label.
        """
        opening, closing = (re.escape(mark) for mark in self.markers)
        found = re.finditer(f"{opening}(.*?){closing}", raw, re.DOTALL)
        by_label = {_plain(label): action for action, label in self.labels.items() if label}
        decisions = [(*match.span(), by_label.get(_plain(match[1]))) for match in found]
        if self.guidance_text == "inside" and decisions:
            start, end, action = decisions[-1]
            unlabelled = next((name for name, label in self.labels.items() if not label), None)
            action = action or unlabelled
            return None if action is None else (start, end, action)
        return next(((start, end, action) for start, end, action in decisions if action), None)


def _plain(content: str) -> str:
    return " ".join(content.casefold().split())


def _advice(action: str, text: str, raw: str, reason: str) -> Advice:
    return Advice(
        action=cast("Action | ClosingAction", action), text=text, raw=raw, reason=reason.strip()
    )


@functools.cache
def load_profile(name_or_path: str = "default") -> Profile:
    """A profile that ships with the package, by name, or a folder.

    Raises:
        UsageError: no such profile, or its manifest or a template is damaged.
    """
    builtin = BUILTIN / name_or_path
    folder = builtin if (builtin / MANIFEST).is_file() else Path(name_or_path).expanduser()
    manifest = folder / MANIFEST
    if not manifest.is_file():
        names = ", ".join(sorted(path.parent.name for path in BUILTIN.glob(f"*/{MANIFEST}")))
        raise UsageError(
            f"No prompt profile {name_or_path!r}: give one of {names}, or a folder that holds "
            f"{MANIFEST} (codesteer profile import makes one)."
        )
    try:
        data = tomllib.loads(manifest.read_text("utf-8"))
        templates = {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("*.txt"))}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"Prompt profile {folder} cannot be read: {error}.") from error
    return _build(folder, data, templates)


def _build(folder: Path, data: dict[str, Any], templates: dict[str, str]) -> Profile:
    if data.get("format") != FORMAT:
        raise UsageError(
            f"{folder / MANIFEST} has format {data.get('format')!r}; this version reads {FORMAT}."
        )
    labels = {str(key): str(value) for key, value in dict(data.get("actions", {})).items()}
    actions = {*get_args(Action), *get_args(ClosingAction)}
    if set(labels) != actions:
        raise UsageError(f"{folder / MANIFEST}: [actions] must name {', '.join(sorted(actions))}.")
    missing = sorted(set(ROLES) - set(templates))
    if missing:
        raise UsageError(f"Prompt profile {folder} lacks {', '.join(missing)} (.txt).")
    digest = hashlib.sha256()
    for path in sorted([folder / MANIFEST, *folder.glob("*.txt")]):
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\0".encode() + content)
    guide = dict(data.get("guide", {}))
    decide = guide.get("decide", "profile")
    if decide not in ("profile", "direct"):
        raise UsageError(f"{folder / MANIFEST}: decide must be profile or direct, not {decide!r}.")
    return Profile(
        name=str(data.get("name", folder.name)),
        templates=templates,
        labels=labels,
        sha256=digest.hexdigest(),
        licence=str(data.get("licence", "")),
        history=guide.get("history", "dialogue"),
        guidance_text=guide.get("guidance_text", "after"),
        decision_point=guide.get("decision_point", "start"),
        decide=decide,
        trained_for=tuple(data.get("trained_for", ())),
        calibration=_calibration(folder, data.get("calibration")),
        tidy=bool(data.get("tidy", True)),
        excerpts={str(key): int(value) for key, value in dict(data.get("excerpts", {})).items()},
    )


def _calibration(folder: Path, data: Any) -> Calibration | None:
    if data is None:
        return None
    try:
        found = Calibration(float(data["temperature"]), str(data["data"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{folder / MANIFEST}: [calibration] needs a temperature and, as data, what it was "
            "fitted on."
        ) from error
    if not (0 < found.temperature < 1e6 and found.data.strip()):
        raise UsageError(
            f"{folder / MANIFEST}: [calibration] needs a temperature above 0 and, as data, what it "
            "was fitted on."
        )
    return found
