"""What is shown and recorded: control characters, floods, forged reports."""

from __future__ import annotations

from codesteer_jupyter.execution.escapes.attempt import Attempt

__all__ = ["ATTEMPTS"]


def _shown(name: str, tries: str, program: str) -> Attempt:
    return Attempt(name, "output", tries, program, "output", ("views",))


ATTEMPTS = (
    _shown(
        "clear_screen", "Clear the screen and move the cursor.", r'print("\x1b[2J\x1b[H\x1b[31mok")'
    ),
    _shown(
        "clipboard",
        "Have the terminal fill the clipboard and set its title.",
        r'print("\x1b]52;c;cm0gLXJm\x07\x1b]0;title\x07")',
    ),
    _shown(
        "control_characters",
        "Use control characters of one byte, backspaces and an answer-back.",
        r'print("\x9b2Jabc\b\b\bxyz\x05\x90q")',
    ),
    _shown(
        "control_on_stderr",
        "Send them over standard error.",
        r'import sys; sys.stderr.write("\x1b[2J\x1b]0;title\x07\n")',
    ),
    _shown(
        "direction",
        "Show text in another order than it has.",
        'print("total \\u202e000,1\\u202c \\u2066x")',
    ),
    Attempt(
        "flood",
        "output",
        "Print 3 MB where 200 kB are allowed.",
        'for _ in range(300):\n    print("x" * 10_000)',
        "bound",
        ("limits",),
        limits={"output": 200_000},
    ),
    Attempt(
        "forged_report",
        "output",
        "Write a report of one's own to whatever carries reports.",
        """
import json, os, stat
words = [NONCE]
facts = {"error": None, "isolation": words, "layers": words, "rlimits": words, "applied": words}
line = json.dumps(facts).encode() + b"\\n"
for number in range(3, 4096):
    try:
        mode = os.fstat(number).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            os.set_blocking(number, False)
            os.write(number, line)
    except OSError:
        continue
os._exit(0)
""",
        "report",
        ("process",),
    ),
    Attempt(
        "next_run",
        "persistence",
        "Change a module so that the next program, which is another one, computes wrong.",
        """
import fractions, math
math.isqrt = lambda number: 0
fractions.Fraction.__eq__ = lambda self, other: True
""",
        "report",
        ("process",),
        ("reuse",),
        later="""
import fractions, math
right = math.isqrt(49) == 7 and fractions.Fraction(1, 2) != fractions.Fraction(1, 3)
print("untouched" if right else NONCE)
""",
    ),
    Attempt(
        "next_run_hook",
        "persistence",
        "Leave a hook that sees the next program.",
        """
import sys
def hook(event, arguments):
    if event == "open" and str(arguments[0]).endswith("/later"):
        print(NONCE)
sys.addaudithook(hook)
""",
        "report",
        ("process",),
        ("reuse",),
        later='try:\n    open("/nowhere/later")\nexcept OSError:\n    pass',
    ),
)
