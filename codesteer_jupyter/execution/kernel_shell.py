"""The IPython of a child kernel, and where its displays go.

Loaded by path in the kernel's process (see `kernel_side.py`).
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

_WIDGET = "application/vnd.jupyter.widget-view+json"


class Displays:
    """Where displays of the program that runs now go."""

    channel: Any = None  # see `Channel`
    most = 0

    def show(self, kind: str, data: dict[str, Any], metadata: Any, display_id: Any = None) -> None:
        """Tell of one; one that is larger than all output may be is only counted."""
        flush()
        plain = {mime: _plain(item) for mime, item in data.items() if mime != _WIDGET}
        if not plain or self.channel is None:
            return
        if sum(len(item) for item in plain.values() if isinstance(item, str)) > self.most:
            self.channel.tell("display", kind="too_large")
        else:
            self.channel.tell("display", kind=kind, data=plain, metadata=metadata, id=display_id)


def _plain(item: Any) -> Any:
    """Bytes (pictures) as base64 text, as nbformat wants them."""
    if not isinstance(item, bytes):
        return item
    import base64

    return base64.b64encode(item).decode()


def flush() -> None:
    """Hand on what was printed. The streams may be what the program put in their place."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(Exception):
            stream.flush()  # type: ignore[union-attr]  # None is suppressed, too


def make_shell(displays: Displays, folder: str) -> Any:
    """An InteractiveShell with these displays, without history or profile."""
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets import Type
    from traitlets.config import Config

    class Publisher(DisplayPublisher):
        def publish(
            self, data: Any, metadata: Any = None, *, transient: Any = None, **rest: Any
        ) -> None:
            kind = "update_display_data" if rest.get("update") else "display_data"
            displays.show(kind, data, metadata, (transient or {}).get("display_id"))

        def clear_output(self, wait: bool = False) -> None:
            """What was shown stays in the record."""

    class Hook(DisplayHook):
        def write_output_prompt(self) -> None:
            """The value alone is shown."""

        def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
            displays.show("execute_result", format_dict, md_dict)

    class Shell(InteractiveShell):
        displayhook_class = Type(Hook)
        display_pub_class = Type(Publisher)

        # Exceptions are reported as data; IPython would print them in colours.
        def showtraceback(self, *_: Any, **__: Any) -> None:
            """Nothing is printed."""

        def showsyntaxerror(self, *_: Any, **__: Any) -> None:
            """Nothing is printed."""

        def init_profile_dir(self, _: Any) -> None:
            self.profile_dir = None

    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    shell = Shell.instance(config=config, ipython_dir=folder)
    # As in a script: a fresh loop, and its tasks end with the program.
    shell.loop_runner = _run_coroutine
    return shell


def _run_coroutine(coroutine: Any) -> Any:
    import asyncio

    return asyncio.run(coroutine)
