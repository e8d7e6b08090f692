"""What one round of generated code costs, beside the ways others run it.

    python benchmarks/execution.py [--n 30] [--gigabytes 2] [--smolagents FOLDER]

Starts a real ipykernel and measures inside it (`execution_rows.py`), prints a table of Markdown
and writes it to `benchmarks/execution.md`. What a ratio compares is measured in turns, so that a
change of the machine's load meets both; trust the ratios. `--smolagents` names a folder it is
installed in (`pip install --target FOLDER smolagents`): it is no dependency of ours.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.manager import KernelManager

HERE = Path(__file__).resolve().parent
GIB = 2**30
SECONDS = 3600.0

# What a row's ratio or difference must be: name, sentence, bound, unit, better when larger.
TARGETS = (
    (
        "upstream_over_fork",
        "`subprocess.run([python, file])` over a confined `fork`",
        40,
        "x",
        True,
    ),
    (
        "fork_over_bare",
        "a confined `fork` over a bare fork-exit-wait of that kernel",
        2,
        "x",
        False,
    ),
    ("huge_over_none", "`fork` with the arrays in huge pages over without them", 1.5, "x", False),
    ("small_over_none", "`fork` with the arrays in 4 KiB pages over without them", 0, "x", False),
    ("confinement_adds", "confinement adds to a `fork`", 3, "ms", False),
    ("diff", "diff of the large namespace, one element changed", 60, "ms", False),
    ("adopt_over_pickle", "adopt of 400 MB over pickling it through a socket", 0.5, "x", False),
    ("child", "a round in a warm `child`, after its first", 15, "ms", False),
    ("pool_pss", "the idle pool (supervisor and kernel), PSS", 45, "MB", False),
    ("smol_loop", "smolagents' local executor over `fork`: a loop of 100,000", 0, "x", True),
    (
        "smol_loop_child",
        "smolagents' local executor over a warm `child`: a loop of 100,000",
        0,
        "x",
        True,
    ),
    ("smol_fib", "smolagents' local executor over `fork`: fib(17)", 0, "x", True),
    ("smol_fib_child", "smolagents' local executor over a warm `child`: fib(17)", 0, "x", True),
)


def in_a_kernel(options: dict[str, Any]) -> dict[str, Any]:
    """Run `execution_rows.measure(options)` in a cell of a new kernel; what it found."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "rows.json"
        manager = KernelManager(kernel_name="python3")
        manager.start_kernel(cwd=folder)
        client = manager.client()
        try:
            client.start_channels()
            client.wait_for_ready(timeout=120)
            cell = (
                f"import sys; sys.path[:0] = {[str(HERE.parent), str(HERE)]!r}\n"
                "from execution_rows import measure\n"
                f"measure(get_ipython(), {options!r}, {str(answer)!r})"
            )
            reply = client.execute_interactive(
                cell, timeout=SECONDS, output_hook=_show, allow_stdin=False
            )
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
        if reply["content"]["status"] != "ok":
            sys.exit(f"the kernel failed: {reply['content'].get('evalue')}")
        found: dict[str, Any] = json.loads(answer.read_text())
    return found


def _show(message: dict[str, Any]) -> None:
    content = message["content"]
    text = content.get("text") or "\n".join(content.get("traceback", ()))
    sys.stderr.write(text + ("\n" if content.get("traceback") else ""))


def machine(smolagents: str) -> str:
    """Processor, memory, kernel, page settings and versions."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    huge = "unknown"
    with contextlib.suppress(OSError):
        text = Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
        huge = text.partition("[")[2].partition("]")[0]
    names = ("ipykernel", "ipython", "numpy", "pandas", "sympy")
    return (
        f"{model}, {os.cpu_count()} cores, {psutil.virtual_memory().total / GIB:.0f} GiB; "
        f"{platform.system()} {platform.release()}, transparent huge pages: {huge}; "
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {_version(name)}" for name in names)
        + f", smolagents {smolagents}"
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "-"


def load() -> str:
    return "/".join(f"{each:.1f}" for each in os.getloadavg())


def table(found: dict[str, Any], before: str, arguments: str) -> str:
    """The whole page."""
    lines = [
        "# One round of generated code",
        "",
        f"    python benchmarks/execution.py{arguments}",
        "",
        machine(found["smolagents"]) + ".",
        f"Load average {before} before, {load()} after. Every row of a group is measured in turns",
        "with the others, inside a real ipykernel. A round is from the program to its `Execution`.",
        f"The program is `{found['program']}` where no other is named.",
        "",
        "| what | median | least | n |",
        "| --- | ---: | ---: | ---: |",
    ]
    for row in found["rows"]:
        numbers = f"{row['median']:.1f} {row['unit']} | {row['least']:.1f} | {row['n']}"
        lines.append(f"| {row['what']} | {numbers} |")
    lines += [
        "",
        "| measured against | of medians | of least | aim | |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for name, sentence, bound, unit, larger in TARGETS:
        value = found["results"].get(name)
        if value is None:
            continue
        shown = [f"{each:.2f} {unit}" for each in value]
        aim = f"{'≥' if larger else '≤'} {bound:g} {unit}" if bound else ""
        met = "" if not bound else ("met" if (value[0] >= bound) is larger else "**missed**")
        lines.append(f"| {sentence} | {shown[0]} | {shown[-1]} | {aim} | {met} |")
    if found["layers"]:
        lines += ["", f"In force in the confined `fork`: {', '.join(found['layers'])}."]
        lines += [f"In the one called unconfined: {', '.join(found['layers_without'])}."]
    if found["skipped"]:
        lines += ["", "Not measured:", ""]
        lines += [f"- {what}: {why}" for what, why in found["skipped"]]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--n", type=int, default=30, help="rounds of each row")
    parser.add_argument("--gigabytes", type=float, default=2.0, help="of arrays in the namespace")
    parser.add_argument("--smolagents", default="", help="folder it is installed in")
    parser.add_argument("--out", type=Path, default=HERE / "execution.md")
    given = parser.parse_args()
    before = load()
    options = {"n": given.n, "gigabytes": given.gigabytes, "smolagents": ""}
    found = in_a_kernel({**options, "part": "rounds"})
    # In a kernel of its own: what it imports would make the other forks dearer.
    more = in_a_kernel({**options, "part": "smolagents", "smolagents": given.smolagents})
    for key in ("rows", "skipped"):
        found[key] += more[key]
    found["skipped"] = [list(each) for each in dict.fromkeys(map(tuple, found["skipped"]))]
    found["results"].update(more["results"])
    found["smolagents"] = more["smolagents"]
    arguments = f" --smolagents {Path(given.smolagents).name}" if given.smolagents else ""
    page = table(found, before, arguments)
    print(page)
    given.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
