"""Another password or another address, for who forgot it and for who wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaserver.errors import InvalidRequest

from .addresses import normalised
from .desk import Desk
from .letters import ADDRESS_CHANGE, ADDRESS_CHANGED, PASSWORD_CHANGED, RESET
from .models import LoginSession, User
from .tickets import STALE, Purpose

if TYPE_CHECKING:
    from mediaserver.contracts import Account


class Recovery(Desk):
    async def request_reset(self, email: str) -> None:
        """The same for known and unknown: the worker decides whether there is something to send."""
        await self.mail.send(RESET, normalised(email))

    async def confirm_reset(self, uid: str, token: str, password: str) -> None:
        """Ends all logins. Raises InvalidRequest; a refused password leaves the token valid."""
        ticket = await self.tickets.look(Purpose.RESET, token, uid)
        if ticket.used_at is not None:
            raise InvalidRequest(STALE, details="token")
        user = await self.user(ticket.user_id or 0)
        hashed = await self.passwords.accept(password, user.email, "new_password")
        async with self.db.transaction() as tx:
            await self.tickets.use(ticket, tx)
            await self._set(tx, user, hashed)
        self.settle(user.id)
        await self.throttle.forget(user.email)

    async def set_password(self, user_id: int, password: str) -> None:
        """By an administrator at the machine. Ends all logins. Raises NotFound or InvalidRequest."""
        user = await self.user(user_id)
        hashed = await self.passwords.accept(password, user.email)
        async with self.db.transaction() as tx:
            await self._set(tx, user, hashed)
        self.settle(user_id)

    async def change_password(self, user_id: int, current: str, new: str, keep_login: str | None = None) -> None:
        """By its owner. Ends all logins but `keep_login`. Raises InvalidRequest."""
        user = await self.user(user_id)
        await self.confirm(user, current)
        hashed = await self.passwords.accept(new, user.email)
        async with self.db.transaction() as tx:
            await self._set(tx, user, hashed, keep_login)
        self.settle(user_id)

    async def confirm(self, user: User, password: str) -> None:
        """Raises InvalidRequest where it is not the account's password; tries count as those to sign in."""
        counted = await self.throttle.count(f"{user.email} itself", user.id, "")
        if not await self.passwords.matches(password, user.password):
            problem = "This is not your current password."
            raise InvalidRequest(problem, fields=[{"field": "current_password", "problem": problem}])
        await self.throttle.forgive(counted)

    async def request_email(self, user_id: int, email: str) -> None:
        """Mails a link to the new address. Raises InvalidRequest; whether somebody has that address is not told."""
        await self.mail.send(ADDRESS_CHANGE, normalised(email), str(user_id))

    async def confirm_email(self, uid: str, token: str) -> Account:
        """Raises InvalidRequest."""
        ticket = await self.tickets.look(Purpose.EMAIL, token, uid)
        user = await self.user(ticket.user_id or 0)
        async with self.db.transaction() as tx:
            await self.tickets.use(ticket, tx)
            if await User.filter(email=ticket.email).using_db(tx).exists():
                raise InvalidRequest(STALE, details="token")
            account = await self.change(tx, user.id, email=ticket.email)
            await self.mail.send(ADDRESS_CHANGED, user.email, tx=tx)
        self.settle(user.id)
        return account

    async def _set(self, tx: object, user: User, hashed: str, keep_login: str | None = None) -> None:
        await self.change(tx, user.id, password=hashed)
        await self.sessions.end(LoginSession.filter(user_id=user.id).exclude(id=keep_login or ""), tx)
        await self.mail.send(PASSWORD_CHANGED, user.email, tx=tx)
