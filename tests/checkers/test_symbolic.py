"""What a program computes, read from its tree; the published score kept as published."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given as for_any
from hypothesis import settings
from hypothesis import strategies as st

from codesteer_jupyter.checkers.symbolic import SymbolicChecker, symbolic_report
from codesteer_jupyter.steering.codec import from_json, to_json
from codesteer_jupyter.steering.procedure import procedure
from codesteer_jupyter.steering.trajectory import Execution, Limit, SymbolicReport
from tests.checkers.programs import COMPUTES, LITERAL
from tests.checkers.runs import given, outcome

TIMEOUT = Execution("timeout", seconds=30.0, limit=Limit("wall", 30.0, "s"))


def report_on(
    code: str, question: str = "", execution: Execution | None = None, name: str = "default"
) -> SymbolicReport:
    return symbolic_report(code, question, execution, procedure(name))


@pytest.mark.parametrize("name", LITERAL)
def test_a_printed_literal_is_caught(name: str) -> None:
    report = report_on(LITERAL[name])
    assert report.extra["literal"] is True
    assert report.score == 0
    assert not report.sufficient
    assert "written into it" in report.findings[0]


@pytest.mark.parametrize("name", COMPUTES)
def test_a_computation_is_never_called_a_literal(name: str) -> None:
    report = report_on(COMPUTES[name])
    assert report.extra["literal"] is False
    assert not any("written into it" in text for text in report.findings)


# Counted by hand on the source, as the published rule does.
PUBLISHED = [
    ("x = 1", 0.0),
    ("print('a' + 'b')", 0.25),
    ("x = 1\nx += 2", 0.0),
    ("# information before formatting: entry elsewhere\nprint(1)", 5.0),
    ("print('if elif else')", 3.0),
    ("for i in range(3):\n    if i:\n        pass\n    elif i > 2:\n        pass\n    else:\n"
     "        pass", 4.0),
    ("try:\n    pass\nexcept ValueError:\n    pass", 2.0),
    ("y = [i * 2 + 1 for i in x if i]", 2.5),
    ("while True: pass", 1.0),
    ("def notify(performance): pass", 2.0),
    ("for (", 0.0),
    ("%pip install x\nfor i in x: pass", 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("code", "score"), PUBLISHED)
def test_the_published_score_is_as_published(code: str, score: float) -> None:
    assert report_on(code).published_score == score


def test_the_switches_decide_what_is_sufficient() -> None:
    words = "# for while\nprint(1 > 2)"
    assert report_on(words).published_score == 2.0
    assert not report_on(words).sufficient, "comments count for nothing"
    assert report_on(words, name="paper").sufficient, "2 is not < 2"
    assert not report_on(words, name="released").sufficient, "2 is <= 2"
    loops = "t = 0\nfor a in x:\n    if a:\n        t = t + a\nprint(t)"
    assert report_on(loops).sufficient


COUNTED: list[tuple[str, dict[str, Any]]] = [
    ("print(sum(x * x for x in range(10) if x % 2))", {"approaches": ["search", "numeric"]}),
    ("from itertools import permutations as p\nprint(list(p([1, 2])))",
     {"approaches": ["search", "numeric"], "libraries": ["itertools"]}),
    ("import os, itertools\nprint(list(itertools.product([1])))", {"libraries": ["itertools"]}),
    ("def f(n):\n    return n and f(n - 1)\nprint(f(3))", {"recursive": ["f"]}),
    ("def a(n):\n    return b(n)\ndef b(n):\n    return n and a(n - 1)\nprint(a(3))",
     {"recursive": ["a", "b"]}),
    ("class A:\n    def go(self, n):\n        return n and self.go(n - 1)\nprint(A().go(2))",
     {"recursive": ["go"]}),
    ("class A:\n    def go(self, n):\n        return other.go(n)\nprint(A().go(2))",
     {"recursive": []}),
    ("from sympy import *\nx = symbols('x')\nprint(solve(x**2 - 2))", {"libraries": ["sympy"]}),
    ("import numpy as np\nprint(np.linalg.solve(a, b))", {"libraries": ["numpy"]}),
    ("import z3\nprint(1 + 1)", {"libraries": []}),
    ("s = 'import z3'\nprint(len(s))", {"libraries": []}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "flags"), COUNTED)
def test_constructs_count_as_what_they_are(code: str, flags: dict[str, Any]) -> None:
    report = report_on(code)
    assert {key: report.extra[key] for key in flags} == flags


@pytest.mark.parametrize(
    "library", ["sympy", "z3", "ortools", "networkx", "scipy", "pulp", "constraint"]
)
def test_a_solver_library_that_is_used_is_enough(library: str) -> None:
    report = report_on(f"import {library} as s\nprint(s.solve(s.problem(3)))")
    assert report.extra["libraries"] == [library]
    assert report.sufficient
    assert any(library in text for text in report.findings)


def test_findings_are_not_repeated() -> None:
    report = report_on("for i in x:\n    print(i * 2)\n" * 50)
    assert len(report.findings) == len(set(report.findings)) <= 4
    assert "50 loops" in report.findings[0]


INEFFICIENT = [
    ("from itertools import permutations\nfor p in permutations(range(12)):\n    print(p > x)", "",
     12, "479,001,600", "all orders of 12 items"),
    ("from itertools import permutations\nfor p in permutations(cards):\n    print(p > x)",
     "Order the cards [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13].", 13, "6.2e+09",
     "taken from the question"),
    ("from itertools import product\nfor s in product([0, 1], repeat=40):\n    print(sum(s))", "",
     40, "1.1e+12", "40-fold choices among 2"),
    ("from itertools import combinations\nx = list(range(60))\nfor r in range(60):\n"
     "    for c in combinations(x, r):\n        print(sum(c))", "", 60, "", "subsets of 60"),
    ("n = 30\nfor m in range(2 ** n):\n    print(m & 1)", "", None, "1.1e+09", "very long loop"),
    ("for a in range(1000):\n    for b in range(1000):\n        for c in range(1000):\n"
     "            print(a * b == c)", "", None, "1.0e+09", "3 nested loops"),
    ("x = range(1000)\nprint([a for a in x for b in x for c in x if a * b == c])", "", None,
     "1.0e+09", "3 nested loops"),
    ("def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\nprint(fib(60))", "", 60,
     "", "recursion in fib()"),
    ("def go(s):\n    if len(s) == n:\n        return check(s)\n    for m in 'UDLR':\n"
     "        if go(s + m):\n            return True\nprint(go(''))", "n = 20 moves", 20,
     "1.1e+12", "branches 4 ways"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "question", "size", "steps", "words"), INEFFICIENT)
def test_inefficient(code: str, question: str, size: int | None, steps: str, words: str) -> None:
    report = report_on(code, question)
    assert report.extra["inefficient"] is True
    assert report.extra["size"] == size
    line = next(text for text in report.findings if text.startswith("Inefficient"))
    assert words in line
    assert steps in line


EFFICIENT = [
    "from itertools import permutations\nfor p in permutations(range(8)):\n    print(sum(p))",
    "from itertools import combinations\nprint(max(combinations(range(50), 2)))",
    "from functools import cache\n@cache\ndef fib(n):\n"
    "    return n if n < 2 else fib(n - 1) + fib(n - 2)\nprint(fib(60))",
    "def fib(n, seen={}):\n    if n in seen:\n        return seen[n]\n"
    "    seen[n] = n if n < 2 else fib(n - 1) + fib(n - 2)\n    return seen[n]\nprint(fib(60))",
    "def solve(b):\n    for r in range(9):\n        for c in range(9):\n"
    "            if b[r][c] == 0:\n"
    "                for n in range(1, 10):\n                    if ok(b, r, c, n):\n"
    "                        b[r][c] = n\n                        if solve(b):\n"
    "                            return True\n                        b[r][c] = 0\n"
    "                return False\n    return True\nprint(solve(board))",
    "def walk(node):\n    for child in node.children:\n        walk(child)\nprint(walk(root))",
    "def fact(n):\n    return 1 if n < 2 else n * fact(n - 1)\nprint(fact(100))",
    "for i in range(1000):\n    for j in range(1000):\n        print(i * j)",
]


@pytest.mark.parametrize("code", EFFICIENT)
def test_not_inefficient(code: str) -> None:
    assert report_on(code, "The grid is 9 by 9 and n = 25.").extra["inefficient"] is False


def test_a_time_limit_is_told_with_the_size_that_was_tried() -> None:
    code = "from itertools import permutations\nfor p in permutations(range(13)):\n    print(p > x)"
    report = report_on(code, "", TIMEOUT)
    assert report.extra["timeout"] is True
    assert report.extra["inefficient"] is True
    assert "time limit of 30 s at size 13" in report.findings[-1]
    plain = report_on("while x:\n    x = f(x)\nprint(x)", "Move n = 40 boxes.", TIMEOUT)
    assert "30 s" in plain.findings[-1]
    assert "40" in plain.findings[-1]


async def test_the_checker_streams_one_report_that_survives_json() -> None:
    checker = SymbolicChecker(procedure("default"))
    assert (checker.name, checker.needs) == ("symbolic", "code")
    report, usage, notices = await outcome(checker, given("", code="print(1 + 1)", final="2"))
    assert (usage.calls, notices) == (0, [])
    assert from_json(SymbolicReport, to_json(report)) == report
    nothing, _, _ = await outcome(checker, given("no code", final="2"))
    assert nothing is None


NOT_PROGRAMS = ["", "\0", "x = '\0'", "for (", "(" * 100_000, "-" * 50_000 + "1", "\ud800", "ÿþ"]


@pytest.mark.parametrize("code", NOT_PROGRAMS)
def test_any_string_is_reported_on(code: str) -> None:
    report = report_on(code)
    assert report.score == 0
    assert len(report.findings) == 1


def test_notebook_magics_are_forgiven() -> None:
    report = report_on("%pip install x\n!ls\nprint(1 + 1)")
    assert report.extra["parsed"] is True
    assert report.score > 0


_WORDS = st.sampled_from(
    [
        "for",
        "while",
        "if",
        "def",
        "return",
        "x",
        "y",
        "f",
        "(",
        ")",
        ":",
        "=",
        "\n",
        "[",
        "]",
        "print",
        "lambda",
        "yield",
        "1",
        "0",
        ",",
        ".",
        "range",
        "in",
        "+",
        "-",
        "import",
        "from",
        "*",
        "try",
        "except",
        "class",
        "self",
        "None",
        "match",
        "case",
        "_",
        "with",
        "as",
        "await",
        "del",
        "'a'",
        "f'{x}'",
        "\n",
        "",
        "",
        "",
        "",
    ]
)


@settings(max_examples=150, deadline=None)
@for_any(st.one_of(st.text(), st.lists(_WORDS).map(" ".join)), st.text(max_size=200))
def test_no_string_raises(code: str, question: str) -> None:
    report = report_on(code, question, TIMEOUT)
    assert report.score >= 0
    assert all(isinstance(text, str) and "\n" not in text for text in report.findings)


def big(part: int) -> dict[str, str]:
    """Programs of about a megabyte, or of a part of one."""
    some = 10_000 // part
    return {
        "loops": "x = 1\nfor i in range(3):\n    x += i\n" * (5 * some // 2),
        "one list": "x = [" + "1," * (50 * some) + "]\nprint(x)",
        "functions": "".join(
            f"def f{i}():\n  return f{i + 1}() + f{i}()\n" for i in range(5 * some // 2)
        ),
        "names": "a0 = 1\n"
        + "".join(f"a{i + 1} = a{i} + a{i}\n" for i in range(3 * some))
        + f"for i in range(a{3 * some}): print(i)",
        "branches": "".join(f"v{i} = {i}\n" for i in range(2 * some)) + "if z: pass\n" * 4 * some,
        "one call chain": "print(" + "f(" * 80 + ")" * 80 + ")\n" * 1,
        "one attribute chain": "a" + ".b" * 40 * some,
        "too long": "x = 1\n" * 400_000,
    }


@pytest.mark.parametrize("part", [8, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", big(10_000))
def test_a_long_program_takes_bounded_time(name: str, part: int) -> None:
    """What took time in the square of the length would take minutes for a megabyte."""
    start = time.process_time()
    report = report_on(big(part)[name])
    assert report.findings
    assert time.process_time() - start < 40 / part, "some seconds for a megabyte"
