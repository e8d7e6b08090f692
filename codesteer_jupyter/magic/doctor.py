"""`%codesteer doctor`: prints what was looked at in this kernel, each fault with its cure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codesteer_jupyter.diagnosis import NOTEBOOK, Checks, findings
from codesteer_jupyter.diagnosis.kernel import kernel_findings
from codesteer_jupyter.magic.commands import arguments_of

if TYPE_CHECKING:
    from codesteer_jupyter.magic.run import Notebook

__all__ = ["doctor"]


def doctor(notebook: Notebook, words: list[str]) -> None:
    """Print what was found, one line each, the cure below it; `--prove`: what became of every
    attempt to escape from a child kernel or the executors named behind it.
    """
    if words[:1] == ["--prove"]:
        _prove(words[1:])
        return
    arguments_of("doctor", words, 0, 0)
    checks = Checks(notebook.settings, notebook.check_model, notebook.check_executor)
    found = [*kernel_findings(notebook.shell), *findings(NOTEBOOK, checks)]
    width = max(len(item.about) for item in found)
    for item in found:
        print(f"{'!' if item.cure else 'ok':<3}{item.about:<{width}}  {item.fact}")
        if item.cure:
            print(f"   {'':<{width}}  -> {item.cure}")


def _prove(executors: list[str]) -> None:
    # On a thread of its own: the kernel's event loop is running in this one.
    from concurrent.futures import ThreadPoolExecutor

    from codesteer_jupyter.diagnosis.proof import Proof

    with ThreadPoolExecutor(1) as thread:
        proof = thread.submit(Proof, executors or ["child"]).result()
    print("\n".join(proof.text()))
