"""Secrets that are sent to people: stored as hashes, good for one purpose, once, until they expire."""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mediaserver.errors import InvalidRequest

from .models import Ticket

if TYPE_CHECKING:
    from mediaserver.contracts import Clock, Database

STALE = "This link is not valid any more; ask for a new one."


class Purpose(StrEnum):
    ACTIVATE = "activate"
    RESET = "reset"
    EMAIL = "email"
    INVITE = "invite"
    SETUP = "setup"


LIVES = {
    Purpose.ACTIVATE: timedelta(hours=24),
    Purpose.RESET: timedelta(minutes=30),
    Purpose.EMAIL: timedelta(hours=24),
    Purpose.INVITE: timedelta(days=7),
    Purpose.SETUP: timedelta(days=3650),
}


def hashed(secret: str) -> str:
    """Without salt: 32 random bytes cannot be guessed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def uid_of(user_id: int) -> str:
    return base64.urlsafe_b64encode(str(user_id).encode()).rstrip(b"=").decode()


class Tickets:
    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def issue(self, purpose: Purpose, **values: Any) -> str:
        """The secret, which is nowhere else. `values` are fields of the ticket."""
        secret = secrets.token_urlsafe(32)
        expires = self._clock.now() + LIVES[purpose]
        await Ticket.create(purpose=purpose.value, hash=hashed(secret), expires_at=expires, **values)
        return secret

    async def look(self, purpose: Purpose, secret: str, uid: str | None = None) -> Ticket:
        """A ticket that is good, or was used. Raises InvalidRequest for any other, and for another person's `uid`."""
        ticket = await Ticket.get_or_none(hash=hashed(secret), purpose=purpose.value)
        wrong_person = uid is not None and (ticket is None or uid_of(ticket.user_id or 0) != uid.rstrip("="))
        if ticket is None or wrong_person or ticket.expires_at <= self._clock.now():
            raise InvalidRequest(STALE, details="token")
        return ticket

    async def use(self, ticket: Ticket, tx: Any) -> None:
        """Once, also where two ask at the same moment. Raises InvalidRequest."""
        changed = Ticket.filter(id=ticket.id, used_at__isnull=True).using_db(tx)
        if await changed.update(used_at=self._clock.now()) == 0:
            raise InvalidRequest(STALE, details="token")

    async def recent(self, purpose: Purpose, user_id: int) -> int:
        """How many were issued within the last hour."""
        since = self._clock.now() + LIVES[purpose] - timedelta(hours=1)
        return await Ticket.filter(user_id=user_id, purpose=purpose.value, expires_at__gt=since).count()

    async def void(self, user_id: int, tx: Any) -> None:
        """Links to another password or address that are on their way."""
        purposes = [Purpose.RESET.value, Purpose.EMAIL.value]
        await Ticket.filter(user_id=user_id, purpose__in=purposes).using_db(tx).delete()

    async def clear(self) -> None:
        await Ticket.filter(expires_at__lte=self._clock.now()).exclude(purpose=Purpose.SETUP.value).delete()
