"""Files that are there to be changed, and how they looked before."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import struct
from pathlib import Path

from codesteer_jupyter.execution.escapes.attempt import Effect
from codesteer_jupyter.execution.escapes.calls import checked

__all__ = ["BaitFiles", "file_flags"]

_GET_FLAGS = 0x80086601
_TEXT = b"the user's own words\n" * 20


def file_flags(path: str) -> int | None:
    """The flags `chattr` shows, or None where the file system has none."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        word = fcntl.ioctl(descriptor, _GET_FLAGS, struct.pack("l", 0))
        return int(struct.unpack("l", word)[0]) & 0x40
    except OSError:
        return None
    finally:
        os.close(descriptor)


class BaitFiles:
    """A user's folder, home folder and library, below `root`, and one file in /dev/shm."""

    def __init__(self, root: Path, key: str, name: str) -> None:
        self.folder, self.home, self.library = root / "user", root / "home", root / "lib"
        self.victim, self.hidden = self.folder / "victim.txt", self.home / ".ssh" / "id_bait"
        self.held = self.folder / "held.txt"
        self.shared = Path("/dev/shm") / f"{name}-shared"  # noqa: S108 - bait
        self._folders = [
            *(self.folder, self.home, self.library),
            *(self.folder / "empty", self.folder / "tree", self.folder / "tree" / "inner"),
            *(self.home / ".ssh", self.home / ".config", self.home / ".ipython"),
            *(self.home / ".ipython" / "profile_default",),
            self.home / ".ipython" / "profile_default" / "startup",
        ]
        self._files = {
            self.victim: _TEXT,
            self.held: _TEXT,
            self.folder / "tree" / "inner" / "file.txt": _TEXT,
            self.hidden: f"{key}\n".encode(),
            self.home / ".bashrc": b"# a shell's startup file\n",
            self.home / "notes.txt": _TEXT,
            self.library / "module.py": b"value = 1\n",
            self.shared: _TEXT,
        }
        self._before: dict[str, tuple[object, ...]] = {}
        self.restore()

    def remember(self) -> None:
        """Take the present state as the one to compare with."""
        self._before = self._now()

    def effects(self) -> list[Effect]:
        """Every difference to the remembered state."""
        now, before = self._now(), self._before
        found = [f"{path} is new" for path in now.keys() - before.keys()]
        found += [f"{path} is gone" for path in before.keys() - now.keys()]
        for path in now.keys() & before.keys():
            words = ("kind and rights", "owner", "times", "content", "attributes", "flags")
            different = [
                word
                for word, new, old in zip(words, now[path], before[path], strict=True)
                if new != old
            ]
            # Folders change their times with what is in them.
            if different and not (different == ["times"] and Path(path) in self._folders):
                found.append(f"{path}: {', '.join(different)} changed")
        found = [text.replace(str(self.folder.parent) + "/", "") for text in sorted(found)]
        effects = [Effect("files", text) for text in found]
        if os.path.ismount(self.folder / "empty"):
            effects.append(Effect("mount", "a file system is mounted over a folder"))
        return effects

    def restore(self) -> None:
        """Make everything as it was, in place: the asking process has some of it open."""
        if os.path.ismount(self.folder / "empty"):
            _unmount(str(self.folder / "empty"))
        for path in map(Path, self._now().keys() - self._before.keys() if self._before else ()):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        for folder in self._folders:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, content in self._files.items():
            if path.is_symlink() or (path.exists() and not path.is_file()):
                path.unlink()
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
            with os.fdopen(descriptor, "r+b") as file:
                if file.read() != content:
                    file.seek(0)
                    file.truncate()
                    file.write(content)
            if os.geteuid() == 0:
                os.chown(path, 0, 0)
            os.chmod(path, 0o600)
            with contextlib.suppress(OSError):
                for name in os.listxattr(path):
                    if name != "user.kept" and name.startswith("user."):
                        os.removexattr(path, name)
                os.setxattr(path, "user.kept", b"kept")
            if file_flags(str(path)):
                with open(path, "rb") as opened, contextlib.suppress(OSError):
                    fcntl.ioctl(opened, 0x40086602, struct.pack("l", 0))
        self.remember()

    def close(self) -> None:
        """Remove what does not lie below the root folder."""
        self.shared.unlink(missing_ok=True)

    def _now(self) -> dict[str, tuple[object, ...]]:
        found = {}
        for top in (self.folder, self.home, self.library):
            for folder, folders, files in os.walk(top):
                for name in (*folders, *files, "."):
                    path = os.path.normpath(os.path.join(folder, name))
                    found[path] = _look(path)
        if self.shared.exists():
            found[str(self.shared)] = _look(str(self.shared))
        return found


def _look(path: str) -> tuple[object, ...]:
    facts = os.lstat(path)
    content: object = None
    attributes: object = None
    flags: object = None
    with contextlib.suppress(OSError):
        if stat.S_ISREG(facts.st_mode):
            content = Path(path).read_bytes()
            flags = file_flags(path)
        elif stat.S_ISLNK(facts.st_mode):
            content = os.readlink(path)
        attributes = sorted(os.listxattr(path, follow_symlinks=False))
    owner = (facts.st_uid, facts.st_gid)
    return facts.st_mode, owner, facts.st_mtime_ns, content, attributes, flags


def _unmount(path: str) -> None:
    import ctypes

    checked(ctypes.CDLL(None, use_errno=True).umount2(path.encode(), 2))
