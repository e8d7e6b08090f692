"""Fetching a local guide's weights from the Hugging Face hub, and only when that was asked for."""

from __future__ import annotations

import importlib
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from codesteer_jupyter.errors import GuideError
from codesteer_jupyter.guides.weights import (
    HUB_ID,
    Source,
    cached_adapter,
    cached_folder,
    locate,
)
from codesteer_jupyter.models.weights import DOWNLOAD_CURE

__all__ = ["FREE_BYTES", "fetched", "fetched_adapter"]

# Up to this size weights are fetched without being asked for.
FREE_BYTES = 200 * 10**6
_SECONDS = 10.0
_TELL_SECONDS = 3.0
_SMALL = ("*.json", "*.model", "*.txt", "*.jinja")


class _GivenUp(Exception):
    """Whoever asked for a download no longer wants it."""


def fetched(
    source: Source,
    spec: str,
    allow_download: bool,
    tell: Callable[[str], None] | None = None,
    cancelled: threading.Event | None = None,
) -> Source:
    """`source` after its repository was fetched into the hub's own cache; `tell` hears of it,
    `cancelled` is set to give up. What was fetched by then is gone on with next time.

    Raises:
        GuideError: unknown or gated repository, hub unreachable, larger than is fetched unasked,
            or given up.
    """
    if source.repository is None:
        raise GuideError(f"{spec} is no hub id; give organisation/name, or a folder.")
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise GuideError(
            f"{spec} is not on this machine and fetching it needs huggingface_hub: "
            "pip install 'codesteer_jupyter[local]', or give a folder."
        ) from error
    wanted = _wanted(HfApi(), source, spec, allow_download)
    total = sum(wanted.values())
    if tell is not None:
        tell(f"Fetching {spec}: {total / 1e9:.2f} GB from the hub.")
    _download(source.repository, [*wanted, *_SMALL], spec, total, tell, cancelled)
    folder = cached_folder(source.repository)
    if folder is None:
        raise GuideError(f"{source.repository} holds no weights that transformers can load.")
    return locate(str(folder / source.gguf) if source.gguf else str(folder))


def _download(
    repository: str,
    patterns: Sequence[str],
    spec: str,
    total: int,
    tell: Callable[[str], None] | None = None,
    cancelled: threading.Event | None = None,
) -> None:
    from huggingface_hub import snapshot_download

    watched = tell is not None or cancelled is not None
    try:
        snapshot_download(
            repository,
            allow_patterns=list(patterns),
            tqdm_class=_bar(spec, total, tell, cancelled) if watched else None,
        )
    except Exception as error:  # network, disk and hub errors of several libraries
        if cancelled is None or not cancelled.is_set():
            # The hub lists a gated repository to anyone and refuses its files.
            if _refuses(error):
                raise _gated(repository) from error
            raise GuideError(f"Fetching {spec} failed ({_first(error)}); try again.") from error
    if cancelled is not None and cancelled.is_set():
        raise GuideError(f"Fetching {spec} was interrupted; ask again to go on with it.")


def _refuses(error: BaseException | None) -> bool:
    """Whether the hub refused a file; a plain 403 is told as the cause of another error."""
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

    while error is not None:
        refused = isinstance(error, HfHubHTTPError) and error.response.status_code in (401, 403)
        if refused or isinstance(error, GatedRepoError):
            return True
        error = error.__cause__
    return False


def _gated(repository: str) -> GuideError:
    return GuideError(
        f"{repository} is gated: accept its licence on the hub and log in (hf auth login)."
    )


