"""Real notebook kernels for tests: the installed ipykernel, and 6.31 beside it.

    with start_kernel("6.31") as kernel:
        outputs = kernel.execute("1 + 1")

ipykernel 6.31 is not installed but put into a folder of its own (`make build/ipykernel-6.31`, or
$CODESTEER_TEST_IPYKERNEL6), because two versions cannot live in one environment.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

ROOT = Path(__file__).parent.parent
Which = Literal["new", "6.31"]
KERNELS: tuple[Which, ...] = ("new", "6.31")


def kernel_folder(which: Which) -> Path | None:
    """Where that ipykernel is imported from (None: it is the installed one); skips if absent."""
    if which == "new":
        return None
    folder = Path(os.environ.get("CODESTEER_TEST_IPYKERNEL6") or ROOT / "build" / "ipykernel-6.31")
    if not (folder / "ipykernel").is_dir():
        pytest.skip(f"ipykernel 6.31 is not in {folder}; run: make build/ipykernel-6.31")
    return folder


@dataclass
class Cell:
    """What one cell did. `outputs` are nbformat outputs; streams are merged per name."""

    status: str = "ok"
    outputs: list[dict[str, Any]] = field(default_factory=list)
    error: dict[str, Any] | None = None
    seconds: float = 0.0

    def stream(self, name: str = "stdout") -> str:
        return "".join(o["text"] for o in self.outputs if o.get("name") == name)

    @property
    def stdout(self) -> str:
        return self.stream("stdout")

    @property
    def stderr(self) -> str:
        return self.stream("stderr")

    @property
    def result(self) -> str | None:
        """text/plain of the cell's value."""
        for output in self.outputs:
            if output["output_type"] == "execute_result":
                return str(output["data"].get("text/plain"))
        return None

    def check(self) -> Cell:
        """Fail, with the traceback, if the cell raised."""
        assert self.error is None, "\n".join(self.error["traceback"])
        return self


class Kernel:
    """A running kernel and a client of it."""

    def __init__(self, process: subprocess.Popen[bytes], client: BlockingKernelClient) -> None:
        self.process, self.client = process, client

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def send(self, code: str, store_history: bool = True) -> str:
        """Send a cell without waiting; `collect` it later."""
        return self.client.execute(code, store_history=store_history, allow_stdin=False)

    def collect(self, sent: str, timeout: float = 60.0) -> Cell:
        """Everything that the cell `sent` shows, until it is done.

        Raises TimeoutError after `timeout` seconds, RuntimeError if the kernel dies.
        """
        cell, started = Cell(), time.monotonic()
        while True:
            message = self._message(started + timeout)
            if message["parent_header"].get("msg_id") != sent:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            _add(cell, kind, content, message)
        cell.seconds = time.monotonic() - started
        if cell.error is not None:
            cell.status = "error"
        return cell

    def execute(self, code: str, timeout: float = 60.0) -> Cell:
        """Run a cell to its end."""
        return self.collect(self.send(code), timeout)

    def wait_for(self, text: str, sent: str, timeout: float = 30.0) -> None:
        """Until the cell `sent` has shown `text` on a stream (which `collect` will not see)."""
        deadline, seen = time.monotonic() + timeout, ""
        while text not in seen:
            message = self._message(deadline)
            if message["parent_header"].get("msg_id") == sent and message["msg_type"] == "stream":
                seen += message["content"]["text"]

    def _message(self, deadline: float) -> dict[str, Any]:
        while True:
            try:
                return self.client.get_iopub_msg(timeout=0.2)
            except queue.Empty:
                if not self.alive:
                    raise RuntimeError(f"the kernel died ({self.process.returncode})") from None
                if time.monotonic() > deadline:
                    raise TimeoutError("the kernel did not answer in time") from None

    def interrupt(self) -> None:
        """What the Stop button does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """kill -9 of the kernel's process, and of nothing else."""
        self.process.kill()
        self.process.wait()


def _add(cell: Cell, kind: str, content: dict[str, Any], message: dict[str, Any]) -> None:
    if kind == "stream":
        cell.outputs.append({"output_type": "stream", **content})
    elif kind == "error":
        cell.error = content
        cell.outputs.append({"output_type": "error", **content})
    elif kind in ("display_data", "execute_result"):
        output = {"output_type": kind, "data": content["data"], "metadata": content["metadata"]}
        display_id = (content.get("transient") or {}).get("display_id")
        cell.outputs.append({**output, "display_id": display_id} if display_id else output)
    elif kind == "update_display_data":
        display_id = (content.get("transient") or {}).get("display_id")
        for output in cell.outputs:
            if output.get("display_id") == display_id:
                output.update(data=content["data"], metadata=content["metadata"])
    elif kind == "clear_output":
        cell.outputs.clear()


def _await(kernel: Kernel, seconds: float = 90.0) -> None:
    """Until it answers. On a busy machine heartbeats come late, which the client takes for the
    kernel's end; the process says whether it is.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return kernel.client.wait_for_ready(timeout=60)
        except RuntimeError:
            if not kernel.alive or time.monotonic() > deadline:
                raise


@contextlib.contextmanager
def start_kernel(
    which: Which = "new", env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[Kernel]:
    """A kernel of its own, ended afterwards. `env` is added to this process's environment; the
    package under test is importable in it."""
    older = kernel_folder(which)
    folder = Path(tempfile.mkdtemp(prefix="ck-"))
    paths = [str(older)] if older else []
    paths += [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("CODESTEER_", "PYTEST_"))},
        "PYTHONPATH": os.pathsep.join(paths),
        "IPYTHONDIR": str(folder / "ipython"),
        **(env or {}),
    }
    connection, _ = write_connection_file(
        str(folder / "kernel.json"),
        transport="ipc",
        ip=str(folder / "s"),
        key=b"0123456789abcdef",
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ipykernel_launcher", "-f", connection],
            env=environment,
            cwd=cwd or folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    client = BlockingKernelClient()
    client.load_connection_file(connection)
    # Without the heartbeat, which a busy machine misses: `alive` looks at the process itself.
    client.start_channels(hb=False)
    kernel = Kernel(process, client)
    try:
        _await(kernel)
        yield kernel
    finally:
        client.stop_channels()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
