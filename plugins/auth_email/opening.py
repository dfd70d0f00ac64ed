"""What happens when a server starts that has no administrator yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaserver import log

from .provided import accounts_of

if TYPE_CHECKING:
    from mediaserver import Server


async def first_administrator(server: Server) -> None:
    """Made from config.yaml, else `serve` says how to make one. Raises ConfigError."""
    service = accounts_of(server)
    await service.setup.from_config(*service.named_administrator())
    if await service.setup.needed():
        log.info("there is no administrator yet; this link makes one")
        print(f"\n  {await service.setup.link()}\n", flush=True)  # noqa: T201 - alone on its line, to be clicked
