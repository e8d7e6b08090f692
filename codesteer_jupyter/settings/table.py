"""The one table of settings: each field of `Settings` with its meaning is one row of it."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from codesteer_jupyter.errors import UsageError
from codesteer_jupyter.settings.kinds import KINDS, Kind, Prices, number, whole
from codesteer_jupyter.steering.codec import to_json
from codesteer_jupyter.steering.execution import Access, Limits
from codesteer_jupyter.steering.parts import Budget
from codesteer_jupyter.steering.procedure import ProcedureName, procedure

__all__ = ["SETTINGS", "Setting", "Settings", "nearest", "setting_named"]

Scope = Literal["magic", "cli", "trait"]
EVERYWHERE: frozenset[Scope] = frozenset({"magic", "cli", "trait"})
_ROW = "codesteer_setting"
MIB, MB = 2**20, 10**6


@dataclass(frozen=True)
class Setting:
    """One row of the table.

    Attributes:
        name: as in the record, in traits and in Python.
        flags: how the option is written; a flag's `--no-` form is in `off`.
        metavar: what stands for its value in help.
        default: None where the procedure or the machine decides; `help` then says how.
        scope: where it can be given: `magic` and `cli` options, `trait` (with its environment
            variable and its place in the file of choices).
    """

    name: str
    kind: Kind
    default: Any
    help: str
    flags: tuple[str, ...]
    metavar: str = ""
    choices: tuple[str, ...] = ()
    scope: frozenset[Scope] = EVERYWHERE
    off: str = ""
    read_number: Callable[[Any], Any] | None = None

    @property
    def env(self) -> str | None:
        """Its environment variable; None where a lasting value makes no sense."""
        return f"CODESTEER_{self.name.upper()}" if "trait" in self.scope else None

    @property
    def takes_value(self) -> bool:
        return self.kind.name != "flag"

    def read(self, value: Any, source: str) -> Any:
        """The value, checked.

        Raises:
            UsageError: it does not fit; `source` says where it was written.
        """
        if value is None and self.default is None:
            return None
        try:
            found = (self.read_number or self.kind.read)(value)
        except ValueError as error:
            raise UsageError(f"{source} takes {error}, not {_shown(value)}.") from None
        if self.choices and found not in self.choices:
            near = nearest(str(found), self.choices)
            hint = f" (did you mean {near}?)" if near else ""
            raise UsageError(f"{source} takes {_either(self.choices)}, not {_shown(value)}{hint}.")
        return found


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _either(choices: Iterable[str]) -> str:
    *first, last = choices
    return f"{', '.join(first)} or {last}" if first else last


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The name that looks most like `word`, if any does."""
    pool = list(names)
    found = difflib.get_close_matches(word.casefold(), pool, n=1, cutoff=0.6)
    if found:
        return found[0]
    bare = word.casefold().lstrip("-")
    starts = [name for name in pool if bare and name.lstrip("-").startswith(bare)]
    return starts[0] if starts else None


def _row(
    default: Any,
    kind: str,
    help_: str,
    *flags: str,
    metavar: str = "",
    choices: tuple[str, ...] = (),
    scope: Iterable[Scope] = EVERYWHERE,
    off: str = "",
    read: Callable[[Any], Any] | None = None,
) -> Any:
    row = {
        "kind": KINDS[kind],
        "help": help_,
        "flags": flags,
        "metavar": metavar,
        "choices": choices,
        "scope": frozenset(scope),
        "off": off,
        "read_number": read,
    }
    return field(default=default, metadata={_ROW: row})


_BOTH: tuple[Scope, ...] = ("magic", "cli")


