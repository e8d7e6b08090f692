"""Rights, owners, times and attributes of the user's files. Here a faked success stops it too."""

from __future__ import annotations

from codesteer_jupyter.execution.escapes.attempt import Attempt

__all__ = ["ATTEMPTS"]


def _change(name: str, tries: str, program: str, *needs: str, calls: bool = False) -> Attempt:
    layers = ("seccomp", "readonly")
    return Attempt(name, "metadata", tries, program, "files", layers, needs, calls=calls)


ATTEMPTS = (
    _change("chmod", "Open the file to everybody.", "import os\nos.chmod(VICTIM, 0o666)"),
    _change(
        "chmod_descriptor",
        "Change its rights through a descriptor opened for reading.",
        "import os\nos.fchmod(os.open(VICTIM, os.O_RDONLY), 0o666)",
    ),
    _change(
        "fchmodat2",
        "Change its rights by the newest system call for it.",
        'call("fchmodat2", AT_FDCWD, VICTIM.encode(), 0o666, 0)',
        "fchmodat2",
        calls=True,
    ),
    _change(
        "chown",
        "Give the file to another user.",
        "import os\nos.chown(VICTIM, 12345, 12345)",
        "root",
    ),
    _change("utime", "Set its times.", "import os\nos.utime(VICTIM, (1e9, 1e9))"),
    _change(
        "utime_descriptor",
        "Set its times through a descriptor opened for reading.",
        "import os\nos.utime(os.open(VICTIM, os.O_RDONLY), (1e9, 1e9))",
    ),
    _change(
        "touch",
        "Have a command set its times.",
        """
import subprocess
done = subprocess.run(["touch", "-d", "2001-02-03", VICTIM], capture_output=True)
if done.returncode:
    raise OSError(done.stderr.decode())
""",
    ),
    _change(
        "xattr",
        "Set an extended attribute.",
        'import os\nos.setxattr(VICTIM, "user.bait", b"x")',
        "xattr",
    ),
    _change(
        "xattr_removed",
        "Remove an extended attribute.",
        'import os\nos.removexattr(VICTIM, "user.kept")',
        "xattr",
    ),
    _change(
        "file_flags",
        "Set a flag of the file (no backup) by ioctl.",
        """
import fcntl, os, struct
descriptor = os.open(VICTIM, os.O_RDONLY)
flags = struct.unpack("l", fcntl.ioctl(descriptor, 0x80086601, struct.pack("l", 0)))[0]
fcntl.ioctl(descriptor, 0x40086602, struct.pack("l", flags | 0x40))
""",
        "file_flags",
    ),
)
