"""The asking process, seen from outside: started, given programs, replaced when it ended."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

from codesteer_jupyter.errors import ExecutorError
from codesteer_jupyter.execution.escapes.attempt import Effect
from codesteer_jupyter.execution.escapes.bait_process import ProcessState
from codesteer_jupyter.execution.escapes.listeners import Listeners

__all__ = ["Asking"]

_PACKAGES = str(Path(__file__).parents[3])
# A pid namespace gives the same number to one process after the other, but not the same start.
_HARMLESS = """
import os
for pid in filter(None, (os.getpid(), os.getppid())):
    try:
        with open(f"/proc/{pid}/stat") as file:
            print(pid, file.read().rpartition(")")[2].split()[19])
    except OSError:
        pass
"""
_SECONDS = 25.0  # beyond the run's own limit; a child kernel may have to be started


class Asking:
    """A process with the executor, in a session with a terminal of its own."""

    def __init__(
        self,
        executor: str,
        environment: Mapping[str, str],
        folder: Path,
        held: Sequence[Path],
        listeners: Listeners,
    ) -> None:
        self._listeners = listeners
        self._master, slave = os.openpty()
        self.terminal = os.ttyname(slave)
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        asked, self._write = os.pipe()
        self._read, said = os.pipe()
        spec = {
            "executor": executor,
            "terminal": self.terminal,
            "held": [str(path) for path in held],
            "socket": theirs.fileno(),
            "read": asked,
            "write": said,
        }
        module = "codesteer_jupyter.execution.escapes.asker"
        paths = [environment.get("PYTHONPATH", ""), _PACKAGES]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, json.dumps(spec)],
            env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(theirs.fileno(), asked, said),
            start_new_session=True,
        )
        self._slave = slave  # a terminal that nobody has open cannot be read
        for descriptor in (asked, said):
            os.close(descriptor)
        theirs.close()
        self.pid = self._process.pid
        self._errors = cast(IO[bytes], self._process.stderr)
        listeners.add(self._master, "the terminal")
        listeners.add(self._ours.fileno(), "an inherited socket")
        self._state: ProcessState | None = None

    def run(
        self,
        code: str,
        limits: Mapping[str, Any],
        variables: Mapping[str, Any],
        closes: bool = False,
    ) -> dict[str, Any] | None:
        """How the program ended (see `asker.py`); None if this process did not live to say it."""
        request = {"code": code, "limits": limits, "variables": variables, "closes": closes}
        data = json.dumps(request).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):
            while data:
                data = data[os.write(self._write, data) :]
        answer = b""
        end = time.monotonic() + float(limits["wall"]) + _SECONDS
        while not answer.endswith(b"\n"):
            if not select.select([self._read], [], [], max(0, end - time.monotonic()))[0]:
                return {"failed": "the executor did not come back"}
            part = os.read(self._read, 2**20)
            if not part:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(2)
                return None
            answer += part
        found: dict[str, Any] = json.loads(answer)
        return found

    def start(self) -> tuple[tuple[str, ...], bool]:
        """Run a harmless program twice, so that the executor is warm: the layers it had, and
        whether one process served both: ran them, or began those that did.

        Raises:
            ExecutorError: it cannot run anything here.
        """
        runs = [self.run(_HARMLESS, {"wall": 10.0}, {}) for _ in range(2)]
        found = runs[0]
        if found is None or runs[1] is None or found.get("status") != "ok":
            self._process.kill()
            said = self._errors.read().decode(errors="replace").strip().splitlines()
            error = (found or {}).get("error") or {}
            reason = (found or {}).get("failed") or error.get("message") or (said or ["?"])[-1]
            raise ExecutorError(
                f"The executor could not run a harmless program ({reason}); "
                "choose another by --run."
            )
        self._state = ProcessState(self.pid)
        first, second = (self._served(run) for run in (found, runs[1]))
        return tuple(found["isolation"]), bool(first & second)

    def _served(self, ended: Mapping[str, Any]) -> set[str]:
        """The process that ran the harmless program, and the one that began it unless that is the
        asking one: it begins all.
        """
        own, *above = str(ended.get("stdout")).splitlines() or [""]
        return {own, *(line for line in above if not line.startswith(f"{self.pid} "))}

    def effects(self) -> list[Effect]:
        """What was done to it."""
        # A signal may still be on its way.
        for _ in range(2):
            if self._process.poll() is not None:
                code = self._process.returncode
                how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
                return [Effect("process", f"the asking process was ended by {how}")]
            time.sleep(0.002)
        return self._state.changes("the asking process") if self._state is not None else []

    def close(self) -> None:
        """Let it close its executor, and end it."""
        os.close(self._write)
        try:
            self._process.wait(3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listeners.drop(self._master)
        self._listeners.drop(self._ours.fileno())
        os.close(self._read)
        os.close(self._master)
        os.close(self._slave)
        self._ours.close()
        self._errors.close()
