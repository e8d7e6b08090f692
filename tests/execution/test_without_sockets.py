"""Processes of generated code: started and sharing descriptors where there is no local socket."""

from __future__ import annotations

import multiprocessing.context as context
import os
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytest_asyncio

from codesteer_jupyter.execution import without_sockets
from codesteer_jupyter.execution.resolve import executor as resolve
from codesteer_jupyter.steering.execution import Executor, Limits
from tests.execution.confined import confined, needs
from tests.execution.running import run

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIMITS = Limits(wall=60.0, memory=3 * 2**30)
LOADER = """
if __name__ == "__main__":
    import torch
    from torch.utils.data import DataLoader, TensorDataset
    rows = TensorDataset(torch.arange(4000.0).reshape(1000, 4))
    options = {"multiprocessing_context": "METHOD", "num_workers": 2}
    print(sum(float(rows.sum()) for rows, in DataLoader(rows, batch_size=4, **options)))
    import os
    print(len(os.listdir("/proc/self/fd")) < 40)
"""


@pytest_asyncio.fixture(params=["child", "subprocess"], scope="module", loop_scope="module")
async def executor(request: pytest.FixtureRequest) -> AsyncIterator[Executor]:
    needs("seccomp", "mountns")
    made = resolve(request.param)
    yield made
    await made.close()


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
async def test_workers_of_torch_hand_over_tensors(executor: Executor, method: str) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    result = await run(executor, LOADER.replace("METHOD", method), LIMITS)
    assert (result.status, result.stdout) == ("ok", "7998000.0\nTrue\n"), result


SHARE = """
import multiprocessing as m, os
from multiprocessing.reduction import DupFd
fork = m.get_context("fork")

def send(queue, count):
    for number in range(count):
        file = os.open("shared", os.O_RDWR | os.O_CREAT)
        queue.put(DupFd(file)); os.close(file)
        taken.acquire()
    queue.put(len(os.listdir("/proc/self/fd")))

queue, taken = fork.SimpleQueue(), fork.Semaphore(0)
worker = fork.Process(target=send, args=(queue, 50)); worker.start()
for number in range(50):
    file = queue.get().detach(); os.write(file, b"x" * (number + 1)); os.close(file)
    taken.release()
print(os.path.getsize("shared"), queue.get() < 20); worker.join()
"""


async def test_descriptors_are_handed_over_and_given_up(executor: Executor) -> None:
    result = await run(executor, SHARE, LIMITS)
    assert (result.status, result.stdout) == ("ok", "50 True\n"), result


async def test_a_server_of_forks_is_not_needed(executor: Executor) -> None:
    code = (
        'if __name__ == "__main__":\n'
        "    import multiprocessing as m\n"
        '    with m.get_context("forkserver").Pool(1) as pool: print(pool.map(abs, [-1]))'
    )
    result = await run(executor, code, LIMITS)
    assert (result.status, result.stdout) == ("ok", "[1]\n"), result


async def test_where_it_is_the_default_processes_are_forked() -> None:
    known = dict(context._concrete_contexts)  # type: ignore[attr-defined]  # the module's own
    for used in (None, known["forkserver"]):
        default = context.DefaultContext(known["forkserver"])
        default._actual_context = used
        module = SimpleNamespace(
            _default_context=default,
            _concrete_contexts=known,
            ForkServerProcess=type("ForkServerProcess", (), {}),
            SpawnProcess=context.SpawnProcess,
        )
        without_sockets._contexts(module)
        assert default.get_start_method() == "fork"
        default.set_start_method("spawn", force=True)  # a program's own choice stands
        assert default.get_start_method() == "spawn"


async def test_what_cannot_be_had_says_so_at_once(executor: Executor) -> None:
    result = await run(executor, "import multiprocessing as m; m.Manager()", LIMITS)
    assert result.error is not None
    assert (result.error.name, result.seconds < 20) == ("PermissionError", True)
    assert "multiprocessing.Queue" in result.error.message
    code = "from multiprocessing import Pipe, reduction as r; r.ForkingPickler.dumps(Pipe()[0])"
    result = await run(executor, code, LIMITS)
    assert result.error is not None
    assert "Process(args=...)" in result.error.message


async def test_nothing_is_changed_where_sockets_can_be_had(tmp_path: Path) -> None:
    code = (
        "from codesteer_jupyter.execution import without_sockets as w\n"
        "attempt('changed', lambda: (w.install(), type(sys.meta_path[0]) is w._Finder)[1])"
    )
    needs("seccomp")
    assert confined(code, tmp_path)[1] == {"changed": True}
    assert confined(code, tmp_path, without=["seccomp"])[1] == {"changed": False}
    assert not os.listdir(tmp_path)
