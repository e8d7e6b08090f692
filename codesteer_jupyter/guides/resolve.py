"""From a guide string to a guide: `rules`, `self`, `endpoint:<model string>`, `local:<model>`."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from codesteer_jupyter.errors import UsageError
from codesteer_jupyter.guides.rules import RulesGuide
from codesteer_jupyter.steering.completion import TaskModel
from codesteer_jupyter.steering.guidance import Guide
from codesteer_jupyter.steering.procedure import Procedure
from codesteer_jupyter.steering.profile import Profile

__all__ = ["CODESTEER_V1", "KINDS", "default_guide", "guide"]

CODESTEER_V1 = "yongchao98/CodeSteer-v1"
KINDS = ("rules", "self", "endpoint:MODEL", "local:MODEL[+ADAPTER]")


def guide(
    spec: str,
    *,
    task_model: TaskModel,
    profile: Profile,
    procedure: Procedure,
    allow_download: bool = False,
    guide_memory: int | None = None,
    seed: int | None = None,
    model: Callable[[str], TaskModel] | None = None,
    **model_options: Any,
) -> Guide:
    """The guide that `spec` names. Nothing is loaded or fetched before its first advice.

    Args:
        spec: the guide string.
        profile: wording of the run.
        procedure: switches of the run; the guide's decoding is among them.
        task_model: the run's task model; `self` steers with this very instance.
        allow_download: a local guide may fetch more than 200 MB.
        guide_memory: bytes a local guide may take; None for what is free.
        seed: of a guide that samples.
        model: makes the task model of an `endpoint:` guide from its model string; None means
            `models.resolve.task_model` with `model_options`.
        **model_options: see `model`.

    Raises:
        UsageError: unknown guide, or one without the model it needs.
    """
    kind, colon, rest = spec.strip().partition(":")
    kind = kind.casefold()
    if kind == "rules" and not colon:
        return RulesGuide(profile, procedure)
    if kind == "self" and not colon:
        from codesteer_jupyter.guides.chat import ChatGuide

        return ChatGuide(task_model, profile, procedure, "self", seed=seed)
    if kind == "endpoint":
        if not rest.strip():
            raise UsageError("Guide endpoint: needs a model, e.g. endpoint:openai:gpt-4o.")
        from codesteer_jupyter.guides.chat import ChatGuide

        made = (model or _task_model(model_options))(rest)
        if rest.strip().startswith(("http://", "https://")):
            from codesteer_jupyter.models.client import OpenAICompatible

            if isinstance(made, OpenAICompatible):
                from codesteer_jupyter.guides.shared import AddressedGuide

                return AddressedGuide(made, profile, procedure, seed=seed)
        return ChatGuide(made, profile, procedure, f"endpoint:{rest}", seed=seed, owned=True)
    if kind == "local":
        if not rest.strip():
            raise UsageError(
                "Guide local: needs a model folder, a .gguf file or a hub id, "
                f"e.g. local:{CODESTEER_V1}."
            )
        from codesteer_jupyter.guides.loaded import Wish
        from codesteer_jupyter.guides.shared import local_guide

        wish = Wish(rest.strip(), allow_download=allow_download, memory=guide_memory)
        return local_guide(wish, profile, procedure, seed=seed)
    names = [name.partition(":")[0] for name in KINDS]
    near = difflib.get_close_matches(kind, names, n=1, cutoff=0.5)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise UsageError(f"Unknown guide {spec!r}{hint}; use one of {', '.join(KINDS)}.")


def _task_model(options: dict[str, Any]) -> Callable[[str], TaskModel]:
    from codesteer_jupyter.models.resolve import task_model

    return lambda name: task_model(name, **options)


def default_guide(configured: str | None = None) -> tuple[str, str]:
    """The guide used when none is asked for, and why, in one clause."""
    if configured:
        return configured, "it is configured"
    from codesteer_jupyter.guides.weights import is_cached

    if is_cached(CODESTEER_V1):
        return f"local:{CODESTEER_V1}", "its weights are in the Hugging Face cache"
    return "rules", "no guide is configured and no CodeSteer weights are cached"
