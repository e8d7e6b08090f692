"""One table of servers and one of models: base URL, key variable, quirks, the cure for errors.

A model string is `PREFIX:NAME` with a prefix of `PRESETS`, or `http(s)://…/v1#NAME` for any other
OpenAI-compatible server. Keys come from the environment only and go to that preset's server only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from codesteer_jupyter.errors import TaskModelError, UsageError
from codesteer_jupyter.models.endpoint import Endpoint, Quirks, Secret

__all__ = ["MODEL_QUIRKS", "PRESETS", "URL_KEY_VARIABLE", "Preset", "endpoint", "model_quirks"]

URL_KEY_VARIABLE = "CODESTEER_API_KEY"


@dataclass(frozen=True)
class Preset:
    """One row of the table.

    Attributes:
        base_variable: environment variable that replaces `base_url`.
        key_variable: environment variable that holds the key. key_needed: whether the server
            refuses requests without one.
        bare_base: the base variable holds an address without `/v1` by custom of that server.
        about: one line for the documentation.
    """

    base_url: str
    base_variable: str
    key_variable: str
    key_needed: bool
    about: str
    quirks: Quirks = Quirks()
    bare_base: bool = False
    start: str = "check the address and the network"
    fetch: str = ""


PRESETS: Mapping[str, Preset] = {
    "openai": Preset(
        "https://api.openai.com/v1",
        "OPENAI_BASE_URL",
        "OPENAI_API_KEY",
        True,
        "OpenAI, or whatever OPENAI_BASE_URL points to",
    ),
    "anthropic": Preset(
        "https://api.anthropic.com/v1",
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_API_KEY",
        True,
        "Anthropic, through its OpenAI-compatible endpoint",
        # It takes seeds without using them.
        quirks=Quirks(drop=frozenset({"seed"})),
        bare_base=True,
    ),
    "mistral": Preset(
        "https://api.mistral.ai/v1",
        "MISTRAL_BASE_URL",
        "MISTRAL_API_KEY",
        True,
        "Mistral",
        # It answers 422 to fields it does not know; usage comes without being asked for.
        quirks=Quirks(drop=frozenset({"stream_options"}), rename={"seed": "random_seed"}),
    ),
    "deepseek": Preset(
        "https://api.deepseek.com/v1",
        "DEEPSEEK_BASE_URL",
        "DEEPSEEK_API_KEY",
        True,
        "DeepSeek",
        quirks=Quirks(drop=frozenset({"seed"})),
    ),
    "ollama": Preset(
        "http://localhost:11434/v1",
        "OLLAMA_HOST",
        "OLLAMA_API_KEY",
        False,
        "Ollama on this machine, or where OLLAMA_HOST points to",
        bare_base=True,
        start="start it with `ollama serve`, or set OLLAMA_HOST",
        fetch="`ollama pull {model}` fetches it",
    ),
    "vllm": Preset(
        "http://localhost:8000/v1",
        "VLLM_BASE_URL",
        "VLLM_API_KEY",
        False,
        "vLLM on this machine, or where VLLM_BASE_URL points to",
        start="start it with `vllm serve MODEL`, or set VLLM_BASE_URL",
    ),
    "llamacpp": Preset(
        "http://localhost:8080/v1",
        "LLAMACPP_BASE_URL",
        "LLAMACPP_API_KEY",
        False,
        "llama.cpp's server on this machine, or where LLAMACPP_BASE_URL points to",
        start="start it with `llama-server -m MODEL.gguf`, or set LLAMACPP_BASE_URL",
    ),
}

_SAMPLING = frozenset({"temperature", "top_p", "seed", "stop", "logprobs"})
_LIMIT = {"max_tokens": "max_completion_tokens"}

# Reasoning models, by the last part of their name. What is not here is learnt from the server's
# refusal (requests.adapt).
MODEL_QUIRKS: tuple[tuple[re.Pattern[str], Quirks], ...] = (
    (
        re.compile(r"o1-(?:preview|mini)"),
        Quirks(drop=_SAMPLING, rename=_LIMIT, system=False, thinks=True, silent=True),
    ),
    (
        re.compile(r"(?:o1|o3|o4)(?:$|[-:@])|gpt-5(?!.*-chat)"),
        Quirks(drop=_SAMPLING, rename=_LIMIT, thinks=True, silent=True),
    ),
    (
        re.compile(r"deepseek-reasoner|(?:.*[-_])?r1(?:$|[-_:.])|qwq", re.IGNORECASE),
        Quirks(drop=frozenset({"temperature", "top_p", "logprobs"}), system=False, thinks=True),
    ),
)


def model_quirks(model: str) -> Quirks:
    """What is known of a model by its name, e.g. `o3-mini` or `deepseek/deepseek-r1:7b`."""
    last = model.rsplit("/", 1)[-1]
    for pattern, quirks in MODEL_QUIRKS:
        if pattern.match(last):
            return quirks
    return Quirks()


def endpoint(model: str, environ: Mapping[str, str] | None = None) -> Endpoint:
    """The endpoint of a model string with a prefix of `PRESETS`, or of a URL.

    Raises:
        UsageError: the name is missing, or the URL holds a secret.
        TaskModelError: the server needs a key and its variable is not set.
    """
    environ = os.environ if environ is None else environ
    if model.startswith(("http://", "https://")):
        return _url_endpoint(model, environ)
    prefix, _, name = model.partition(":")
    preset = PRESETS[prefix]
    if not name.strip():
        raise UsageError(f"Which model? Write {prefix}:NAME, for instance --model {prefix}:NAME.")
    base = environ.get(preset.base_variable, "").strip()
    base_url = _base(base, preset) if base else preset.base_url
    key = environ.get(preset.key_variable, "").strip()
    found = Endpoint(
        name=model,
        model=name.strip(),
        base_url=base_url,
        key=Secret(key),
        key_variable=preset.key_variable,
        base_variable=preset.base_variable,
        quirks=preset.quirks | model_quirks(name.strip()),
        start=preset.start if not base else f"check {preset.base_variable} and the network",
        fetch=preset.fetch,
    )
    if not key and preset.key_needed and not found.local:
        raise TaskModelError(
            f"{prefix}: needs a key: set the environment variable {preset.key_variable} before "
            "the kernel starts, or choose another model with --model.",
            kind="unauthorized",
        )
    return found


def _base(base: str, preset: Preset) -> str:
    """A base URL from the environment; OLLAMA_HOST and its like may lack the scheme and `/v1`."""
    if "://" not in base:
        base = f"http://{base}"
    parts = urlsplit(base)
    _refuse_secrets(base, preset.base_variable, preset.key_variable)
    host = "localhost" if parts.hostname == "0.0.0.0" else parts.hostname  # noqa: S104 not bound
    if preset.base_variable == "OLLAMA_HOST":
        default = 443 if parts.scheme == "https" else 11434
        base = f"{parts.scheme}://{host}:{parts.port or default}{parts.path}"
    base = base.rstrip("/")
    if preset.bare_base and not re.search(r"/v\d+$", base):
        base += "/v1"
    return base


def _url_endpoint(model: str, environ: Mapping[str, str]) -> Endpoint:
    url, _, name = model.partition("#")
    _refuse_secrets(url, "the address", URL_KEY_VARIABLE)
    if not urlsplit(url).hostname:
        raise UsageError(f"{url} is not an address; write http://HOST:PORT/v1#MODEL.")
    if not name.strip():
        raise UsageError(f"Which model? Write {url}#NAME with the name that server knows it by.")
    # No other provider's key is ever sent to an address that was typed in.
    return Endpoint(
        name=model,
        model=name.strip(),
        base_url=url.rstrip("/"),
        key=Secret(environ.get(URL_KEY_VARIABLE, "").strip()),
        key_variable=URL_KEY_VARIABLE,
        quirks=model_quirks(name.strip()),
    )


def _refuse_secrets(url: str, where: str, variable: str) -> None:
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query:
        raise UsageError(
            f"Leave user names, passwords and ?parameters out of {where}, it is kept in records; "
            f"put the key into the environment variable {variable}."
        )
