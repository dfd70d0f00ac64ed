"""Accounts as an administrator keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tortoise.exceptions import IntegrityError

from mediaserver.contracts import Page
from mediaserver.errors import Conflict, InvalidRequest
from mediaserver.events import UserDeleted

from .addresses import normalised
from .desk import Desk
from .letters import RESET
from .logins import ROLES, account_of
from .models import LoginSession, Registration, User

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mediaserver.contracts import Account

HIGHEST_LIMIT = 1000
TAKEN = "There is an account with this address already."


class People(Desk):
    async def get(self, user_id: int) -> Account:
        """Raises NotFound."""
        return account_of(await self.user(user_id))

    async def exists(self, ids: Iterable[int]) -> set[int]:
        return {user.id for user in await User.filter(id__in=list(ids)).only("id")}

    async def find(self, email: str) -> Account | None:
        try:
            user = await User.get_or_none(email=normalised(email))
        except InvalidRequest:
            return None
        return account_of(user) if user else None

    async def all(self, page: int = 1, limit: int = 20) -> Page[Account]:
        """Those that wait for their activation too, newest first."""
        rows = await User.all().order_by("-id").offset((page - 1) * limit).limit(limit)
        return Page(tuple(account_of(user) for user in rows), page, limit, await User.all().count())

    async def add(self, email: str, password: str | None, role: str = "viewer", *, active: bool = True) -> Account:
        """By an administrator. Without a password a letter lets them choose one. Raises Conflict or InvalidRequest."""
        address = normalised(email)
        _check_role(role)
        hashed = await self.passwords.accept(password, address) if password is not None else ""
        try:
            return await self._add(address, hashed, role, active=active, chosen=password is not None)
        except IntegrityError as error:  # somebody was faster
            raise Conflict(TAKEN) from error

    async def _add(self, address: str, hashed: str, role: str, *, active: bool, chosen: bool) -> Account:
        async with self.db.transaction() as tx:
            known = await User.get_or_none(email=address, using_db=tx)
            if known is not None and known.active:
                raise Conflict(TAKEN)
            user = known or User(email=address, created_at=self.clock.now())
            user.password, user.role, user.active, user.disabled = hashed, role, True, not active
            await user.save(using_db=tx)
            await Registration.filter(user_id=user.id).using_db(tx).delete()
            account = await self.change(tx, user.id, role=role)
            if not chosen:
                await self.mail.send(RESET, address, tx=tx)
        return account

    async def set_role(self, user_id: int, role: str) -> Account:
        """Raises Conflict for the last administrator."""
        _check_role(role)
        async with self.db.transaction() as tx:
            if role != "admin":
                await self.keep_an_admin(tx, user_id)
            account = await self.change(tx, user_id, role=role)
        self.settle(user_id)
        return account

    async def set_stream_limit(self, user_id: int, limit: int | None) -> Account:
        """None is unlimited, 0 may not play."""
        if limit is not None and not 0 <= limit <= HIGHEST_LIMIT:
            problem = f"The limit is 0 to {HIGHEST_LIMIT}, or none."
            raise InvalidRequest(problem, fields=[{"field": "stream_limit", "problem": problem}])
        return await self.changed(user_id, has_own_limit=True, stream_limit=limit)

    async def reset_stream_limit(self, user_id: int) -> Account:
        """Back to what the configuration gives everybody."""
        return await self.changed(user_id, has_own_limit=False, stream_limit=None)

    async def stream_limit(self, user_id: int, default: int | None) -> int | None:
        user = await self.user(user_id)
        return user.stream_limit if user.has_own_limit else default

    async def set_disabled(self, user_id: int, disabled: bool) -> Account:
        """Ends all logins of who is disabled. Raises Conflict for the last administrator."""
        async with self.db.transaction() as tx:
            if disabled:
                await self.keep_an_admin(tx, user_id)
                await self.sessions.end(LoginSession.filter(user_id=user_id), tx)
            account = await self.change(tx, user_id, disabled=disabled)
        self.settle(user_id)
        return account

    async def delete(self, user_id: int) -> None:
        """With all that is theirs; plugins hear UserDeleted. Raises NotFound, or Conflict for the last admin."""
        async with self.db.transaction() as tx:
            await self.keep_an_admin(tx, user_id)
            await self.change(tx, user_id, active=False)
            await self._delete(tx, user_id)
        self.settle(user_id)

    async def _delete(self, tx: Any, user_id: int) -> None:
        await self.sessions.end(LoginSession.filter(user_id=user_id), tx)
        await User.filter(id=user_id).using_db(tx).delete()
        await self.changes.record(UserDeleted(user_id), tx)


def _check_role(role: str) -> None:
    if role not in ROLES:
        problem = f"A role is one of {', '.join(ROLES)}."
        raise InvalidRequest(problem, fields=[{"field": "role", "problem": problem}])
