"""Where a local guide's weights are, how large they are, and whether they are whole.

Looks only: nothing is loaded here, and nothing is imported that is not in the core.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from codesteer_jupyter.errors import GuideError

__all__ = [
    "HUB_ID",
    "Source",
    "cached_adapter",
    "cached_folder",
    "hub_cache",
    "is_cached",
    "locate",
    "split_adapter",
]

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_FILE = re.compile(r"([\w.-]+/[\w.-]+)/([\w./-]+\.gguf)", re.I)
_WEIGHTS = ("*.safetensors", "*.bin", "*.gguf")
_MOST_HEADER = 100 * 2**20


@dataclass(frozen=True)
class Source:
    """Weights that are on this machine, or a hub repository that has to be fetched first.

    Attributes:
        folder: the folder with the weights; None if they are not here.
        gguf: name of the GGUF file in it, or in the repository.
        repository: hub id, if it is one.
        bytes: size of the weight files that are here, in bytes.
    """

    folder: Path | None
    gguf: str | None = None
    repository: str | None = None
    bytes: int = 0

    @property
    def here(self) -> Path:
        """The folder with the weights.

        Raises:
            GuideError: they were not fetched.
        """
        if self.folder is None:
            raise GuideError(f"The weights of {self.repository} are not on this machine.")
        return self.folder


def split_adapter(spec: str) -> tuple[str, str | None]:
    """`model+adapter` in two; a path that exists and holds a plus sign is one."""
    if "+" not in spec or Path(spec).expanduser().exists():
        return spec, None
    model, _, adapter = spec.rpartition("+")
    return model, adapter


def hub_cache() -> Path:
    """The Hugging Face cache folder, as its own variables set it."""
    if cache := os.environ.get("HF_HUB_CACHE"):
        return Path(cache).expanduser()
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    return Path(home).expanduser() / "hub"


def cached_folder(repository: str) -> Path | None:
    """The newest complete snapshot of `repository` in the cache, or None."""
    return next((path for path in _snapshots(repository) if _complete(path)), None)


def cached_adapter(repository: str) -> Path | None:
    """The newest snapshot of `repository` that holds a LoRA adapter, or None."""
    found = (path for path in _snapshots(repository) if (path / "adapter_config.json").is_file())
    return next((path for path in found if _files(path)), None)


def _snapshots(repository: str) -> list[Path]:
    root = hub_cache() / f"models--{repository.replace('/', '--')}" / "snapshots"
    try:
        return sorted(root.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        return []


def is_cached(repository: str) -> bool:
    """Whether all weights of `repository` are in the cache."""
    return cached_folder(repository) is not None


def _complete(folder: Path) -> bool:
    files = _files(folder)
    if not files:
        return False
    for index in folder.glob("*.index.json"):
        try:
            shards = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError):
            return False
        if not all((folder / shard).is_file() for shard in shards):
            return False
    return any(file.suffix == ".gguf" for file in files) or (folder / "config.json").is_file()


def _files(folder: Path) -> list[Path]:
    """Weight files; of several kinds only the one that would be loaded."""
    for pattern in _WEIGHTS:
        found = sorted(path for path in folder.glob(pattern) if path.is_file())
        if found:
            return found
    return []


def locate(model: str) -> Source:
    """Find `model`: a folder, a GGUF file, or a hub id (perhaps cached).

    Raises:
        GuideError: no such folder or file, or its weights are missing or cut off.
    """
    path = Path(model).expanduser()
    if path.is_file():
        if path.suffix.casefold() != ".gguf":
            raise GuideError(f"{path} is no .gguf file; give its folder, or a .gguf file.")
        return Source(path.parent, gguf=path.name, bytes=path.stat().st_size)
    if path.is_dir():
        return _in_folder(path)
    if found := _HUB_FILE.fullmatch(model):
        repository, name = found.groups()
        folder = cached_folder(repository)
        if folder is not None and (folder / name).is_file():
            return Source(folder, name, repository, (folder / name).stat().st_size)
        return Source(None, name, repository)
    if not HUB_ID.fullmatch(model) or path.is_absolute() or model.startswith((".", "~")):
        raise GuideError(
            f"There is no model folder {model}; give an existing folder, a .gguf file, or a hub "
            "id such as organisation/name."
        )
    folder = cached_folder(model)
    if folder is None:
        return Source(None, repository=model)
    source = _in_folder(folder)
    return Source(source.folder, source.gguf, model, source.bytes)


def _in_folder(folder: Path) -> Source:
    files = _files(folder)
    if not files:
        raise GuideError(
            f"{folder} holds no weights (.safetensors, .bin or .gguf); give the folder that "
            "save_pretrained or the download wrote."
        )
    total = sum(path.stat().st_size for path in files)
    if files[0].suffix == ".gguf":
        if len(files) > 1:
            names = ", ".join(path.name for path in files)
            raise GuideError(f"{folder} holds several GGUF files; name one of {names}.")
        return Source(folder, gguf=files[0].name, bytes=total)
    if not (folder / "config.json").is_file():
        raise GuideError(f"{folder} holds no config.json; give a complete model folder.")
    if not _complete(folder):
        raise GuideError(f"{folder} lacks some of its weight files; download it again.")
    for path in files:
        if path.suffix == ".safetensors":
            _check_whole(path)
    return Source(folder, bytes=total)


def _check_whole(path: Path) -> None:
    """A safetensors file says in its header how long it is."""
    size = path.stat().st_size
    expected = None
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if 8 + length <= min(size, _MOST_HEADER):
                header = json.loads(file.read(length))
                ends = [v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"]
                expected = 8 + length + max(ends, default=0)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        expected = None
    if expected != size:
        told = f" ({size:,} of {expected:,} bytes)" if expected and expected > size else ""
        raise GuideError(
            f"The weights in {path} are cut off or damaged{told}; download them again."
        )
