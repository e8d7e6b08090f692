"""One child kernel: started under the supervisor, reached over private sockets."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from queue import Empty
from typing import Any, cast

from codesteer_jupyter.errors import ExecutorError
from codesteer_jupyter.execution import confinement
from codesteer_jupyter.execution.environment import (
    allowed_environment,
    import_paths,
    own_folders,
)
from codesteer_jupyter.execution.folder import PrivateFolder
from codesteer_jupyter.execution.supervised import Supervised
from codesteer_jupyter.steering.execution import Access

__all__ = ["ChildKernel"]

_HERE = Path(__file__).parent
_KERNEL_SIDE = str(_HERE / "kernel_side.py")
_START_SECONDS = 60.0
_LOAD = """
import importlib.util as _u, sys as _s, json as _j
_p = _u.spec_from_file_location("codesteer_kernel_side", {path!r})
_m = _u.module_from_spec(_p)
_s.modules["codesteer_kernel_side"] = _m
_p.loader.exec_module(_m)
_m.base = _m.Base(get_ipython(), _j.loads({settings!r}))
for _n in ("_u", "_s", "_j", "_p", "_m"):
    _m.base.namespace.pop(_n, None)
"""
_BEGIN = '__import__("sys").modules["codesteer_kernel_side"].base.begin({request!r})'


class ChildKernel:
    """A running kernel process and the client that talks to it.

    The transport is ipc: sockets in a private folder, no TCP port. Its own stderr goes to a file
    there, so that neither warnings nor crash messages reach the user's cell.
    """

    def __init__(self, private: PrivateFolder, name: str, access: Access) -> None:
        """Start the process in the new folder `name` (in a path short enough for sockets)."""
        from jupyter_client.asynchronous.client import AsyncKernelClient
        from jupyter_client.connect import write_connection_file

        folder = private.path / name
        folder.mkdir(mode=0o700)
        self.folder = folder
        self.log = folder / "log"
        connection, _ = write_connection_file(
            str(folder / "kernel.json"),
            transport="ipc",
            ip=str(folder / "s"),
            key=secrets.token_hex(16).encode(),
        )
        environment = {
            **allowed_environment(),
            **own_folders(folder, private.fonts),
            "IPYTHONDIR": str(folder / "ipython"),  # no start-up files of the user's profile
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        }
        self._plan = confinement.plan(
            access,
            [private.writable, folder],
            kernel=True,
            pid_namespace=True,
            needed=[_HERE, private.path, *import_paths()],
        )
        with self.log.open("wb") as log:
            self.tree = Supervised(
                [
                    *(sys.executable, "-m", "ipykernel_launcher", "-f", connection),
                    "--HistoryManager.enabled=False",
                ],
                env=environment,
                cwd=folder,
                folder=private.path,
                plan=self._plan,
                stdout=log,
                stderr=log,
            )
        self.client = AsyncKernelClient()
        self.client.load_connection_file(connection)
        self.client.start_channels(stdin=False, hb=False)

    async def prepare(self, settings: Mapping[str, Any]) -> None:
        """Wait until the kernel answers, and load `kernel_side.py` in it.

        Raises:
            ExecutorError: it did not come up; the message ends with what it wrote.
        """
        deadline = time.monotonic() + _START_SECONDS
        asked: set[str] = set()
        answered = False
        while True:
            asked.add(self.client.kernel_info())
            answered = await self._reply(0.3) is not None or answered
            # Outputs are published: only one that arrived says that none will be missed.
            if answered and await self._heard(asked):
                break
            if self.tree.poll() is not None or time.monotonic() > deadline:
                raise self._failed("A kernel for generated code did not start")
        confined = {
            "layers": self.tree.layers,
            "sockets": confinement.sockets_filter(self._plan, self.tree.layers),
        }
        given = json.dumps({**settings, "confined": confined})
        code = _LOAD.format(path=_KERNEL_SIDE, settings=given)
        reply = await self._silent(code, 20.0)
        if reply is None or reply["status"] != "ok":
            raise self._failed("A kernel for generated code could not be prepared", reply)

    async def _heard(self, asked: set[str]) -> bool:
        while (message := await self.message(0.1)) is not None:
            if message["parent_header"].get("msg_id") in asked:
                return True
        return False

    async def begin(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any] | None:
        """Restore the base state for the next run; the reply, or None if there was none."""
        return await self._silent(_BEGIN.format(request=json.dumps(request)), seconds)

    def execute(self, code: str) -> str:
        """Send the program; returns the id its messages carry."""
        return cast(
            str, self.client.execute(code, silent=False, store_history=False, allow_stdin=False)
        )

    async def message(self, seconds: float) -> dict[str, Any] | None:
        """The next output message, or None after `seconds`."""
        try:
            return cast(dict[str, Any], await self.client.iopub_channel.get_msg(timeout=seconds))
        except Empty:
            return None

    async def replied(self, sent: str) -> bool:
        """Whether the reply to `sent` is there already."""
        while (reply := await self._reply(0)) is not None:
            if reply["parent_header"].get("msg_id") == sent:
                return True
        return False

    async def _silent(self, code: str, seconds: float) -> dict[str, Any] | None:
        sent = self.client.execute(code, silent=True, store_history=False, allow_stdin=False)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.tree.poll() is None:
            reply = await self._reply(0.1)
            if reply is not None and reply["parent_header"].get("msg_id") == sent:
                return cast(dict[str, Any], reply["content"])
        return None

    async def _reply(self, seconds: float) -> dict[str, Any] | None:
        try:
            return cast(dict[str, Any], await self.client.shell_channel.get_msg(timeout=seconds))
        except Empty:
            return None

    def kill(self) -> None:
        """End the kernel and everything it started. Calling it twice is fine."""
        self.tree.kill()
        self.client.stop_channels()

    def _failed(self, what: str, reply: Mapping[str, Any] | None = None) -> ExecutorError:
        said = f"{reply.get('ename')}: {reply.get('evalue')}" if reply else ""
        if not said:
            text = self.log.read_text("utf-8", "replace").strip().splitlines()
            said = text[-1][:300] if text else "it wrote nothing"
        self.kill()
        return ExecutorError(
            f"{what} ({said}); check that ipykernel is installed here, or use --run subprocess."
        )
