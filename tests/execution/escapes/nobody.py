"""Running this package as an unprivileged user, on a machine where the tests run as root."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache

NOBODY = 65534
# A private view of the file system in which everybody may pass through the root user's home, where
# the interpreter may be installed; nothing changes for others.
_PASSABLE = """
set -e
hidden={hidden}
mount --make-rprivate /
aside=$(mktemp -d)
mount --bind "$hidden" "$aside"
mount -t tmpfs -o mode=755 none "$hidden"
for name in {names}; do
    mkdir "$hidden/$name"
    mount --bind "$aside/$name" "$hidden/$name"
done
umount "$aside"
rmdir "$aside"
cd "$1"; shift
exec setpriv --reuid {nobody} --regid {nobody} --clear-groups "$@"
"""


def command(arguments: Sequence[str], folder: str) -> list[str]:
    """`arguments` as user 65534 in `folder`."""
    hidden = _hidden()
    if hidden is None:
        return [*_plain(), *arguments]
    below = os.path.relpath(os.path.realpath(sys.executable), hidden).split(os.sep)[0]
    script = _PASSABLE.format(hidden=shlex.quote(hidden), names=shlex.quote(below), nobody=NOBODY)
    return ["unshare", "--mount", "/bin/sh", "-c", script, "sh", folder, *arguments]


def _plain() -> list[str]:
    return ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]


def _hidden() -> str | None:
    """The folder above the interpreter that only its owner may pass."""
    path = os.path.realpath(sys.executable)
    while path != "/":
        path = os.path.dirname(path)
        if not os.stat(path).st_mode & 0o001:
            return path
    return None


@cache
def reason() -> str:
    """Why tests cannot be run as that user here, or ""."""
    if os.geteuid() != 0:
        return "the tests run as an unprivileged user anyway"
    try:
        done = subprocess.run(
            command([sys.executable, "-c", "import psutil"], "/"), capture_output=True, check=False
        )
    except OSError as error:
        return f"{error.filename} is not installed"
    if done.returncode:
        return f"the interpreter does not start as that user: {done.stderr.decode()[-200:]}"
    return ""


def run(
    arguments: Sequence[str], folder: str, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """The ended process."""
    return subprocess.run(
        command(arguments, folder),
        cwd=folder,
        env=dict(env),
        capture_output=True,
        text=True,
        check=False,
    )
