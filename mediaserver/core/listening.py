"""Where `serve` listens, and how that is shown."""

from __future__ import annotations

import errno
import socket

from mediaserver.errors import StartError

PORT_OF_RANGE = 65535


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises StartError where the address is taken or not ours."""
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        sock = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # a name that is too long
        raise StartError(f"server.host {host} is no address of this machine ({error}).") from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(where)
        sock.listen(512)
    except OSError as error:
        sock.close()
        raise StartError(_cannot_listen(host, port, error)) from error
    sock.setblocking(False)
    return sock


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        other = port + 1 if port < PORT_OF_RANGE else 8000
        return f"Port {port} is taken by another program. Stop it, or choose another port: make run PORT={other}"
    if error.errno == errno.EACCES:
        return f"Port {port} may not be used by this user. Choose one from 1024 up: make run PORT=8000"
    return f"server.host {host}, port {port}: cannot listen there ({error.strerror})."


def address(host: str, port: int) -> str:
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::", "::1") else host  # noqa: S104 (to be shown)
    return f"http://{shown}:{port}"
