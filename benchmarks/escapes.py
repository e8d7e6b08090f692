"""How many attempts to escape succeed when one layer of confinement is missing.

    python benchmarks/escapes.py [--run child --run subprocess] [--without LAYER ...] > escapes.md

Every attempt of the corpus is made through each executor, once with all layers of this host and
once without each of them (the testing aid CODESTEER_CONFINEMENT_WITHOUT). Counted is what had an
effect outside. Half a minute for each cell on a quiet machine with two cores.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Mapping, Sequence

from codesteer_jupyter.execution.confinement import LAYERS, WITHOUT, probe
from codesteer_jupyter.execution.escapes import CORPUS, Finding, prove
from codesteer_jupyter.execution.escapes.host import host_facts
from codesteer_jupyter.views.text import output_text

# What every executor has by its nature cannot be left out.
ALWAYS = ("process", "environment", "supervisor", "process_group")
NAMESPACES = ("userns", "pidns", "netns", "ipcns", "mountns", "readonly")
GROUPS: dict[str, tuple[str, ...]] = {
    "nothing is missing": (),
    **{name: (name,) for name in LAYERS if name not in ALWAYS},
    "userns and all that need it, landlock": (*NAMESPACES, "landlock"),
    "userns and all that need it, seccomp": (*NAMESPACES, "seccomp"),
    "every one of these": tuple(name for name in LAYERS if name not in ALWAYS),
}


def counted(executor: str, without: Sequence[str]) -> list[Finding]:
    os.environ[WITHOUT] = ",".join(without)
    return list(
        prove(
            executor,
            environment={**os.environ, WITHOUT: ",".join(without)},
            shown=output_text,
        )
    )


def cell(findings: Sequence[Finding]) -> str:
    tried = [item for item in findings if item.outcome in ("blocked", "succeeded")]
    succeeded = [item for item in tried if item.outcome == "succeeded"]
    not_run = [item for item in findings if item.outcome == "not run"]
    broken = sum(item.broken for item in succeeded)
    text = f"{len(succeeded)} of {len(tried)}"
    text += f" ({broken} against a claim)" if broken else ""
    return text + (f", {len(not_run)} not run" if not_run else "")


def names(findings: Sequence[Finding]) -> str:
    found = sorted(item.attempt.name for item in findings if item.outcome == "succeeded")
    return ", ".join(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", action="append", dest="executors")
    parser.add_argument("--without", action="append", choices=list(GROUPS))
    given = parser.parse_args()
    executors = given.executors or ["child", "subprocess"]
    groups: Mapping[str, tuple[str, ...]] = (
        {name: GROUPS[name] for name in given.without} if given.without else GROUPS
    )
    facts = host_facts()
    print("# Attempts to escape that succeed, by missing layer\n")
    print(
        f"Linux {facts['kernel']} on {facts['machine']}, Landlock ABI {facts['landlock_abi']}, "
        f"user {facts['uid']}, Python {platform.python_version()}; {len(CORPUS)} attempts.\n"
    )
    os.environ.pop(WITHOUT, None)
    absent = {name: reason for name, reason in probe().items() if reason}
    if absent:
        print(f"Not to be had on this host: {absent}\n")
    print("| missing | " + " | ".join(executors) + " |")
    print("| --- |" + " --- |" * len(executors), flush=True)
    told = []
    for label, without in groups.items():
        row = {name: counted(name, without) for name in executors}
        print(f"| {label} | " + " | ".join(map(cell, row.values())) + " |", flush=True)
        told += [f"- {label}, {name}: {names(found)}" for name, found in row.items()]
    print("\nWhich ones succeeded:\n")
    print("\n".join(line for line in told if not line.endswith(": ")))


if __name__ == "__main__":
    main()
