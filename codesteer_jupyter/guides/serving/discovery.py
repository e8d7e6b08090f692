"""How a user's notebooks find the guides that this user serves.

Each served guide has a file (0600) in Jupyter's runtime folder; see `announcements`.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from codesteer_jupyter.announcements import (
    Announcement,
    ServerFiles,
    answers,
    process_lives,
    read_announcement,
)
from codesteer_jupyter.file_locks import is_held
from codesteer_jupyter.guides.weights import split_adapter

__all__ = [
    "ServedGuide",
    "announced",
    "canonical",
    "files_of",
    "find_served",
    "runtime_folder",
    "served_at",
    "served_guides",
]

_KIND = "codesteer-guide"


@dataclass(frozen=True)
class ServedGuide(Announcement):
    """A guide that is served.

    Attributes:
        spec: which model with which adapter, in its one spelling; see `canonical`.
        backend: `codesteer` (our server, which can score labels) or `vllm`.
        address: where a process on this machine reaches it.
        about: one clause for the user, as "float32 on cpu".
    """

    spec: str = ""
    backend: str = "codesteer"
    address: str = "127.0.0.1"
    about: str = ""
    format: int = 1

    @property
    def host(self) -> str:
        return self.address


def canonical(spec: str) -> str:
    """One spelling of a local guide's model: real paths of what is on disk, hub ids as they are."""
    model, adapter = split_adapter(spec.strip())
    names = [model] if adapter is None else [model, adapter]
    return "+".join(_real(name) for name in names)


def _real(name: str) -> str:
    path = Path(name).expanduser()
    return str(path.resolve()) if path.exists() else name


def runtime_folder() -> Path:
    """Jupyter's runtime folder; it may not exist yet."""
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir())


def files_of(spec: str) -> ServerFiles:
    """The files of the one server of this model and this user on this machine."""
    key = hashlib.sha256(canonical(spec).encode("utf-8")).hexdigest()[:16]
    return ServerFiles(runtime_folder(), key, _KIND)


def find_served(spec: str) -> ServedGuide | None:
    """The living server of this model, or None; what a server that was killed left is removed."""
    info = announced(spec)
    return info if info is not None and answers(info) else None


def announced(spec: str) -> ServedGuide | None:
    """As `find_served`, without asking the server whether it answers."""
    files = files_of(spec)
    info = read_announcement(files.info, ServedGuide)
    if info is None or info.spec != canonical(spec):
        return None
    if process_lives(info):
        return info
    if not is_held(files.alive):  # else a new server is about to announce itself
        with contextlib.suppress(OSError):
            files.info.unlink()
            files.alive.unlink()
    return None


def served_guides() -> list[ServedGuide]:
    """All guides this user serves on this machine; asks the processes' table only."""
    return list(_all())


def _all() -> Iterator[ServedGuide]:
    pattern = ServerFiles(Path(), "*", _KIND).info.name
    for path in sorted(runtime_folder().glob(pattern)):
        info = read_announcement(path, ServedGuide)
        if info is not None and process_lives(info):
            yield info


def served_at(url: str) -> ServedGuide | None:
    """The guide this user serves at `http://host:port/v1`, or None."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        return None
    for info in _all():
        if port == info.port and host in (info.host, "localhost"):
            return info
    return None
