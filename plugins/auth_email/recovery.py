"""Another password or another address, for who forgot it and for who wants it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tortoise.exceptions import IntegrityError

from mediaserver.errors import InvalidRequest

from .addresses import normalised
from .desk import Desk
from .letters import ADDRESS_CHANGE, ADDRESS_CHANGED, PASSWORD_CHANGED, RESET
from .logins import locked
from .models import ApiKey, LoginSession, User, WaitingDevice
from .tickets import STALE, Purpose

if TYPE_CHECKING:
    from mediaserver.contracts import Account, Actor

FRESH = timedelta(minutes=10)


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
            await ApiKey.filter(user_id=user.id).using_db(tx).delete()
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
            now = await locked(tx, user_id)
            if now is None or now.password != user.password:  # a reset came between, and counts
                raise _not_proven("This is not your current password any more.")
            await self._set(tx, user, hashed, keep_login)
        self.settle(user_id)

    async def confirm(self, user: User, password: str) -> None:
        """Raises InvalidRequest where it is not the account's password; tries count as those to sign in."""
        tried = await self.throttle.count(f"{user.email} itself", user.id, "")
        if not await self.passwords.matches(password, user.password, known=True):
            raise _not_proven("This is not your current password.")
        await self.throttle.forgive(tried)

    async def prove(self, actor: Actor, password: str | None) -> None:
        """For what a stolen sign-in must not do: the current password, or a sign-in of the last minutes.

        Raises InvalidRequest.
        """
        if password is not None:
            await self.confirm(await self.user(actor.user_id or 0), password)
            return
        login = await LoginSession.get_or_none(id=actor.login_id or "")
        if login is None or self.clock.now() - login.created_at > FRESH:
            raise _not_proven("Your current password is needed for this, or sign in again.")

    async def request_email(self, user_id: int, email: str) -> None:
        """Mails a link to the new address. Raises InvalidRequest; whether somebody has that address is not told."""
        await self.mail.send(ADDRESS_CHANGE, normalised(email), str(user_id))

    async def confirm_email(self, uid: str, token: str) -> Account:
        """Raises InvalidRequest."""
        ticket = await self.tickets.look(Purpose.EMAIL, token, uid)
        user = await self.user(ticket.user_id or 0)
        try:
            async with self.db.transaction() as tx:
                await self.tickets.use(ticket, tx)
                await User.filter(email=ticket.email, active=False).using_db(tx).delete()  # a wish gives way
                await self.tickets.void(user.id, tx)
                account = await self.change(tx, user.id, email=ticket.email)
                await self.mail.send(ADDRESS_CHANGED, user.email, tx=tx)
        except IntegrityError as error:  # somebody else has it
            raise InvalidRequest(STALE, details="token") from error
        self.settle(user.id)
        return account

    async def _set(self, tx: Any, user: User, hashed: str, keep_login: str | None = None) -> None:
        """What somebody prepared who knew the old password is void: logins, links, an approved television."""
        await self.change(tx, user.id, password=hashed)
        await self.tickets.void(user.id, tx)
        await WaitingDevice.filter(approved_by=user.id).using_db(tx).delete()
        await self.sessions.end(LoginSession.filter(user_id=user.id).exclude(id=keep_login or ""), tx)
        await self.mail.send(PASSWORD_CHANGED, user.email, tx=tx)


def _not_proven(problem: str) -> InvalidRequest:
    return InvalidRequest(problem, fields=[{"field": "current_password", "problem": problem}])
