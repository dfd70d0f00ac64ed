"""Where people are signed in: pairs of tokens that rotate, and whose a credential is, remembered until it ends."""

from __future__ import annotations

import asyncio
import math
import re
import secrets
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mediaserver.contracts import Account, Actor, Client, Login, Tokens
from mediaserver.errors import NotFound, Unauthorized
from mediaserver.events import LoginEnded

from .known import Known, KnownCredentials
from .models import ApiKey, LoginSession, User
from .tickets import hashed
from .tokens import INVALID, Claims

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mediaserver.contracts import Changes, Clock, Database

    from .tokens import TokenSigner

GRACE_SECONDS = 60  # two tabs that refresh at once are both served
MOST = 50  # logins of one account; the one unused longest gives way
TRUSTED_SECONDS = 600  # after which the database is asked again, whatever the news said
NOTE_SECONDS = 60  # how exact "last used" is
LOGIN_ID = re.compile(r"[0-9a-f]{32}")
ROLES = {"viewer": frozenset({"viewer"}), "admin": frozenset({"viewer", "admin"})}


def account_of(user: User) -> Account:
    return Account(
        id=user.id,
        email=user.email,
        role=user.role,
        active=user.active,
        disabled=user.disabled,
        has_own_limit=user.has_own_limit,
        stream_limit=user.stream_limit,
        created_at=user.created_at,
        last_seen=user.last_seen,
    )


def may_sign_in(user: User | None) -> bool:
    return user is not None and user.active and not user.disabled


async def locked(tx: Any, user_id: int) -> User | None:
    """The account as it is now, and nobody changes it before this transaction ends."""
    return await User.filter(id=user_id).using_db(tx).select_for_update().first()


