"""Run by root: becomes the user 65534, who has no privilege, and runs a command as that user.

`python unprivileged.py FOLDER COMMAND…`: FOLDER becomes that user's home. In a mount namespace of
its own the interpreter and this checkout stay reachable where they lie below a folder that only
root may enter.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

NOBODY = 65534
_CLONE_NEWNS, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x00020000, 4096, 16384, 1 << 18


def _barrier(path: Path) -> Path | None:
    """The highest folder above `path` that others may not enter."""
    for folder in reversed(path.parents):
        if not folder.stat().st_mode & 0o001:
            return folder
    return None


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    words = [word.encode() if word is not None else None for word in (source, target, kind, data)]
    if libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]) != 0:
        raise OSError(ctypes.get_errno(), f"mount {target}")


def reach(paths: set[Path], hold: Path) -> None:
    """Make `paths` reachable in place, whatever encloses them."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    barriers: dict[Path, list[Path]] = {}
    for path in paths:
        barrier = _barrier(path)
        if barrier is not None:
            barriers.setdefault(barrier, []).append(path)
    for barrier, below in barriers.items():
        held = []
        for number, path in enumerate(below):
            place = hold / f"held{number}"
            place.mkdir()
            _mount(str(path), str(place), None, _MS_BIND | _MS_REC)
            held.append((path, place))
        _mount("tmpfs", str(barrier), "tmpfs", 0, "mode=755")
        for path, place in held:
            path.mkdir(parents=True, exist_ok=True)
            _mount(str(place), str(path), None, _MS_BIND | _MS_REC)


def main(folder: str, command: list[str]) -> None:
    home = Path(folder)
    root = Path(__file__).resolve().parents[2]
    reach({Path(sys.prefix), Path(sys.base_prefix), root}, home)
    os.chown(home, NOBODY, NOBODY)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    os.environ.update(HOME=str(home), TMPDIR=str(home), USER="nobody", LOGNAME="nobody")
    os.chdir(home)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
