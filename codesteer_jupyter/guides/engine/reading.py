"""Weights from safetensors files straight to the device, as fast as the disk gives them.

Several threads read large pieces and hand them over through pinned memory, so that reading and
copying overlap; pieces are brought to the model's dtype on the way, so that nothing is held twice.
The format: an 8-byte length, a JSON header with each tensor's dtype, shape and byte range, then the
bytes.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from codesteer_jupyter.guides.engine.building import bare_model, complete, fill, places

__all__ = ["complete", "read_model", "read_tensors", "readable"]

# A multiple of every dtype's width.
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
    """Bytes `begin` to `end` of the file: numbers of `dtype` that belong into `into`."""

    into: Any
    dtype: Any
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
    does not do, and `complete` has to: transformers does not know the model by itself, its weights
    are quantised or otherwise converted, or not all of them are there.
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig, GenerationConfig

    files = sorted(folder.glob("*.safetensors"))
    config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    kind = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    special = getattr(config, "quantization_config", None) or hasattr(config, "auto_map")
    if special or kind is None or not readable(files):
        return None
    model = bare_model(config, dtype, device)
    if model is None:
        return None
    where = places(model, {k: v for path in files for k, v in _header(path)[0].items()})
    if where is None:
        return None
    fill(model, read_tensors(files, device, where, tell, cancelled))
    if (folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(str(folder))
    return model


def read_tensors(
    files: Sequence[Path],
    device: Any,
    where: Mapping[str, tuple[str, Any]],
    tell: Callable[[int, int], None] | None = None,
    cancelled: threading.Event | None = None,
) -> dict[str, Any]:
    """The tensors in `files` that `where` names, on `device`, each by the name and of the dtype
    that `where` says. `tell` hears how many bytes were read, and of how many.

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
            if name not in where:
                continue
            place, dtype = where[name]
            tensor = torch.empty(entry["shape"], dtype=dtype, device=device)
            tensors[place] = tensor
            flat, saved = tensor.reshape(-1), _DTYPES[entry["dtype"]]
            begin, end = (base + offset for offset in entry["data_offsets"])
            for at in range(begin, end, _PIECE):
                stop = min(at + _PIECE, end)
                first, last = ((byte - begin) // saved.itemsize for byte in (at, stop))
                pieces.append(_Piece(flat[first:last], saved, at, stop))
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
    """What reads one piece; to be made in the thread that allocated the tensors."""
    own = threading.local()
    allocated = torch.cuda.current_stream(device) if device.type == "cuda" else None

    def buffer(size: int, **options: Any) -> Any:
        """This thread's, `size` bytes of it."""
        if not hasattr(own, "buffer"):
            own.buffer = torch.empty(_PIECE, dtype=torch.uint8, **options)
        return own.buffer[:size]

    def through_pinned_memory(fd: int, piece: _Piece) -> None:
        if not hasattr(own, "stream"):
            own.stream = torch.cuda.Stream(device)
            # The allocator hands out memory that kernels before on its stream may still write to.
            own.stream.wait_stream(allocated)
        size = piece.end - piece.begin
        pinned = buffer(size, pin_memory=True)
        _fill(fd, pinned.numpy(), piece.begin)
        with torch.cuda.stream(own.stream):
            if piece.dtype == piece.into.dtype:
                piece.into.view(torch.uint8).copy_(pinned, non_blocking=True)
            else:
                if not hasattr(own, "staged"):
                    own.staged = torch.empty(_PIECE, dtype=torch.uint8, device=device)
                staged = own.staged[:size]
                staged.copy_(pinned, non_blocking=True)
                piece.into.copy_(staged.view(piece.dtype))
        # Whoever uses the tensor comes after this, on whatever stream.
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
            elif device.type == "cpu" and piece.dtype == piece.into.dtype:
                _fill(fd, piece.into.view(torch.uint8).numpy(), piece.begin)
            else:
                here = buffer(size)
                _fill(fd, here.numpy(), piece.begin)
                # Brought to its dtype here, because not every device knows every dtype.
                piece.into.copy_(here.view(piece.dtype).to(piece.into.dtype))
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
