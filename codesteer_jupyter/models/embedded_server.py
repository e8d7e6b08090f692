"""The process that serves one embedded model to its user's kernels, on llama.cpp.

`python -m codesteer_jupyter.models.embedded_server` detaches, loads the weights, finds out how many
threads are fastest, announces itself (see `embedded_discovery`) and ends when nobody asked for
anything for a while. Activity is read from the server's own counters: a request that runs or waits,
or a token read or written since the last look.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import http.client
import json
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from codesteer_jupyter.file_locks import hold
from codesteer_jupyter.models.embedded_discovery import (
    ServerFiles,
    ServerInfo,
    read_info,
    write_info,
)

__all__ = ["choose_threads", "main", "thread_candidates", "usable_cores"]

PROBE_TOKENS = 16
#: One more thread must pay: it is the first to suffer when another program wants a core.
WORTHWHILE = 1.15
#: Real use this much slower than probed with several threads: the machine got busy, probe again.
SLOWED = 0.4
PROBE_AGAIN_SECONDS = 120.0
HOST_CACHE_MIB = 512
BATCH = 128


def usable_cores() -> int:
    """Cores this process may use: its affinity, and the quota of its control group."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8").split()
        if quota != "max":
            cores = min(cores or 1, max(1, int(quota) // int(period)))
    return max(1, cores or 1)


def thread_candidates(cores: int) -> list[int]:
    """Numbers of threads worth timing, the smallest first. More than 16 never paid for models of
    this size: memory bandwidth is used up.
    """
    top = min(cores, 16)
    return sorted({max(1, top // 2), max(1, top - 1), top})


def choose_threads(
    candidates: Sequence[int], time_one: Callable[[int, float], float]
) -> tuple[int, dict[str, float]]:
    """The number of threads to use, and tokens a second of each.

    `time_one(threads, at_least)` gives tokens a second; it may give up (0.0) once it is clear that
    `at_least` is not reached, so a slow candidate costs no more than the best one.
    """
    speeds: dict[str, float] = {}
    best, speed = candidates[0], 0.0
    for threads in candidates:
        needed = speed * WORTHWHILE
        measured = time_one(threads, needed)
        speeds[str(threads)] = round(measured, 2)
        if measured > needed:
            best, speed = threads, measured
    return best, speeds


@dataclass
class Counters:
    """What the server has done so far, as it counts itself."""

    read: float = 0.0
    written: float = 0.0
    writing_seconds: float = 0.0
    busy: bool = False


class LlamaServer:
    """llama.cpp's HTTP server in this process; rebuilt to change its threads."""

    def __init__(self, path: str, model: str, token: str, context: int) -> None:
        self._path, self._model, self._token, self._context = path, model, token, context
        self._server: Any = None
        self.threads = 0
        self.port = 0

    def load(self, threads: int) -> None:
        """(Re)build with this many threads."""
        import xllamacpp

        if self._server is not None and threads == self.threads:
            return
        self.unload()
        params = xllamacpp.CommonParams()
        params.model.path = self._path
        params.model_alias = {self._model}
        params.hostnames = ["127.0.0.1"]
        params.port = 0
        params.api_keys = [self._token]
        params.offline = True
        params.ui = False
        params.endpoint_metrics = True
        params.n_gpu_layers = 0
        params.fit_params = False
        params.n_ctx = self._context
        # Two conversations keep their place (the run and its checks), in one shared memory.
        params.n_parallel = 2
        params.kv_unified = True
        params.cache_prompt = True
        params.cache_ram_mib = HOST_CACHE_MIB
        # Small batches: a cancelled request ends, and progress is told, after a few seconds.
        params.n_batch = params.n_ubatch = BATCH
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.warmup = False
        params.sse_ping_interval = 10  # bytes for the client while it waits or a prompt is read
        params.verbosity = 0
        self._server = xllamacpp.Server(params)
        self.threads = threads
        self.port = int(self._server.listening_address.rsplit(":", 1)[1])

    def unload(self) -> None:
        self._server = None
        gc.collect()  # the destructor stops its threads and frees the port

    def time_tokens(self, threads: int, at_least: float) -> float:
        """Tokens a second while writing, 0.0 if it is slower than `at_least`."""
        self.load(threads)
        allowed = PROBE_TOKENS / at_least if at_least else 120.0
        body = {
            "prompt": "def main():\n",
            "n_predict": PROBE_TOKENS + 1,
            "temperature": 0.0,
            "ignore_eos": True,
            "stream": True,
            "cache_prompt": False,
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=allowed + 30)
        try:
            connection.request("POST", "/completion", json.dumps(body), self._headers())
            began, tokens = 0.0, 0
            for line in connection.getresponse():
                if not line.startswith(b"data:"):
                    continue
                now = time.monotonic()
                if not began:
                    began = now  # the first token ends the reading of the prompt
                    continue
                tokens += 1
                if tokens >= PROBE_TOKENS:
                    return tokens / max(now - began, 1e-6)
                if now - began > allowed:
                    return 0.0
        except (OSError, http.client.HTTPException):
            return 0.0
        finally:
            connection.close()
        return 0.0

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}

    def counters(self) -> Counters:
        """Read the counters; a server too busy to say is busy."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", "/metrics", headers=self._headers())
            text = connection.getresponse().read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            return Counters(busy=True)
        finally:
            connection.close()
        values: dict[str, float] = {}
        for line in text.splitlines():
            name, _, value = line.partition(" ")
            if name.startswith("llamacpp:"):
                with contextlib.suppress(ValueError):
                    values[name.removeprefix("llamacpp:")] = float(value)
        return Counters(
            read=values.get("prompt_tokens_total", 0.0)
            + values.get("prompt_tokens_cached_total", 0.0),
            written=values.get("tokens_predicted_total", 0.0),
            writing_seconds=values.get("tokens_predicted_seconds_total", 0.0),
            busy=values.get("requests_processing", 0.0) + values.get("requests_deferred", 0.0) > 0,
        )


class Supervisor:
    """Announces the server, watches its use, and ends it."""

    def __init__(
        self, server: LlamaServer, files: ServerFiles, token: str, threads: int | None, idle: float
    ) -> None:
        self._server, self._files, self._token = server, files, token
        self._given_threads, self._idle = threads, idle
        self._ended = threading.Event()
        self._speed = 0.0
        self._probed = 0.0

    def end(self, *_: int | FrameType | None) -> None:
        self._ended.set()

    def announce(self, context: int) -> None:
        """Choose the threads, load, and write the file by which kernels find this process."""
        import psutil

        load = os.getloadavg()[0]
        candidates = [self._given_threads or 0]
        if not self._given_threads:
            candidates = thread_candidates(usable_cores())
        best, speeds = choose_threads(candidates, self._server.time_tokens)
        self._server.load(best)
        self._speed, self._probed = speeds[str(best)], time.monotonic()
        write_info(
            self._files,
            ServerInfo(
                model=self._files.model,
                pid=os.getpid(),
                created=psutil.Process().create_time(),
                port=self._server.port,
                token=self._token,
                threads=best,
                tokens_per_second=self._speed,
                speeds=speeds,
                load=round(load, 2),
                context=context,
                idle_seconds=self._idle,
            ),
        )

    def _still_ours(self) -> bool:
        info = read_info(self._files)
        return info is not None and info.pid == os.getpid()

    def run(self, context: int) -> None:
        """Serve until idle for too long, told to end, or no longer announced."""
        self.announce(context)
        last = settled = self._server.counters()
        active = time.monotonic()
        while not self._ended.wait(max(0.2, min(5.0, self._idle / 5))):
            if not self._still_ours():
                return
            now = self._server.counters()
            if now.busy or (now.read, now.written) != (last.read, last.written):
                active = time.monotonic()
            last = now
            if now.busy:
                continue
            idle = time.monotonic() - active
            if idle >= self._idle:
                with self._start_lock() as locked:
                    if locked and not self._server.counters().busy:
                        self._files.info.unlink(missing_ok=True)
                        return
            elif now.written - settled.written >= PROBE_TOKENS:
                written = now.written - settled.written
                speed = written / max(now.writing_seconds - settled.writing_seconds, 1e-6)
                settled = now
                if self._became_slow(speed):
                    with self._start_lock() as locked:
                        if locked and not self._server.counters().busy:
                            # Kernels that come now wait for the lock and find the new port.
                            self._files.info.unlink(missing_ok=True)
                            self.announce(context)
                            last = settled = self._server.counters()

    def _became_slow(self, speed: float) -> bool:
        return (
            not self._given_threads
            and self._server.threads > 1
            and speed < SLOWED * self._speed
            and time.monotonic() - self._probed > PROBE_AGAIN_SECONDS
        )

    @contextlib.contextmanager
    def _start_lock(self) -> Any:
        """The lock of whoever starts a server; False if somebody has it just now."""
        handle = hold(self._files.start)
        try:
            yield handle is not None
        finally:
            if handle is not None:
                os.close(handle)


def _detach(files: ServerFiles) -> None:
    """Take the `alive` lock and go on in a process that is nobody's child; the first one ends.

    The lock goes along: it belongs to the open file, which both share.
    """
    if hold(files.alive) is None:
        # One that is just loading (its starter was interrupted): that one will do.
        sys.exit(0)
    if os.fork():
        os._exit(0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the server; started by `embedded_discovery.ensure_server` only."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--idle", type=float, default=600.0)
    parser.add_argument("--context", type=int, default=8192)
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args(arguments)
    os.umask(0o077)
    files = ServerFiles(options.folder, options.model)
    _detach(files)
    token = secrets.token_urlsafe(32)
    server = LlamaServer(options.path, options.model, token, options.context)
    supervisor = Supervisor(server, files, token, options.threads, options.idle)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, supervisor.end)
    try:
        supervisor.run(options.context)
    finally:
        info = read_info(files)
        if info is not None and info.pid == os.getpid():
            files.info.unlink(missing_ok=True)
        server.unload()


if __name__ == "__main__":
    main()
