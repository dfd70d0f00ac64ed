"""A server with accounts whose clock stands still, and whose post arrives as files."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from mediaserver.contracts import Accounts
from mediaserver.core.worker import JobRunner
from mediaserver.models import JobRecord, JobState
from tests.patience import PATIENCE
from tests.plugins.auth_email.page_site import Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from email.message import EmailMessage

    import httpx

    from mediaserver.testing import RunningApp

ADMIN = {"email": "root@example.org", "password": "a long way home"}
ADA = {"email": "ada@example.org", "password": "eight bees fly"}


class StillClock:
    def __init__(self) -> None:
        self._now = datetime.now(UTC).replace(microsecond=0)

    def now(self) -> datetime:
        return self._now

    def ahead(self, **span: float) -> None:
        self._now += timedelta(**span)


class House:
    """`app` keeps no cookies, so that every request says itself who sends it."""

    def __init__(self, app: RunningApp, clock: StillClock) -> None:
        self.app = app
        self.clock = clock

    @property
    def accounts(self) -> Any:
        return self.app.server.services.get(Accounts)

    async def request(self, method: str, path: str, token: str = "", /, **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        headers |= options.pop("headers", {})
        answer = await self.app.request(method, path, headers=headers, **options)
        self.app.forget_cookies()
        return answer

    async def post(self, path: str, token: str = "", /, **body: Any) -> httpx.Response:
        return await self.request("POST", path, token, json=body)

    async def get(self, path: str, token: str = "") -> httpx.Response:
        return await self.request("GET", path, token)

    async def sign_in(self, who: dict[str, str], **more: Any) -> dict[str, Any]:
        answer = await self.post("/v1/auth/login", **who, **more)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def add(self, who: dict[str, str], role: str = "viewer") -> int:
        account = await self.accounts.add(who["email"], who["password"], role)
        return int(account.id)

    async def letters(self) -> list[EmailMessage]:
        """All that were sent so far, oldest first, once nothing waits any more."""
        async with running_post(self.app.server):
            waiting = JobRecord.filter(kind="mail", state__in=(JobState.DUE, JobState.RUNNING))
            async with asyncio.timeout(PATIENCE):
                while await waiting.exists():
                    await asyncio.sleep(0.02)
        folder = self.app.server.data / "mail"
        files = sorted(folder.glob("*.eml"))
        return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]

    async def link(self, to: str) -> dict[str, str]:
        """What the link of the newest letter to an address holds."""
        letter = next(each for each in reversed(await self.letters()) if to in str(each["to"]))
        return query_of(text_of(letter))


def text_of(letter: EmailMessage) -> str:
    part = letter.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def query_of(text: str) -> dict[str, str]:
    found = re.search(r"https?://\S+", text)
    assert found, text
    return {key: values[0] for key, values in parse_qs(urlsplit(found[0]).query).items()}


@asynccontextmanager
async def running_post(server: Any) -> AsyncIterator[None]:
    """A worker with no slot for films: it runs the mail queue alone."""
    stop = asyncio.Event()
    running = asyncio.create_task(JobRunner(server, 0).run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


@pytest.fixture
async def open_house(app_with: Callable[..., RunningApp]) -> AsyncIterator[Callable[..., Any]]:
    """`await open_house(plugins={…}, **options of auth_email)`; there is an administrator, ADMIN."""
    async with AsyncExitStack() as stack:

        async def opened(
            plugins: dict[str, Any] | None = None, settings: dict[str, Any] | None = None, **options: Any
        ) -> House:
            clock = StillClock()
            config = {"bcrypt_rounds": 4, "admin_email": ADMIN["email"], "admin_password": ADMIN["password"], **options}
            sections = {"server": {"port": 0}, "mail": {"backend": "directory"}, **(settings or {})}
            app = app_with(settings=sections, clock=clock, auth_email=config, **(plugins or {}))
            stack.push_async_callback(app.stop)
            return House(await app.start(), clock)

        yield opened


@pytest.fixture
async def house(open_house: Callable[..., Any]) -> House:
    found: House = await open_house()
    return found


@pytest.fixture
async def site(app_with: Callable[..., RunningApp]) -> Site:
    return await Site(app_with).open()
