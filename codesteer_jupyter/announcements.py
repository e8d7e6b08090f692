"""How a server process of this user makes itself known to the user's kernels.

It writes a JSON file (0600) with its address, process id and token into a folder; a lock on a file
beside it is held for the server's whole life. A file whose process has ended is no announcement.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import platform
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

__all__ = [
    "A",
    "Announcement",
    "ServerFiles",
    "answers",
    "end_process",
    "process_lives",
    "read_announcement",
    "write_announcement",
]

#: A server that is alive must take a connection within this; its HTTP threads never compute.
ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class Announcement:
    """What a server says about itself.

    Attributes:
        model: the name it serves the model by.
        pid, created: the process and when it started (s since 1970), as the system tells it;
            process ids are reused.
        port, token: where it listens and what it asks for.
    """

    model: str
    pid: int
    created: float
    port: int
    token: str = field(repr=False)

    @property
    def host(self) -> str:
        """The address it is reached at."""
        return "127.0.0.1"

    @property
    def base_url(self) -> str:
        """Where its OpenAI protocol begins."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/v1"


A = TypeVar("A", bound=Announcement)


@dataclass(frozen=True)
class ServerFiles:
    """The files of one model's server in `folder`: the announcement, two locks and a log.

    `model` becomes a part of the file names.
    """

    folder: Path
    model: str
    kind: str = "embedded"

    def _file(self, suffix: str) -> Path:
        # A home folder may be shared by machines; processes are not.
        host = "".join(c if c.isalnum() else "-" for c in platform.node()) or "host"
        return self.folder / f"{self.kind}-{self.model}-{host}.{suffix}"

    @property
    def info(self) -> Path:
        return self._file("json")

    @property
    def start(self) -> Path:
        return self._file("start")

    @property
    def alive(self) -> Path:
        return self._file("alive")

    @property
    def log(self) -> Path:
        return self._file("log")


def write_announcement(path: Path, info: Announcement) -> None:
    """Announce a server: readable by this user only, whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".info-")  # created 0600
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(dataclasses.asdict(info), file)
    os.replace(name, path)


def read_announcement(path: Path, kind: type[A]) -> A | None:
    """What is announced; None if nothing, damaged, or a file that others could have written."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(handle, encoding="utf-8", errors="replace") as file:
        about = os.fstat(file.fileno())
        if about.st_uid != os.getuid() or about.st_mode & 0o077:
            return None
        try:
            data = json.load(file)
            known = {item.name for item in dataclasses.fields(kind)}
            info = kind(**{key: value for key, value in data.items() if key in known})
        except (ValueError, TypeError, AttributeError):
            return None
    sound = isinstance(info.port, int) and isinstance(info.pid, int) and bool(info.token)
    return info if sound and getattr(info, "format", 1) == 1 else None


def process_lives(info: Announcement) -> bool:
    """Whether the very process that announced itself still runs (process ids are reused)."""
    import psutil

    try:
        process = psutil.Process(info.pid)
        return (
            process.status() != psutil.STATUS_ZOMBIE
            and abs(process.create_time() - info.created) < 2
        )
    except psutil.Error:
        return False


def answers(info: Announcement, seconds: float = ANSWER_SECONDS) -> bool:
    """Whether a server that knows the token listens there."""
    connection = http.client.HTTPConnection(info.host, info.port, timeout=seconds)
    path = f"{urlsplit(info.base_url).path}/models"
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {info.token}"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def end_process(pid: int, patience: float = 5.0) -> None:
    """Ask a process to end, then, after `patience` seconds, make it."""
    import psutil

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        process.terminate()
        try:
            process.wait(patience)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(5)
