"""What generated code may read: everything, but the places where secrets are kept.

Landlock can only allow, so what is around a place that stays closed is allowed piece by piece.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
from collections.abc import Iterable, Iterator

from .landlock import LIST, READ

__all__ = ["closed_places", "readable"]

_SOCKETS = ("/run", "/var/run")  # container engines, message buses, ssh agents, pods' tokens
_OF_ROOT = (  # only root could read them
    *("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-"),
    *("/etc/ssh", "/etc/ssl/private", "/etc/sudoers", "/etc/sudoers.d", "/etc/kubernetes"),
    *("/etc/docker", "/etc/krb5.keytab", "/var/lib/docker", "/var/lib/containerd"),
    *("/var/lib/kubelet", "/var/lib/cloud", "/var/lib/sss", "/var/spool", "/var/backups"),
)
_OF_SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/opt", "/nix", "/etc", "/snap")
_SPECIAL = ("/proc", "/dev")  # ruled elsewhere
_FILES_OF_SECRETS = (
    *(".env", ".env.*", ".envrc", ".netrc", "_netrc", ".git-credentials", ".pgpass", ".pypirc"),
    *(".npmrc", ".ssh", ".aws", ".gnupg", ".kube", ".docker", ".azure", ".streamlit"),
)

# Variables that say where what is usually hidden in the home is kept.
_NAMED_BY = (
    *("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "XDG_RUNTIME_DIR", "GNUPGHOME"),
    *("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "GOOGLE_APPLICATION_CREDENTIALS"),
    *("KUBECONFIG", "DOCKER_CONFIG", "NETRC", "PGPASSFILE", "HF_TOKEN_PATH", "KRB5CCNAME"),
)


def _homes() -> tuple[set[str], set[str]]:
    """The homes of this user, and the folders that hold other users' homes."""
    own = {os.path.expanduser("~")}
    with contextlib.suppress(ImportError, KeyError):
        import pwd

        own.add(pwd.getpwuid(os.getuid()).pw_dir)
    own = {os.path.realpath(home) for home in own if os.path.isdir(home)} - {"/"}
    around = {"/home", "/root", *(os.path.dirname(home) for home in own)} - {"/"}
    return own, {folder for folder in around if os.path.isdir(folder)} - own


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _children(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            # What a link points to is judged where it is.
            return [entry for entry in entries if not entry.is_symlink()]
    except OSError:
        return []


def _hidden(folder: str, patterns: Iterable[str]) -> Iterator[str]:
    """Where the entries of `folder` with such names are, links followed: files of settings are
    often kept elsewhere and linked to. What belongs to others or to the system is not hidden by a
    link to it.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not any(fnmatch.fnmatch(entry.name, pattern) for pattern in patterns):
                continue
            if not entry.is_symlink():
                yield entry.path
                continue
            place = os.path.realpath(entry.path)
            with contextlib.suppress(OSError):
                foreign = os.stat(place).st_uid != os.getuid()
                if not foreign and not any(_inside(place, system) for system in _OF_SYSTEM):
                    yield place


def closed_places(folder: str) -> set[str]:
    """Every path below which nothing is read unless it is named: hidden files of this user's
    home and what the environment says is kept elsewhere, other homes, sockets and credentials of
    the system, and files of secrets in `folder`.
    """
    own, around = _homes()
    closed = {*_SOCKETS, *_SPECIAL, *(_OF_ROOT if os.geteuid() == 0 else ())}
    for home in own:
        closed |= {place for place in _hidden(home, (".*",)) if not _inside(home, place)}
    for parent in around:
        closed |= {
            entry.path
            for entry in _children(parent)
            if not any(_inside(home, entry.path) for home in own)
        }
        if not any(_inside(home, parent) for home in own):
            closed.add(parent)
    named = (os.path.realpath(os.environ[name]) for name in _NAMED_BY if os.environ.get(name))
    closed |= {place for place in named if not any(_inside(top, place) for top in (*own, folder))}
    secrets = _hidden(folder, _FILES_OF_SECRETS)
    closed |= {place for place in secrets if not _inside(folder, place)}
    return {path for path in closed if os.path.lexists(path)}


def readable(
    needed: Iterable[str | os.PathLike[str]], named: Iterable[str | os.PathLike[str]], folder: str
) -> list[tuple[str, str]]:
    """Rules for reading.

    Args:
        needed: where the interpreter is and what is imported from; allowed wherever they are,
            but for closed places in them.
        named: what the user opened up: allowed as a whole.
        folder: the notebook's; as `needed`, and without the files of secrets in it.
    """
    folder = os.path.realpath(folder)
    closed = closed_places(folder)
    rules = [(path, READ) for path in _open("/", closed)]
    for place in sorted({folder, *map(os.path.realpath, needed)} - {"/"}):
        rules += [(path, READ) for path in _open(place, closed)]
        if any(_inside(path, place) and path != place for path in closed):
            rules.append((place, LIST))  # its entries' names: to find files, and to import
    rules += [(os.path.realpath(path), READ) for path in named]
    whole = {path for path, kind in rules if kind == READ}
    return [
        *((path, READ) for path in sorted(whole) if not _covered(path, whole)),
        *(rule for rule in rules if rule[1] == LIST),
    ]


def _covered(path: str, whole: set[str]) -> bool:
    while path != "/":
        path = os.path.dirname(path)
        if path in whole:
            return True
    return False


def _open(path: str, closed: set[str]) -> Iterator[str]:
    """What can be allowed below `path` (itself not closed) without allowing a closed place."""
    below = {place for place in closed if _inside(place, path) and place != path}
    if not below:
        yield path
        return
    for entry in _children(path):
        if entry.path not in below:
            yield from _open(entry.path, below)
