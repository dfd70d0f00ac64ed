"""A server with accounts as who visits its pages sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mediaserver.contracts import Accounts
from tests.plugins.auth_email.browser import Browser, Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.testing import RunningApp

    AppWith = Callable[..., RunningApp]

ADMIN, ADA = "root@example.org", "ada@example.org"
PASSWORD, OTHER = "nine blue kettles", "ten red lanterns"


class Site:
    """A server with accounts, and ways to the links that its letters hold."""

    def __init__(
        self,
        app_with: AppWith,
        *,
        server: dict[str, Any] | None = None,
        mail: str = "console",
        films: bool = False,
        **options: Any,
    ) -> None:
        others: dict[str, Any] = {"web_ui": {}} if films else {}
        settings = {"server": {"port": 0} | (server or {}), "mail": {"backend": mail}}
        self.app = app_with(settings=settings, auth_email={"bcrypt_rounds": 4} | options, **others)
        self.browser = Browser(self.app)

    @property
    def accounts(self) -> Any:
        return self.app.server.services.get(Accounts)

    async def open(self) -> Site:
        await self.app.start()
        await self.accounts.add(ADMIN, PASSWORD, "admin")
        return self

    async def letter(self, template: str, to: str, about: str = "") -> str:
        """The link in a letter, below our own address."""
        letter = await self.app.server.contributions.letters[f"auth_email.{template}"].compose(to, about)
        assert letter is not None
        return below(letter.link)

    async def sign_in(self, email: str = ADMIN, password: str = PASSWORD) -> Page:
        return await self.browser.submit(await self.browser.open("/login"), "Sign in", email=email, password=password)

    async def me(self) -> str | None:
        answer = await self.app.get("/v1/users/me")
        return answer.json()["email"] if answer.status_code == 200 else None


def below(link: str) -> str:
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}"
