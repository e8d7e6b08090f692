"""Weights from safetensors files straight to the device, as fast as the disk gives them.

Several threads read large pieces and hand them over through pinned memory, so that reading and
copying overlap; nothing is held twice. The format: an 8-byte length, a JSON header with each
tensor's dtype, shape and byte range, then the bytes.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

__all__ = ["read_model", "read_tensors", "readable"]

_PIECE = 16 * 2**20
_THREADS = 8
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True)
class _Piece:
    """Bytes `begin` to `end` of the file, which are those from `at` on of `into`."""

    into: Any
    at: int
    begin: int
    end: int


def _header(path: Path) -> tuple[dict[str, Any], int]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header, 8 + length


def readable(files: Sequence[Path]) -> bool:
    """Whether all tensors in `files` have a dtype that is known here."""
    return bool(files) and all(
        tensor["dtype"] in _DTYPES for path in files for tensor in _header(path)[0].values()
    )


def read_model(
    folder: Path,
    dtype: Any,
    device: Any,
    tell: Callable[[int, int], None] | None = None,
    cancelled: threading.Event | None = None,
) -> Any:
    """The causal language model in `folder`, its weights read by `read_tensors`. None where that
    does not do: transformers does not know the model by itself, or its weights are quantised.
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig, GenerationConfig

    files = sorted(folder.glob("*.safetensors"))
    config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    kind = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    special = getattr(config, "quantization_config", None) or hasattr(config, "auto_map")
    if special or kind is None or not readable(files):
        return None
    tensors = read_tensors(files, device, tell, cancelled)
    # The tensors become the parameters: nothing is copied, names are mapped, ties are tied.
    model = kind.from_pretrained(
        None, config=config, state_dict=tensors, dtype=dtype, device_map={"": str(device)}
    )
    if (folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(str(folder))
    return model


def read_tensors(
    files: Sequence[Path],
    device: Any,
    tell: Callable[[int, int], None] | None = None,
    cancelled: threading.Event | None = None,
) -> dict[str, Any]:
    """All tensors in `files` by name, on `device`, as they were saved. `tell` hears how many bytes
    are there, and of how many.

    Raises:
        OSError: a file ends early or cannot be read.
        InterruptedError: `cancelled` was set.
    """
    device = torch.device(device)
    tensors: dict[str, Any] = {}
    plans: list[tuple[Path, list[_Piece]]] = []
    for path in files:
        header, base = _header(path)
        pieces: list[_Piece] = []
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"][0]):
            tensor = torch.empty(entry["shape"], dtype=_DTYPES[entry["dtype"]], device=device)
            tensors[name] = tensor
            begin, end = (base + offset for offset in entry["data_offsets"])
            if end > begin:
                flat = tensor.reshape(-1).view(torch.uint8)
                pieces += [
                    _Piece(flat, at - begin, at, min(at + _PIECE, end))
                    for at in range(begin, end, _PIECE)
                ]
        plans.append((path, pieces))
    total = sum(piece.end - piece.begin for _, pieces in plans for piece in pieces)
    done = 0
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="weights") as pool:
        for read in pool.map(_read_piece(device), _all_pieces(plans, cancelled)):
            done += read
            if tell is not None:
                tell(done, total)
    if cancelled is not None and cancelled.is_set():
        raise InterruptedError("loading was interrupted")
    return tensors


def _all_pieces(
    plans: list[tuple[Path, list[_Piece]]], cancelled: threading.Event | None
) -> Iterator[tuple[Path, _Piece, threading.Event | None]]:
    for path, pieces in plans:
        for piece in pieces:
            yield path, piece, cancelled


def _read_piece(
    device: Any,
) -> Callable[[tuple[Path, _Piece, threading.Event | None]], int]:
    own = threading.local()

    def through_pinned_memory(fd: int, piece: _Piece) -> None:
        if not hasattr(own, "buffer"):
            own.buffer = torch.empty(_PIECE, dtype=torch.uint8, pin_memory=True)
            own.stream = torch.cuda.Stream(device)
        size = piece.end - piece.begin
        _fill(fd, own.buffer[:size].numpy(), piece.begin)
        with torch.cuda.stream(own.stream):
            piece.into[piece.at : piece.at + size].copy_(own.buffer[:size], non_blocking=True)
        own.stream.synchronize()

    def read(job: tuple[Path, _Piece, threading.Event | None]) -> int:
        path, piece, cancelled = job
        if cancelled is not None and cancelled.is_set():
            return 0
        size = piece.end - piece.begin
        fd = os.open(path, os.O_RDONLY)
        try:
            if device.type == "cuda":
                through_pinned_memory(fd, piece)
            elif device.type == "cpu":
                _fill(fd, piece.into[piece.at : piece.at + size].numpy(), piece.begin)
            else:
                buffer = torch.empty(size, dtype=torch.uint8)
                _fill(fd, buffer.numpy(), piece.begin)
                piece.into[piece.at : piece.at + size].copy_(buffer)
        finally:
            os.close(fd)
        return size

    return read


def _fill(fd: int, into: Any, offset: int) -> None:
    view = memoryview(into)
    while view:
        got = os.preadv(fd, [view], offset)
        if got == 0:
            raise OSError("the file ends before its last tensor")
        view, offset = view[got:], offset + got
