"""The first administrator: named in the configuration, or made with the link that is printed at the first start."""

from __future__ import annotations

import base64
import hashlib
import hmac
import shlex
import shutil
import sys
from contextlib import suppress
from pathlib import Path
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


def setup_command(config: Path | None) -> str:
    """As it works in the server's folder, for `config` if that is not what is read there anyway.

    Strangers read it, so that no path outside is told. `make run` keeps the program in .venv/bin, where no shell looks.
    """
    here, words = Path.cwd(), ["mediaserver"]
    program = Path(sys.executable).with_name("mediaserver")
    if not shutil.which("mediaserver") and program.is_file() and program.is_relative_to(here):
        words = [str(program.relative_to(here))]
    if config and config.absolute().is_relative_to(here) and config.absolute() != here / "config.yaml":
        words += ["--config", shlex.quote(str(config.absolute().relative_to(here)))]
    return " ".join([*words, "user setup-link"])


class Setup:
    def __init__(self, people: People, keys: KeyRing, config_file: Path | None) -> None:
        self.command = setup_command(config_file)  # which prints the link again
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
            raise Forbidden(f"This is not the set-up link; `{self.command}` prints it.")
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
        named = await self._to_be_made(email, password)
        if named:
            with suppress(Conflict):  # another process was first
                await self._people.add(*named, "admin")

    async def fault(self, email: str | None, password: str | None) -> str | None:
        """Why the next start would not make the administrator that the configuration names."""
        try:
            await self._to_be_made(email, password)
        except ConfigError as error:
            return str(error)
        return None

    async def _to_be_made(self, email: str | None, password: str | None) -> tuple[str, str] | None:
        """Raises ConfigError."""
        if email is None:
            return None
        try:
            address = normalised(email)
            if await User.filter(email=address).exists():
                return None
            if password is None:
                raise ConfigError("plugins.auth_email.admin_password: is needed beside admin_email for the first start")
            await self._people.passwords.check(password, address)
        except InvalidRequest as error:
            field = "admin_email" if error.extra["fields"][0]["field"] == "email" else "admin_password"
            raise ConfigError(f"plugins.auth_email.{field}: {error.message}") from error
        return address, password

    def _token(self) -> str:
        _, key = self._keys.current(RING)
        return base64.urlsafe_b64encode(hmac.digest(key, b"first administrator", hashlib.sha256)).rstrip(b"=").decode()
