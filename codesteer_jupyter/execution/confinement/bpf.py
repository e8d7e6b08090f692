"""A small assembler for seccomp filters: clauses over a system call's number and arguments.

A filter is classic BPF over `struct seccomp_data` (Linux, seccomp(2)): the number at offset 0,
the machine at 4, six arguments of 64 bits from 16 on.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["ALLOW", "FAKE", "KILL", "Argument", "Clause", "assemble", "refuse"]

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_JUMP, _EQUAL, _GREATER, _AT_LEAST, _BITS = 0x05, 0x15, 0x25, 0x35, 0x45
_FEW = 3
_FAR = 255  # instructions that a test can jump over
ALLOW, KILL = 0x7FFF0000, 0x80000000
FAKE = 0x00050000
"""The call does nothing and reports success."""

_ENOSYS = 38
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def refuse(number: int) -> int:
    """The action that makes a call fail with this error number."""
    return 0x00050000 | number


@dataclass(frozen=True)
class Argument:
    """A test of one argument. `high` looks at its upper 32 bits; `mask` is applied first."""

    index: int
    test: str  # "is", "is not", "has any of"
    value: int
    high: bool = False
    mask: int | None = None

    def code(self, skip: int) -> list[bytes]:
        """Instructions that go on where the test holds, else jump over `skip` more after it."""
        lines = [_line(_LOAD, 16 + 8 * self.index + 4 * self.high)]
        if self.mask is not None:
            lines.append(_line(_AND, self.mask))
        operation = _BITS if self.test == "has any of" else _EQUAL
        yes, no = (skip, 0) if self.test == "is not" else (0, skip)
        lines.append(_line(operation, self.value & 0xFFFFFFFF, yes, no))
        return lines

    @property
    def length(self) -> int:
        return 2 if self.mask is None else 3


@dataclass(frozen=True)
class Clause:
    """What happens to a call whose arguments pass all tests."""

    action: int
    tests: tuple[Argument, ...] = ()

    def code(self) -> list[bytes]:
        lines: list[bytes] = []
        left = 1 + sum(test.length for test in self.tests)
        for test in self.tests:
            left -= test.length
            lines += test.code(left)
        lines.append(_line(_RETURN, self.action))
        return lines


def _line(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value & 0xFFFFFFFF)


def assemble(machine: str, newest: int, calls: Mapping[int, Sequence[Clause]]) -> bytes:
    """The filter: calls of another machine end the process, calls above `newest` (the x32 ones
    among them) do not exist, the clauses of a listed call are tried in order, all else is allowed.
    """
    start = [
        _line(_LOAD, 4),
        _line(_EQUAL, AUDIT_ARCH[machine], 1, 0),
        _line(_RETURN, KILL),
        _line(_LOAD, 0),
        _line(_GREATER, newest, 0, 1),
        _line(_RETURN, refuse(_ENOSYS)),
    ]
    return b"".join([*start, *_search(sorted(calls), calls)])


def _search(order: Sequence[int], calls: Mapping[int, Sequence[Clause]]) -> list[bytes]:
    """Instructions for the calls in `order`, as a binary search: the kernel runs a filter for
    every call there is when it is installed, and for every call that is made.
    """
    if len(order) > _FEW:
        middle = len(order) // 2
        below, above = _search(order[:middle], calls), _search(order[middle:], calls)
        fork = [_line(_AT_LEAST, order[middle], 0, 1), _line(_JUMP, len(below))]
        return [*fork, *below, *above]
    lines: list[bytes] = []
    for number in order:
        clauses = calls[number]
        block = [line for clause in clauses for line in clause.code()]
        if clauses[-1].tests:
            block.append(_line(_RETURN, ALLOW))
        if len(block) > _FAR:
            lines += [_line(_EQUAL, number, 1, 0), _line(_JUMP, len(block)), *block]
        else:
            lines += [_line(_EQUAL, number, 0, len(block)), *block]
    return [*lines, _line(_RETURN, ALLOW)]
