"""Who encodes which chunk: exact under races, and free again when its holder is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .models import Claim

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.contracts import Database

LEASE_SECONDS = 20.0


class Claims:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def take(self, plan_id: int, starts: list[int], worker: str) -> Claim | None:
        """The first of `starts` that nobody holds."""
        held = {
            row["start"]
            for row in await self._db.fetch(
                "SELECT start FROM hls_claim WHERE plan_id = ? AND lease_until >= {now}", plan_id
            )
        }
        for start in starts:
            if start not in held and (claim := await self._try(plan_id, start, worker)):
                return claim
        return None

    async def _try(self, plan_id: int, start: int, worker: str) -> Claim | None:
        rows = await self._db.fetch(
            "INSERT INTO hls_claim (plan_id, start, worker, lease_until, fence) VALUES (?, ?, ?, {now} + ?, 1) "
            "ON CONFLICT (plan_id, start) DO UPDATE SET worker = excluded.worker, lease_until = excluded.lease_until, "
            "fence = hls_claim.fence + 1 WHERE hls_claim.lease_until < {now} RETURNING id",
            plan_id, start, worker, LEASE_SECONDS,
        )  # fmt: skip
        return await Claim.get_or_none(id=rows[0]["id"]) if rows else None

    async def renew(self, claim: Claim) -> bool:
        """False where somebody else has it now."""
        rows = await self._db.fetch(
            "UPDATE hls_claim SET lease_until = {now} + ? WHERE id = ? AND fence = ? RETURNING id",
            LEASE_SECONDS, claim.id, claim.fence,
        )  # fmt: skip
        return bool(rows)

    async def release(self, claim: Claim) -> None:
        await self._db.fetch("DELETE FROM hls_claim WHERE id = ? AND fence = ?", claim.id, claim.fence)

    async def release_gone(self, is_gone: Callable[[str], bool]) -> None:
        """What workers held that are gone is free at once; a lease outlasts no clock that was set back."""
        await self._db.fetch(
            "UPDATE hls_claim SET lease_until = {now} + ? WHERE lease_until > {now} + ?",
            LEASE_SECONDS, 2 * LEASE_SECONDS,
        )  # fmt: skip
        for row in await self._db.fetch("SELECT DISTINCT worker FROM hls_claim"):
            if is_gone(row["worker"]):
                await self._db.fetch("DELETE FROM hls_claim WHERE worker = ?", row["worker"])
