"""The guide's benchmark: one part that fails or takes too long costs no other, nor the file."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra [local] is not installed")
pytest.importorskip("transformers", reason="the extra [local] is not installed")
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import guide  # noqa: E402
import guide_decode  # noqa: E402
import guide_load  # noqa: E402
import guide_shape  # noqa: E402


def read(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(path.read_text())["rows"]
    return rows


def test_the_file_is_whole_after_every_row(tmp_path: Path) -> None:
    report = guide.Report({}, 60, tmp_path / "out.json")
    report.row("one", 1.0, "s")
    assert [row["name"] for row in read(tmp_path / "out.json")] == ["one"]
    assert not report.section("two", lambda: 1 / 0)
    assert read(tmp_path / "out.json")[-1]["note"] == "failed: ZeroDivisionError: division by zero"
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_a_long_part_is_cut_off_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(guide.time, "monotonic", lambda: now[0])
    report = guide.Report({}, 10)
    done: list[float] = []

    def work() -> None:
        report.row("its first", 1.0, "s")
        done.append(now[0])
        now[0] += 4

    report.section(
        "long", lambda: guide.in_turns({"it": work}, 100, lambda: None, lambda name: report.check())
    )
    assert done == [0.0, 4.0, 8.0]
    assert report.rows[-1]["note"] == "cut off: the command's time is used up"
    report.section("next", work)
    assert report.rows[-1]["note"] == "skipped: the command's time is used up"


def test_a_load_that_fails_costs_its_own_rows_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any) -> Any:
        raise ImportError("Using a `device_map` requires Accelerate")

    def odd(*args: Any) -> Any:
        raise RuntimeError("CUDA error: misaligned address")

    monkeypatch.setattr(guide_load, "read_model", fails)
    monkeypatch.setattr(guide_decode, "agreement", odd)
    options = argparse.Namespace(tiny=True, times=1, scratch=tmp_path, no_compile=True)
    guide_shape.measure(guide.Report({}, 600, tmp_path / "out.json"), options, "cpu")
    rows = read(tmp_path / "out.json")
    failed = {row["name"]: row["note"] for row in rows if row["note"].startswith("failed")}
    assert set(failed) == {"load", "agreement with a bare pass"}
    assert "requires Accelerate" in failed["load"]
    names = {row["name"] for row in rows if row["value"] is not None}
    assert {"decode at 6k, fixed shapes", "the same / a bare forward pass"} <= names
    assert "guide's share of a five-round question, fixed shapes" in names
    assert rows[-1]["name"] == "4-bit / bfloat16 decode rate at 2k"
