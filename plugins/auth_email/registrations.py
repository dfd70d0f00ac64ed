"""From a wish for an account to the account: registering, activating, approving, inviting."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from mediaserver.contracts import Receipt
from mediaserver.errors import Conflict, Forbidden, InvalidRequest

from .addresses import normalised
from .desk import Desk
from .letters import ACTIVATION, INVITATION, RESET, WELCOME
from .logins import account_of
from .models import Registration, Ticket, User
from .tickets import STALE, Purpose, uid_of

if TYPE_CHECKING:
    from mediaserver.contracts import Account

WAITS = timedelta(days=1)
WAITS_FOR_APPROVAL = timedelta(days=30)
Mode = Literal["open", "approval", "invite", "closed"]


class Registrations(Desk):
    async def registration(self) -> Mode:
        """How people come in; closed until there is an administrator."""
        return self.config.registration if await self.has_admin() else "closed"

    async def register(self, email: str, password: str, invite: str = "") -> Receipt:
        """A known address takes the same way as a new one, its number too, and its owner is told by mail.

        Raises InvalidRequest, Forbidden where registration is closed or the invitation is not valid, and Conflict for
        a known address where no activation is asked for.
        """
        address = normalised(email)
        invitation = await self._admitted(invite, address)
        hashed = await self.passwords.accept(password, address)
        at_once = invitation is not None or not (self.config.require_activation or self._needs_approval())
        async with self.db.transaction() as tx:
            user, wish = await self._wish(tx, address, hashed)
            if user.active and at_once and invitation is None:
                raise Conflict("There is an account with this address already; sign in, or reset the password.")
            if not user.active and invitation is not None:
                await self.tickets.use(invitation, tx)
            if not user.active and at_once:
                await self._activate(tx, user.id, wish, role=invitation.role if invitation else "viewer")
            elif user.active or not self._needs_approval():
                await self.mail.send(ACTIVATION, address, str(wish.id), tx=tx)
        return Receipt(secrets.token_urlsafe(16), wish.id)

    async def activate(self, uid: str, token: str) -> Account:
        """With the link that was mailed; again is no error. Raises InvalidRequest."""
        ticket = await self.tickets.look(Purpose.ACTIVATE, token, uid)
        user = await self.user(ticket.user_id or 0)
        if user.active:
            return account_of(user)
        async with self.db.transaction() as tx:
            await self.tickets.use(ticket, tx)
            registration = await Registration.get_or_none(id=ticket.registration_id, using_db=tx)
            if registration is None:
                raise InvalidRequest(STALE, details="token")
            several = await Registration.filter(user_id=user.id).using_db(tx).count() > 1
            account = await self._activate(tx, user.id, registration)
            if several:  # nobody knows who it was that opened the link, but the mailbox is theirs
                account = await self.change(tx, user.id, password="")
                await self.mail.send(RESET, account.email, tx=tx)
        self.settle(user.id)
        return account

    async def approve(self, user_id: int) -> Account:
        """By an administrator. Raises NotFound, or Conflict where several people claim the address."""
        user = await self.user(user_id)
        if user.active:
            return account_of(user)
        async with self.db.transaction() as tx:
            wishes = await Registration.filter(user_id=user_id).using_db(tx)
            if len(wishes) != 1:
                raise Conflict(
                    "This address was registered more than once, so nobody knows whose password it is; send the link."
                    if wishes
                    else "This registration has expired; the person has to register again."
                )
            account = await self._activate(tx, user_id, wishes[0])
            await self.mail.send(WELCOME, account.email, tx=tx)
        self.settle(user_id)
        return account

    async def activation_link(self, user_id: int) -> str:
        """A new link for whoever registered last. Raises NotFound, or Conflict where nothing waits."""
        user = await self.user(user_id)
        wish = await Registration.filter(user_id=user_id).order_by("-id").first()
        if user.active or wish is None:
            raise Conflict("There is nothing to activate for this address.")
        return await self.link_of(wish)

    async def link_of(self, wish: Registration) -> str:
        token = await self.tickets.issue(Purpose.ACTIVATE, user_id=wish.user_id, registration_id=wish.id)
        return self.mail.link("activation", uid=uid_of(wish.user_id), token=token)

    async def invite(self, email: str = "", role: str = "viewer") -> str:
        """A link that lets one person in, mailed too where there is an address. Raises InvalidRequest."""
        address = normalised(email) if email else ""
        if role == "admin" and not address:
            problem = "An administrator is invited by address, so that nobody else becomes one with the link."
            raise InvalidRequest(problem, fields=[{"field": "email", "problem": problem}])
        if address:
            await self.mail.send(INVITATION, address, role)
        return await self.invitation(address, role)

    async def invitation(self, address: str, role: str) -> str:
        token = await self.tickets.issue(Purpose.INVITE, email=address, role=role)
        return self.mail.link("/register", invite=token)

    # ---- steps -----------------------------------------------------------------------------------------------

    def _needs_approval(self) -> bool:
        return self.config.registration == "approval"

    async def _admitted(self, invite: str, address: str) -> Ticket | None:
        mode = await self.registration()
        if mode == "closed":
            raise Forbidden("Nobody can register here.")
        if not invite:
            if mode == "invite":
                raise Forbidden("You need an invitation to register here.")
            return None
        try:
            ticket = await self.tickets.look(Purpose.INVITE, invite)
        except InvalidRequest as error:
            raise Forbidden("This invitation is not valid any more; ask for a new one.") from error
        if ticket.used_at is not None:
            raise Forbidden("This invitation was used already; ask for a new one.")
        if ticket.email not in ("", address):
            raise Forbidden("This invitation is for another address.")
        return ticket

    async def _wish(self, tx: Any, email: str, hashed: str) -> tuple[User, Registration]:
        """The same statements for a new address, one that waits and one that is known."""
        now = self.clock.now()
        user, _ = await User.get_or_create({"created_at": now}, using_db=tx, email=email)
        waits = WAITS_FOR_APPROVAL if self._needs_approval() else WAITS
        wish = await Registration.create(using_db=tx, user_id=user.id, password=hashed, expires_at=now + waits)
        return user, wish

    async def _activate(self, tx: Any, user_id: int, wish: Registration, **values: Any) -> Account:
        """With the password of this wish; the others that wait for this address are void."""
        account = await self.change(tx, user_id, active=True, password=wish.password, **values)
        await Registration.filter(user_id=user_id).using_db(tx).delete()
        return account

    async def clear_registrations(self) -> None:
        """What nobody activated in time is forgotten, the account that it meant too."""
        await Registration.filter(expires_at__lte=self.clock.now()).delete()
        waiting = await Registration.all().distinct().values_list("user_id", flat=True)
        await User.filter(active=False).exclude(id__in=waiting).delete()
