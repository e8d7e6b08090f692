"""A snapshot and what it started, measured from the kernel: they are one process group."""

from __future__ import annotations

import contextlib
import os

from codesteer_jupyter.execution.supervised import Usage

__all__ = ["Group", "shared_at_fork"]

_PAGE = os.sysconf("SC_PAGE_SIZE")


def shared_at_fork() -> int:
    """Bytes a process that is forked from this one now shares with it, apart from files. Reads
    counters: costs the same whatever there is.
    """
    return sum(_sizes("/proc/self/status", b"RssAnon", b"RssShmem", b"VmSwap"))


class Group:
    """The processes of the group `pid`, which were forked when `shared` bytes were the kernel's."""

    def __init__(self, pid: int, shared: int) -> None:
        self._pid, self._shared = pid, shared

    def usage(self) -> Usage:
        """Resident bytes of the group, which count what is shared with the kernel, too."""
        memory = count = 0
        for pid, pages in self.members():
            memory += pages * _PAGE
            count += pid != self._pid
        return Usage(memory, count)

    def exact_memory(self) -> int:
        """Bytes that the group holds beside the kernel: what was written since the fork.

        A page that one process alone has is one. Of pages that several have, each process is told
        its share only, whoever the others are. So the kernel's part is taken off as large as it
        can be: a group of several that let the kernel's memory go can hold as much more.

        The system looks at every page for this, some 25 ms a GiB in small pages.
        """
        alone = together = count = 0
        for pid, _ in self.members():
            dirty, *shares = _sizes(
                *(f"/proc/{pid}/smaps_rollup", b"Private_Dirty"),
                *(b"Pss_Anon", b"Pss_Shmem", b"SwapPss"),
            )
            alone += dirty
            together += max(0, sum(shares) - dirty)
            count += 1
        return alone + max(0, together - self._shared * count // (count + 1))

    def computed(self) -> float:
        """Processor time of the first process itself so far, s; 0 where it is gone."""
        try:
            with open(f"/proc/{self._pid}/stat", "rb") as file:
                # Fields of proc(5), counted after the name: 11 user, 12 system ticks.
                fields = file.read().rpartition(b")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, IndexError, ValueError):
            return 0.0

    def waits_for_a_lock(self) -> bool:
        """Whether its main thread waits in the system for a futex, as locks are made of."""
        try:
            with open(f"/proc/{self._pid}/wchan", "rb") as file:
                return b"futex" in file.read()
        except OSError:
            return False

    def members(self) -> list[tuple[int, int]]:
        """Process number and resident pages of each process of the group."""
        found = []
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            with contextlib.suppress(OSError, IndexError, ValueError):
                with open(f"/proc/{name}/stat", "rb") as file:
                    # Fields of proc(5), counted after the name: 0 state, 2 group, 21 resident.
                    fields = file.read().rpartition(b")")[2].split()
                if int(fields[2]) == self._pid and fields[0] not in (b"Z", b"X"):
                    found.append((int(name), int(fields[21])))
        return found


def _sizes(path: str, *names: bytes) -> list[int]:
    """The sizes in bytes that a file of `/proc` gives under `names`; 0 where it gives none."""
    found = dict.fromkeys(names, 0)
    with contextlib.suppress(OSError, ValueError), open(path, "rb") as file:
        for line in file:
            name, _, rest = line.partition(b":")
            if name in found:
                found[name] = int(rest.split()[0]) * 1024
    return list(found.values())
