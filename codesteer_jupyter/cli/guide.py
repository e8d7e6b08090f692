"""`codesteer guide`: one guide in a process of its own, for all notebooks."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

import click

__all__ = ["guide"]


@click.group()
def guide() -> None:
    """Local guides: serve one to all your notebooks."""


@guide.command()
@click.argument("model", metavar="MODEL[+ADAPTER]")
@click.option("--name", default="", help="What clients call it; by default its folder or hub id.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port; by default any free one."
)
@click.option(
    "--backend",
    type=click.Choice(["auto", "vllm", "codesteer"]),
    default="auto",
    show_default=True,
    help="vLLM (auto: where it is installed with a CUDA GPU), or this package's own server.",
)
@click.option("--vllm", metavar="COMMAND", default="", help="The vllm command for --backend vllm.")
@click.option("--allow-download", is_flag=True, help="Fetch weights over 200 MB.")
@click.option(
    "--guide-memory",
    type=click.IntRange(1),
    metavar="MIB",
    help="Most memory our own server takes for it, MiB; by default what is free.",
)
@click.option(
    "--service",
    is_flag=True,
    help="Run as a service of JupyterHub, which says where and for whom.",
)
def serve(model: str, **options: Any) -> int:
    """Load MODEL once and serve it over the OpenAI protocol; Ctrl-C stops it.

    Your notebooks use it when they ask for the guide local:MODEL.
    """
    from codesteer_jupyter.guides.serving.serve import ServeOptions
    from codesteer_jupyter.guides.serving.serve import serve as run

    # Both end it wherever it is, be it while loading; a shell's background job ignores SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        run(ServeOptions(model, **options), _line, threading.Event())
    except KeyboardInterrupt:
        _line("Stopped.")
    return 0


def _line(text: str) -> None:
    click.echo(text)
    sys.stdout.flush()


@guide.command()
def status() -> int:
    """List the guides you serve on this machine."""
    from codesteer_jupyter.guides.serving.discovery import served_guides

    found = served_guides()
    for info in found:
        click.echo(f"{info.spec}  {info.base_url}#{info.model}  {info.about}  process {info.pid}")
    if not found:
        click.echo("No guide is served; codesteer guide serve MODEL does.")
    return 0