def _bar(
    spec: str,
    total: int,
    tell: Callable[[str], None] | None,
    cancelled: threading.Event | None,
) -> type:
    """A progress bar that tells a line now and then instead of drawing itself, and that ends the
    download once `cancelled` is set.
    """
    tqdm: Any = importlib.import_module("huggingface_hub.utils").tqdm
    last = time.monotonic()
    done = 0

    class Told(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._counts_bytes = kwargs.get("unit") == "B"
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> Any:
            nonlocal last, done
            if cancelled is not None and cancelled.is_set():
                _stop_xet()
                raise _GivenUp
            if self._counts_bytes:
                done += int(n or 0)
            if tell is not None and self._counts_bytes and time.monotonic() - last >= _TELL_SECONDS:
                last = time.monotonic()
                tell(f"Fetching {spec}: {done / 1e9:.2f} of {total / 1e9:.2f} GB.")
            return super().update(n)

    return Told


def _stop_xet() -> None:
    """hf_xet calls the bar from a thread of its own, where what is raised ends nothing: its
    transfers are stopped as huggingface_hub stops them at an interrupt.
    """
    xet = sys.modules.get("huggingface_hub.utils._xet")
    abort = getattr(xet, "abort_xet_session", None)
    if abort is not None:
        threading.Thread(target=abort, name="codesteer-stop-xet", daemon=True).start()


def fetched_adapter(
    adapter: str, allow_download: bool, cancelled: threading.Event | None = None
) -> Path:
    """The folder of a LoRA adapter: one that is here, or a hub id. `cancelled` is set to give up.

    Raises:
        GuideError: there is none, it cannot be had, or given up.
    """
    path = Path(adapter).expanduser()
    if path.is_dir():
        if not (path / "adapter_config.json").is_file():
            raise GuideError(
                f"{path} holds no adapter_config.json; give the folder that save_pretrained of "
                "the adapter wrote."
            )
        return path
    if not HUB_ID.fullmatch(adapter) or path.is_absolute() or adapter.startswith((".", "~")):
        raise GuideError(
            f"There is no adapter folder {adapter}; give an existing folder or a hub id behind "
            "the plus sign."
        )
    found = cached_adapter(adapter)
    if found is None:
        from huggingface_hub import HfApi

        wanted = _wanted(HfApi(), Source(None, repository=adapter), adapter, allow_download)
        total = sum(wanted.values())
        _download(adapter, ["adapter_*"], adapter, total, cancelled=cancelled)
        found = cached_adapter(adapter)
    if found is None:
        raise GuideError(f"{adapter} on the hub holds no adapter (adapter_config.json).")
    return found


def _wanted(api: Any, source: Source, spec: str, allow_download: bool) -> dict[str, int]:
    """The weight files to fetch, with their sizes in bytes.

    Raises:
        GuideError: no such repository, no way to it, or more than is fetched unasked.
    """
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        info = api.model_info(source.repository, files_metadata=True, timeout=_SECONDS)
    except GatedRepoError as error:
        raise _gated(str(source.repository)) from error
    except RepositoryNotFoundError as error:
        raise GuideError(
            f"The hub has no model {source.repository} (or it is private: hf auth login); "
            "check the spelling, or give a folder."
        ) from error
    except Exception as error:  # requests, httpx and hub errors; offline mode
        raise GuideError(
            f"{spec} is not on this machine and the Hugging Face hub cannot be reached "
            f"({_first(error)}); give a folder, or go online."
        ) from error
    sizes = {item.rfilename: int(item.size or 0) for item in info.siblings or []}
    if source.gguf is not None:
        chosen = {source.gguf: sizes[source.gguf]} if source.gguf in sizes else {}
    else:
        for ending in (".safetensors", ".bin", ".gguf"):
            chosen = {n: s for n, s in sizes.items() if n.endswith(ending) and "/" not in n}
            if chosen:
                break
    if not chosen:
        named = f" {source.gguf}" if source.gguf else " weights"
        raise GuideError(f"{source.repository} on the hub has no{named} that can be loaded.")
    total = sum(chosen.values())
    if total > FREE_BYTES and not allow_download:
        raise GuideError(
            f"{spec} is not on this machine: {total / 1e9:.1f} GB would be fetched from the hub. "
            f"Nothing that large is fetched unasked: {DOWNLOAD_CURE}.",
            kind="download_refused",
        )
    return chosen


def _first(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0][:200]
