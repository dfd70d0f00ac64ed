"""What only one process of an installation does at a time: who does it now, and how far a reader has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaserver.core.processes import is_gone

if TYPE_CHECKING:
    from mediaserver.core.db import Database


class Leases:
    """Rows of core_cursor; an owner is "machine:pid:start"."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def take(self, name: str, owner: str, seconds: float) -> bool:
        """Take or renew; False while another owner's lease lasts, unless that owner was of this machine and is gone."""
        holder, left = await self._holder(name)
        if holder != owner and is_gone(holder):
            await self.drop(name, holder)
        elif left > 2 * seconds:  # the clock was set back
            await self._db.fetch("UPDATE core_cursor SET lease_until = {now} + ? WHERE name = ?", seconds, name)
        rows = await self._db.fetch(
            "INSERT INTO core_cursor (name, seq, owner, lease_until) VALUES (?, 0, ?, {now} + ?) "
            "ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, lease_until = excluded.lease_until "
            "WHERE core_cursor.owner = excluded.owner OR core_cursor.lease_until < {now} RETURNING name",
            name, owner, seconds,
        )  # fmt: skip
        return bool(rows)

    async def owner(self, name: str) -> str:
        return (await self._holder(name))[0]

    async def _holder(self, name: str) -> tuple[str, float]:
        """Who it is, and for how many seconds more."""
        rows = await self._db.fetch(
            "SELECT owner, lease_until - {now} AS remaining FROM core_cursor WHERE name = ?", name, reading=True
        )
        return (str(rows[0]["owner"]), float(rows[0]["remaining"])) if rows else ("", 0.0)

    async def drop(self, name: str, owner: str) -> None:
        await self._db.fetch("UPDATE core_cursor SET lease_until = 0 WHERE name = ? AND owner = ?", name, owner)

    async def leave(self, name: str, owner: str) -> None:
        """Drop it after an orderly end: all is done up to its position."""
        left = "UPDATE core_cursor SET owner = '', lease_until = 0 WHERE name = ? AND owner = ?"
        await self._db.fetch(left, name, owner)

    async def position(self, name: str) -> int:
        rows = await self._db.fetch("SELECT seq FROM core_cursor WHERE name = ?", name)
        return int(rows[0]["seq"]) if rows else 0

    async def move(self, name: str, owner: str, seq: int, seconds: float) -> bool:
        """Note how far it is done, whoever did it, and renew the lease; False where another owner has that."""
        rows = await self._db.fetch(
            "UPDATE core_cursor SET seq = CASE WHEN seq < ? THEN ? ELSE seq END, "
            "lease_until = CASE WHEN owner = ? THEN {now} + ? ELSE lease_until END WHERE name = ? RETURNING owner",
            seq, seq, owner, seconds, name,
        )  # fmt: skip
        return bool(rows) and rows[0]["owner"] == owner
