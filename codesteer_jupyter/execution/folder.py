"""A private folder for one executor: sockets, values and scratch folders, removed at the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import ClassVar

from codesteer_jupyter.execution.fonts import prepared, tidied

__all__ = ["Area", "PrivateFolder", "SharedFolder"]

_PREFIX = "codesteer-run-"
_LONGEST = 50  # macOS allows 104 bytes for a socket's path; names below the folder come on top
_STALE = 60.0  # seconds a folder without an owner is left alone


class Area:
    """The part of a folder that confined code may write to.

    Attributes:
        writable: that part: the scratch folder of the round is in here.
        fonts: matplotlib's folder, in there.
    """

    def __init__(self, path: Path) -> None:
        """Make it in the folder `path`."""
        self._rounds = 0
        self._last: Path | None = None
        self.writable = path / "area"
        self.writable.mkdir(mode=0o700)
        self.fonts = prepared(self.writable / "matplotlib", path / "fonts")

    def scratch(self, *, again: bool = False) -> Path:
        """A new empty folder for the next round; the last round's is removed, and whatever else
        was left around it. `again`: the last one may serve again if it is as new, because
        removing a folder takes milliseconds on some file systems.
        """
        kept = self._last if again and _as_new(self._last) else None
        for entry in list(os.scandir(self.writable)):
            if entry.path not in (str(self.fonts), str(kept)):
                _removed(entry)
        tidied(self.fonts)
        if kept is None:
            self._rounds += 1
            kept = self._last = self.writable / f"w{self._rounds}"
            kept.mkdir(mode=0o700)
        return kept


class PrivateFolder(Area):
    """A fresh folder of this user's, with a short path.

    Not even this user can list it, and everything in it but a lock is in folders whose names
    cannot be guessed (`unguessed`; its own is `inner`). Generated code reads the temporary folder
    and knows its own place in there, but what another run has beside it is not to be found. It
    cannot change a folder's mode.

    It is removed by `remove`, when this process ends, or, after a `kill -9`, by the supervisor
    of a running program or else by the next executor of this user.
    """

    def __init__(self) -> None:
        base = tempfile.gettempdir()
        short = base if len(base) < _LONGEST else "/tmp"  # noqa: S108 - mkdtemp makes it private
        _remove_abandoned(Path(short))
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=short))
        self.inner = self.unguessed()
        self.inner.mkdir(mode=0o700)
        lock = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        _locked(lock)
        self.path.chmod(0o300)
        Area.__init__(self, self.inner)
        self._remove = weakref.finalize(self, _end, str(self.path), lock, os.getpid())

    def unguessed(self) -> Path:
        """A path in it that nobody finds who is not told, for a folder that is to be made."""
        return self.path / os.urandom(8).hex()

    def remove(self) -> None:
        """Remove it with everything in it; calling it twice is fine."""
        self._remove()


class SharedFolder:
    """A fresh folder in a private one that all of this process share. So whichever supervisor
    outlives a `kill -9` of the process removes them all.

    Attributes:
        path: this folder.
        root: the one it lies in; removed with the last folder in it.
    """

    _lock = threading.Lock()
    _root: PrivateFolder | None = None
    _owner = 0
    _alive: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        kind = SharedFolder
        with kind._lock:
            if kind._root is None or kind._owner != os.getpid() or not kind._alive:
                kind._root, kind._owner = PrivateFolder(), os.getpid()
                kind._alive.clear()
            self.root = kind._root
            self.path = self.root.unguessed()
            self.path.mkdir(mode=0o700)
            kind._alive.add(str(self.path))

    def remove(self) -> None:
        """Remove it with everything in it; calling it twice is fine."""
        kind = SharedFolder
        if kind._owner != os.getpid():
            return
        shutil.rmtree(self.path, ignore_errors=True)
        with kind._lock:
            kind._alive.discard(str(self.path))
            if not kind._alive and kind._root is not None:
                kind._root.remove()


def _as_new(folder: Path | None) -> bool:
    """Whether it is an empty folder that only this user enters."""
    try:
        return (
            folder is not None
            and stat.S_IMODE(folder.lstat().st_mode) == 0o700
            and not folder.is_symlink()
            and not os.listdir(folder)
        )
    except OSError:
        return False


def _removed(entry: os.DirEntry[str]) -> None:
    with contextlib.suppress(OSError):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)


def _end(path: str, lock: int, owner: int) -> None:
    if os.getpid() != owner:  # a fork of the owner
        return
    for _ in range(3):  # a process that is just dying may still add a file
        _remove_unlisted(path)
        if not os.path.exists(path):
            break
        time.sleep(0.02)
    with contextlib.suppress(OSError):
        os.close(lock)


def _remove_unlisted(path: str | Path) -> None:
    with contextlib.suppress(OSError):
        os.chmod(path, 0o700)
    shutil.rmtree(path, ignore_errors=True)


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
                    _remove_unlisted(lock.parent)
            finally:
                os.close(descriptor)
