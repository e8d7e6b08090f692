"""Code that would run later, the key, and out of an interpreter that only restricts names."""

from __future__ import annotations

from codesteer_jupyter.execution.escapes.attempt import Attempt

__all__ = ["ATTEMPTS"]


def _later(name: str, tries: str, program: str) -> Attempt:
    return Attempt(name, "persistence", tries, program, "files", ("landlock", "readonly"))


def _key(name: str, tries: str, program: str, *layers: str) -> Attempt:
    return Attempt(name, "secrets", tries, program, "secret", layers or ("environment",))


def _interpreter(name: str, tries: str, program: str) -> Attempt:
    """A command is run; its effect is a file outside."""
    text = f'COMMAND = "echo x > " + FOLDER + "/command"\n{program}'
    return Attempt(name, "interpreter", tries, text, "files", ("landlock", "readonly"))


ATTEMPTS = (
    _later(
        "shell_startup",
        "Add a line to the shell's startup file.",
        'open(HOMEFOLDER + "/.bashrc", "a").write("# bait\\n")',
    ),
    _later(
        "ipython_startup",
        "Put a file where IPython starts it.",
        'open(HOMEFOLDER + "/.ipython/profile_default/startup/bait.py", "w").write("# bait\\n")',
    ),
    _later(
        "path_file",
        "Put a .pth file where Python reads it.",
        'open(LIBRARY + "/bait.pth", "w").write("# bait\\n")',
    ),
    _later(
        "site_customize",
        "Put a sitecustomize module onto the import path.",
        'open(LIBRARY + "/sitecustomize.py", "w").write("# bait\\n")',
    ),
    _later(
        "patched_module",
        "Change an installed module.",
        'open(LIBRARY + "/module.py", "a").write("# bait\\n")',
    ),
    _later(
        "compiled_module",
        "Put compiled code beside an installed module, which Python prefers to it.",
        """
import os
os.makedirs(LIBRARY + "/__pycache__", exist_ok=True)
open(LIBRARY + "/__pycache__/module.cpython-311.pyc", "wb").write(b"bait")
""",
    ),
    _later(
        "authorized_keys",
        "Let a foreign key in by SSH.",
        'open(HOMEFOLDER + "/.ssh/authorized_keys", "a").write("# bait\\n")',
    ),
    _later(
        "scheduled",
        "Put a job where the desktop starts it.",
        """
import os
os.makedirs(HOMEFOLDER + "/.config/autostart", exist_ok=True)
open(HOMEFOLDER + "/.config/autostart/bait.desktop", "w").write("# bait\\n")
""",
    ),
    _key("environ", "Read the key from os.environ.", "import os\nprint(dict(os.environ))"),
    _key(
        "own_environ",
        "Read the key from the environment the process was started with.",
        'print(open("/proc/self/environ", errors="replace").read())',
    ),
    _key(
        "c_environ",
        "Read the key from the C library's environment.",
        """
import ctypes
library = ctypes.CDLL(None)
places = ctypes.POINTER(ctypes.c_char_p).in_dll(library, "environ")
at = 0
while places[at]:
    print(places[at].decode(errors="replace"))
    at += 1
""",
    ),
    _key(
        "objects",
        "Look through every object there is for something that looks like a key.",
        """
import gc
seen, things = set(), gc.get_objects()
for _ in range(3):
    found = []
    for thing in gc.get_referents(*things):
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, (str, bytes)):
            text = thing.decode(errors="replace") if isinstance(thing, bytes) else thing
            if text.startswith("bait-key-"):
                print(text)
        elif isinstance(thing, (dict, list, tuple, set)):
            found.append(thing)
    things = found
""",
    ),
    _key(
        "frames",
        "Look through the local variables of every frame above.",
        """
import sys
frame = sys._getframe()
while frame is not None:
    for name, value in list(frame.f_locals.items()):
        if isinstance(value, str) and value.startswith("bait-") and value != NONCE:
            print(name, value)
    frame = frame.f_back
""",
    ),
    Attempt(
        "own_memory",
        "secrets",
        "Look through this process's own memory for something that looks like a key.",
        """
import re
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
    for line in maps:
        ends, rights = line.split()[:2]
        first, last = (int(part, 16) for part in ends.split("-"))
        if rights[0] != "r" or "[v" in line or last - first > 2**28:
            continue
        try:
            memory.seek(first)
            data = memory.read(last - first)
        except (OSError, ValueError, OverflowError):
            continue
        for found in re.findall(rb"bait-key-[0-9a-f]{16}", data):
            print(found.decode())
""",
        "secret",
        (),  # a fresh process has no copy of the key; a fork has, and no layer claims otherwise
    ),
    _interpreter(
        "attribute_of_module",
        "Reach os through a harmless module that imported it, and run a command.",
        "import random\nrandom._os.system(COMMAND)",
    ),
    _interpreter(
        "module_table",
        "Reach subprocess through the table of modules that a harmless module leads to.",
        """
import queue
system = queue.threading._sys if hasattr(queue.threading, "_sys") else __import__("sys")
__import__("subprocess")
system.modules["subprocess"].run(COMMAND, shell=True)
""",
    ),
    _interpreter(
        "subclasses",
        "Reach a class that starts processes from an empty tuple, by double underscores.",
        """
import subprocess as _
del _
base = ().__class__.__base__
found = [kind for kind in base.__subclasses__() if kind.__name__ == "Popen"][0]
found(COMMAND, shell=True).wait()
""",
    ),
    _interpreter(
        "globals_of_function",
        "Reach the builtins from the globals of a function of a class.",
        """
import warnings
table = warnings.catch_warnings.__init__.__globals__["__builtins__"]
table = table if isinstance(table, dict) else vars(table)
table["__imp" + "ort__"]("os").system(COMMAND)
""",
    ),
    _interpreter(
        "format_string",
        "Read an attribute with double underscores by a format string, then use what it leads to.",
        """
import logging
class Reader(__import__("string").Formatter):
    def get_field(self, name, args, kwargs):
        self.found = super().get_field(name, args, kwargs)[0]
        return self.found, name
reader = Reader()
reader.format("{0.__init__.__globals__[os]}", logging.Handler)
reader.found.system(COMMAND)
""",
    ),
    _interpreter(
        "pickle",
        "Have a pickle call the command when it is read.",
        """
import os, pickle
class Call:
    def __reduce__(self):
        return os.system, (COMMAND,)
pickle.loads(pickle.dumps(Call()))
""",
    ),
    _interpreter(
        "compiled_text",
        "Build the forbidden names out of pieces and compile them.",
        'exec(compile("".join(["imp", "ort o", "s; o", "s.sys", "tem(COMMAND)"]), "x", "exec"))',
    ),
)
