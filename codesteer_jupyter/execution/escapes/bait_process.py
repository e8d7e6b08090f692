"""The bystander, seen from outside: started, asked how it is, replaced when it was touched."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

from codesteer_jupyter.execution.escapes.attempt import Effect
from codesteer_jupyter.execution.escapes.calls import call

__all__ = ["BaitProcess", "ProcessState"]

_SCRIPT = str(Path(__file__).with_name("bystander.py"))


class ProcessState:
    """What others can change about the process `pid`, as far as it is seen from outside."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = self._look()

    def changes(self, name: str) -> list[Effect]:
        """What is different now."""
        now = self._look()
        return [
            Effect("process", f"{name}: its {word} changed")
            for word, value in now.items()
            if value != self._before[word]
        ]

    def _look(self) -> dict[str, object]:
        try:
            disk: object = call("ioprio_get", 1, self._pid)
        except (OSError, KeyError):
            disk = None
        try:
            return {
                "priority": os.getpriority(os.PRIO_PROCESS, self._pid),
                "processors": os.sched_getaffinity(self._pid),
                "scheduler": os.sched_getscheduler(self._pid),
                "limits": resource.prlimit(self._pid, resource.RLIMIT_NOFILE),
                "disk priority": disk,
            }
        except ProcessLookupError:
            return dict.fromkeys(("priority", "processors", "scheduler", "limits", "disk priority"))


class BaitProcess:
    """A bystander whose environment, command line, maps and memory hold `secrets`."""

    def __init__(self, root: Path, secrets: Mapping[str, str]) -> None:
        self._secrets = secrets
        self._mapped = root / secrets["maps"]
        self._mapped.write_text("mapped")
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", _SCRIPT, self._secrets["cmdline"], str(self._mapped)],
            env={
                "BAIT_ENVIRON": self._secrets["environ"],
                "BAIT_MEMORY": self._secrets["memory"],
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._asked = cast(IO[bytes], self._process.stdin)
        self._said = cast(IO[bytes], self._process.stdout)
        self.pid = self._process.pid
        facts = self._line()
        self.address, self.length = facts["address"], facts["length"]
        self._before = self._ask()
        self._outside = ProcessState(self.pid)

    def effects(self) -> list[Effect]:
        """What was done to it since it was started."""
        name = "another process"
        if self._process.poll() is not None:
            return [Effect("process", f"{name} was ended")]
        now = self._ask()
        if now is None:
            return [Effect("process", f"{name} does not answer")]
        found = self._outside.changes(name)
        for word, value in now.items():
            if value != (self._before or {}).get(word):
                found.append(Effect("process", f"{name}: {word} {value}"))
        return found

    def restore(self) -> None:
        """Start a fresh one."""
        self.close()
        self._start()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.send_signal(signal.SIGCONT)
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):  # what it was asked last is lost
            self._asked.close()
        self._said.close()

    def _ask(self) -> dict[str, Any] | None:
        try:
            self._asked.write(b"\n")
            self._asked.flush()
            return self._line()
        except (OSError, ValueError):
            return None

    def _line(self) -> dict[str, Any]:
        if not select.select([self._said], [], [], 3.0)[0]:
            raise OSError("no answer")
        found: dict[str, Any] = json.loads(self._said.readline())
        return found
