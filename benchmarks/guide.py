"""How fast the local guide decides and writes, and what it holds: one command, a table and JSON.

    python benchmarks/guide.py [--device cuda|cpu] [--out FILE.json]
    python benchmarks/guide.py --device cpu --model smollm2.gguf --threads 1
    python benchmarks/guide.py --device cpu --tiny      # the GPU's whole flow, on tiny shapes

With a GPU: a model of exactly Llama-3-8B's shape with random weights, in bfloat16, on random token
ids (speed does not depend on either; quality is not claimed). Each measure has its limit beside it,
measured in the same run. On a CPU with `--model`: time to guidance at round 5 of a dialogue, with
what was read kept and without, taken in turns.

Needs torch >= 2.11 and transformers >= 5.17, nothing else of this package's dependencies for the
first; it fits a 10-minute command (`--budget`). The JSON file is whole after every row.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


class OutOfTime(Exception):
    """The command's time is used up."""


class Report:
    """Rows of a Markdown table and the same as JSON, which is written anew at every row: whatever
    ends the command, what was measured by then is there.

    Args:
        about: what was run where.
        budget: seconds for the whole command.
        path: of the JSON file, if one is wanted.
    """

    def __init__(self, about: dict[str, Any], budget: float, path: Path | None = None) -> None:
        self.about = about
        self.rows: list[dict[str, Any]] = []
        self._until = time.monotonic() + budget
        self._path = path

    def row(self, name: str, value: float | None, unit: str, aim: str = "", note: str = "") -> None:
        self.rows.append({"name": name, "value": value, "unit": unit, "aim": aim, "note": note})
        shown = "–" if value is None else f"{value:.4g}"
        print(f"| {name} | {shown} | {unit} | {aim} | {note} |", flush=True)
        self.write()

    def remaining(self) -> float:
        """Seconds that are left, at least 0."""
        return max(0.0, self._until - time.monotonic())

    def check(self) -> None:
        """Raises:
        OutOfTime: nothing is left.
        """
        if not self.remaining():
            raise OutOfTime

    def section(self, name: str, work: Callable[[], None]) -> bool:
        """Run one part; what breaks or is out of time says so and leaves the others alone. Whether
        it ended well.
        """
        began = len(self.rows)
        try:
            self.check()
            work()
        except OutOfTime:
            how = "skipped" if len(self.rows) == began else "cut off"
            self.row(name, None, "", note=f"{how}: the command's time is used up")
        except Exception as error:
            first = (str(error).strip() or type(error).__name__).split("\n")[0][:160]
            self.row(name, None, "", note=f"failed: {type(error).__name__}: {first}")
            return False
        return True

    def write(self) -> None:
        """Replace the file as a whole: it never holds half a report."""
        if self._path is None:
            return
        self.about["load_average_after"] = list(os.getloadavg())
        new = self._path.with_name(self._path.name + ".new")
        new.write_text(json.dumps({"about": self.about, "rows": self.rows}, indent=1) + "\n")
        new.replace(self._path)


def in_turns(
    works: Mapping[str, Callable[[], Any]],
    times: int,
    sync: Callable[[], None],
    begin: Callable[[str], None],
) -> dict[str, float]:
    """Median wall time of each, with the device idle before and after, taken in turns so that a
    change of load meets all of them. `begin` is called before each, outside of its time.
    """
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(times):
        for name, work in works.items():
            begin(name)
            sync()
            began = time.perf_counter()
            work()
            sync()
            taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(each) for name, each in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument(
        "--device", choices=("cuda", "cpu"), help="default: cuda where there is one"
    )
    parser.add_argument("--tiny", action="store_true", help="tiny shapes, to try the flow")
    parser.add_argument("--model", type=Path, help="CPU: GGUF file or folder of a real model")
    parser.add_argument("--threads", type=int, help="CPU threads; default: torch's own")
    parser.add_argument("--times", type=int, default=3, help="repetitions of a measure")
    parser.add_argument("--budget", type=float, default=520, help="seconds for the whole command")
    parser.add_argument("--scratch", type=Path, help="folder for 16 GB of weights; default: /tmp")
    parser.add_argument("--no-compile", action="store_true", help="CUDA graphs only")
    parser.add_argument("--out", type=Path, help="also write JSON to this file")
    options = parser.parse_args()
    began = time.monotonic()
    import torch
    import transformers

    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if options.threads:
        torch.set_num_threads(options.threads)
    about: dict[str, Any] = {
        "command": " ".join(["python", *sys.argv]),
        "when": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU",
        "load_average_before": list(os.getloadavg()),
    }
    for name, fact in about.items():
        print(f"{name}: {fact}")
    print("\n| measure | value | unit | aim | note |\n| --- | ---: | --- | --- | --- |")
    report = Report(about, options.budget - (time.monotonic() - began), options.out)
    if device == "cpu" and options.model is not None:
        from guide_dialogue import measure
    else:
        from guide_shape import measure
    measure(report, options, device)
    report.write()
    print(f"\nload average after: {os.getloadavg()}", flush=True)
    if any(thread.name == "codesteer-compile" for thread in threading.enumerate()):
        os._exit(0)  # a compiler that was not waited for aborts the process as it ends


if __name__ == "__main__":
    main()
