"""Risk marks: what a program does beyond computing is named with its line."""

from __future__ import annotations

import pytest

from codesteer_jupyter.execution.mentions import mentioned
from codesteer_jupyter.execution.risks import Risk, risks


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os\nos.remove('a')", "writes or removes files"),
        ("open('a', 'w').write('')", "writes or removes files"),
        ("open('a', mode=m)", "writes or removes files"),
        ("df.to_csv('a')", "writes or removes files"),
        ("import subprocess", "starts other programs"),
        ("from os import *\nimport requests", "uses the network"),
        ("eval('1')", "runs text as code"),
        ("import ctypes", "calls native code"),
        ("del df", "deletes df"),
        ("import os\nos.environ['A'] = '1'", "changes settings"),
        ("import os; os._exit(0)", "ends or signals"),
        ("if a: exit()", "ends the program early"),
        ("import sys\nsys.exit(1)", "ends the program early"),
        ("raise SystemExit", "ends the program early"),
        ("%pip install x", "magics"),
        ("a = (", "cannot be read"),
    ],
)
def test_marks(code: str, said: str) -> None:
    assert any(said in risk.what for risk in risks(code)), risks(code)


def test_computing_has_no_marks() -> None:
    code = (
        "import math\ntotal = df.a.sum()\nwith open('data.csv') as f: print(len(f.read()), total)"
    )
    assert risks(code) == []


def test_the_line_is_told() -> None:
    assert risks("a = 1\n\ndel a") == [Risk(3, "deletes a")]


def test_names_are_found_through_the_users_functions() -> None:
    space: dict[str, object] = {"a": 1, "b": 2, "c": 3}
    exec("def f():\n    def g(): return b\n    return g()", space)
    assert mentioned("f() + a + unknown", space) == ["a", "b", "f"]
    assert mentioned("a = (", space, more=["c"]) == ["c"]
