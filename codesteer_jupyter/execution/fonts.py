"""matplotlib's folder for generated code: its own, but with the list of fonts of the user's.

Making that list takes seconds; without it every first plot of a process would wait.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import stat
from pathlib import Path

__all__ = ["prepared", "tidied"]

_LIST = "fontlist-v*.json"


def prepared(folder: Path, kept: Path) -> Path:
    """Make `folder`, with links to copies of the user's font lists, which are put into `kept`."""
    folder.mkdir(mode=0o700)
    kept.mkdir(mode=0o700)
    for place in _places():
        for path in glob.glob(os.path.join(glob.escape(place), _LIST)):
            copy = kept / os.path.basename(path)
            if not copy.exists():
                with contextlib.suppress(OSError):
                    shutil.copyfile(path, copy)
                    (folder / copy.name).symlink_to(copy)
    return folder


def tidied(folder: Path) -> None:
    """Take out everything but font lists, which are expensive: settings and styles that code
    left there must not reach the next round. Code may have put anything in the folder's place: a
    link is removed, never followed.
    """
    with contextlib.suppress(OSError):
        if not stat.S_ISDIR(folder.lstat().st_mode):
            folder.unlink()
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            _emptied(held)
        finally:
            os.close(held)


def _emptied(held: int) -> None:
    with os.scandir(held) as entries:
        found = [entry for entry in entries if not Path(entry.name).match(_LIST)]
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.name, ignore_errors=True, dir_fd=held)
        else:
            os.unlink(entry.name, dir_fd=held)


def _places() -> list[str]:
    home = os.path.expanduser("~")
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    named = os.environ.get("MPLCONFIGDIR")
    return [
        *([named] if named else []),
        os.path.join(cache, "matplotlib"),
        os.path.join(home, ".matplotlib"),
    ]
