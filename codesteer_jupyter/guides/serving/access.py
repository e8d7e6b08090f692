"""Who may use a served guide: whoever knows its token, or whom the hub lets in."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from codesteer_jupyter.errors import UsageError

__all__ = ["HubService", "HubTokens", "one_token"]

_KEPT_SECONDS = 60.0
_MOST_KEPT = 1000
_HUB_SECONDS = 10.0
_log = logging.getLogger(__name__)


def one_token(token: str) -> Callable[[str], bool]:
    """Lets in whoever knows `token`; how long the comparison takes tells nothing of it."""
    expected = token.encode("utf-8")
    return lambda given: hmac.compare_digest(given.encode("utf-8", "replace"), expected)


@dataclass(frozen=True)
class HubService:
    """What JupyterHub tells a service that it manages, from its environment.

    Attributes:
        host, port, prefix: where the hub's proxy looks for the service.
        api_url, api_token: the hub's API and the service's own token there.
        scopes: a user's token needs one of them.
    """

    host: str
    port: int
    prefix: str
    api_url: str
    api_token: str = field(repr=False)
    scopes: frozenset[str]

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> HubService:
        """Read the JUPYTERHUB_* variables.

        Raises:
            UsageError: one is missing, or cannot be used.
        """
        names = ("API_URL", "API_TOKEN", "SERVICE_URL", "SERVICE_NAME", "SERVICE_PREFIX")
        values = {name: environ.get(f"JUPYTERHUB_{name}", "").strip() for name in names}
        missing = [f"JUPYTERHUB_{name}" for name, value in values.items() if not value]
        if missing:
            raise UsageError(
                f"--service needs {', '.join(missing)}, which JupyterHub sets for a service it "
                "starts; add this command to c.JupyterHub.services with a url."
            )
        try:
            url = urlsplit(values["SERVICE_URL"])
            host, port = url.hostname, url.port
            scopes = json.loads(environ.get("JUPYTERHUB_OAUTH_ACCESS_SCOPES") or "null")
        except ValueError:
            host, port, scopes = None, None, None
        if url.scheme != "http" or not host or not port or not _plain(values["API_URL"]):
            raise UsageError(
                "--service speaks plain http inside the hub's machine or network: give the "
                "service a url such as http://127.0.0.1:10101, without internal_ssl."
            )
        named = f"access:services!service={values['SERVICE_NAME']}"
        listed = scopes if isinstance(scopes, list) and scopes else ["access:services", named]
        return cls(
            host,
            port,
            values["SERVICE_PREFIX"],
            values["API_URL"].rstrip("/"),
            values["API_TOKEN"],
            frozenset(map(str, listed)),
        )


def _plain(url: str) -> bool:
    return urlsplit(url).scheme == "http" and bool(urlsplit(url).hostname)


class HubTokens:
    """Asks the hub who a token belongs to and whether it may use this service.

    What the hub said is kept for a minute, under the token's hash.
    """

    def __init__(self, service: HubService) -> None:
        self._service = service
        self._own = one_token(service.api_token)
        self._kept: dict[bytes, tuple[float, bool]] = {}
        self._lock = threading.Lock()

    def __call__(self, token: str) -> bool:
        """Whether `token` may use the service; the service's own may, for its own checks."""
        if not token or not token.isascii() or not token.isprintable():
            return False
        if self._own(token):
            return True
        key = hashlib.sha256(token.encode()).digest()
        now = time.monotonic()
        with self._lock:
            until, allowed = self._kept.get(key, (0.0, False))
        if now < until:
            return allowed
        found = self._ask(token)
        if found is None:
            return False
        with self._lock:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = (now + _KEPT_SECONDS, found)
        return found

    def _ask(self, token: str) -> bool | None:
        """What the hub says; None when it cannot be asked."""
        parts = urlsplit(self._service.api_url)
        connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port or 80, timeout=_HUB_SECONDS
        )
        try:
            connection.request(
                "GET", f"{parts.path}/user", headers={"Authorization": f"token {token}"}
            )
            response = connection.getresponse()
            if response.status in (401, 403, 404):
                return False
            user: Any = json.loads(response.read(1_000_000)) if response.status == 200 else None
        except (OSError, ValueError, http.client.HTTPException):
            user = None
        finally:
            connection.close()
        if not isinstance(user, Mapping):
            _log.warning("the hub at %s cannot be asked about a token", self._service.api_url)
            return None
        scopes = user.get("scopes")
        return isinstance(scopes, list) and not self._service.scopes.isdisjoint(map(str, scopes))
