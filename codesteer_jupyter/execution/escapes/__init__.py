"""Attempts to escape: a corpus as data, and a prover that runs it on this very host."""

from __future__ import annotations

from codesteer_jupyter.execution.escapes.attempt import Attempt, Effect
from codesteer_jupyter.execution.escapes.corpus import CORPUS
from codesteer_jupyter.execution.escapes.prove import Finding, prove

__all__ = ["CORPUS", "Attempt", "Effect", "Finding", "prove"]
