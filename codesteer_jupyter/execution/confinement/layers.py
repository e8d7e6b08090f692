"""The layers of confinement by name: the one table behind records, probes and documentation."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["DEPENDS", "LAYERS", "layers_table", "ordered"]

LAYERS: dict[str, str] = {
    "process": "a process of its own: a crash or an exit does not end the kernel",
    "environment": "an allow-listed environment: no variable named like a key is in it",
    "session": "a session of its own: no terminal to read from or write to",
    "supervisor": "a small parent that ends everything below it when the run or its asker ends",
    "process_group": "every process stays in one group, which the parent ends as a whole",
    "parent_death": "the kernel ends the process when its parent ends, also by SIGKILL",
    "rlimits": "bounds on data memory, file size, open files and core files",
    "capabilities": "no privileges, and none to be had from set-user-ID programs",
    "userns": "a user namespace with this one user: no rights over anything outside it",
    "pidns": "a pid namespace: no other process can be seen or signalled, none outlives the run",
    "netns": "a network namespace without a way out: no host, port or loopback service is reached",
    "ipcns": "System V and POSIX message queues, semaphores and shared memory of its own",
    "mountns": "a private /dev/shm and private terminals in place of the shared ones",
    "readonly": "every mounted file system is read-only, but the scratch folder",
    "landlock": "files: writes in the scratch folder only, no reads of hidden home files; no TCP",
    "seccomp": "system calls: no sockets, no ptrace, no mounts, no new namespaces; metadata faked",
}
"""Name -> what it stops, in one sentence. `Execution.isolation` holds names of this table."""

DEPENDS: dict[str, tuple[str, ...]] = {
    "netns": ("userns",),
    "ipcns": ("userns",),
    "mountns": ("userns",),
    "readonly": ("userns", "mountns"),
    "pidns": ("userns", "mountns"),
}
"""Layer -> layers it cannot be had without."""


def ordered(names: Iterable[str]) -> list[str]:
    """`names` in the order of the table, each once."""
    wanted = set(names)
    return [name for name in LAYERS if name in wanted]


def layers_table() -> str:
    """The table as Markdown, as SECURITY.md shows it."""
    rows = [f"| `{name}` | {what} |" for name, what in LAYERS.items()]
    return "\n".join(["| layer | what it is and stops |", "| --- | --- |", *rows])
