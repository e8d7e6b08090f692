"""Loading weights from a local disk, and the memory that the guide takes beside them."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from codesteer_jupyter.guides.engine.reading import read_model

if TYPE_CHECKING:
    from guide_bench import Bench

# Of the command's time the load may take at most this share; what takes longer is skipped.
_SHARE = 0.4
_PROBE = 2**28


def loading(bench: Bench) -> None:
    """From safetensors on a local disk, against plain reading, both with cold pages."""
    folder = Path(tempfile.mkdtemp(dir=bench.options.scratch, prefix="guide-bench-"))
    try:
        if note := _no_room(bench, folder):
            bench.report.row("load", None, "s", note=f"skipped: {note}")
            return
        bench.model.save_pretrained(folder, max_shard_size="4GB")
        files = sorted(folder.glob("*.safetensors"))
        total = sum(file.stat().st_size for file in files)
        _forget_pages(files)
        began = time.perf_counter()
        read = _plain_read(files[0])
        disk = read / (time.perf_counter() - began)
        bench.drop()
        _forget_pages(files)
        if bench.gpu:
            torch.cuda.reset_peak_memory_stats()
        began = time.perf_counter()
        _load(bench, folder)
        bench.sync()
        bench.load_seconds = time.perf_counter() - began
        rate = total / bench.load_seconds
        bench.report.row(
            "load from safetensors", bench.load_seconds, "s", note=f"{total / 1e9:.1f} GB"
        )
        note = f"{rate / 1e9:.2f} of {disk / 1e9:.2f} GB/s, pages dropped before both"
        bench.report.row("load / sequential read rate", rate / disk, "", "≥ 0.6", note)
        _peak_row(bench, "peak memory above weights while loading", 0)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _load(bench: Bench, folder: Path) -> None:
    cancelled = threading.Event()
    timer = threading.Timer(bench.report.remaining(), cancelled.set)
    timer.daemon = True
    timer.start()
    try:
        model = read_model(folder, bench.dtype, bench.device, None, cancelled)
    finally:
        timer.cancel()
    if model is None:
        raise RuntimeError("the saved model is none that is read here")
    bench.renew(model)


def _no_room(bench: Bench, folder: Path) -> str:
    """Why nothing can be saved in `folder`, or ""."""
    needed, free = bench.weights() * 1.1, shutil.disk_usage(folder).free
    if free < needed + 2e9:
        return f"{needed / 1e9:.0f} GB of disk are needed, {free / 1e9:.0f} are free"
    probe = folder / "probe"
    began = time.perf_counter()
    with probe.open("wb") as file:
        file.write(bytes(min(_PROBE, int(needed))))
        os.fsync(file.fileno())
    took = (time.perf_counter() - began) * needed / probe.stat().st_size
    probe.unlink()
    room = _SHARE * bench.report.remaining()
    return f"writing them would take {took:.0f} s, {room:.0f} are left for it" * (took > room)


def _forget_pages(files: Sequence[Path]) -> None:
    for file in files:
        fd = os.open(file, os.O_RDONLY)
        try:
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


def _plain_read(file: Path) -> int:
    buffer = bytearray(16 * 2**20)
    total = 0
    with file.open("rb", buffering=0) as opened:
        while got := opened.readinto(buffer):
            total += got
    return total


def memory(bench: Bench) -> None:
    """The peak of what the guide itself does, from an engine that has read nothing: a first
    decision, writing at 2k and 6k, a decision behind 6k. Nothing that it is compared with runs.
    """
    bench.renew()
    if bench.gpu:
        torch.cuda.reset_peak_memory_stats()
    first, old, new = bench.ids(2048), bench.ids(6144), bench.ids(800)
    labels = [[11], [12], [13], [14], [15]]
    bench.engine.score(first, labels)
    bench.write(first, 16)
    bench.engine.score(old, labels)
    bench.write(old, 16)
    bench.engine.score([*old, *new], labels)
    bench.sync()
    kept = bench.engine.kept.size()
    _peak_row(bench, "peak memory above weights and cache", kept, "≤ 1.5")


def _peak_row(bench: Bench, name: str, kept: int, aim: str = "") -> None:
    if not bench.gpu:
        bench.report.row(name, None, "GB", aim, "skipped: no GPU")
        return
    held, peak = bench.weights(), torch.cuda.max_memory_allocated()
    note = f"peak {peak / 1e9:.2f} GB, weights {held / 1e9:.2f}, cache {kept / 1e9:.2f}"
    bench.report.row(name, (peak - held - kept) / 1e9, "GB", aim, note)