@dataclass(frozen=True)
class Settings:
    """All settings of one run, resolved. Frozen; never holds a key."""

    model: str = _row(
        "",
        "text",
        "task model: openai:NAME, anthropic:, mistral:, deepseek:, ollama:, vllm:, llamacpp:, "
        "embedded[:NAME], scripted:FILE, replay:RUN, or http(s)://…/v1#NAME",
        "--model",
        "-m",
        metavar="MODEL",
    )
    guide: str = _row(
        "",
        "text",
        "guide: rules, self, endpoint:MODEL, local:MODEL[+ADAPTER]; unset: published weights "
        "that are in the cache, else rules",
        "--guide",
        "-g",
        metavar="GUIDE",
    )
    run: str = _row(
        "auto",
        "text",
        "where code runs: auto, fork (a snapshot of this notebook's kernel), child (a kernel of "
        "its own), subprocess (a plain script), live (this notebook's kernel), or an installed "
        "executor",
        "--run",
        metavar="EXECUTOR",
    )
    rounds: int | None = _row(
        None,
        "whole",
        "answers at most; unset: as the procedure says (default 5)",
        "--rounds",
        metavar="N",
        read=whole(1),
    )
    budget: Budget = _row(
        Budget(),
        "budget",
        "what a run may spend at most, e.g. seconds=60,tokens=20000,usd=0.5; unset: no bound",
        "--budget",
        metavar="BOUNDS",
    )
    check: bool = _row(
        True,
        "flag",
        "let the task model write a program that checks its answer",
        "--check",
        off="--no-check",
    )
    procedure: str = _row(
        "default",
        "text",
        "which procedure: ours, the paper's text, or the released runners'",
        "--procedure",
        metavar="NAME",
        choices=get_args(ProcedureName),
    )
    profile: str = _row(
        "default",
        "text",
        "prompt profile: a name or a folder",
        "--profile",
        metavar="PROFILE",
    )
    stateful: bool = _row(
        False,
        "flag",
        "keep the names one round made for the next; unset: each round starts from the same base",
        "--stateful",
        off="--no-stateful",
    )
    diff: str = _row(
        "named",
        "text",
        "in which values changes in place are looked for: those the code names, or all",
        "--diff",
        metavar="WHICH",
        choices=("named", "all"),
    )
    seed: int | None = _row(
        None, "whole", "seed of what samples; unset: none is sent", "--seed", metavar="N"
    )
    temperature: float | None = _row(
        None,
        "number",
        "temperature of the task model; unset: as the procedure says (default 0)",
        "--temperature",
        metavar="T",
    )
    max_tokens: int | None = _row(
        None,
        "whole",
        "output tokens of one answer at most; unset: as the procedure says (default 2000)",
        "--max-tokens",
        metavar="N",
        read=whole(1),
    )
    wall: float | None = _row(
        None,
        "number",
        "wall time of one execution, s; unset: as the procedure says (default 30)",
        "--wall",
        metavar="SECONDS",
        read=number(0, above=True),
    )
    memory: int | None = _row(
        None,
        "whole",
        "memory of generated code with all its processes, MiB; unset: half of what is free, at "
        "most 4096",
        "--memory",
        metavar="MIB",
        read=whole(16),
    )
    processes: int = _row(
        Limits.processes,
        "whole",
        "processes generated code may start, count",
        "--processes",
        metavar="N",
    )
    file_size: float = _row(
        Limits.file / MB,
        "number",
        "largest file generated code may write, MB",
        "--file-size",
        metavar="MB",
    )
    output_size: float = _row(
        Limits.output / MB,
        "number",
        "output of one execution that is kept, MB",
        "--output-size",
        metavar="MB",
    )
    net: bool = _row(
        False,
        "flag",
        "let generated code use the network",
        "--net",
        off="--no-net",
        scope=_BOTH,
    )
    write: tuple[str, ...] = _row(
        (),
        "paths",
        "folders or files generated code may write to beside its scratch folder",
        "--write",
        metavar="PATHS",
        scope=_BOTH,
    )
    read: tuple[str, ...] = _row(
        (),
        "paths",
        "folders or files generated code may read that are closed to it: hidden ones in home "
        "directories, other homes, /run",
        "--read",
        metavar="PATHS",
        scope=_BOTH,
    )
    stall_seconds: float = _row(
        60.0,
        "number",
        "no byte from the task model for so long is a stalled stream, s",
        "--stall-seconds",
        metavar="SECONDS",
        read=number(0, above=True),
    )
    prices: Prices | None = _row(
        None,
        "prices",
        "price of a model in USD per million tokens in and out, e.g. openai:gpt-4o=2.5/10; cost "
        "is counted for priced models only",
        "--price",
        metavar="MODEL=IN/OUT",
    )
    allow_download: bool = _row(
        False,
        "flag",
        "fetch model weights over 200 MB without asking again",
        "--allow-download",
        off="--no-allow-download",
    )
    embedded_path: str = _row(
        "",
        "text",
        "GGUF file of the embedded model; unset: the cache, else it is fetched",
        "--embedded-path",
        metavar="FILE",
    )
    threads: int | None = _row(
        None,
        "whole",
        "threads of the embedded model; unset: probed",
        "--threads",
        metavar="N",
        read=whole(1),
    )
    guide_memory: int | None = _row(
        None,
        "whole",
        "memory a local guide may take with all it has read, MiB; unset: what is free",
        "--guide-memory",
        metavar="MIB",
        read=whole(1),
    )
    with_limit: int = _row(
        1024,
        "whole",
        "MiB the values named by --with may take together",
        "--with-limit",
        metavar="MIB",
    )
    journal: bool = _row(
        True,
        "flag",
        "record the run on disk, so that it can be shown and resumed",
        "--journal",
        off="--no-journal",
    )
    store: str = _row(
        "full",
        "text",
        "how much of the record is saved in the notebook: all (up to 64 KB, the rest in the "
        "journal), the answer and a summary, or the run's id",
        "--store",
        metavar="HOW",
        choices=("full", "summary", "id"),
        scope=("magic", "trait"),
    )
    with_names: tuple[str, ...] = _row(
        (),
        "names",
        "variables the question is about: their summaries are sent, their values given to the code",
        "--with",
        metavar="NAMES",
        scope=("magic",),
    )
    into: str = _row(
        "",
        "name",
        "name that is set to the result",
        "--into",
        metavar="NAME",
        scope=("magic",),
    )
    quiet: bool = _row(False, "flag", "show the answer only", "--quiet", "-q", scope=_BOTH)
    fail: bool = _row(
        False,
        "flag",
        "raise unless the run is answered and its answer not refuted",
        "--fail",
        scope=("magic",),
    )
    json: bool = _row(
        False, "flag", "print the trajectory as JSON and nothing else", "--json", scope=_BOTH
    )
    notebook: str = _row(
        "",
        "text",
        "write the run as a notebook to this file",
        "--notebook",
        metavar="FILE",
        scope=_BOTH,
    )

    @property
    def most_rounds(self) -> int:
        """Answers at most: as set, else as the procedure says."""
        return procedure(self.procedure, rounds=self.rounds).rounds

    @property
    def guide_bytes(self) -> int | None:
        """What a local guide may take, in bytes; None for what is free."""
        return None if self.guide_memory is None else self.guide_memory * MIB

    @property
    def limits(self) -> Limits:
        """The limits of one execution; its wall time is the procedure's where none is set."""
        return Limits(
            wall=Limits.wall if self.wall is None else self.wall,
            memory=None if self.memory is None else self.memory * MIB,
            processes=self.processes,
            file=int(self.file_size * MB),
            output=int(self.output_size * MB),
        )

    @property
    def access(self) -> Access:
        """What generated code may do beyond the default. Given per run only: neither a saved
        choice nor a resumed record widens a run.
        """
        return Access(self.net, self.write, self.read)

    def to_dict(self) -> dict[str, Any]:
        """JSON data of every lasting setting, by name: what a run's record holds. What one call
        wants done with its result (`--into`, `--json` …) is no part of the run.
        """
        data: dict[str, Any] = to_json(self)
        return {row.name: data[row.name] for row in SETTINGS if "trait" in row.scope}

    @classmethod
    def from_record(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """The settings a run's record holds, checked, for `resolve(base=…)`; what is unknown or
        about how one call shows its result is left out.
        """
        lasting = {row.name: row for row in SETTINGS if "trait" in row.scope}
        found: dict[str, Any] = {}
        for name, row in lasting.items():
            if data.get(name) is not None:
                found[name] = row.read(data[name], f"The record's {name}")
        return found


def _rows() -> tuple[Setting, ...]:
    return tuple(
        Setting(name=item.name, default=item.default, **item.metadata[_ROW])
        for item in dataclasses.fields(Settings)
    )


SETTINGS: tuple[Setting, ...] = _rows()
_BY_NAME = {row.name: row for row in SETTINGS}


def setting_named(name: str) -> Setting:
    """The row of this name.

    Raises:
        UsageError: there is none; names the nearest.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    near = nearest(name, _BY_NAME)
    hint = f"did you mean {near!r}?" if near else f"there are {', '.join(_BY_NAME)}."
    raise UsageError(f"There is no setting {name!r}; {hint}")
