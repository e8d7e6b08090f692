"""The command group, and how every ending becomes an exit code and at most one sentence.

Exit codes: 0 answered, 1 unanswered or failed, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

import codesteer_jupyter
from codesteer_jupyter.cli.lazy import LazyGroup
from codesteer_jupyter.errors import CodeSteerError, UsageError

__all__ = ["COMMANDS", "group", "main"]

# Subcommand: the module and the name of its click command. Other parts add their row.
COMMANDS = {
    "ask": ("codesteer_jupyter.cli.asking", "ask"),
    "resume": ("codesteer_jupyter.cli.asking", "resume"),
    "runs": ("codesteer_jupyter.cli.records", "runs"),
    "show": ("codesteer_jupyter.cli.records", "show"),
    "replay": ("codesteer_jupyter.cli.records", "replay"),
    "setup": ("codesteer_jupyter.cli.setup", "setup"),
    "doctor": ("codesteer_jupyter.cli.doctor", "doctor"),
    "guide": ("codesteer_jupyter.cli.guide", "guide"),
    "profile": ("codesteer_jupyter.cli.profile", "profile"),
    "symbench": ("codesteer_jupyter.cli.symbench", "symbench"),
    "reproduce": ("codesteer_jupyter.cli.reproduce", "reproduce"),
    "docs-settings": ("codesteer_jupyter.cli.setup", "docs_settings"),
}


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    path="codesteer",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(codesteer_jupyter.__version__, message="%(version)s")
def group() -> None:
    """Ask a question; a guide steers a language model between text and code, round by round, and
    the answer is checked by code.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit."""
    # Errors are told in one sentence; the records of a library's logger would be a second voice.
    logging.getLogger("codesteer_jupyter").addHandler(logging.NullHandler())
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    code = _code(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _nowhere()
        code = code or 1
    sys.exit(code)


def _code(arguments: Sequence[str] | None) -> int:
    try:
        result: Any = group.main(
            args=None if arguments is None else list(arguments),
            prog_name="codesteer",
            standalone_mode=False,
        )
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        tell(error.format_message())
        return 2 if isinstance(error, click.UsageError) else 1
    except (click.Abort, KeyboardInterrupt):
        return 130
    except CodeSteerError as error:
        tell(error.message)
        return 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:
        _nowhere()
        return 1
    except Exception as error:
        logging.getLogger(__name__).exception("the command broke")
        tell(f"This command broke inside ({type(error).__name__}: {error}); please report it.")
        return 1


def tell(message: str) -> None:
    """One sentence on standard error; nothing in it is obeyed by a terminal."""
    from codesteer_jupyter.views.text import visible

    with contextlib.suppress(OSError):
        click.echo(f"codesteer: {visible(' '.join(message.split()))}", err=True)


def _nowhere() -> None:
    """Nobody reads our output any more; let the interpreter's last flush succeed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
