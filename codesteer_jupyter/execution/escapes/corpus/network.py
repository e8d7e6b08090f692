"""Sockets of every kind. The listeners are the prover's own, on this machine."""

from __future__ import annotations

from codesteer_jupyter.execution.escapes.attempt import Attempt

__all__ = ["ATTEMPTS"]

_NET = ("netns", "seccomp")


def _send(
    name: str, tries: str, program: str, *needs: str, calls: bool = False, family: str = "network"
) -> Attempt:
    # A network namespace has no sockets of the file system; a filter of socket() has.
    layers = ("seccomp",) if name.startswith("unix_path") else _NET
    if "root" in needs:
        layers = (*layers, "capabilities")
    return Attempt(name, family, tries, program, "received", layers, needs, calls=calls)


ATTEMPTS = (
    _send(
        "tcp",
        "Connect to a server on this machine.",
        'import socket\nsocket.create_connection(("127.0.0.1", TCP), 1).sendall(b"out")',
    ),
    _send(
        "tcp6",
        "The same over IPv6.",
        'import socket\nsocket.create_connection(("::1", TCP6), 1).sendall(b"out")',
        "ipv6",
    ),
    _send(
        "tcp_fast_open",
        "Send data with the first packet: no call to connect().",
        """
import socket
link = socket.socket()
link.settimeout(1)
link.sendto(b"out", socket.MSG_FASTOPEN, ("127.0.0.1", TCP))
""",
    ),
    _send(
        "udp",
        "Send a datagram.",
        """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"out", ("127.0.0.1", UDP))
""",
    ),
    _send(
        "raw_socket",
        "Send a hand-made packet.",
        """
import socket, struct
link = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
link.sendto(struct.pack(">HHHH", 9, UDP, 11, 0) + b"out", ("127.0.0.1", 0))
""",
        "root",
    ),
    _send(
        "name_lookup",
        "Carry data out in the names that the resolver is asked for.",
        """
import ctypes, socket
library = ctypes.CDLL(None)
library.__res_init()
library.__res_state.restype = ctypes.c_void_p
state = library.__res_state()
address = bytes([2, 0]) + UDP.to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
ctypes.memmove(state + 20, address, 16)
for offset, value in ((0, 1), (4, 1), (16, 1)):
    ctypes.c_int.from_address(state + offset).value = value
try:
    socket.getaddrinfo(f"{NONCE}.invalid", 80, socket.AF_INET)
except socket.gaierror:
    pass
""",
        "glibc",
    ),
    _send(
        "raw_connect",
        "Connect by bare system calls.",
        """
descriptor = call("socket", 2, 1, 0)
address = bytes([2, 0]) + TCP.to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
call("connect", descriptor, address, 16)
os.write(descriptor, b"out")
""",
        calls=True,
    ),
    _send(
        "command",
        "Have a command connect.",
        """
import subprocess, sys
text = f"import socket; socket.create_connection(('127.0.0.1', {TCP}), 1).sendall(b'out')"
done = subprocess.run([sys.executable, "-I", "-S", "-c", text], capture_output=True, text=True)
if done.returncode:
    raise OSError(done.stderr[-200:])
""",
    ),
    Attempt(
        "listen",
        "network",
        "Open a port that others can connect to.",
        """
import socket
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", LISTEN))
server.listen(1)
server.settimeout(0.5)
server.accept()[0].sendall(NONCE.encode())
""",
        "received",
        _NET,
        watched=True,
    ),
    _send(
        "netlink",
        "Send to another process over the kernel's netlink.",
        """
import socket
link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 2)
link.sendto(b"out", (NETLINK, 0))
""",
        "netlink",
    ),
    _send(
        "vsock",
        "Connect over the socket family of virtual machines.",
        'import socket\nlink = socket.socket(40)\nlink.connect((1, VSOCK))\nlink.sendall(b"out")',
        "vsock",
    ),
    _send(
        "unix_path",
        "Connect to a socket file, as those of ssh-agent, Docker and the desktop are.",
        'import socket\nlink = socket.socket(socket.AF_UNIX)\nlink.connect(UNIX)\nlink.send(b"x")',
        family="unix sockets",
    ),
    _send(
        "unix_path_datagram",
        "Send a datagram to a socket file.",
        """
import socket
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"out", DATAGRAM)
""",
        family="unix sockets",
    ),
    _send(
        "unix_path_by_pair",
        "Send to a socket file from one end of a socket pair, which filters of socket() let pass.",
        """
import socket
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
ours.connect(DATAGRAM)
ours.send(b"out")
""",
        family="unix sockets",
    ),
    _send(
        "unix_path_by_pair_unconnected",
        "Send to a socket file from one end of a socket pair, without connecting it.",
        """
import socket
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_RAW)
ours.sendto(b"out", DATAGRAM)
""",
        family="unix sockets",
    ),
    _send(
        "unix_abstract",
        "Connect to an abstract socket, which no file stands for.",
        """
import socket
link = socket.socket(socket.AF_UNIX)
link.connect("\\0" + ABSTRACT)
link.send(b"out")
""",
        family="unix sockets",
    ),
)
