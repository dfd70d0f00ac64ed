"""The mails: written by a worker, which makes the secret of the link at that moment."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from mediaserver.contracts import Letter

from .models import Registration, User
from .tickets import Purpose, uid_of

if TYPE_CHECKING:
    from mediaserver import Registry

    from .service import AccountService

ACTIVATION = "auth_email.activation"
WELCOME = "auth_email.welcome"
INVITATION = "auth_email.invitation"
RESET = "auth_email.reset"
PASSWORD_CHANGED = "auth_email.password_changed"  # noqa: S105 - the name of a letter
ADDRESS_CHANGE = "auth_email.address_change"
ADDRESS_CHANGED = "auth_email.address_changed"
MOST_AN_HOUR = 5
NOT_YOU = "If this was not you, you need do nothing."


def register(registry: Registry, service: AccountService) -> None:
    letters = Letters(service)
    for template, compose in (
        (ACTIVATION, letters.activation),
        (WELCOME, letters.welcome),
        (INVITATION, letters.invitation),
        (RESET, letters.reset),
        (PASSWORD_CHANGED, letters.password_changed),
        (ADDRESS_CHANGE, letters.address_change),
        (ADDRESS_CHANGED, letters.address_changed),
    ):
        registry.mail(template, compose)


class Letters:
    """Each is given the address and what the letter is about; None sends nothing."""

    def __init__(self, service: AccountService) -> None:
        self._service = service
        self._link = service.mail.link

    async def activation(self, _to: str, about: str) -> Letter | None:
        """To who registered; to who has an account already, that somebody tried."""
        wish = await Registration.get_or_none(id=int(about)).select_related("user")
        if wish is None:
            return None
        if wish.user.active:
            return letter(
                "You have an account already",
                "Somebody, perhaps you, registered with your address, which has an account already. "
                "Sign in here; if you forgot the password, reset it there.",
                self._link("/login"),
                NOT_YOU,
            )
        return letter(
            "Activate your account",
            "Welcome. Open this link within 24 hours, and your account is ready.",
            await self._service.link_of(wish),
            NOT_YOU,
        )

    async def welcome(self, _to: str, _about: str) -> Letter:
        return letter("Your account is ready", "An administrator has let you in. Sign in here.", self._link("/login"))

    async def invitation(self, to: str, role: str) -> Letter:
        link = await self._service.invitation(to, role)
        return letter("You are invited", "You may register here within seven days.", link)

    async def reset(self, to: str, _about: str) -> Letter | None:
        user = await User.get_or_none(email=to, active=True, disabled=False)
        if user is None:
            return None
        if await self._service.tickets.recent(Purpose.RESET, user.id) >= MOST_AN_HOUR:
            return None  # a stranger asks again and again; the letters that came are good
        token = await self._service.tickets.issue(Purpose.RESET, user_id=user.id)
        link = self._link("password_reset", uid=uid_of(user.id), token=token)
        return letter("Choose a new password", "Open this link within 30 minutes to choose one.", link, NOT_YOU)

    async def password_changed(self, to: str, _about: str) -> Letter | None:
        if await User.get_or_none(email=to) is None:
            return None
        return letter(
            "Your password was changed",
            "Everybody who was signed in with the old one has been signed out. API keys that are left are listed in "
            "your account. If this was not you, reset the password now.",
            self._link("/reset"),
        )

    async def address_change(self, to: str, about: str) -> Letter | None:
        user = await User.get_or_none(id=int(about))
        if user is None or await User.filter(email=to, active=True).exists():
            return None
        token = await self._service.tickets.issue(Purpose.EMAIL, user_id=user.id, email=to)
        link = self._link("/email", uid=uid_of(user.id), token=token)
        return letter("Confirm your new address", "Open this link within 24 hours to use this address.", link, NOT_YOU)

    async def address_changed(self, _to: str, _about: str) -> Letter:
        return letter(
            "Your address was changed",
            "Your account has another e-mail address now. If this was not you, tell who runs this server at once.",
            self._link("/login"),
        )


def letter(subject: str, said: str, link: str, closing: str = "") -> Letter:
    ending = f"\n\n{closing}" if closing else ""
    shown = escape(link)
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(subject)}</title></head>'
        f'<body style="font-family: sans-serif; line-height: 1.5"><p>{escape(said)}</p>'
        f'<p><a href="{shown}">{shown}</a></p>{f"<p>{escape(closing)}</p>" if closing else ""}</body></html>'
    )
    return Letter(subject, f"{said}\n\n{link}{ending}\n", html, link)
