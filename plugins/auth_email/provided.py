"""What this plugin provides, found again by its own parts, which know more of it than the contract says."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mediaserver.contracts import Accounts

if TYPE_CHECKING:
    from mediaserver import RouteRegistry, Server

    from .service import AccountService


def accounts_of(server: Server | RouteRegistry) -> AccountService:
    return cast("AccountService", server.services.get(Accounts))
