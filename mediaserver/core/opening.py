"""What the first `serve` of a start does for all: it tries what can stop a start, and says where to go."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mediaserver.core.actors import is_loopback
from mediaserver.core.doctor import unreadable
from mediaserver.core.listening import address

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.core.server import Server


class Opening:
    """`stand` tells the supervisor that worker and watch may follow."""

    def __init__(self, stand: Callable[[], None]) -> None:
        self._stand = stand
        self._lines: list[str] = []

    async def check(self, server: Server) -> None:
        """Raises MediaServerError for what would stop another role."""
        await server.tools.check()
        self._lines = [*server.loaded.warnings, *unreadable(server), *_welcome(server)]

    def over(self) -> None:
        sys.stdout.write("".join(f"{line}\n" for line in self._lines))
        sys.stdout.flush()
        self._stand()


def _welcome(server: Server) -> list[str]:
    section = server.settings.server
    where = address(section.host, section.port)
    folder = server.library_settings.folders[0]
    lines = ["", f"  Mediaserver opens at {where}", f"  Drop videos into {folder}", ""]
    if is_loopback(section.host):
        guest = ", guest: viewer" if server.guests.setting == "loopback" else ""
        lines.append("  Only this machine can see it. To open it to your home network, in config.yaml:")
        lines.append(f"    server: {{host: 0.0.0.0{guest}}}")
    elif server.guests.setting == "loopback":
        lines.append(f"  {section.host} is open to the network, but without accounts others are let in nowhere.")
        lines.append("  To let everybody in your network watch, in config.yaml: server: {guest: viewer}")
    return [*lines, ""]
