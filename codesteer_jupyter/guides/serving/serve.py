"""`codesteer guide serve`: one guide for all notebooks, until it is told to stop."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from codesteer_jupyter.announcements import (
    ServerFiles,
    process_lives,
    read_announcement,
    write_announcement,
)
from codesteer_jupyter.errors import GuideError, UsageError
from codesteer_jupyter.file_locks import hold
from codesteer_jupyter.guides.serving.access import HubService, HubTokens, one_token
from codesteer_jupyter.guides.serving.discovery import ServedGuide, canonical, files_of
from codesteer_jupyter.guides.weights import split_adapter

__all__ = ["TOKEN_VARIABLE", "Backend", "ServeOptions", "serve"]

Backend = Literal["auto", "vllm", "codesteer"]
#: Environment variable with the token to ask for; without it a random one is made.
TOKEN_VARIABLE = "CODESTEER_SERVE_TOKEN"  # noqa: S105 its name
_LEAST_TOKEN = 16
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 compared with, not bound to


@dataclass(frozen=True)
class ServeOptions:
    """What to serve and where.

    Attributes:
        spec: as in `local:SPEC`.
        name: what clients call the model; "" takes it from `spec`.
        port: 0 is any free one.
        backend: `auto` is vLLM where it is installed with a CUDA GPU, else our own server.
        guide_memory: MiB our own server may take for it; None for what is free.
        vllm: the `vllm` command; "" looks for it.
        service: JupyterHub starts this process and says where it listens and who may use it.
    """

    spec: str
    name: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    backend: Backend = "auto"
    vllm: str = ""
    allow_download: bool = False
    guide_memory: int | None = None
    service: bool = False

    @property
    def served_name(self) -> str:
        if self.name:
            return self.name
        model, adapter = split_adapter(self.spec)
        names = [model] if adapter is None else [model, adapter]
        return "+".join(_short(name) for name in names)


def _short(name: str) -> str:
    path = Path(name).expanduser()
    return path.resolve().name if path.exists() else name


def serve(options: ServeOptions, say: Callable[[str], None], stopped: threading.Event) -> None:
    """Serve until `stopped` is set. Blocking; `say` takes lines for the user.

    Raises:
        UsageError: it is served already, or the options do not fit together.
        GuideError: the model cannot be had, or its server ended.
    """
    if "#" in options.served_name:
        raise UsageError("A model's name cannot hold a #; choose another with --name.")
    hub = HubService.from_environment(os.environ) if options.service else None
    command = _vllm(options)
    if command is not None and hub is not None:
        raise UsageError(
            "vLLM cannot ask the hub about tokens; use --backend codesteer with --service."
        )
    with _alone(options) if hub is None else contextlib.nullcontext(None) as files:
        if command is None:
            _serve_ourselves(options, hub, files, say, stopped)
        elif files is not None:
            _serve_with_vllm(options, command, files, say, stopped)


def _vllm(options: ServeOptions) -> str | None:
    """The command to run, or None for our own server."""
    from codesteer_jupyter.guides.serving.vllm import vllm_here

    if options.backend == "vllm":
        return options.vllm or "vllm"
    plain = options.backend == "auto" and not options.service
    # vLLM reads GGUF files experimentally only, with another repository's tokenizer.
    return vllm_here() if plain and ".gguf" not in options.spec.casefold() else None


@contextlib.contextmanager
def _alone(options: ServeOptions) -> Iterator[ServerFiles]:
    """The files of this model's only server; the announcement is taken away at the end."""
    files = files_of(options.spec)
    try:
        files.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = hold(files.alive)
    except OSError as error:
        raise UsageError(
            f"Jupyter's runtime folder {files.folder} cannot be used ({error.strerror or error}); "
            "set JUPYTER_RUNTIME_DIR to a folder of your own."
        ) from error
    info = read_announcement(files.info, ServedGuide)
    where = f" at {info.base_url} (process {info.pid})" if info is not None else ""
    if lock is None:
        raise UsageError(f"{options.spec} is served already{where}; notebooks find it there.")
    if info is not None and process_lives(info):
        # Whoever started vLLM was killed, vLLM was not.
        os.close(lock)
        raise UsageError(
            f"{options.spec} is still served{where}, whose starter is gone; notebooks find it "
            "there. End that process to serve it anew."
        )
    try:
        yield files
    finally:
        with contextlib.suppress(OSError):
            files.info.unlink()
        with contextlib.suppress(OSError):
            files.alive.unlink()
        os.close(lock)


