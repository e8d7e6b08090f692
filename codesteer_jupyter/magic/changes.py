"""`%codesteer` commands about what code changed in its snapshot: diff, apply, adopt, discard."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from codesteer_jupyter.errors import RecordError, UsageError
from codesteer_jupyter.magic.commands import COMMANDS, arguments_of
from codesteer_jupyter.result import final_round

if TYPE_CHECKING:
    from codesteer_jupyter.execution.fork.held import Held
    from codesteer_jupyter.magic.run import Notebook
    from codesteer_jupyter.steering.trajectory import Execution, Round

__all__ = ["adopt", "apply", "diff", "discard"]

_YES = ("y", "yes")


def diff(notebook: Notebook, words: list[str]) -> None:
    """What the code of a round changed, or would change in this kernel."""
    from codesteer_jupyter.views.changed import HOW, changes_text

    _, execution = _round(notebook, arguments_of("diff", words, 0, 1))
    lines = changes_text(execution)
    print("\n".join(lines) if lines else "The code changed none of your variables.")
    if lines and execution.executor == "fork":
        print(HOW)


def apply(notebook: Notebook, words: list[str]) -> None:
    """Run the code of a round again, in this kernel, after showing what it does and asking."""
    agreed, words = _agreed(words)
    code, execution = _round(notebook, arguments_of("apply", words, 0, 1))
    _show(code, execution)
    if not (agreed or _ask("Run this code in your kernel?")):
        print("Nothing was run; your variables are as they were.")
        return
    if execution.executor == "fork":
        _discard(code)
    _run(notebook.shell, code)


def adopt(notebook: Notebook, words: list[str]) -> None:
    """Take values over from the snapshot of the last code that changed something."""
    agreed, names = _agreed(words)
    names = [name for word in names for name in word.split(",") if name]
    if not names:
        raise UsageError(f"Write %codesteer {COMMANDS['adopt'].usage}.")
    code, execution = _round(notebook, [])
    snapshot = _held(code)
    if snapshot is None:
        raise RecordError(
            "The snapshot this code ran in is gone (a later run, or a restart, let it go); run "
            "the code in this kernel instead: %codesteer apply."
        )
    _show_names(execution, names)
    print(
        "The values come out of code that was written by a model: reading them can run more of it "
        "in your kernel."
    )
    if not (agreed or _ask(f"Take {', '.join(names)} over?")):
        print("Nothing was taken over; your variables are as they were.")
        return
    values = notebook.worker.run(snapshot.values(names, notebook.namespace))
    notebook.namespace.update(values)
    print(f"Took over {', '.join(values)}.")


def discard(notebook: Notebook, words: list[str]) -> None:
    """Let all snapshots go; the live variables never saw what happened in them."""
    from codesteer_jupyter.execution.fork.held import held

    arguments_of("discard", words, 0, 0)

    async def clear() -> int:
        return held().clear()

    count = notebook.worker.run(clear())
    print("Discarded; your variables are as they were." if count else "No snapshot is held.")


def _round(notebook: Notebook, which: list[str]) -> tuple[str, Execution]:
    """Code and execution of the round whose number is asked for, else of the answer's round."""
    run = notebook.result_of(None).trajectory
    chosen: Round | None = final_round(run)
    if which:
        if not which[0].isdecimal() or not 0 < int(which[0]) <= len(run.rounds):
            raise UsageError(f"Name a round from 1 to {len(run.rounds)}, not {which[0]!r}.")
        chosen = run.rounds[int(which[0]) - 1]
    answer = chosen.answer if chosen is not None else None
    if chosen is None or answer is None or answer.code is None or chosen.execution is None:
        raise RecordError(f"No code of run {run.id} was run there, so it changed nothing.")
    return answer.code, chosen.execution


def _held(code: str) -> Held | None:
    from codesteer_jupyter.execution.fork.held import held

    return held().of(code)


def _discard(code: str) -> None:
    from codesteer_jupyter.execution.fork.held import held

    snapshot = held().of(code)
    if snapshot is not None:
        held().remove(snapshot)


def _run(shell: Any, code: str) -> None:
    """As a cell of the user's: what it shows and raises is shown as a cell's is. Where it ends
    itself, that ends the code, and not the kernel.
    """
    from codesteer_jupyter.execution.inside import describe
    from codesteer_jupyter.execution.nested import run_nested
    from codesteer_jupyter.execution.predefined import LEAVING, predefined

    before = shell.loop_runner, shell.autoawait
    shell.loop_runner, shell.autoawait = run_nested, True
    try:
        with predefined(shell.user_ns, LEAVING), _exits_unshown(shell):
            result = shell.run_cell(code, store_history=False)
    finally:
        shell.loop_runner, shell.autoawait = before
    left = result.error_in_exec
    if isinstance(left, SystemExit):
        print(
            f"{describe(left, lambda _: False)['message']} What it did until then stays, and your "
            "kernel goes on."
        )


@contextlib.contextmanager
def _exits_unshown(shell: Any) -> Iterator[None]:
    """Without the shell's own words on a SystemExit, which are about leaving IPython."""
    shown = shell.showtraceback

    def show(*args: Any, **options: Any) -> None:
        if not isinstance(sys.exc_info()[1], SystemExit):
            shown(*args, **options)

    shell.showtraceback = show
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="To exit: use")
            yield
    finally:
        del shell.showtraceback


def _show(code: str, execution: Execution) -> None:
    """The code, the names it touches, and the risk marks."""
    from codesteer_jupyter.execution.risks import risks
    from codesteer_jupyter.views.changed import changes_text
    from codesteer_jupyter.views.text import visible

    print(visible(code.rstrip()))
    print()
    print("\n".join(changes_text(execution) or ["It changed none of your variables."]))
    marks = risks(code)
    if marks:
        print("Look at these lines before you agree:")
        for mark in marks:
            print(f"  line {mark.line}: {visible(mark.what)}")


def _show_names(execution: Execution, names: list[str]) -> None:
    from codesteer_jupyter.views.changed import changes_text

    chosen = tuple(item for item in execution.changes if item.get("name") in names)
    import dataclasses

    print("\n".join(changes_text(dataclasses.replace(execution, changes=chosen))))


def _agreed(words: list[str]) -> tuple[bool, list[str]]:
    rest = [word for word in words if word not in ("--yes", "-y")]
    return len(rest) < len(words), rest


def _ask(question: str) -> bool:
    """Whether the person at the notebook agrees.

    Raises:
        UsageError: nobody can be asked here.
    """
    from IPython.core.error import StdinNotImplementedError

    try:
        return input(f"{question} [y/N] ").strip().casefold() in _YES
    except (StdinNotImplementedError, EOFError):
        raise UsageError(
            f"{question} Nobody can be asked here; add --yes to the command to agree."
        ) from None
