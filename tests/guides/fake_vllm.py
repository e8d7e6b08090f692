#!/usr/bin/env python3
"""Stands in for the `vllm` command: a real process that takes its arguments and serves nothing but
the list of models and canned replies. With FAKE_VLLM_EXIT it ends at once, as vLLM does without
memory. Written for the tests; no model is run.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.openai_server import OpenAIServer, Reply  # noqa: E402


def option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


def main() -> None:
    Path(os.environ["FAKE_VLLM_TOLD"]).write_text(
        json.dumps({"argv": sys.argv[1:], "key": os.environ.get("VLLM_API_KEY")})
    )
    print("fake vllm: loading", flush=True)
    if code := os.environ.get("FAKE_VLLM_EXIT"):
        sys.exit(int(code))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    reply = Reply("<<<Code>>> search every case", repeat=True)
    names = [option("--served-model-name")]
    if "--lora-modules" in sys.argv:
        names.append(option("--lora-modules").partition("=")[0])
    with OpenAIServer(
        [reply], models=names, port=int(option("--port")), api_key=os.environ["VLLM_API_KEY"]
    ):
        signal.pause()


if __name__ == "__main__":
    main()
