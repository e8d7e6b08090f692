"""Sockets of every kind that wait for whatever gets out."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
from pathlib import Path

from codesteer_jupyter.execution.escapes.attempt import Effect

__all__ = ["Listeners"]

_VSOCK_LOCAL = 1


class Listeners:
    """Opens what this host has; `ports` are the facts a program needs to reach them."""

    def __init__(self, root: Path, name: str) -> None:
        self._selector = selectors.DefaultSelector()
        self._heard: list[str] = []
        self._lock = threading.Lock()
        self.ports: dict[str, object] = {}
        loopback = "127.0.0.1"
        self._server("TCP", socket.AF_INET, (loopback, 0), at="TCP")
        self._datagrams("UDP", socket.AF_INET, (loopback, 0), at="UDP")
        self._optional("TCP6", "TCP over IPv6", socket.AF_INET6, ("::1", 0))
        self._optional("VSOCK", "vsock", 40, (_VSOCK_LOCAL, 2**32 - 1))
        stream, datagram = str(root / "stream.sock"), str(root / "datagram.sock")
        self._server("a socket file", socket.AF_UNIX, stream)
        self._datagrams("a socket file", socket.AF_UNIX, datagram)
        self._server("an abstract socket", socket.AF_UNIX, f"\0{name}")
        self.ports |= {"UNIX": stream, "DATAGRAM": datagram, "ABSTRACT": name}
        with contextlib.suppress(OSError, AttributeError):
            link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 2)
            link.bind((0, 0))
            self.ports["NETLINK"] = link.getsockname()[0]
            self._listen(link.fileno(), "netlink", link)
        with socket.socket() as free:
            free.bind((loopback, 0))
            self.ports["LISTEN"] = free.getsockname()[1]
        self._woken, self._wake = os.pipe()
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def add(self, descriptor: int, name: str) -> None:
        """Listen to a descriptor of somebody else, too."""
        os.set_blocking(descriptor, False)
        self._selector.register(descriptor, selectors.EVENT_READ, (name, None))
        os.write(self._wake, b"x")

    def drop(self, descriptor: int) -> None:
        """Listen to it no more."""
        with contextlib.suppress(KeyError):
            self._selector.unregister(descriptor)

    def effects(self) -> list[Effect]:
        """What was heard since this was last asked."""
        with self._lock:
            heard, self._heard = self._heard, []
        return [Effect("received", text) for text in heard]

    def close(self) -> None:
        """Close everything."""
        os.write(self._wake, b"end")
        self._thread.join(2)
        for key in list(self._selector.get_map().values()):
            if key.data and key.data[1]:
                key.data[1].close()
        self._selector.close()
        os.close(self._woken)
        os.close(self._wake)

    def _optional(self, at: str, name: str, family: int, address: tuple[object, ...]) -> None:
        with contextlib.suppress(OSError):
            self._server(name, family, address, at=at)

    def _server(self, name: str, family: int, address: object, at: str = "") -> None:
        link = socket.socket(family, socket.SOCK_STREAM)
        try:
            link.bind(address)  # type: ignore[arg-type]  # by family
            link.listen(8)
        except OSError:
            link.close()
            raise
        if at:
            self.ports[at] = link.getsockname()[1]
        self._listen(link.fileno(), name, link)

    def _datagrams(self, name: str, family: int, address: object, at: str = "") -> None:
        link = socket.socket(family, socket.SOCK_DGRAM)
        link.bind(address)  # type: ignore[arg-type]  # by family
        if at:
            self.ports[at] = link.getsockname()[1]
        self._listen(link.fileno(), name, link)

    def _listen(self, descriptor: int, name: str, link: socket.socket) -> None:
        link.setblocking(False)
        self._selector.register(descriptor, selectors.EVENT_READ, (name, link))

    def _work(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    if b"end" in os.read(self._woken, 64):
                        return
                    continue
                name, link = key.data
                text = self._take(name, key.fd, link)
                if text:
                    with self._lock:
                        self._heard.append(text)

    def _take(self, name: str, descriptor: int, link: socket.socket | None) -> str:
        try:
            if link is not None and link.type == socket.SOCK_STREAM:
                link.accept()[0].close()
                return f"a connection over {name}"
            data = link.recv(4096) if link is not None else os.read(descriptor, 4096)
        except BlockingIOError:
            return ""
        except OSError:
            data = b""
        if not data and link is None:
            self.drop(descriptor)  # its other end is closed
            return ""
        return f"{len(data)} bytes over {name}"
