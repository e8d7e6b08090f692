"""vLLM as the server: how it is started, waited for and ended."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from codesteer_jupyter.announcements import A, answers
from codesteer_jupyter.errors import GuideError

__all__ = ["Vllm", "end", "free_port", "vllm_here"]

_END_SECONDS = 15.0


def vllm_here() -> str | None:
    """The `vllm` command, where it is installed and a CUDA GPU is there for it."""
    command = shutil.which("vllm")
    if command is None or importlib.util.find_spec("torch") is None:
        return None
    import torch

    return command if torch.cuda.is_available() else None


def free_port(host: str) -> int:
    """A port that nobody listens on just now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Vllm:
    """A `vllm serve` to be run.

    Attributes:
        command: the executable.
        model: folder with the weights. adapter: folder of a LoRA on it, or None.
        name: what clients call the model (with its adapter).
        token: the API key; handed over in the environment, where no list of processes shows it.
    """

    command: str
    model: Path
    adapter: Path | None
    name: str
    host: str
    port: int
    token: str

    def arguments(self) -> list[str]:
        """Its command line."""
        base = self.name if self.adapter is None else f"{self.name}-base"
        adapter = [] if self.adapter is None else [
            "--enable-lora", "--lora-modules", f"{self.name}={self.adapter}",
        ]  # fmt: skip
        return [
            self.command, "serve", str(self.model),
            "--host", self.host, "--port", str(self.port),
            "--served-model-name", base, "--enable-prefix-caching", *adapter,
        ]  # fmt: skip

    def start(self) -> subprocess.Popen[bytes]:
        """Start it in a session of its own: Ctrl-C is ours to handle.

        Raises:
            GuideError: it cannot be run.
        """
        environment = {**os.environ, "VLLM_API_KEY": self.token, "VLLM_NO_USAGE_STATS": "1"}
        try:
            return subprocess.Popen(
                self.arguments(),
                env=environment,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise GuideError(
                f"{self.command} cannot be run ({error.strerror or error}); install vLLM, or use "
                "--backend codesteer."
            ) from error

    def await_answer(
        self,
        process: subprocess.Popen[bytes],
        announced: Callable[[int], A],
        stopped: threading.Event,
    ) -> A | None:
        """Its announcement, once it answers; None if `stopped` was set before.

        Raises:
            GuideError: it ended instead.
        """
        info = announced(process.pid)
        while not stopped.wait(0.5):
            code = process.poll()
            if code is not None:
                raise GuideError(
                    f"vLLM ended before it answered (exit code {code}); its last lines above say "
                    "why, or use --backend codesteer."
                )
            if answers(info, 2.0):
                return info
        return None


def end(process: subprocess.Popen[bytes], patience: float = _END_SECONDS) -> None:
    """Let vLLM finish what runs, at most `patience` seconds, and end it with its workers."""
    import psutil

    try:
        workers = psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        workers = []
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
    _, left = psutil.wait_procs(workers, timeout=2)
    for worker in left:
        worker.kill()
