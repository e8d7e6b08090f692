"""How a user's kernels find, start and stop the one server they share for an embedded model.

A server in a process of its own announces itself (see `announcements`) in a 0700 folder. Two locks
keep order: `start` is held by whoever starts one, so that two kernels do not start two; `alive`
is held by the server itself for its whole life.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codesteer_jupyter.announcements import (
    Announcement,
    ServerFiles,
    answers,
    end_process,
    process_lives,
    read_announcement,
    write_announcement,
)
from codesteer_jupyter.errors import TaskModelError
from codesteer_jupyter.file_locks import is_held
from codesteer_jupyter.models.weights import FetchCancelled, cache_folder, file_lock

__all__ = [
    "ServerFiles",
    "ServerInfo",
    "ServerOptions",
    "ensure_server",
    "find_server",
    "runtime_folder",
    "stop_server",
]

#: Loading 1.1 GB from a slow disk and probing threads on a busy machine.
START_SECONDS = 180.0
#: What the server process gets of the environment: no keys, no tokens.
_ENVIRONMENT = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "TZ")
_ENVIRONMENT_PREFIXES = ("XDG_", "GGML_", "OMP_", "CODESTEER_CACHE", "CODESTEER_RUNTIME")


@dataclass(frozen=True)
class ServerInfo(Announcement):
    """What the server wrote about itself. `speeds`: tokens a second by number of threads, as
    probed at its start under the load average `load`.
    """

    threads: int = 1
    tokens_per_second: float = 0.0
    speeds: Mapping[str, float] = field(default_factory=dict)
    load: float = 0.0
    context: int = 0
    idle_seconds: float = 0.0
    format: int = 1


@dataclass(frozen=True)
class ServerOptions:
    """Used by whoever starts the server; a server that runs already keeps its own."""

    threads: int | None = None
    idle_seconds: float = 600.0
    context: int = 8192


def runtime_folder() -> Path:
    """A folder only this user can enter: CODESTEER_RUNTIME, else below XDG_RUNTIME_DIR, else
    below the cache.

    Raises:
        TaskModelError: it cannot be made, or belongs to somebody else.
    """
    given, xdg = os.environ.get("CODESTEER_RUNTIME"), os.environ.get("XDG_RUNTIME_DIR")
    if given:
        folder = Path(given).expanduser()
    elif xdg and os.path.isdir(xdg) and os.stat(xdg).st_uid == os.getuid():
        folder = Path(xdg) / "codesteer_jupyter"
    else:
        folder = cache_folder() / "run"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        about = folder.stat()
        if about.st_uid != os.getuid():
            raise PermissionError(None, "it belongs to another user")
        if about.st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise TaskModelError(
            f"The folder {folder} for the embedded model's server cannot be used "
            f"({error.strerror or error}); set CODESTEER_RUNTIME to a folder of your own.",
            kind="no_runtime_folder",
        ) from error
    return folder


def write_info(files: ServerFiles, info: ServerInfo) -> None:
    """Announce a server."""
    write_announcement(files.info, info)


def read_info(files: ServerFiles) -> ServerInfo | None:
    """What is announced, if it can be trusted."""
    return read_announcement(files.info, ServerInfo)


def find_server(model: str) -> ServerInfo | None:
    """The running server of this user for this model, or None; starts nothing."""
    info = read_info(ServerFiles(runtime_folder(), model))
    return info if info is not None and process_lives(info) and answers(info) else None


def ensure_server(
    model: str,
    weights: Callable[[], Path],
    options: ServerOptions,
    notify: Callable[[str], None],
    cancelled: threading.Event,
) -> ServerInfo:
    """The running server, started if there is none (blocking). `weights` is asked for the file
    only if it must be started.

    Raises:
        TaskModelError: it did not come up; the sentence has the end of its log.
        FetchCancelled: `cancelled` was set.
    """
    running = find_server(model)
    if running is not None:
        return running
    path = weights()
    files = ServerFiles(runtime_folder(), model)
    with file_lock(files.start, cancelled):
        running = find_server(model)
        if running is not None:  # another kernel was quicker
            return running
        stale = read_info(files)
        if stale is not None and process_lives(stale):
            end_process(stale.pid)  # it lives and does not answer
        files.info.unlink(missing_ok=True)
        notify(f"Starting the embedded model's server ({path.name}); it loads and is timed first.")
        _spawn(files, path, options)
        return _await_server(files, cancelled)


def _spawn(files: ServerFiles, path: Path, options: ServerOptions) -> None:
    """Start the server detached: own session, no terminal, not our child.

    Raises:
        TaskModelError: Python could not even start it.
    """
    environment = {
        key: value
        for key, value in os.environ.items()
        if key in _ENVIRONMENT or key.startswith(_ENVIRONMENT_PREFIXES)
    }
    # The package's own folder and nothing else of ours: -P keeps the working folder out.
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    command = [
        sys.executable, "-P", "-m", "codesteer_jupyter.models.embedded_server",
        "--model", files.model, "--path", str(path.resolve()), "--folder", str(files.folder),
        "--idle", str(options.idle_seconds), "--context", str(options.context),
    ]  # fmt: skip
    if options.threads:
        command += ["--threads", str(options.threads)]
    handle = os.open(files.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        # This process detaches and ends at once, so it is waited for here.
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            env=environment,
            cwd=files.folder,
            start_new_session=True,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise _not_started(files, str(error)) from error
    finally:
        os.close(handle)


def _await_server(files: ServerFiles, cancelled: threading.Event) -> ServerInfo:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        info = read_info(files)
        if info is not None and answers(info):
            return info
        if not is_held(files.alive):
            # It may have announced itself and ended in between; the log says why.
            raise _not_started(files, "its process ended")
        if cancelled.wait(0.1):
            raise FetchCancelled  # it goes on loading and serves the next request
    raise _not_started(files, f"it was not ready after {START_SECONDS:.0f} s")


def _not_started(files: ServerFiles, why: str) -> TaskModelError:
    last = ""
    with contextlib.suppress(OSError):
        lines = files.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = lines[-1][:300] if lines else ""
    return TaskModelError(
        f"The embedded model's server did not start: {why}{f' ({last})' if last else ''}; "
        f"see {files.log}, free some memory, or choose another --model.",
        kind="unreachable",
    )


def stop_server(model: str) -> bool:
    """Stop this user's server of this model; True if there was one."""
    files = ServerFiles(runtime_folder(), model)
    with file_lock(files.start):
        info = read_info(files)
        if info is None or not process_lives(info):
            files.info.unlink(missing_ok=True)
            return False
        end_process(info.pid)
        files.info.unlink(missing_ok=True)
        return True
