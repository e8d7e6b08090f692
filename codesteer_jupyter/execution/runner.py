"""Runs one generated program as a plain script and reports how it ended, as lines of JSON.

Started as `python -I runner.py REQUEST`, where REQUEST is a JSON file. The report goes to an
inherited descriptor, never through stderr, which belongs to the program.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import sys
import types
from typing import Any


def _load(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("codesteer_inside", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _report(descriptor: int, facts: dict[str, Any]) -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    data = json.dumps(facts).encode() + b"\n"
    while data:
        data = data[os.write(descriptor, data) :]


def main(request_path: str) -> int:
    with open(request_path, encoding="utf-8") as file:
        request = json.load(file)
    inside = _load(request["inside"])
    descriptor = request["report"]
    os.set_inheritable(descriptor, False)
    inside.extend_path(request["paths"])
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]  # real files here
    program = request["program"]
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=program, __builtins__=__builtins__)
    sys.modules["__main__"] = module
    sys.argv[:] = [program]
    # The folder of the program first, as for any script: here its scratch folder.
    sys.path.insert(0, os.getcwd())
    try:
        module.__dict__.update(inside.load_values(request["values"], request["descriptor"]))
    except ValueError as error:
        _report(descriptor, {"values": str(error)})
        return 1
    module.__dict__.update(request["variables"])
    inside.forbid_input()
    inside.do_without_sockets()
    limits = inside.apply_limits(request["memory"], request["file"], wanted=request["rlimits"])
    _report(descriptor, {"rlimits": limits})
    facts: dict[str, Any] = {"error": None}
    try:
        _run(program, module.__dict__)
    except BaseException as error:  # SystemExit and KeyboardInterrupt are outcomes, too
        facts["error"] = inside.describe(error, lambda name: name == program)
    _report(descriptor, facts)
    return 0


def _run(program: str, namespace: dict[str, Any]) -> None:
    with open(program, "rb") as file:
        source = file.read()
    flags = 0x2000  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, without importing ast
    code = compile(source, program, "exec", flags, dont_inherit=True)
    if code.co_flags & inspect.CO_COROUTINE:
        import asyncio

        async def awaited() -> None:
            await eval(code, namespace)  # noqa: S307 - running the program is what this is for

        asyncio.run(awaited())
    else:
        exec(code, namespace)  # noqa: S102 - running the program is what this is for


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