def _token() -> str:
    given = os.environ.get(TOKEN_VARIABLE, "").strip()
    if given and len(given) < _LEAST_TOKEN:
        raise UsageError(f"{TOKEN_VARIABLE} is shorter than {_LEAST_TOKEN} characters.")
    if given and not (given.isascii() and given.isprintable()):
        raise UsageError(f"{TOKEN_VARIABLE} may hold ASCII characters only.")
    return given or secrets.token_urlsafe(32)


def _announcement(
    options: ServeOptions, pid: int, port: int, token: str, backend: str, about: str
) -> ServedGuide:
    import psutil

    try:
        created = psutil.Process(pid).create_time()
    except psutil.Error as error:
        raise GuideError("The server's process ended at once; see its lines above.") from error
    return ServedGuide(
        model=options.served_name,
        pid=pid,
        created=created,
        port=port,
        token=token,
        spec=canonical(options.spec),
        backend=backend,
        address="127.0.0.1" if options.host in _EVERYWHERE else options.host,
        about=about,
    )


def _told(info: ServedGuide, options: ServeOptions, files: ServerFiles) -> str:
    return (
        f"Serving {info.model} at {info.base_url} ({info.about}).\n"
        f"Your notebooks use it with --guide local:{options.spec}; other programs with the token "
        f"in {files.info}. Ctrl-C stops it."
    )


def _warn(options: ServeOptions, say: Callable[[str], None]) -> None:
    if options.host not in ("127.0.0.1", "localhost", "::1"):
        say(
            f"Listening on {options.host}: other machines can connect, and nothing is encrypted; "
            "the token is all that keeps them out."
        )


def _serve_ourselves(
    options: ServeOptions,
    hub: HubService | None,
    files: ServerFiles | None,
    say: Callable[[str], None],
    stopped: threading.Event,
) -> None:
    from codesteer_jupyter.guides import loaded
    from codesteer_jupyter.guides.serving.http import GuideServer

    token = _token()
    wish = loaded.Wish(
        options.spec,
        allow_download=options.allow_download,
        memory=None if options.guide_memory is None else options.guide_memory * 2**20,
    )
    engine = loaded.load(wish, say)
    (held,) = [item for item in loaded.status() if item["spec"] == options.spec]
    about = f"{held['held']} on {held['device']}"
    try:
        if hub is None:
            server = GuideServer(
                engine,
                options.served_name,
                one_token(token),
                host=options.host,
                port=options.port,
            )
        else:
            server = GuideServer(
                engine,
                options.served_name,
                HubTokens(hub),
                host=hub.host,
                port=hub.port,
                prefix=hub.prefix,
            )
    except (OSError, OverflowError) as error:
        where = f"{options.host}:{options.port}" if hub is None else f"{hub.host}:{hub.port}"
        raise UsageError(f"Nothing can listen on {where} ({error}); choose another.") from error
    server.start()
    try:
        if files is None:
            say(f"Serving {options.served_name} ({about}) as a service of JupyterHub.")
        else:
            _warn(options, say)
            info = _announcement(options, os.getpid(), server.port, token, "codesteer", about)
            write_announcement(files.info, info)
            say(_told(info, options, files))
        stopped.wait()
        if files is not None:
            files.info.unlink(missing_ok=True)  # nobody new comes while it ends
    finally:
        server.stop()


def _serve_with_vllm(
    options: ServeOptions,
    command: str,
    files: ServerFiles,
    say: Callable[[str], None],
    stopped: threading.Event,
) -> None:
    from codesteer_jupyter.guides import fetch
    from codesteer_jupyter.guides.serving.vllm import Vllm, end, free_port
    from codesteer_jupyter.guides.weights import locate

    model, adapter = split_adapter(options.spec)
    source = locate(model)
    if source.folder is None:
        source = fetch.fetched(source, options.spec, options.allow_download)
    folder = None if adapter is None else fetch.fetched_adapter(adapter, options.allow_download)
    token = _token()
    vllm = Vllm(
        command,
        source.here,
        folder,
        options.served_name,
        options.host,
        options.port or free_port(options.host),
        token,
    )
    _warn(options, say)
    say(f"Starting vLLM for {options.spec}; its own lines follow.")
    process = vllm.start()
    try:
        info = vllm.await_answer(
            process,
            lambda pid: _announcement(options, pid, vllm.port, token, "vllm", "by vLLM"),
            stopped,
        )
        if info is None:
            return
        write_announcement(files.info, info)
        say(_told(info, options, files))
        while not stopped.wait(0.5):
            if process.poll() is not None:
                raise GuideError(
                    f"vLLM ended (exit code {process.returncode}); its last lines above say why."
                )
    finally:
        files.info.unlink(missing_ok=True)
        end(process)
