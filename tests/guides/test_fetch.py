"""Fetching weights from a hub: a real HTTP server on loopback that answers as the hub does."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codesteer_jupyter.errors import GuideError
from codesteer_jupyter.guides import fetch
from codesteer_jupyter.guides.weights import locate

pytest.importorskip("huggingface_hub", reason="the extra [local] is not installed")

SHA = "a" * 40
HEADER = json.dumps({"w": {"dtype": "U8", "shape": [2**26], "data_offsets": [0, 2**26]}}).encode()
WEIGHTS = len(HEADER).to_bytes(8, "little") + HEADER + bytes(2**26)
MODEL = {"config.json": b"{}", "model.safetensors": WEIGHTS}
ADAPTER = {"adapter_config.json": b"{}", "adapter_model.safetensors": bytes(64)}


class Hub(http.server.ThreadingHTTPServer):
    """Lists `files` to anyone. `refused` is how it answers to who asks for one of them: a status
    and the code the hub gives with it. `slow` is seconds between two pieces of a large file.
    """

    def __init__(
        self, files: dict[str, bytes], refused: tuple[int, str] | None, slow: float
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.refused, self.slow = files, refused, slow
        self.sent = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/api/"):
            self._listed(path)
        elif self.server.refused is not None:
            status, code = self.server.refused
            self._head(status, 0, **({"X-Error-Code": code} if code else {}))
        else:
            self._file(path.rpartition("/")[2])

    def _listed(self, path: str) -> None:
        files = self.server.files
        if "/tree/" in path:
            data: Any = [
                {"type": "file", "path": name, "size": len(body), "oid": f"{at}"}
                for at, (name, body) in enumerate(files.items())
            ]
        else:
            named = [{"rfilename": name, "size": len(body)} for name, body in files.items()]
            data = {"id": "org/model", "sha": SHA, "siblings": named, "gated": "manual"}
        body = json.dumps(data).encode()
        self._head(200, len(body), **{"Content-Type": "application/json"})
        self.wfile.write(body)

    def _file(self, name: str) -> None:
        body = self.server.files[name]
        self._head(200, len(body), ETag=f'"{name}"', **{"X-Repo-Commit": SHA})
        if self.command == "HEAD":
            return
        with contextlib.suppress(OSError):
            for at in range(0, len(body), 2**20):
                self.wfile.write(body[at : at + 2**20])
                self.server.sent += 2**20
                time.sleep(self.server.slow)

    def _head(self, status: int, length: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from huggingface_hub import constants

    running: list[Hub] = []

    def start(
        files: dict[str, bytes], refused: tuple[int, str] | None = None, slow: float = 0.0
    ) -> Hub:
        server = Hub(files, refused, slow)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        url = f"http://127.0.0.1:{server.server_address[1]}"
        # HF_ENDPOINT and HF_HUB_CACHE are read when the library is imported.
        monkeypatch.setattr(constants, "ENDPOINT", url)
        template = url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def test_what_is_fetched_is_there(hub: Any) -> None:
    hub(MODEL)
    source = fetch.fetched(locate("org/model"), "org/model", True, lambda line: None)
    assert source.here.joinpath("model.safetensors").stat().st_size == len(WEIGHTS)


@pytest.mark.parametrize("refused", [(403, "GatedRepo"), (401, "GatedRepo"), (401, ""), (403, "")])
def test_a_repository_that_lists_its_files_and_refuses_them_says_how_to_log_in(
    hub: Any, refused: tuple[int, str]
) -> None:
    hub(MODEL, refused)
    with pytest.raises(GuideError, match=r"org/model is gated: accept its.*hf auth login"):
        fetch.fetched(locate("org/model"), "org/model", True, lambda line: None)
    hub(ADAPTER, refused)
    with pytest.raises(GuideError, match=r"org/adapter is gated: accept its.*hf auth login"):
        fetch.fetched_adapter("org/adapter", True)


def test_a_download_that_is_given_up_ends(hub: Any) -> None:
    server = hub(MODEL, slow=0.2)
    cancelled = threading.Event()
    threading.Timer(1.0, cancelled.set).start()
    began = time.monotonic()
    with pytest.raises(GuideError, match="was interrupted; ask again"):
        fetch.fetched(locate("org/model"), "org/model", True, None, cancelled)
    assert time.monotonic() - began < 6
    assert server.sent < len(WEIGHTS)
