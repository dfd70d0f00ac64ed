"""The account service: everything about people, put together from its parts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mediaserver.contracts import Accounts, Changes, Client, Clock, Database, KeyRing, LoginCookies, Mail, Tokens
from mediaserver.errors import ConfigError, InvalidRequest, Unauthorized

from . import letters
from .addresses import normalised
from .api_keys import ApiKeys
from .cookies import BrowserCookies
from .logins import Logins, may_sign_in
from .models import LoginSession, User
from .passwords import Passwords
from .people import People
from .recovery import Recovery
from .registrations import Registrations
from .setup import Setup
from .television import Television
from .throttle import Throttle, network_of
from .tickets import Tickets
from .tokens import RING, TokenSigner

if TYPE_CHECKING:
    from pathlib import Path

    from mediaserver import Registry
    from mediaserver.contracts import Login

WRONG = "The e-mail address or the password is wrong, or the account is not active."
CLEAR_SECONDS = 3600


class AccountService(Registrations, Recovery, People):
    """Implements `mediaserver.contracts.Accounts`."""

    def __init__(
        self, keys: KeyRing, mail_goes_to: str, access_key: str, config_file: Path | None, **parts: Any
    ) -> None:
        super().__init__(**parts)
        self.mail_goes_to = mail_goes_to  # console, directory or smtp: what a page tells who registers
        self._access_key = access_key  # where `access_minutes` stands, for complaints
        self.setup = Setup(self, keys, config_file)
        self.television = Television(self)
        self.api_keys = ApiKeys(self)
        self.cookies = BrowserCookies(self.config.cookie)
        self._keys = keys

    async def login(self, email: str, password: str, client: Client) -> Tokens:
        """Raises Unauthorized (one text for unknown, wrong, inactive and disabled) or RateLimited."""
        try:
            address = normalised(email)
        except InvalidRequest:
            address = email.casefold()[:254]  # nobody's, and it takes as long to say so
        user = await User.get_or_none(email=address)
        tried = await self.throttle.count(address, user.id if user else 0, client.address)
        hashed = user.password if user else ""
        right = await self.passwords.matches(password, hashed, network_of(client.address), known=tried.known)
        if user is None or not right or not may_sign_in(user):
            raise Unauthorized(WRONG)
        await self.throttle.forgive(tried)
        if self.passwords.is_outdated(user.password):
            renewed = await self.passwords.renewed(password)
            if await User.filter(id=user.id, password=user.password).update(password=renewed):
                user.password = renewed
        try:
            return await self.sessions.start(user, client)
        except Unauthorized as error:
            raise Unauthorized(WRONG) from error

    async def refresh(self, token: str, *, rotate: bool = True) -> Tokens:
        return await self.sessions.refresh(token, rotate=rotate)

    async def logout(self, token: str) -> bool:
        return await self.sessions.logout(token)

    async def logins(self, user_id: int) -> list[Login]:
        return await self.sessions.of(user_id)

    async def revoke(self, login_id: str, user_id: int) -> None:
        await self.sessions.revoke(login_id, user_id)

    async def revoke_all(self, user_id: int) -> None:
        await self.sessions.end(LoginSession.filter(user_id=user_id))

    def require_access(self, minutes: int, why: str) -> None:
        if self.config.access_minutes < minutes:
            raise ConfigError(
                f"{self._access_key}: should be at least {minutes}, not {self.config.access_minutes}: {why}."
            )

    def named_administrator(self) -> tuple[str | None, str | None]:
        """Address and password as the configuration has them."""
        password = self.config.admin_password
        return self.config.admin_email, password.get_secret_value() if password else None

    async def rotate_keys(self) -> str:
        """New tokens are signed with a new key; those of the old one stay good until they expire. Answers its id."""
        return self._keys.rotate(RING)

    async def close(self) -> None:
        await self.sessions.drain()
        self.passwords.close()

    async def clear(self) -> None:
        """Forget what has expired."""
        for part in (self.tickets, self.throttle, self.sessions, self.television):
            await part.clear()
        await self.clear_registrations()
        self._keys.retire(RING, timedelta(days=self.config.refresh_days).total_seconds())


def register(registry: Registry) -> None:
    services, config = registry.services, registry.config
    db, changes, clock = services.get(Database), services.get(Changes), services.get(Clock)
    keys = services.get(KeyRing)
    logins = Logins(
        db,
        changes,
        TokenSigner(keys, clock),
        clock,
        access=timedelta(minutes=config.access_minutes),
        refresh=timedelta(days=config.refresh_days),
    )
    service = AccountService(
        keys,
        registry.server.settings.mail.backend,
        registry.server.loaded.where(("plugins", registry.plugin, "access_minutes")),
        registry.server.loaded.file,
        config=config,
        db=db,
        changes=changes,
        mail=services.get(Mail),
        clock=clock,
        passwords=Passwords(config.bcrypt_rounds),
        tickets=Tickets(db, clock),
        throttle=Throttle(db, clock),
        logins=logins,
    )
    registry.provide(Accounts, service)
    registry.provide(LoginCookies, service.cookies)
    registry.timer("auth_email.clear", CLEAR_SECONDS, service.clear)
    registry.check("first administrator", lambda: service.setup.fault(*service.named_administrator()))
    letters.register(registry, service)
