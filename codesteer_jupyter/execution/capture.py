"""Catches what a nested cell shows in the notebook's own kernel, so that it goes to the run's
view and not to the cell around it.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from codesteer_jupyter.execution.inside import no_input
from codesteer_jupyter.execution.limits import OutputCap
from codesteer_jupyter.execution.nested import run_nested
from codesteer_jupyter.steering.execution import Output
from codesteer_jupyter.steering.trajectory import Json

__all__ = ["Capture"]

_WIDGET = "application/vnd.jupyter.widget-view+json"
_PERIOD = 0.05  # seconds for which written text is gathered before it is passed on
_GATHERED = 8_192


class _Stream(io.TextIOBase):
    """stdout or stderr of the nested cell."""

    encoding = "utf-8"

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._take(text)
        return len(text)


class Capture:
    """Streams, displays and results of one nested cell.

    Args:
        shell: the kernel's InteractiveShell.
        cap: how much output is kept.
        emit: takes each piece as it comes, on the main thread.
        overflow: called once when the cap is passed.
        streams: stdout and stderr, where text is to go another way than through `emit`.
    """

    def __init__(
        self,
        shell: Any,
        cap: OutputCap,
        emit: Callable[[Output], None],
        overflow: Callable[[], None],
        streams: tuple[TextIO, TextIO] | None = None,
    ) -> None:
        self._streams = streams or (self._stream("stdout"), self._stream("stderr"))
        self._shell, self._cap, self._emit, self._overflow = shell, cap, emit, overflow
        self._written: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._gathered: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._size, self._passed_on = 0, time.monotonic()
        self.outputs: list[Json] = []
        self._ids: dict[str, int] = {}

    def text(self, name: str) -> str:
        """All that was kept of the stream `name`."""
        return "".join(self._written[name])

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Catch everything inside the block; put all back after it."""
        shell = self._shell
        trap = shell.display_trap
        saved: list[tuple[Any, str, Any]] = [
            (sys, "stdout", sys.stdout),
            (sys, "stderr", sys.stderr),
            (sys, "displayhook", sys.displayhook),
            (builtins, "input", builtins.input),
            (trap, "hook", trap.hook),
            (shell, "display_pub", shell.display_pub),
            (shell, "loop_runner", shell.loop_runner),
            (shell, "autoawait", shell.autoawait),
        ]
        try:
            sys.stdout, sys.stderr = self._streams
            sys.displayhook = trap.hook = self._result
            builtins.input = no_input
            shell.display_pub = self._publisher()
            shell.loop_runner, shell.autoawait = run_nested, True
            # Tracebacks are part of the report; the shell would show them in the user's cell,
            # and take a tenth of a second to colour them.
            shell.showtraceback = shell.showsyntaxerror = lambda *_, **__: None
            yield
        finally:
            del shell.showtraceback, shell.showsyntaxerror
            for owner, name, value in reversed(saved):
                setattr(owner, name, value)
            self._pass_on()

    def _stream(self, name: str) -> Any:
        return _Stream(lambda text: self._text(name, text))

    def _text(self, name: str, text: str) -> None:
        if self._cap.exceeded:
            return
        kept = self._cap.text(text)
        self._written[name].append(kept)
        self._gathered[name].append(kept)
        self._size += len(kept)
        if self._size > _GATHERED or time.monotonic() - self._passed_on > _PERIOD:
            self._pass_on()
        self._check()

    def _check(self) -> None:
        if self._cap.exceeded:
            self._overflow()

    def _pass_on(self) -> None:
        for name, texts in self._gathered.items():
            if texts:
                self._emit(Output("stdout" if name == "stdout" else "stderr", "".join(texts)))
                texts.clear()
        self._size, self._passed_on = 0, time.monotonic()

    def _result(self, value: object) -> None:
        """In place of the shell's display hook: the value of the last expression."""
        if value is None:
            return
        data, metadata = self._shell.display_formatter.format(value)
        if data:
            self._show("execute_result", data, metadata)

    def _show(
        self,
        kind: str,
        data: Any,
        metadata: Any,
        display_id: str | None = None,
        update: bool = False,
    ) -> None:
        data = {mime: item for mime, item in data.items() if mime != _WIDGET}
        if not data or self._cap.exceeded:
            return
        output: dict[str, Any] = {
            "output_type": kind,
            "data": _plain(data),
            "metadata": dict(metadata or {}),
        }
        if kind == "execute_result":
            output["execution_count"] = None
        kept = self._cap.display(output)
        if kept is None:
            self._check()
            return
        self._pass_on()
        if update and display_id in self._ids:
            self.outputs[self._ids[display_id]] = kept
        else:
            self.outputs.append(kept)
            if display_id is not None:
                self._ids[display_id] = len(self.outputs) - 1
        self._emit(Output("display", output=kept))

    def _publisher(self) -> Any:
        from IPython.core.displaypub import DisplayPublisher

        capture = self

        class Publisher(DisplayPublisher):
            def publish(
                self, data: Any, metadata: Any = None, *, transient: Any = None, **rest: Any
            ) -> None:
                display_id = (transient or {}).get("display_id")
                update = bool(rest.get("update", False))
                capture._show("display_data", data, metadata, display_id, update)

            def clear_output(self, wait: bool = False) -> None:
                """What was shown stays in the record."""

        return Publisher(shell=self._shell)


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    """Bytes (pictures) as base64 text, as nbformat wants them."""
    import base64

    return {
        mime: base64.b64encode(item).decode() if isinstance(item, bytes) else item
        for mime, item in data.items()
    }
