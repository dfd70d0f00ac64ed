"""What the parts of the account service share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mediaserver.contracts import Account
from mediaserver.errors import Conflict, NotFound
from mediaserver.events import AccountChanged

from .logins import account_of
from .models import User

if TYPE_CHECKING:
    from mediaserver.contracts import Changes, Clock, Database, Mail

    from . import Config
    from .logins import Logins
    from .passwords import Passwords
    from .throttle import Throttle
    from .tickets import Tickets


class Desk:
    def __init__(
        self,
        *,
        config: Config,
        db: Database,
        changes: Changes,
        mail: Mail,
        clock: Clock,
        passwords: Passwords,
        tickets: Tickets,
        throttle: Throttle,
        logins: Logins,
    ) -> None:
        self.config = config
        self.db = db
        self.changes = changes
        self.mail = mail
        self.clock = clock
        self.passwords = passwords
        self.tickets = tickets
        self.throttle = throttle
        self.sessions = logins

    async def user(self, user_id: int) -> User:
        """Raises NotFound."""
        user = await User.get_or_none(id=user_id)
        if user is None:
            raise NotFound("There is no such account.")
        return user

    async def change(self, tx: Any, user_id: int, **values: Any) -> Account:
        """Raises NotFound. Call `settle` after the transaction."""
        if not await User.filter(id=user_id).using_db(tx).update(**values):
            raise NotFound("There is no such account.")
        await self.changes.record(AccountChanged(user_id), tx)
        return account_of(await User.get(id=user_id, using_db=tx))

    async def changed(self, user_id: int, **values: Any) -> Account:
        async with self.db.transaction() as tx:
            account = await self.change(tx, user_id, **values)
        self.settle(user_id)
        return account

    def settle(self, user_id: int) -> None:
        """Forget in this process at once what the others forget when they hear of the change."""
        self.sessions.forget_user(user_id)

    async def keep_an_admin(self, tx: Any, without: int) -> None:
        """Raises Conflict where nobody else could administer."""
        admins = User.filter(role="admin", active=True, disabled=False).using_db(tx).order_by("id").select_for_update()
        if [admin.id for admin in await admins] == [without]:
            raise Conflict("This is the last administrator; make somebody else one first.")

    async def has_admin(self) -> bool:
        return await User.filter(role="admin", active=True, disabled=False).exists()
