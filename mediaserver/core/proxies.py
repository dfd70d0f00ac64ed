"""Who really asks, when proxies stand in between: forwarded headers count only from `server.trusted_proxies`."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from mediaserver.errors import ConfigError

if TYPE_CHECKING:
    from sanic import Request

FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip")


class Proxies:
    """Raises ConfigError for what is neither an address nor a network."""

    def __init__(self, trusted: list[str]) -> None:
        try:
            self._networks = [ipaddress.ip_network(each, strict=False) for each in trusted]
        except ValueError as error:
            raise ConfigError(f"server.trusted_proxies: {error}; write addresses or networks, 192.168.1.2") from error

    def client(self, request: Request) -> str:
        """The nearest address that is no trusted proxy."""
        if not self._networks:
            return str(request.ip)
        hops = [
            hop.strip() for hop in ",".join(request.headers.getall("x-forwarded-for", [])).split(",") if hop.strip()
        ]
        address = str(request.ip)
        while hops and self._trusts(address):
            address = hops.pop()
        return address

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
        """Nobody stands in between, or only proxies that are trusted."""
        return self._trusts(str(request.ip)) or not any(name in request.headers for name in FORWARDED)

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
