"""Ten tries to sign in that fail close an address name for the rest of a quarter of an hour.

Whoever signs in from where they signed in before is counted apart, so that nobody can lock a victim out for ever.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

from mediaserver.errors import RateLimited

from .models import Failure, LoginSession

if TYPE_CHECKING:
    from mediaserver.contracts import Clock, Database

TRIES = 10
WINDOW = timedelta(minutes=15)
KNOWN_FOR = timedelta(days=30)


class Throttle:
    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def count(self, email: str, user_id: int, address: str) -> str:
        """Count a try before it is made, so that tries at the same moment all count. Answers what `forgive` takes.

        Raises RateLimited. Asks the database the same for an address that nobody has (`user_id` 0).
        """
        now = self._clock.now()
        since = now - KNOWN_FOR
        known = await LoginSession.filter(user_id=user_id, address=address, last_used__gt=since).exists()
        key = _key(email, address if known else "")
        async with self._db.transaction() as tx:
            await Failure.filter(key=key, since__lte=now - WINDOW).using_db(tx).delete()
            row, _ = await Failure.get_or_create({"count": 0, "since": now}, using_db=tx, key=key)
            row.count += 1
            await Failure.filter(id=row.id).using_db(tx).update(count=row.count)
        if row.count > TRIES:
            wait = int((row.since + WINDOW - now).total_seconds()) + 1
            minutes = -(-wait // 60)
            raise RateLimited(
                f"Too many sign-ins failed; try again in {minutes} minutes, or reset the password.",
                headers={"Retry-After": str(wait)},
            )
        return key

    async def forgive(self, key: str) -> None:
        await Failure.filter(key=key).delete()

    async def forget(self, email: str) -> None:
        """Somebody has proved that the mailbox is theirs."""
        await self.forgive(_key(email, ""))

    async def clear(self) -> None:
        await Failure.filter(since__lte=self._clock.now() - WINDOW).delete()


def _key(email: str, address: str) -> str:
    return hashlib.sha256(f"{email}\0{address}".encode()).hexdigest()
