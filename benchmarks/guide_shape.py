"""All parts of the measurement on Llama-3-8B's shape, the ones that matter most first."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import guide_decide
import guide_decode
import guide_load
from guide_bench import Bench

if TYPE_CHECKING:
    from guide import Report


def measure(report: Report, options: argparse.Namespace, device: str) -> None:
    bench = Bench(report, options, device)
    parts = sum(p.numel() for p in bench.model.parameters())
    report.row("parameters", parts / 1e9, "10⁹", note=f"random, {bench.dtype}")
    how = "graphs" if bench.gpu else "fixed shapes"
    bench.part("copy bandwidth", bench.measure_bandwidth)
    bench.part("load", lambda: guide_load.loading(bench))
    bench.part("peak memory", lambda: guide_load.memory(bench))
    bench.part("decode", lambda: guide_decode.decode(bench, how))
    bench.part("agreement with a bare pass", lambda: guide_decode.agreement(bench))
    bench.part("first decision", lambda: guide_decide.first_decision(bench))
    bench.part("next guidance", lambda: guide_decide.next_guidance(bench))
    bench.part("prompt lookup", lambda: guide_decode.drafts(bench))
    bench.part("five rounds", lambda: guide_decide.five_rounds(bench, how))
    # What may take long or needs other packages comes last.
    bench.part("compile", lambda: guide_decode.compiled(bench))
    bench.part("4-bit", lambda: guide_decode.four_bit(bench))
