"""A real `codesteer guide serve` in a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from codesteer_jupyter.guides.serving.discovery import ServedGuide, find_served

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """The process, and what it has printed so far."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, spec: str) -> None:
        self.process, self.log, self.spec = process, log, spec

    @property
    def printed(self) -> str:
        return self.log.read_text()

    def wait(self, text: str, seconds: float = 90.0) -> None:
        """Until it has printed `text`."""
        end = time.monotonic() + seconds
        while text not in self.printed:
            assert time.monotonic() < end, self.printed
            assert self.process.poll() is None or text in self.printed, self.printed
            time.sleep(0.05)

    def ready(self) -> ServedGuide:
        """Its announcement, once it serves."""
        self.wait("Ctrl-C stops it")
        info = find_served(self.spec)
        assert info is not None, self.printed
        return info

    def stop(self, number: int = signal.SIGTERM, seconds: float = 30.0) -> int:
        """Send a signal; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


@contextlib.contextmanager
def serving(
    spec: str, folder: Path, *options: str, env: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Start it with `options`; ended at the end if it still runs. `folder` takes its log."""
    log = folder / f"serve-{time.monotonic_ns()}.log"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", **(env or {})}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "codesteer_jupyter", "guide", "serve", spec, *options],
            stdout=file,
            stderr=file,
            stdin=subprocess.DEVNULL,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
    try:
        yield Server(process, log, spec)
    finally:
        # Asked first: what it has started itself is in a session of its own.
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
