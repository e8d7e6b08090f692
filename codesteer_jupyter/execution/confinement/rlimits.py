"""Resource limits of this process and, inherited, of each one it starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

__all__ = ["SLACK", "data_size", "limit"]

SLACK = 2**30  # thread stacks and allocator arenas are writable addresses, hardly ever used


def data_size() -> int:
    """Bytes of private writable memory this process has now, as RLIMIT_DATA counts them."""
    return _pages(5)


def _address_space() -> int:
    return _pages(0)


def _pages(field: int) -> int:
    """A field of `/proc/self/statm` in bytes, 0 where there is none."""
    try:
        file = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return int(os.read(file, 200).split()[field]) * os.sysconf("SC_PAGE_SIZE")
        finally:
            os.close(file)
    except (OSError, ValueError, IndexError):
        return 0


def limit(bounds: Mapping[str, int]) -> list[str]:
    """Set limits, so that the process cannot raise them again; returns the names of those in
    force.

    Args:
        bounds: by name: `data` (bytes more than now, with slack on top), `file` (bytes of a
            file), `core` (bytes), `open` (files), `processes` (as many, each
            with its threads, which the system counts too), `addresses`
            (bytes of address space more than now).
    """
    try:
        import resource
    except ImportError:
        return []
    now = {"data": data_size, "addresses": _address_space}
    done = []
    for name, value in bounds.items():
        kind = getattr(resource, _KINDS[name], None)
        if kind is None or (name in now and sys.platform != "linux"):
            continue
        wanted = value + now[name]() + SLACK if name in now else value
        if name == "processes":
            # Libraries start a thread per processor in each process.
            wanted = 256 + 4 * value + 16 * (os.cpu_count() or 1)
        soft_now, hard_now = resource.getrlimit(kind)
        if hard_now != resource.RLIM_INFINITY:
            wanted = min(wanted, hard_now)
        if name == "open" and soft_now != resource.RLIM_INFINITY:
            wanted = min(wanted, soft_now)
        try:
            resource.setrlimit(kind, (wanted, wanted))
        except (OSError, ValueError):
            continue
        done.append(_KINDS[name])
    return done


_KINDS = {
    "data": "RLIMIT_DATA",
    "file": "RLIMIT_FSIZE",
    "core": "RLIMIT_CORE",
    "open": "RLIMIT_NOFILE",
    "processes": "RLIMIT_NPROC",
    "addresses": "RLIMIT_AS",
}
