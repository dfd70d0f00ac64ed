"""The first administrator: named in the configuration, or made with the link that is printed at the first start."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

from tortoise.exceptions import IntegrityError

from mediaserver.errors import ConfigError, Conflict, Forbidden, InvalidRequest

from .addresses import normalised
from .models import Ticket, User
from .tickets import LIVES, Purpose, hashed

if TYPE_CHECKING:
    from mediaserver.contracts import Account, KeyRing

    from .people import People

RING = "setup"


class Setup:
    def __init__(self, people: People, keys: KeyRing) -> None:
        self._people = people
        self._keys = keys

    async def needed(self) -> bool:
        return not await self._people.has_admin()

    async def link(self) -> str:
        """The same until it is used. Raises Conflict where there is an administrator."""
        if not await self.needed():
            raise Conflict("There is an administrator already; ask them, or use `mediaserver user add`.")
        return self._people.mail.link("/setup", token=self._token())

    async def complete(self, token: str, email: str, password: str) -> Account:
        """Raises Forbidden for a wrong or used link, and InvalidRequest."""
        if not hmac.compare_digest(self._token().encode(), token.encode("utf-8", "surrogatepass")):
            raise Forbidden("This is not the set-up link; `mediaserver user setup-link` prints it.")
        address = normalised(email)
        password_hash = await self._people.passwords.accept(password, address)
        now = self._people.clock.now()
        async with self._people.db.transaction() as tx:
            if await self._people.has_admin():
                raise Forbidden("There is an administrator already; sign in.")
            try:  # of two who use it at once one is refused here
                await Ticket.create(
                    using_db=tx, purpose=Purpose.SETUP, hash=hashed(token), expires_at=now + LIVES[Purpose.SETUP],
                    used_at=now,
                )  # fmt: skip
            except IntegrityError as error:
                raise Forbidden("This set-up link was used already.") from error
            user, _ = await User.get_or_create({"created_at": now}, using_db=tx, email=address)
            account = await self._people.change(
                tx, user.id, role="admin", active=True, disabled=False, password=password_hash
            )
        self._people.settle(account.id)
        self._keys.rotate(RING)  # a later set-up, should every administrator go, has another link
        return account

    async def from_config(self, email: str | None, password: str | None) -> None:
        """Make the administrator that the configuration names, once. Raises ConfigError for what cannot be one."""
        if email is None:
            return
        try:
            address = normalised(email)
            if await User.filter(email=address).exists():
                return
            if password is None:
                raise ConfigError("plugins.auth_email.admin_password: is needed beside admin_email for the first start")
            await self._people.add(address, password, "admin")
        except Conflict:
            return  # another process was first
        except InvalidRequest as error:
            field = "admin_email" if error.extra["fields"][0]["field"] == "email" else "admin_password"
            raise ConfigError(f"plugins.auth_email.{field}: {error.message}") from error

    def _token(self) -> str:
        _, key = self._keys.current(RING)
        return base64.urlsafe_b64encode(hmac.digest(key, b"first administrator", hashlib.sha256)).rstrip(b"=").decode()
