"""A guide in another process, as notebooks use it: found, shared, the same as one of their own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codesteer_jupyter.errors import GuideError
from codesteer_jupyter.guides import loaded as store
from codesteer_jupyter.guides.local import LocalGuide
from codesteer_jupyter.guides.resolve import guide
from codesteer_jupyter.guides.serving.client import RemoteEngine, remote_engine
from codesteer_jupyter.guides.serving.discovery import ServedGuide, find_served
from codesteer_jupyter.models.endpoint import Secret
from codesteer_jupyter.steering.completion import Decoding, Delta, Message, Notice
from codesteer_jupyter.steering.guidance import Advice
from codesteer_jupyter.steering.procedure import procedure
from tests.guides.runs import PROFILE, a_round, block, make_run
from tests.guides.served import serving
from tests.guides.test_serve_process import FAKE_VLLM
from tests.guides.tiny import make_tiny_llama
from tests.kernels import start_kernel
from tests.openai_server import OpenAIServer
from tests.scripts import RIGHT, script

torch = pytest.importorskip("torch", reason="the extra [local] is not installed")
pytest.importorskip("transformers", reason="the extra [local] is not installed")

SHORT = procedure("default", guide_max_tokens=24)
SAMPLED = procedure("released", guide_max_tokens=24)
FIRST = make_run("What is 2 + 3?")
LATER = make_run("What is 2 + 3?", a_round(block("print(2 + 3)"), printed="5\n"))


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("runtime")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder))
        patch.delenv("CODESTEER_API_KEY", raising=False)
        yield folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("model") / "tiny-guide")


@pytest.fixture(scope="module")
def served(tiny: Path, runtime: Path) -> Iterator[ServedGuide]:
    with serving(str(tiny), runtime.parent) as server:
        yield server.ready()


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    store.unload()


def local(folder: Path, switches: Any = SHORT, **options: Any) -> Any:
    made: Any = None
    return guide(f"local:{folder}", task_model=made, profile=PROFILE, procedure=switches, **options)


def endpoint(url: str, switches: Any = SHORT, **options: Any) -> Any:
    made: Any = None
    return guide(f"endpoint:{url}", task_model=made, profile=PROFILE, procedure=switches, **options)


async def advise(guiding: Any, run: Any = FIRST) -> list[Any]:
    return [item async for item in guiding.advise(run)]


def notices(items: list[Any]) -> list[str]:
    return [item.kind for item in items if isinstance(item, Notice)]


@pytest.mark.parametrize("switches", [SHORT, SAMPLED], ids=["greedy", "sampled"])
@pytest.mark.parametrize("run", [FIRST, LATER], ids=["first", "later"])
async def test_served_it_advises_as_in_this_process(
    tiny: Path, served: ServedGuide, run: Any, switches: Any
) -> None:
    there = (await advise(local(tiny, switches, seed=5), run))[-1]
    assert not store.is_loaded(str(tiny)), "nothing was loaded here"
    here = (await advise(LocalGuide(str(tiny), PROFILE, switches, seed=5), run))[-1]
    assert isinstance(there, Advice)
    assert (there.raw, there.action, there.text) == (here.raw, here.action, here.text)
    assert there.raw
    assert there.probabilities == pytest.approx(here.probabilities, rel=1e-4)
    assert sum(there.probabilities.values()) == pytest.approx(1)
    assert there.usage.prompt_tokens == here.usage.prompt_tokens
    assert there.usage.completion_tokens == here.usage.completion_tokens


async def test_sharing_is_said_once_and_words_are_streamed(tiny: Path, served: ServedGuide) -> None:
    shared = local(tiny)
    first = await advise(shared)
    assert notices(first) == ["guide_loading", "untrained_profile"]
    assert f"process {served.pid}); this notebook shares it" in first[0].message
    assert "".join(item.text for item in first if isinstance(item, Delta)) == first[-1].raw
    assert sum(isinstance(item, Delta) for item in first) > 3
    assert notices(await advise(shared, LATER)) == []
    assert shared.name == f"local:{tiny}"


async def test_the_answer_is_read_ahead(tiny: Path, served: ServedGuide) -> None:
    import dataclasses

    shared = local(tiny)
    await advise(shared)
    long = block("print(5)") + " because " + "it is so, " * 150
    done = make_run("What is 2 + 3?", a_round(long, printed="5\n"))
    last = done.rounds[0]
    await shared.prepare(
        dataclasses.replace(done, rounds=(), unfinished=dataclasses.replace(last, execution=None))
    )
    advice = (await advise(shared, done))[-1]
    usage = advice.usage
    assert usage.cached_tokens > usage.prompt_tokens * 0.7


async def test_an_address_of_ours_is_found_out(tiny: Path, served: ServedGuide) -> None:
    guiding = endpoint(f"{served.base_url}#tiny-guide")
    items = await advise(guiding)
    expected = (await advise(LocalGuide(str(tiny), PROFILE, SHORT)))[-1]
    assert items[-1].raw == expected.raw
    assert items[-1].probabilities == pytest.approx(expected.probabilities, rel=1e-4)
    assert guiding.name == f"endpoint:{served.base_url}#tiny-guide"
    await guiding.close()
    # Another name than the one it serves is the server's to refuse.
    with pytest.raises(GuideError, match="no such model"):
        await advise(endpoint(f"{served.base_url}#another"))


async def test_an_address_of_ours_with_the_wrong_key(
    served: ServedGuide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODESTEER_API_KEY", "not-the-token-of-this-server")
    with pytest.raises(GuideError, match="refused the key") as caught:
        await advise(endpoint(f"{served.base_url}#tiny-guide"))
    assert "not-the-token" not in str(caught.value)


async def test_leaving_early_ends_the_request(tiny: Path, served: ServedGuide) -> None:
    endless = procedure("default", guide_max_tokens=3500)
    stream = local(tiny, endless).advise(FIRST)
    seen = 0
    async for item in stream:
        seen += isinstance(item, Delta)
        if seen > 2:
            break
    await stream.aclose()
    began = time.monotonic()
    assert isinstance((await advise(local(tiny)))[-1], Advice)
    assert time.monotonic() - began < 30, "the server did not go on with the first"


def test_waiting_for_ones_turn_can_be_given_up(tiny: Path, served: ServedGuide) -> None:
    engine = connected(served)
    ids = engine.prompt([Message("user", "hello")])
    busy, quiet = threading.Event(), threading.Event()
    first = threading.Thread(
        target=engine.generate, args=(ids, Decoding(max_tokens=3500), lambda _: None, busy)
    )
    first.start()
    time.sleep(0.5)
    given_up = threading.Event()
    threading.Timer(0.3, given_up.set).start()
    from concurrent.futures import CancelledError

    with pytest.raises(CancelledError):
        connected(served).score(ids, [[1]], given_up)
    busy.set()
    first.join(20)
    assert not first.is_alive()
    assert engine.generate(ids, Decoding(max_tokens=2), lambda _: None, quiet).text is not None


def connected(info: ServedGuide) -> RemoteEngine:
    found = remote_engine(info.base_url, info.model, Secret(info.token), "tiny")
    assert found is not None
    return found


def test_the_engine_over_http_agrees_with_the_engine(tiny: Path, served: ServedGuide) -> None:
    there, here = connected(served), store.load(store.Wish(str(tiny)))
    talk = [Message("user", "one"), Message("assistant", "two"), Message("user", "three")]
    assert there.context == here.context
    assert there.encode("<<<Code>>>") == here.encode("<<<Code>>>")
    assert there.encode("") == here.encode("")
    assert there.prompt(talk) == here.prompt(talk)
    assert there.beginning(talk) == here.beginning(talk)
    ids = here.prompt(talk)
    labels = [here.encode("<<<Code>>>"), here.encode("<<<Text>>>"), [7]]
    assert there.score(ids, labels) == pytest.approx(here.score(ids, labels), abs=1e-4)
    other = here.prompt([Message("user", "quite another beginning of it all")])
    there.prefill(ids)
    assert there.known(ids) == len(ids) - 1
    assert there.known(other) < len(other) - 1
    assert there.prefill(other) > 0
    quiet = threading.Event()
    decoding = Decoding(max_tokens=10, stop=("zzz",))
    said: list[str] = []
    mine = here.generate(ids, decoding, lambda _: None, quiet)
    theirs = there.generate(ids, decoding, said.append, quiet)
    assert theirs.text == "".join(said) == mine.text
    assert (theirs.finish_reason, theirs.completion_tokens) == ("length", 10)


def test_no_server_of_ours_is_no_engine() -> None:
    assert remote_engine("http://127.0.0.1:9/v1", "m", Secret("x"), "s") is None
    with OpenAIServer([]) as other:
        assert remote_engine(other.base_url, "test-model", Secret(""), "s") is None
    with OpenAIServer([], api_key="k") as other, pytest.raises(GuideError, match="refused"):
        remote_engine(other.base_url, "test-model", Secret("x"), "s")


async def test_when_its_server_ends_the_guide_goes_on_here(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    with serving(str(tiny), tmp_path) as server:
        server.ready()
        shared = local(tiny)
        before = (await advise(shared))[-1]
        server.process.kill()
        server.process.wait(30)
        items = await advise(shared)
    assert notices(items)[0] == "guide_loading"
    assert "Loading" in items[0].message
    assert store.is_loaded(str(tiny))
    assert items[-1].raw == before.raw


async def test_a_guide_that_is_loaded_here_is_used(tiny: Path, served: ServedGuide) -> None:
    store.load(store.Wish(str(tiny)))
    assert notices(await advise(local(tiny))) == ["untrained_profile"]


async def test_served_by_vllm_it_is_asked_as_a_chat_model(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    env = {"FAKE_VLLM_TOLD": str(tmp_path / "told.json")}
    options = ("--backend", "vllm", "--vllm", str(FAKE_VLLM))
    with serving(str(tiny), tmp_path, *options, env=env) as server:
        info = server.ready()
        shared = local(tiny)
        items = await advise(shared)
        assert notices(items) == ["guide_served"]
        assert f"by vLLM, process {info.pid}" in items[0].message
        assert (items[-1].action, items[-1].text) == ("code", "search every case")
        assert shared.name == f"local:{tiny}"
        await shared.close()
        again = await advise(endpoint(f"{info.base_url}#tiny-guide"))
        assert again[-1].action == "code", "its key is this user's to read"


# -- two notebooks --------------------------------------------------------------------------------


@pytest.mark.timeout(400)
def test_two_kernels_share_one_served_guide(
    tiny: Path, served: ServedGuide, runtime: Path, tmp_path: Path
) -> None:
    model = script(tmp_path, RIGHT)
    env = {
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "CODESTEER_HOME": str(tmp_path / "home"),
        "HF_HUB_OFFLINE": "1",
    }
    cell = (
        f"%%codesteer --model {model} --guide local:{tiny} --into r --rounds 1 --no-check "
        "--run subprocess\n"
        "Which is larger, 9.11 or 9.9?"
    )
    facts = (
        "import sys\n"
        "g = [round.guidance for round in r.trajectory.rounds]\n"
        "print(r.trajectory.guide, 'torch' in sys.modules, len(g),\n"
        "      all(abs(sum(x.probabilities.values()) - 1) < 1e-6 for x in g), [x.raw for x in g])"
    )
    with start_kernel(env=env) as one, start_kernel(env=env) as two:
        for kernel in (one, two):
            kernel.execute("%load_ext codesteer_jupyter").check()
        sent = [(kernel, kernel.send(cell)) for kernel in (one, two)]
        shown = [kernel.collect(name, 150).check() for kernel, name in sent]
        told = [kernel.execute(facts).check().stdout for kernel in (one, two)]
        held = [kernel.execute("%codesteer guide status").check().stdout for kernel in (one, two)]
    assert told[0] == told[1], "the same guidance, one after the other or not"
    assert told[0].startswith(f"local:{tiny} False ")
    assert " True [" in told[0]
    for text in held:
        assert f"served on this machine by process {served.pid}" in text
    for done in shown:
        assert f"process {served.pid}" in str(done.outputs)
    assert find_served(str(tiny)) == served


async def test_many_at_once_take_turns(tiny: Path, served: ServedGuide) -> None:
    advised = await asyncio.gather(*(advise(local(tiny), run) for run in (FIRST, LATER) * 3))
    raws = [items[-1].raw for items in advised]
    assert raws[0::2] == [raws[0]] * 3
    assert raws[1::2] == [raws[1]] * 3
