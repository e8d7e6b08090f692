"""A private folder for one executor: sockets, values and scratch folders, removed at the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
import weakref
from pathlib import Path

from codesteer_jupyter.execution.fonts import prepared, tidied

__all__ = ["PrivateFolder"]

_PREFIX = "codesteer-run-"
_LONGEST = 50  # macOS allows 104 bytes for a socket's path; names below the folder come on top
_STALE = 60.0  # seconds a folder without an owner is left alone


class PrivateFolder:
    """A fresh folder only this user can read (mode 0700), with a short path.

    It is removed by `remove`, when this process ends, or, after a `kill -9`, by the supervisor
    of a running program or else by the next executor of this user.
    """

    def __init__(self) -> None:
        base = tempfile.gettempdir()
        short = base if len(base) < _LONGEST else "/tmp"  # noqa: S108 - mkdtemp makes it private
        _remove_abandoned(Path(short))
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=short))
        lock = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        _locked(lock)
        self._rounds = 0
        self.writable = self.path / "area"
        """What confined code may write to: the scratch folder of the round is in here."""
        self.writable.mkdir(mode=0o700)
        self.fonts = prepared(self.writable / "matplotlib", self.path / "fonts")
        self._remove = weakref.finalize(self, _end, str(self.path), lock)

    def scratch(self) -> Path:
        """A new empty folder for the next round; the last round's is removed, and whatever else
        was left around it.
        """
        for entry in list(os.scandir(self.writable)):
            if entry.path != str(self.fonts):
                _removed(entry)
        tidied(self.fonts)
        self._rounds += 1
        scratch = self.writable / f"w{self._rounds}"
        scratch.mkdir(mode=0o700)
        return scratch

    def remove(self) -> None:
        """Remove it with everything in it; calling it twice is fine."""
        self._remove()


def _removed(entry: os.DirEntry[str]) -> None:
    with contextlib.suppress(OSError):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)


def _end(path: str, lock: int) -> None:
    for _ in range(3):  # a process that is just dying may still add a file
        shutil.rmtree(path, ignore_errors=True)
        if not os.path.exists(path):
            break
        time.sleep(0.02)
    with contextlib.suppress(OSError):
        os.close(lock)


def _locked(descriptor: int) -> bool:
    """Take the lock that says a folder has a living owner; False where another has it."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_abandoned(base: Path) -> None:
    """Remove folders of this user whose process was killed. The lock decides, not a process
    number, because containers may share the temporary folder.
    """
    for lock in base.glob(f"{_PREFIX}*/lock"):
        with contextlib.suppress(OSError):
            facts = lock.stat()
            if facts.st_uid != os.getuid() or time.time() - facts.st_mtime < _STALE:
                continue
            descriptor = os.open(lock, os.O_RDWR)
            try:
                if _locked(descriptor):
                    shutil.rmtree(lock.parent, ignore_errors=True)
            finally:
                os.close(descriptor)
