"""`codesteer guide serve` as a process: how it is found, guarded, stopped, and cleaned up after."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import stat
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from codesteer_jupyter.announcements import write_announcement
from codesteer_jupyter.errors import UsageError
from codesteer_jupyter.guides.serving.access import HubService, HubTokens
from codesteer_jupyter.guides.serving.discovery import (
    ServedGuide,
    canonical,
    files_of,
    find_served,
    served_at,
    served_guides,
)
from codesteer_jupyter.guides.serving.serve import TOKEN_VARIABLE, ServeOptions, serve
from codesteer_jupyter.guides.serving.vllm import Vllm, free_port
from tests.guides.served import serving
from tests.guides.tiny import make_tiny_llama

pytest.importorskip("torch", reason="the extra [local] is not installed")
pytest.importorskip("transformers", reason="the extra [local] is not installed")

FAKE_VLLM = Path(__file__).with_name("fake_vllm.py")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("model") / "tiny-guide")


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime folder of Jupyter's for this test alone."""
    folder = tmp_path / "runtime"
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder))
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    return folder


def get(info: ServedGuide, path: str = "/v1/models", token: str | None = None) -> int:
    connection = http.client.HTTPConnection(info.host, info.port, timeout=30)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token or info.token}"})
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_served_guide_is_found_and_leaves_nothing_behind(
    tiny: Path, tmp_path: Path, runtime: Path
) -> None:
    with serving(str(tiny), tmp_path) as server:
        info = server.ready()
        assert (info.model, info.spec, info.backend) == ("tiny-guide", str(tiny), "codesteer")
        assert info.about == "float32 on cpu"
        file = files_of(str(tiny)).info
        assert file.parent == runtime
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
        assert info.token not in server.printed
        assert info.token not in " ".join(psutil.Process(info.pid).cmdline())
        assert get(info) == 200
        assert get(info, token="another-token-entirely") == 401
        assert served_guides() == [info]
        assert served_at(info.base_url) == served_at(f"http://localhost:{info.port}/v1") == info
        assert served_at(f"http://127.0.0.1:{info.port + 1}/v1") is None
        # Another spelling of the same folder is the same guide.
        assert find_served(f"{tiny.parent}/../{tiny.parent.name}/{tiny.name}") == info
        listening = [c.laddr.ip for c in psutil.Process(info.pid).net_connections("tcp")]
        assert set(listening) == {"127.0.0.1"}
        # The same one again is refused, and the first goes on.
        with serving(str(tiny), tmp_path) as second:
            assert second.process.wait(60) == 2
            assert "is served already at http://127.0.0.1" in second.printed
        assert find_served(str(tiny)) == info
        assert server.stop() == 0
    assert list(runtime.iterdir()) == []


def test_what_a_killed_server_left_is_removed(tiny: Path, tmp_path: Path, runtime: Path) -> None:
    with serving(str(tiny), tmp_path) as server:
        first = server.ready()
        server.process.kill()
        server.process.wait(30)
    file = files_of(str(tiny)).info
    left = file.read_bytes()
    assert left, "nobody could take it away"
    assert served_guides() == []
    assert find_served(str(tiny)) is None
    assert list(runtime.iterdir()) == []
    file.write_bytes(left)
    file.chmod(0o600)
    with serving(str(tiny), tmp_path) as server:  # also without anybody looking in between
        assert server.ready().pid != first.pid
        assert server.stop(signal.SIGINT) == 0
        assert server.printed.rstrip().endswith("Stopped.")
        assert "Traceback" not in server.printed
    assert list(runtime.iterdir()) == []


def test_an_announcement_that_others_could_have_written_is_not_believed(
    tiny: Path, runtime: Path
) -> None:
    runtime.mkdir(mode=0o700)
    ours = psutil.Process()
    file = files_of(str(tiny)).info
    fake = ServedGuide("m", ours.pid, ours.create_time(), 9, "token", spec=canonical(str(tiny)))
    write_announcement(file, fake)
    assert served_guides() == [fake]
    assert find_served(str(tiny)) is None, "nothing answers there"
    assert file.exists(), "the process lives: it may be loading"
    file.chmod(0o644)
    assert served_guides() == []
    file.unlink()
    write_announcement(file, fake)
    file.rename(files_of("org/another").info)
    assert find_served("org/another") is None, "it is for another model"
    for damage in ("{", "[]", '{"model": "m"}', '{"model":"m","pid":"1","created":0,"port":1}'):
        file.write_text(damage)
        file.chmod(0o600)
        assert find_served(str(tiny)) is None


@contextlib.contextmanager
def served_here(options: ServeOptions) -> Iterator[list[str]]:
    """`serve` in a thread of this process; what it says."""
    said: list[str] = []
    ready, stopped = threading.Event(), threading.Event()

    def say(line: str) -> None:
        said.append(line)
        if line.startswith("Serving"):
            ready.set()

    thread = threading.Thread(target=serve, args=(options, say, stopped))
    thread.start()
    try:
        assert ready.wait(60), said
        yield said
    finally:
        stopped.set()
        thread.join(30)
        assert not thread.is_alive()


