"""The line magic `%codesteer COMMAND`: one table of commands, looked up and explained from it."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codesteer_jupyter.errors import UsageError

if TYPE_CHECKING:
    from codesteer_jupyter.magic.run import Notebook

__all__ = ["COMMANDS", "Command", "help_text", "run_command"]


@dataclass(frozen=True)
class Command:
    """One subcommand: how it is written, what it does, and the module that does it."""

    name: str
    usage: str
    about: str
    module: str
    function: str


COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        Command(
            "demo",
            "demo [NAME]",
            "replay a recorded run of a real model; needs no model",
            "records",
            "demo",
        ),
        Command(
            "setup",
            "setup [MODEL]",
            "find models that could answer; with MODEL, choose it from now on",
            "setup",
            "setup",
        ),
        Command("status", "status", "what is chosen and what is running", "setup", "status"),
        Command(
            "doctor",
            "doctor [--prove]",
            "look for what is missing or broken, each with its cure; --prove: try to escape",
            "doctor",
            "doctor",
        ),
        Command("last", "last", "the last run, as the cell's value", "records", "last"),
        Command("runs", "runs [N]", "the recorded runs, newest first", "records", "runs"),
        Command("show", "show ID", "show a recorded run", "records", "show"),
        Command(
            "resume",
            "resume ID [options]",
            "go on with a run that was cut short; takes the options of %%codesteer",
            "records",
            "resume",
        ),
        Command(
            "diff",
            "diff [ROUND]",
            "what the last run's code changed, or would change in this kernel",
            "changes",
            "diff",
        ),
        Command(
            "apply",
            "apply [ROUND] [--yes]",
            "run that code in this kernel, after showing it",
            "changes",
            "apply",
        ),
        Command(
            "adopt",
            "adopt NAME[,NAME] [--yes]",
            "take values over from the snapshot the code ran in",
            "changes",
            "adopt",
        ),
        Command("discard", "discard", "let the snapshots go", "changes", "discard"),
        Command("code", "code [ID]", "put the final code into a new cell", "records", "code"),
        Command(
            "export",
            "export FILE [ID]",
            "write a run to FILE.ipynb, .json, .md or .html",
            "records",
            "export",
        ),
        Command(
            "guide",
            "guide load|unload|status",
            "take or free the memory of a local guide",
            "setup",
            "guide",
        ),
        Command("stop", "stop", "stop what runs, from another thread", "setup", "stop"),
        Command(
            "strip",
            "strip FILE",
            "take the records of runs out of a notebook file; text stays",
            "records",
            "strip",
        ),
        Command("help", "help", "this list", "commands", "show_help"),
    )
}


def run_command(notebook: Notebook, line: str) -> Any:
    """Run `%codesteer line`.

    Raises:
        UsageError: unknown command, or its arguments are wrong.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"%codesteer {line}: {error}; close the quotation mark.") from error
    if not words:
        return show_help(notebook, [])
    name, *arguments = words
    command = COMMANDS.get(name.lower())
    if command is None:
        raise UsageError(_unknown(name, line))
    import importlib

    module = importlib.import_module(f"codesteer_jupyter.magic.{command.module}")
    function: Callable[[Notebook, list[str]], Any] = getattr(module, command.function)
    return function(notebook, arguments)


def _unknown(name: str, line: str) -> str:
    sentence = len(line.split()) > 2
    # A question's first word resembles some command by chance.
    near = difflib.get_close_matches(name.lower(), COMMANDS, n=1, cutoff=0.75 if sentence else 0.5)
    if near:
        return f"%codesteer has no command {name!r}; did you mean %codesteer {near[0]}?"
    if sentence or name.startswith("-"):
        return (
            f"%codesteer has no command {name!r}; to ask a question write %%codesteer with two "
            "percent signs, options behind it, and the question on the lines below."
        )
    return f"%codesteer has no command {name!r}; %codesteer help lists them."


def arguments_of(command: str, words: list[str], least: int, most: int) -> list[str]:
    """`words` when their number fits the command.

    Raises:
        UsageError: too few or too many; the sentence shows how the command is written.
    """
    if least <= len(words) <= most:
        return words
    raise UsageError(f"Write %codesteer {COMMANDS[command].usage}.")


def help_text() -> str:
    """The short help."""
    width = max(len(command.usage) for command in COMMANDS.values())
    lines = [
        "%%codesteer [options]   asks the question below it; %%codesteer --help lists the options",
        "",
        *(f"%codesteer {item.usage:<{width}}   {item.about}" for item in COMMANDS.values()),
    ]
    return "\n".join(lines)


def show_help(_notebook: Notebook, _words: list[str]) -> None:
    """`%codesteer help`, or `%codesteer` alone."""
    print(help_text())
