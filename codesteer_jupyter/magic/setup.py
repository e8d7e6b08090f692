"""`%codesteer` commands about what is chosen: setup, status, guide, stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codesteer_jupyter.errors import UsageError
from codesteer_jupyter.magic.commands import arguments_of

if TYPE_CHECKING:
    from codesteer_jupyter.magic.run import Notebook

__all__ = ["guide", "setup", "status", "stop"]


def setup(notebook: Notebook, words: list[str]) -> None:
    """List the models that could answer here, or choose one for good."""
    from codesteer_jupyter.settings import save_choice

    chosen = arguments_of("setup", words, 0, 1)
    if chosen:
        notebook.check_model(chosen[0])
        path = save_choice(model=chosen[0])
        print(f"From now on {chosen[0]} answers, unless --model says otherwise ({path}).")
        return
    from codesteer_jupyter.diagnosis import NOTEBOOK, choices, no_choices

    found = choices(notebook.settings())
    if not found:
        print("\n".join(no_choices(NOTEBOOK)))
        return
    print("Choose one for good by running its line in a cell:\n")
    for item in found:
        print(f"{NOTEBOOK.setup} {item.model:<40}  {item.about}")


def status(notebook: Notebook, words: list[str]) -> None:
    """What is chosen, where runs are kept, and what is held."""
    from codesteer_jupyter.diagnosis import NOTEBOOK, answering
    from codesteer_jupyter.guides.resolve import default_guide
    from codesteer_jupyter.journal import runs_folder

    arguments_of("status", words, 0, 0)
    settings = notebook.settings()
    spec, reason = default_guide(settings.guide)
    last = notebook.last
    rows = [
        ("model", answering(settings) or f"none chosen: {NOTEBOOK.setup} shows what is there"),
        ("guide", f"{spec} ({reason})"),
        ("code runs in", settings.run),
        ("procedure", settings.procedure),
        ("journal", str(runs_folder()) if settings.journal else "off"),
        ("last run", repr(last) if last is not None else "none in this kernel"),
        ("running", "yes" if notebook.running else "no"),
    ]
    print("\n".join(f"{name:<13} {fact}" for name, fact in rows))


def guide(notebook: Notebook, words: list[str]) -> None:
    """Take or free the memory of a local guide, or say what is held."""
    (action,) = arguments_of("guide", words, 1, 1)
    if action not in ("load", "unload", "status"):
        raise UsageError(f"%codesteer guide takes load, unload or status, not {action!r}.")
    from codesteer_jupyter.guides import loaded

    if action == "load":
        _load(notebook)
        return
    if action == "unload":
        dropped = loaded.unload()
        later = loaded.leaving()
        freed = [name for name in dropped if name not in later]
        if freed or not later:
            print(f"Freed {', '.join(freed)}." if freed else "No local guide is in memory.")
        if later:
            print(
                f"{', '.join(later)} is dropped, but its memory is free only when its passes are "
                "compiled, in a minute or two."
            )
        return
    from codesteer_jupyter.guides.serving.discovery import served_guides

    held = loaded.status()
    for item in held:
        if "told" in item:
            print(item["told"])
            continue
        print(
            f"{item['spec']}: {item['bytes'] / 2**20:,.0f} MiB of weights as {item['held']} on "
            f"{item['device']}, {item['kept'] / 2**20:,.0f} MiB of what it has read; it reads "
            f"{item['context']:,} tokens at most."
        )
        if item["passes"]:
            print(f"  Its passes: {item['passes']}.")
    if not held:
        print("No local guide is in memory.")
    for info in served_guides():
        print(f"{info.spec}: served on this machine by process {info.pid} ({info.about}).")


def _load(notebook: Notebook) -> None:
    from codesteer_jupyter.guides import loaded
    from codesteer_jupyter.guides.resolve import default_guide

    settings = notebook.settings()
    spec, _ = default_guide(settings.guide)
    kind, _, name = spec.partition(":")
    if kind != "local":
        raise UsageError(
            f"The guide is {spec}, which takes no memory; choose a local one first: "
            "%config CodeSteer.guide = 'local:FOLDER_OR_HUB_ID'."
        )
    wish = loaded.Wish(name, settings.allow_download, settings.guide_bytes)
    if loaded.is_loaded(name):
        print(f"{name} is in memory.")
        return
    if loaded.is_here(wish):
        # What cannot work is said here, by the cell that asked.
        print(loaded.plan(wish).sentence(name), flush=True)
    loaded.begin(wish)
    print("It loads in the background; %codesteer guide status says how far it is.")


def stop(notebook: Notebook, words: list[str]) -> None:
    """Stop what runs; for another thread or subshell, a cell has the interrupt button."""
    arguments_of("stop", words, 0, 0)
    print("Interrupted." if notebook.stop() else "Nothing is running.")