class Logins:
    def __init__(
        self,
        db: Database,
        changes: Changes,
        signer: TokenSigner,
        clock: Clock,
        *,
        access: timedelta,
        refresh: timedelta,
    ) -> None:
        self._db = db
        self._changes = changes
        self._signer = signer
        self._clock = clock
        self._access = access
        self._refresh = refresh
        self._tokens, self._keys = KnownCredentials(), KnownCredentials()
        self._noting: set[asyncio.Task[None]] = set()

    # ---- pairs of tokens -------------------------------------------------------------------------------------

    async def start(self, user: User, client: Client) -> Tokens:
        """Raises Unauthorized where the account, as it was read, has changed meanwhile: a reset wins over a sign-in."""
        now = self._clock.now()
        login = LoginSession(
            id=secrets.token_hex(16),
            user_id=user.id,
            name=client.name[:100],
            address=client.address[:64],
            user_agent=client.user_agent[:300],
            created_at=now,
            last_used=now,
            rotated_at=now,
            expires_at=now + self._refresh,
        )
        async with self._db.transaction() as tx:
            current = await locked(tx, user.id)
            if current is None or not may_sign_in(current) or current.password != user.password:
                raise Unauthorized(INVALID)
            await login.save(using_db=tx, force_create=True)
            await User.filter(id=user.id).using_db(tx).update(last_seen=now)
            crowd = await LoginSession.filter(user_id=user.id).using_db(tx).order_by("-last_used", "id").offset(MOST)
            for unused in crowd:
                await self._end(tx, unused)
        self.forget_logins(*(unused.id for unused in crowd))
        return self._pair(login, user, login.rotated_at)

    async def refresh(self, token: str, *, rotate: bool = True) -> Tokens:
        """Raises Unauthorized; a spent token that comes back after the grace ends the login."""
        claims = self._signer.read(token, "refresh")
        now = self._clock.now()
        async with self._db.transaction() as tx:
            login = await LoginSession.get_or_none(id=claims.login_id, using_db=tx).select_related("user")
            if login is None or not may_sign_in(login.user):
                raise Unauthorized(INVALID)
            spent = login.generation - claims.generation
            in_grace = spent == 1 and (now - login.rotated_at).total_seconds() <= GRACE_SECONDS
            stolen = spent != 0 and not in_grace
            if stolen:
                await self._end(tx, login)
            elif spent == 0 and rotate:
                login.generation += 1
                login.rotated_at, login.last_used, login.expires_at = now, now, now + self._refresh
                await login.save(using_db=tx, update_fields=["generation", "rotated_at", "last_used", "expires_at"])
        if stolen:
            self.forget_logins(login.id)
            raise Unauthorized(INVALID)
        return self._pair(login, login.user, login.rotated_at if rotate else now)

    def _pair(self, login: LoginSession, user: User, issued: datetime) -> Tokens:
        """The same for the same login, generation and time."""
        access = Claims(user.id, login.id, login.generation, (issued + self._access).timestamp())
        refresh = replace(access, expires=login.expires_at.timestamp())
        now = self._clock.now().timestamp()
        return Tokens(
            self._signer.sign("access", access, issued),
            self._signer.sign("refresh", refresh, login.rotated_at),
            max(0, math.ceil(access.expires - now)),
            max(0, math.ceil(refresh.expires - now)),
            login.id,
            account_of(user),
        )

    # ---- ends ------------------------------------------------------------------------------------------------

    async def of(self, user_id: int) -> list[Login]:
        rows = LoginSession.filter(user_id=user_id, expires_at__gt=self._clock.now()).order_by("-last_used", "id")
        return [
            Login(row.id, row.name, row.address, row.user_agent, row.created_at, row.last_used) for row in await rows
        ]

    async def logout(self, token: str) -> bool:
        """End the login of an access or refresh token, expired and spent ones too. False for none of ours."""
        try:
            claims = self._signer.read(token, "access", "refresh", expired=True)
        except Unauthorized:
            return False
        await self.end(LoginSession.filter(id=claims.login_id))
        return True

    async def revoke(self, login_id: str, user_id: int) -> None:
        """Raises NotFound for a login that is not this user's."""
        known = LOGIN_ID.fullmatch(login_id) is not None
        if not known or not await self.end(LoginSession.filter(id=login_id, user_id=user_id)):
            raise NotFound("There is no such sign-in.")

    async def end(self, chosen: Any, tx: Any = None) -> int:
        """End the logins of a query; answers how many. Who passes a transaction calls `forget_user` after it."""
        if tx is None:
            async with self._db.transaction() as own:
                ended = [login.id for login in await chosen.using_db(own)]
                await self.end(chosen, own)
            self.forget_logins(*ended)
            return len(ended)
        logins = await chosen.using_db(tx)
        for login in logins:
            await self._end(tx, login)
        return len(logins)

    async def _end(self, tx: Any, login: LoginSession) -> None:
        await LoginSession.filter(id=login.id).using_db(tx).delete()
        await self._changes.record(LoginEnded(login.id, login.user_id), tx)

    # ---- who asks --------------------------------------------------------------------------------------------

    def actor(self, token: str) -> Actor | Awaitable[Actor]:
        """At once where the access token is known. Raises Unauthorized."""
        known = self._tokens.get(token)
        if known is None:
            return self._look_up(token)
        now = self._clock.now().timestamp()
        if known.expires <= now:
            self._tokens.drop(token)
            raise Unauthorized(INVALID)
        if now - known.checked >= TRUSTED_SECONDS:
            return self._look_up(token)
        if now - known.noted >= NOTE_SECONDS:
            known.noted = now
            self._note(known.actor)
        return known.actor

    async def _look_up(self, token: str) -> Actor:
        claims = self._signer.read(token, "access")
        endings = self._tokens.endings
        login = await LoginSession.get_or_none(id=claims.login_id).select_related("user")
        if login is None or not may_sign_in(login.user) or claims.generation > login.generation:
            raise Unauthorized(INVALID)
        actor = Actor(login.user.id, login.user.email, ROLES[login.user.role], login.id)
        now = self._clock.now().timestamp()
        self._tokens.remember(token, Known(actor, claims.expires, now, now), endings)
        return actor

    async def actor_of_key(self, secret: str) -> Actor:
        """Raises Unauthorized."""
        endings, now = self._keys.endings, self._clock.now()
        known = self._keys.get(secret)
        if known is not None and now.timestamp() - known.checked < TRUSTED_SECONDS:
            return known.actor
        key = await ApiKey.get_or_none(hash=hashed(secret)).select_related("user")
        if key is None or not may_sign_in(key.user):
            raise Unauthorized("This API key is not valid.")
        await ApiKey.filter(id=key.id).update(last_used=now)
        actor = Actor(key.user.id, key.user.email, ROLES[key.user.role], scopes=frozenset(key.scopes))
        found = Known(actor, float("inf"), now.timestamp(), now.timestamp())
        self._keys.remember(secret, found, endings)
        return actor

    def forget_logins(self, *login_ids: str) -> None:
        self._forget(lambda actor: actor.login_id in login_ids)

    def forget_user(self, user_id: int) -> None:
        self._forget(lambda actor: actor.user_id == user_id)

    def forget_everything(self) -> None:
        self._forget(lambda _actor: True)

    def _forget(self, ended: Callable[[Actor], bool]) -> None:
        for known in (self._tokens, self._keys):
            known.forget(ended)

    def _note(self, actor: Actor) -> None:
        task = asyncio.create_task(self._write_use(actor))
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)

    async def _write_use(self, actor: Actor) -> None:
        now = self._clock.now()
        await LoginSession.filter(id=actor.login_id).update(last_used=now)
        await User.filter(id=actor.user_id).update(last_seen=now)

    async def drain(self) -> None:
        await asyncio.gather(*self._noting, return_exceptions=True)

    async def clear(self) -> None:
        await LoginSession.filter(expires_at__lte=self._clock.now()).delete()
