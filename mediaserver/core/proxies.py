"""Who really asks, when proxies stand in between: forwarded headers count only from `server.trusted_proxies`."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from mediaserver.errors import ConfigError

if TYPE_CHECKING:
    from sanic import Request

BRACKETED = re.compile(r"\[([^\[\]]+)\](?::\d{1,5})?")
WITH_PORT = re.compile(r"([^:]+):\d{1,5}")
FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip")


class Proxies:
    """Raises ConfigError for what is neither an address nor a network."""

    def __init__(self, trusted: list[str]) -> None:
        try:
            self._networks = [ipaddress.ip_network(each, strict=False) for each in trusted]
        except ValueError as error:
            raise ConfigError(f"server.trusted_proxies: {error}; write addresses or networks, 192.168.1.2") from error

    def client(self, request: Request) -> str:
        """The nearest address that is no trusted proxy; where a proxy tells none, the proxy's own."""
        return self._client(request)[0]

    def scheme(self, request: Request) -> str:
        told = self._told(request, "x-forwarded-proto")
        if told in ("http", "https"):
            return told
        return "https" if request.conn_info and request.conn_info.ssl else "http"

    def host(self, request: Request) -> str:
        return self._told(request, "x-forwarded-host") or request.headers.getone("host", "")

    def is_trusted(self, request: Request) -> bool:
        """The peer itself is a proxy whose headers may be believed."""
        return self._trusts(str(request.ip))

    def is_direct(self, request: Request) -> bool:
        """Nobody stands in between, or only proxies that are trusted and have told for whom they ask."""
        if self._trusts(str(request.ip)):
            return self._client(request)[1]
        return not any(name in request.headers for name in FORWARDED)

    def _client(self, request: Request) -> tuple[str, bool]:
        """An address, and whether it is the client's: False where what a proxy told of its client is no address."""
        address = str(request.ip)
        if not self._networks:
            return address, True
        hops = ",".join(request.headers.getall("x-forwarded-for", [])).split(",")
        hops = [hop for each in hops if (hop := each.strip())]
        while hops and self._trusts(address):
            told = address_of(hops.pop())
            if told is None:  # what stands before it may be made up
                return address, False
            address = told
        return address, True

    def _told(self, request: Request, name: str) -> str:
        return request.headers.getone(name, "") if self._trusts(str(request.ip)) else ""

    def _trusts(self, address: str) -> bool:
        if not self._networks:  # parsing the peer's address cost a list a tenth of its time
            return False
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def address_of(hop: str) -> str | None:
    """The address of an entry of X-Forwarded-For: 192.0.2.1, 192.0.2.1:5678, 2001:db8::1, [2001:db8::1]:5678."""
    match = BRACKETED.fullmatch(hop) or WITH_PORT.fullmatch(hop)
    try:
        return str(ipaddress.ip_address((match[1] if match else hop).partition("%")[0]))
    except ValueError:
        return None
