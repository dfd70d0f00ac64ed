"""Keys for scripts: named, with scopes, shown once, stored as hashes."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from mediaserver.errors import Conflict, NotFound
from mediaserver.events import AccountChanged

from .logins import locked
from .models import ApiKey
from .tickets import hashed

if TYPE_CHECKING:
    from .desk import Desk

MOST = 50  # keys of one account
PREFIX = "ms_"


class ApiKeys:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def of(self, user_id: int) -> list[ApiKey]:
        return await ApiKey.filter(user_id=user_id).order_by("-id")

    async def make(self, user_id: int, name: str, scopes: list[str]) -> tuple[ApiKey, str]:
        """The key and its secret, which is nowhere else. Raises Conflict."""
        secret = PREFIX + secrets.token_urlsafe(32)
        async with self._desk.db.transaction() as tx:
            await locked(tx, user_id)
            if await ApiKey.filter(user_id=user_id).using_db(tx).count() >= MOST:
                raise Conflict(f"An account has at most {MOST} keys; delete one.")
            key = await ApiKey.create(
                using_db=tx, user_id=user_id, name=name, prefix=secret[: len(PREFIX) + 6], hash=hashed(secret),
                scopes=sorted(scopes), created_at=self._desk.clock.now(),
            )  # fmt: skip
        return key, secret

    async def delete(self, user_id: int, key_id: int) -> None:
        """Raises NotFound."""
        async with self._desk.db.transaction() as tx:
            if not await ApiKey.filter(id=key_id, user_id=user_id).using_db(tx).delete():
                raise NotFound("There is no such key.")
            await self._desk.changes.record(AccountChanged(user_id), tx)
        self._desk.settle(user_id)
