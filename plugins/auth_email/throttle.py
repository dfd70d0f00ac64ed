"""Ten tries to sign in that fail close an address name for the rest of a quarter of an hour.

Whoever signs in from where they signed in before is counted apart, so that nobody can lock a victim out for ever.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tortoise.expressions import F

from mediaserver.errors import RateLimited

from .models import Failure, LoginSession

if TYPE_CHECKING:
    from mediaserver.contracts import Clock, Database

TRIES = 10
WINDOW = timedelta(minutes=15)
KNOWN_FOR = timedelta(days=30)


@dataclass(frozen=True)
class Try:
    """`known` says that the account was signed in to from this address before."""

    key: str
    known: bool


class Throttle:
    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def count(self, email: str, user_id: int, address: str) -> Try:
        """Count a try before it is made, so that tries at the same moment all count.

        Raises RateLimited. Asks the database the same for an address that nobody has (`user_id` 0).
        """
        now = self._clock.now()
        since = now - KNOWN_FOR
        known = await LoginSession.filter(user_id=user_id, address=address, last_used__gt=since).exists()
        key = _key(email, address if known else "")
        async with self._db.transaction() as tx:
            await Failure.filter(key=key, since__lte=now - WINDOW).using_db(tx).delete()
            while not await Failure.filter(key=key).using_db(tx).update(count=F("count") + 1):  # it locks out others
                first = Failure(key=key, count=0, since=now)  # or one whose row was forgiven just now
                await Failure.bulk_create([first], ignore_conflicts=True, using_db=tx)
            row = await Failure.get(key=key, using_db=tx)
        if row.count > TRIES:
            wait = int((row.since + WINDOW - now).total_seconds()) + 1
            minutes = -(-wait // 60)
            raise RateLimited(
                f"Too many sign-ins failed; try again in {minutes} minutes, or reset the password.",
                headers={"Retry-After": str(wait)},
            )
        return Try(key, known)

    async def forgive(self, tried: Try) -> None:
        await Failure.filter(key=tried.key).delete()

    async def forget(self, email: str) -> None:
        """Somebody has proved that the mailbox is theirs."""
        await Failure.filter(key=_key(email, "")).delete()

    async def clear(self) -> None:
        await Failure.filter(since__lte=self._clock.now() - WINDOW).delete()


def network_of(address: str) -> str:
    """Whoever has one IPv6 address has the 64 bits below it."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))  # noqa: PLR2004


def _key(email: str, address: str) -> str:
    return hashlib.sha256(f"{email}\0{address}".encode()).hexdigest()
