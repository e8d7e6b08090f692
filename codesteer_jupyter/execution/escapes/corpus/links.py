"""Links and the magic links of /proc: another way to a file than its path."""

from __future__ import annotations

from codesteer_jupyter.execution.escapes.attempt import Attempt

__all__ = ["ATTEMPTS"]


def _link(name: str, tries: str, program: str, *more: str, witness: str = "files") -> Attempt:
    layers = ("landlock", *more) if witness == "secret" else ("landlock", "readonly", *more)
    return Attempt(name, "links", tries, program, witness, layers)


ATTEMPTS = (
    _link(
        "write_through_symlink",
        "Write through a symbolic link that lies in scratch.",
        'import os\nos.symlink(VICTIM, "link")\nopen("link", "w").write("changed")',
    ),
    _link(
        "write_below_symlink",
        "Write below a symbolic link to the user's folder.",
        'import os\nos.symlink(FOLDER, "link")\nopen("link/victim.txt", "w").write("changed")',
    ),
    _link(
        "write_through_hardlink",
        "Link the user's file into scratch and write it there.",
        'import os\nos.link(VICTIM, "link")\nopen("link", "w").write("changed")',
    ),
    _link(
        "hardlink_out",
        "Link a file of scratch into the user's folder.",
        'import os\nopen("mine", "w").write("x")\nos.link("mine", FOLDER + "/linked")',
    ),
    _link(
        "symlink_out",
        "Put a symbolic link into the user's folder.",
        'import os\nos.symlink("/dev/null", FOLDER + "/link")',
    ),
    _link(
        "own_root",
        "Write through /proc/self/root.",
        'open("/proc/self/root" + VICTIM, "w").write("changed")',
    ),
    _link(
        "root_of_asker",
        "Write through /proc/PID/root of the asking process.",
        'open(f"/proc/{ASKER}/root" + VICTIM, "w").write("changed")',
        *("pidns", "userns"),
    ),
    _link(
        "folder_of_asker",
        "Write through /proc/PID/cwd of the asking process.",
        'open(f"/proc/{ASKER}/cwd/victim.txt", "w").write("changed")',
        *("pidns", "userns"),
    ),
    _link(
        "descriptor_of_asker",
        "Write through /proc/PID/fd of the asking process.",
        """
import os
for name in os.listdir(f"/proc/{ASKER}/fd"):
    path = f"/proc/{ASKER}/fd/{name}"
    if os.readlink(path).endswith("held.txt"):
        open(path, "w").write("changed")
        break
else:
    raise OSError("the asking process holds no such file")
""",
        *("pidns", "userns"),
    ),
    _link(
        "hidden_through_symlink",
        "Read a hidden file of the home folder through a symbolic link in scratch.",
        'import os\nos.symlink(HIDDEN, "link")\nprint(open("link").read())',
        witness="secret",
    ),
)