def test_names_ports_and_tokens_of_ones_own(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, runtime: Path
) -> None:
    own = "my-own-token-of-this-test"
    monkeypatch.setenv(TOKEN_VARIABLE, own)
    with served_here(ServeOptions(str(tiny), name="guide/one", host="localhost")) as said:
        info = find_served(str(tiny))
        assert info is not None
        assert (info.model, info.token) == ("guide/one", own)
        assert own not in "".join(said)
        assert not any("encrypted" in line for line in said)
        monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(runtime / "other"))
        with pytest.raises(UsageError, match=r"Nothing can listen on 127\.0\.0\.1:\d+ .*choose"):
            serve(ServeOptions(str(tiny), port=info.port), print, threading.Event())
        assert list((runtime / "other").iterdir()) == []
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))
    assert list(runtime.iterdir()) == [runtime / "other"]
    with served_here(ServeOptions(str(tiny), host="0.0.0.0")) as said:
        assert any("nothing is encrypted" in line for line in said)
        info = find_served(str(tiny))
        assert info is not None
        assert info.base_url.startswith("http://127.0.0.1:")
    for token, words in (("short", "shorter than 16"), ("ü" * 20, "ASCII")):
        monkeypatch.setenv(TOKEN_VARIABLE, token)
        with pytest.raises(UsageError, match=words):
            serve(ServeOptions(str(tiny)), print, threading.Event())
    with pytest.raises(UsageError, match="cannot hold a #"):
        serve(ServeOptions(str(tiny), name="a#b"), print, threading.Event())
    options = ServeOptions(str(tiny), backend="vllm", service=True)
    for name, value in hub_environment("http://127.0.0.1:9/hub/api", 9).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="cannot ask the hub"):
        serve(options, print, threading.Event())


def test_no_model_is_one_sentence(tmp_path: Path) -> None:
    with serving("/no/such/folder", tmp_path) as server:
        assert server.process.wait(60) == 1
        assert server.printed.startswith("codesteer: There is no model folder /no/such/folder")
        assert server.printed.count("\n") == 1


# -- vLLM, by a stand-in --------------------------------------------------------------------------


def test_vllm_is_started_with_a_key_and_prefix_caching(
    tiny: Path, tmp_path: Path, runtime: Path
) -> None:
    told = tmp_path / "told.json"
    env = {"FAKE_VLLM_TOLD": str(told)}
    options = ("--backend", "vllm", "--vllm", str(FAKE_VLLM))
    with serving(str(tiny), tmp_path, *options, env=env) as server:
        info = server.ready()
        asked = json.loads(told.read_text())
        assert asked["argv"][:2] == ["serve", str(tiny)]
        assert "--enable-prefix-caching" in asked["argv"]
        assert asked["argv"][asked["argv"].index("--host") + 1] == "127.0.0.1"
        assert asked["key"] == info.token
        assert info.token not in " ".join(asked["argv"])
        assert info.token not in server.printed
        assert (info.backend, info.model) == ("vllm", "tiny-guide")
        assert psutil.pid_exists(info.pid)
        assert get(info) == 200
        assert server.stop() == 0
        assert not psutil.pid_exists(info.pid), "vLLM ends with it"
    assert list(runtime.iterdir()) == []


def test_vllm_that_ends_is_said(tiny: Path, tmp_path: Path, runtime: Path) -> None:
    env = {"FAKE_VLLM_TOLD": str(tmp_path / "told.json")}
    options = ("--backend", "vllm", "--vllm", str(FAKE_VLLM))
    with serving(str(tiny), tmp_path, *options, env=env | {"FAKE_VLLM_EXIT": "3"}) as server:
        assert server.process.wait(60) == 1
        assert "vLLM ended before it answered (exit code 3)" in server.printed
    with serving(str(tiny), tmp_path, *options, env=env) as server:
        os.kill(server.ready().pid, signal.SIGKILL)
        assert server.process.wait(60) == 1
        assert "vLLM ended (exit code -9)" in server.printed
    with serving(str(tiny), tmp_path, "--backend", "vllm", "--vllm", "/no/vllm") as server:
        assert server.process.wait(60) == 1
        assert "cannot be run (No such file or directory); install vLLM" in server.printed
    assert list(runtime.iterdir()) == []


