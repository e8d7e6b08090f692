"""What a program might do beyond changing variables, read from its text before it runs live.

A help for the eye, no protection: a program that wants to hide what it does can.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Risk", "risks"]


@dataclass(frozen=True)
class Risk:
    """One mark: the line it is on, and what is done there."""

    line: int
    what: str


_FILES = "writes or removes files"
_PROCESSES = "starts other programs"
_NETWORK = "uses the network"
_CODE = "runs text as code"
_NATIVE = "calls native code directly"
_ENDS = "ends or signals processes"
_LEAVES = "ends the program early"
_ENVIRONMENT = "changes settings of the whole process"

_MODULES = {
    **dict.fromkeys(("subprocess", "pty", "multiprocessing"), _PROCESSES),
    **dict.fromkeys(
        ("socket", "urllib", "requests", "httpx", "http", "ftplib", "smtplib"), _NETWORK
    ),
    **dict.fromkeys(("ctypes", "cffi"), _NATIVE),
    **dict.fromkeys(("shutil",), _FILES),
}
_CALLS = {
    **dict.fromkeys(("eval", "exec", "compile", "__import__"), _CODE),
    **dict.fromkeys(("os.system", "os.popen", "os.fork", "os.execv", "os.spawnv"), _PROCESSES),
    **dict.fromkeys(("os.kill", "os.killpg", "os._exit", "os.abort"), _ENDS),
    **dict.fromkeys(("exit", "quit", "sys.exit"), _LEAVES),
    **dict.fromkeys(
        ("os.remove", "os.unlink", "os.rename", "os.replace", "os.rmdir", "os.removedirs"), _FILES
    ),
    **dict.fromkeys(("os.chmod", "os.chown", "os.truncate", "os.mkdir", "os.makedirs"), _FILES),
    **dict.fromkeys(("os.chdir", "os.putenv", "sys.setrecursionlimit"), _ENVIRONMENT),
}
_METHODS = {
    **dict.fromkeys(("unlink", "rmdir", "rename", "write_text", "write_bytes", "touch"), _FILES),
    **dict.fromkeys(("to_csv", "to_parquet", "to_excel", "to_pickle", "to_json", "to_sql"), _FILES),
    **dict.fromkeys(("savefig", "save", "dump", "tofile"), _FILES),
}


def risks(code: str) -> list[Risk]:
    """The marks of `code`, by line; one for text that cannot be read as Python."""
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        if any(line.lstrip().startswith(("%", "!")) for line in code.splitlines()):
            return [Risk(error.lineno or 1, "holds notebook magics or shell commands")]
        return [Risk(error.lineno or 1, "cannot be read as Python")]
    except (ValueError, RecursionError, MemoryError):
        return [Risk(1, "cannot be read as Python")]
    found = {
        Risk(getattr(node, "lineno", 1), what) for node in ast.walk(tree) for what in _of(node)
    }
    return sorted(found, key=lambda risk: (risk.line, risk.what))


def _of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        names = (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [a.name for a in node.names]
        )
        for name in names:
            if (what := _MODULES.get(name.partition(".")[0])) is not None:
                yield what
    elif isinstance(node, ast.Call):
        called = ast.unparse(node.func) if len(ast.dump(node.func)) < 2_000 else ""
        if called in _CALLS:
            yield _CALLS[called]
        elif isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
            yield _METHODS[node.func.attr]
        elif called == "open" and _writes(node):
            yield _FILES
    elif isinstance(node, ast.Raise) and node.exc is not None and _named(node.exc) == "SystemExit":
        yield _LEAVES
    elif isinstance(node, ast.Delete):
        yield "deletes " + ", ".join(ast.unparse(target) for target in node.targets)[:60]
    elif (
        isinstance(node, ast.Subscript)
        and isinstance(node.ctx, (ast.Store, ast.Del))
        and ast.unparse(node.value) == "os.environ"
    ):
        yield _ENVIRONMENT


def _named(raised: ast.expr) -> str:
    raised = raised.func if isinstance(raised, ast.Call) else raised
    return raised.id if isinstance(raised, ast.Name) else ""


def _writes(call: ast.Call) -> bool:
    mode = call.args[1] if len(call.args) > 1 else None
    mode = next((item.value for item in call.keywords if item.arg == "mode"), mode)
    if mode is None:
        return False
    return not (isinstance(mode, ast.Constant) and not set("wax+") & set(str(mode.value)))
