"""What every test needs."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def interrupts_arrive() -> Iterator[None]:
    """A shell that starts a command in the background makes it ignore SIGINT, and others may block
    it; the tests of interrupts need Python's own handling.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    signal.signal(signal.SIGINT, before)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For runs that share the cores (`--dist=loadgroup`): a file's tests stay together, because
    many drive kernels that their file starts once. Those of SymBench only compute: they come last,
    one by one, so that no core waits for another.
    """
    alone = [item for item in items if "symbench" in item.path.parts]
    together = [item for item in items if "symbench" not in item.path.parts]
    for item in together:
        item.add_marker(pytest.mark.xdist_group(item.path.as_posix()))
    items[:] = [*together, *alone]
