"""Everything attempts aim at, for one asking process, and what is seen of it afterwards."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import shutil
import signal
import tempfile
import time
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from codesteer_jupyter.execution.escapes.asking import Asking
from codesteer_jupyter.execution.escapes.attempt import Attempt, Effect
from codesteer_jupyter.execution.escapes.bait_files import BaitFiles
from codesteer_jupyter.execution.escapes.bait_process import BaitProcess
from codesteer_jupyter.execution.escapes.ipc import Segment, ipc_effects
from codesteer_jupyter.execution.escapes.listeners import Listeners
from codesteer_jupyter.execution.escapes.sampling import Sampler, marked
from codesteer_jupyter.steering.execution import Limits

__all__ = ["KINDS", "LIMITS", "Bait"]

KINDS = {
    "files": "a file of the user was changed, made, moved or deleted",
    "secret": "a secret stands in what the program printed",
    "received": "a listener of the prover received something",
    "process": "another process was signalled or changed",
    "survivor": "a process outlived the run",
    "bound": "a limit was passed, and for long",
    "object": "a process held a forbidden object of the kernel",
    "identity": "a process became somebody else",
    "ipc": "an object was left behind in the kernel",
    "mount": "a file system was mounted",
    "output": "control characters reached what is shown",
    "report": "a report was forged",
}
"""Kind of effect: what was seen outside."""

LIMITS: Mapping[str, float] = {
    "wall": 6.0,
    "memory": 500 * 2**20,
    "processes": 64,
    "file": 50 * 10**6,
    "output": 10**6,
}
_GONE = 1.0  # seconds a process may take to be ended after the run
_SECRETS = ("key", "hidden", "environ", "cmdline", "maps", "memory", "segment")


class Bait:
    """Bait for attempts that run one after another.

    Args:
        executor: name of an executor, or `module:attribute` of one that needs no arguments.
        environment: the asking process's environment, before bait is put into it.
        shown: how text is made fit for showing.
    """

    def __init__(
        self, executor: str, environment: Mapping[str, str], shown: Callable[[str], str]
    ) -> None:
        short = tempfile.gettempdir()
        base = short if len(short) < 25 else "/tmp"  # noqa: S108 - sockets need short paths
        self.root = Path(tempfile.mkdtemp(prefix="cs-", dir=base))
        self._executor, self._shown = executor, shown
        self.secrets = {name: f"bait-{name}-{secrets.token_hex(8)}" for name in _SECRETS}
        name = f"cs-{secrets.token_hex(6)}"
        self._temporary = self.root / "t"
        self._temporary.mkdir()
        self._files = BaitFiles(self.root, self.secrets["hidden"], name)
        self._process = BaitProcess(self.root, self.secrets)
        self._listeners = Listeners(self.root, name)
        self._segment_key = random.SystemRandom().randrange(2**20, 2**30)
        self._segment = Segment(self._segment_key, self.secrets["segment"])
        self._environment = {
            **environment,
            "HOME": str(self._files.home),
            "TMPDIR": str(self._temporary),
            "PYTHONPATH": os.pathsep.join(
                filter(None, (str(self._files.library), environment.get("PYTHONPATH")))
            ),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPENAI_API_KEY": self.secrets["key"],
        }
        self._asking: Asking | None = None
        self.fresh = True
        self.isolation: tuple[str, ...] = ()
        self.reuses = False

    @property
    def ports(self) -> dict[str, object]:
        """What can be listened to here."""
        return self._listeners.ports

    @property
    def shared(self) -> Path:
        """The one file that lies outside `root`."""
        return self._files.shared

    def ready(self) -> Asking:
        """The asking process, started and warm; what it did on the way is no effect."""
        if self._asking is None:
            files = self._files
            held = (files.held, files.hidden)
            self._asking = Asking(
                self._executor, self._environment, files.folder, held, self._listeners
            )
            try:
                self.isolation, self.reuses = self._asking.start()
            except BaseException:
                self._asking.close()
                self._asking = None
                raise
            self.fresh = False
            self._files.remember()
            self._listeners.effects()
        return self._asking

    def attempt(self, attempt: Attempt) -> tuple[dict[str, Any], list[Effect]]:
        """Run it; how it ended, and every effect that is seen."""
        asking = self.ready()
        nonce = f"cs{secrets.token_hex(5)}"
        variables = self._variables(asking, nonce)
        numbers = {**LIMITS, **attempt.limits}
        limits = {name: n if name == "wall" else int(n) for name, n in numbers.items()}
        bounds = Limits(**limits)  # type: ignore[arg-type]  # a float for wall, else integers
        port = int(str(variables["LISTEN"]))
        sampler = Sampler(attempt, nonce, bounds, self._temporary, port)
        if attempt.watched:
            sampler.start()
        found = asking.run(attempt.text, limits, variables, attempt.closes)
        effects = sampler.stop() if attempt.watched else []
        later = asking.run(attempt.later, limits, variables) if attempt.later and found else None
        ended = found or {"failed": "the asking process ended"}
        effects += self._effects(attempt, nonce, int(str(variables["KEY"])), bounds, ended)
        if later is not None and nonce in f"{later.get('stdout')}{later.get('stderr')}":
            effects.append(Effect("report", "the next program was changed"))
        if effects or "failed" in ended:
            self._restore(effects)
        return ended, effects

    def _variables(self, asking: Asking, nonce: str) -> dict[str, object]:
        files = self._files
        return {
            "NONCE": nonce,
            "KEY": random.SystemRandom().randrange(2**20, 2**30),
            "FOLDER": str(files.folder),
            "VICTIM": str(files.victim),
            "HIDDEN": str(files.hidden),
            "HOMEFOLDER": str(files.home),
            "LIBRARY": str(files.library),
            "SHARED": str(files.shared),
            "ASKER": asking.pid,
            "BAIT": self._process.pid,
            "ADDRESS": self._process.address,
            "LENGTH": self._process.length,
            "SEGMENT": self._segment_key,
            "TERMINAL": asking.terminal,
            **self._listeners.ports,
        }

    def _effects(
        self, attempt: Attempt, nonce: str, key: int, limits: Limits, ended: Mapping[str, Any]
    ) -> list[Effect]:
        effects = self._survivors(attempt, nonce)
        effects += self._files.effects()
        effects += self._process.effects()
        if self._asking is not None:
            effects += self._asking.effects()
        effects += self._listeners.effects()
        effects += ipc_effects(nonce, key)
        depth = "**" if attempt.closes else "*"
        for path in (*self._temporary.glob(f"{depth}/{nonce}"), self._temporary / nonce):
            if path.exists():
                effects.append(Effect("files", "a file beside the scratch folder"))
        return effects + self._said(attempt, nonce, limits, ended)

    def _said(
        self, attempt: Attempt, nonce: str, limits: Limits, ended: Mapping[str, Any]
    ) -> list[Effect]:
        text = f"{ended.get('stdout', '')}{ended.get('stderr', '')}"
        effects = [
            Effect("secret", f"the secret {name!r} was printed")
            for name, secret in self.secrets.items()
            if secret in text or secret[::-1] in text or secret.encode().hex() in text
        ]
        if len(text) > 1.1 * limits.output + 1000:
            effects.append(Effect("bound", f"{len(text)} characters of output were kept"))
        if attempt.witness == "output" and any(map(_controls, self._shown(text))):
            effects.append(Effect("output", "a control character is in what is shown"))
        if nonce in str(ended.get("isolation")) or nonce in str(ended.get("limit")):
            effects.append(Effect("report", "the record says what the program made up"))
        if "did not come back" in str(ended.get("failed")):
            effects.append(Effect("bound", "the executor did not come back"))
        return effects

    def _survivors(self, attempt: Attempt, nonce: str) -> list[Effect]:
        looks = 6 if attempt.witness == "survivor" else 1  # one look may miss a quick changer
        end = time.monotonic() + _GONE
        while any(alive := [_look(nonce, number) for number in range(looks)]):
            if time.monotonic() > end:
                for pid in {pid for look in alive for pid in look}:
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                return [Effect("survivor", "a process was alive one second after the run")]
            time.sleep(0.05)
        return []

    def _restore(self, effects: list[Effect]) -> None:
        kinds = {effect.kind for effect in effects}
        if "process" in kinds and self._process.effects():
            self._process.restore()
        if self._asking is not None and (
            not kinds or kinds & {"process", "report"} or self._asking.effects()
        ):
            self._asking.close()
            self._asking = None
        self._files.restore()

    def close(self) -> None:
        """Remove all of it."""
        if self._asking is not None:
            self._asking.close()
        self._process.close()
        self._listeners.close()
        self._segment.close()
        self._files.close()
        for folder, names, _ in os.walk(self.root):
            for name in names:
                with contextlib.suppress(OSError):
                    os.chmod(os.path.join(folder, name), 0o700)
        shutil.rmtree(self.root, ignore_errors=True)


def _look(nonce: str, number: int) -> dict[int, str]:
    if number:
        time.sleep(0.008)
    return marked(nonce)


def _controls(character: str) -> bool:
    if character in "\n\t":
        return False
    return unicodedata.category(character) == "Cc" or character in "\u202e\u202d\u2066\u2067\u2068"