def test_vllm_that_outlives_its_starter_is_still_found(tiny: Path, tmp_path: Path) -> None:
    env = {"FAKE_VLLM_TOLD": str(tmp_path / "told.json")}
    options = ("--backend", "vllm", "--vllm", str(FAKE_VLLM))
    with serving(str(tiny), tmp_path, *options, env=env) as server:
        info = server.ready()
        server.process.kill()
        server.process.wait(30)
        try:
            assert find_served(str(tiny)) == info
            with pytest.raises(UsageError, match=rf"still served .*process {info.pid}.*End that"):
                serve(ServeOptions(str(tiny)), print, threading.Event())
        finally:
            os.kill(info.pid, signal.SIGKILL)
        end = time.monotonic() + 10
        while find_served(str(tiny)) is not None:
            assert time.monotonic() < end


def test_vllm_with_an_adapter() -> None:
    vllm = Vllm("vllm", Path("/m"), Path("/a"), "m+a", "127.0.0.1", 8001, "token-of-sixteen")
    arguments = vllm.arguments()
    assert arguments[arguments.index("--served-model-name") + 1] == "m+a-base"
    assert arguments[arguments.index("--lora-modules") + 1] == "m+a=/a"
    assert "token-of-sixteen" not in arguments


# -- a service of JupyterHub, by a stand-in for the hub -------------------------------------------

MAY = {"name": "ada", "scopes": ["access:services!service=guide", "read:users:name"]}
MAY_NOT = {"name": "bob", "scopes": ["access:servers!user=bob"]}


class FakeHub:
    """Answers `GET /hub/api/user` as JupyterHub does; counts how often it is asked."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {"ada-token": MAY, "bob-token": MAY_NOT}
        self.asked: list[str] = []
        self.broken = False
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                token = self.headers["Authorization"].removeprefix("token ")
                hub.asked.append(token)
                user = hub.users.get(token) if self.path == "/hub/api/user" else None
                status = 500 if hub.broken else 200 if user else 403
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(user or {"status": status}).encode())

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/hub/api"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def hub_environment(url: str, port: int) -> dict[str, str]:
    return {
        "JUPYTERHUB_API_URL": url,
        "JUPYTERHUB_API_TOKEN": "the-services-own-token",
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}",
        "JUPYTERHUB_SERVICE_NAME": "guide",
        "JUPYTERHUB_SERVICE_PREFIX": "/services/guide/",
    }


@pytest.fixture
def hub() -> Any:
    made = FakeHub()
    yield made
    made.close()


def test_as_a_service_the_hub_says_who_may_use_it(
    tiny: Path, hub: FakeHub, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port("127.0.0.1")
    for name, value in hub_environment(hub.url, port).items():
        monkeypatch.setenv(name, value)
    with served_here(ServeOptions(str(tiny), service=True)) as said:
        assert said[-1].endswith("as a service of JupyterHub.")
        info = ServedGuide("m", 1, 0.0, port, "x")
        inside = "/services/guide/v1/models"
        assert get(info, inside, "ada-token") == 200
        assert get(info, inside, "bob-token") == 401
        assert get(info, inside, "nobody") == 401
        assert get(info, inside, "the-services-own-token") == 200
        assert get(info, "/v1/models", "ada-token") == 404
        assert get(info, "/services/other/v1/models", "ada-token") == 404
        assert not runtime.exists(), "other users could not read the announcement"


def test_what_the_hub_said_is_kept_for_a_while(hub: FakeHub) -> None:
    tokens = HubTokens(HubService.from_environment(hub_environment(hub.url, 10101)))
    assert [tokens("ada-token") for _ in range(3)] == [True] * 3
    assert [tokens("bob-token") for _ in range(3)] == [False] * 3
    assert hub.asked == ["ada-token", "bob-token"]
    assert not tokens("")
    assert not tokens("two\r\nlines")
    assert hub.asked == ["ada-token", "bob-token"], "such a token is sent to nobody"
    hub.broken = True
    assert not tokens("carol-token")
    hub.broken = False
    hub.users["carol-token"] = MAY
    assert tokens("carol-token"), "a hub that could not be asked has said nothing"
    hub.close()
    assert not tokens("dave-token")


def test_a_service_needs_the_hubs_variables(hub: FakeHub) -> None:
    environment = hub_environment(hub.url, 10101)
    service = HubService.from_environment(environment)
    assert "the-services-own-token" not in repr(service)
    assert (service.host, service.port, service.prefix) == ("127.0.0.1", 10101, "/services/guide/")
    scopes = {"JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["custom:x"]'}
    assert HubService.from_environment(environment | scopes).scopes == {"custom:x"}
    with pytest.raises(UsageError, match=r"needs JUPYTERHUB_API_URL, .*c\.JupyterHub\.services"):
        HubService.from_environment({})
    for bad in ("https://127.0.0.1:1", "http://127.0.0.1", "guide", "http://h:99999999"):
        with pytest.raises(UsageError, match="speaks plain http"):
            HubService.from_environment(environment | {"JUPYTERHUB_SERVICE_URL": bad})
    with pytest.raises(UsageError, match="needs JUPYTERHUB_API_URL"):
        serve(ServeOptions("x", service=True), print, threading.Event())
