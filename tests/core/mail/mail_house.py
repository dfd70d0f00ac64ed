"""A server with a plugin that writes letters, and a mail server that answers as it is told."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP

from mediaserver.contracts import Mail
from mediaserver.core.doctor import installation_report
from mediaserver.core.server import Server
from mediaserver.core.worker import JobRunner
from mediaserver.models import JobRecord
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from email.message import EmailMessage

    House = Callable[..., AbstractAsyncContextManager["Post"]]

ADA = "ada@example.org"
LINK = "http://localhost:8000/activate?uid=7&token=a%20b"
PLUGIN = """
import asyncio, html
from mediaserver import Plugin, hookimpl
from mediaserver.contracts import Letter, Mail

plugin = Plugin(api="1", requires=(Mail,))
composed = []
gate = asyncio.Event()

@hookimpl
def register(registry):
    async def compose(to, about):
        composed.append((to, about))
        if about == "nothing":
            return None
        if about == "notice":
            return Letter("Your password was changed", "It was you?\\nThen all is well.", "<p>It was you?</p>")
        if about == "breaks":
            raise RuntimeError("the key is away")
        link = registry.services.get(Mail).link("activation", uid="7", token="a b")
        text = f"Grüße! Open this page:\\n\\n{link}\\n"
        subject = {"injected": "Hello\\r\\nBcc: eve@example.org", "long": "Wörter " * 40}.get(about, "Your account")
        if about == "bad link":
            link = "http://localhost:8000/\\nhttp://evil.example"
        return Letter(subject, text, f'<a href="{html.escape(link)}">Open</a>', link)

    async def film(job):
        await gate.wait()

    registry.mail("welcome", compose)
    registry.job("film", film, queue="background")
"""


class Post:
    """A server with a plugin that writes letters, and what becomes of them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.mail = server.services.get(Mail)
        self.plugin: Any = server.hooks.loaded["writer"].found.module

    async def send(self, to: str = ADA, about: str = "account") -> None:
        await self.mail.send("welcome", to, about)

    @asynccontextmanager
    async def working(self, slots: int = 0) -> AsyncIterator[None]:
        stop = asyncio.Event()
        task = asyncio.create_task(JobRunner(self.server, slots).run(stop))
        try:
            yield
        finally:
            stop.set()
            await task

    async def until(self, check: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not await check():
                await asyncio.sleep(0.01)

    async def until_gone(self) -> None:
        async def gone() -> bool:
            return not await JobRecord.filter(kind="mail").exists()

        await self.until(gone)

    async def until_told(self, state: str = "due") -> str:
        """Why the one letter there is was not sent."""

        async def told() -> bool:
            return await JobRecord.filter(kind="mail", state=state).exclude(error="").exists()

        await self.until(told)
        return (await JobRecord.get(kind="mail")).error

    async def doctor(self) -> str:
        [line] = [line for line in await installation_report(self.server) if line[2:].startswith("mail")]
        return line


class Desk:
    """What a mail server answers: `replies` in turn to the next recipients, `drops` connections before it obeys."""

    def __init__(self, replies: list[str] | None = None, drops: int = 0, **answers: str) -> None:
        self.replies = replies or []
        self.drops = drops
        self.to_sender = answers.get("to_sender", "250 OK")
        self.after_data = answers.get("after_data", "250 OK")
        self.recipients: list[str] = []
        self.messages: list[EmailMessage] = []
        self.encrypted: list[bool] = []
        self.authenticated: list[bool] = []
        self.arrived = asyncio.Event()

    async def handle_MAIL(self, _server: SMTP, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        envelope.mail_from = address
        return self.to_sender

    async def handle_RCPT(self, _server: SMTP, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        self.recipients.append(address)
        reply = self.replies.pop(0) if self.replies else "250 OK"
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.drops:
            self.drops -= 1
            cut_off(server)
            return "250 nobody hears this"
        if self.after_data.startswith("2"):
            message: Any = message_from_bytes(envelope.content, policy=policy.default)
            self.messages.append(message)
            self.encrypted.append(bool(server.transport and server.transport.get_extra_info("sslcontext")))
            self.authenticated.append(session.authenticated)
            self.arrived.set()
        return self.after_data

    async def handle_QUIT(self, server: SMTP, _session: Any, _envelope: Any) -> str:  # noqa: N802
        cut_off(server)
        return "221 nobody hears this"

    async def arrival(self) -> EmailMessage:
        async with asyncio.timeout(PATIENCE):
            await self.arrived.wait()
        return self.messages[-1]


def cut_off(server: SMTP) -> None:
    assert isinstance(server.transport, asyncio.Transport | None)
    if server.transport is not None:
        server.transport.abort()


@asynccontextmanager
async def standing(desk: Desk, port: int = 0, tls: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[int]:
    """The mail server at its port."""
    loop = asyncio.get_running_loop()
    made: list[SMTP] = []

    def protocol() -> SMTP:
        made.append(SMTP(desk, hostname="desk.example", loop=loop, **options))
        return made[-1]

    listening = await loop.create_server(protocol, "127.0.0.1", port, ssl=tls)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for each in made:
            cut_off(each)
        await listening.wait_closed()


def smtp(port: int, **more: Any) -> dict[str, Any]:
    section = {"host": "127.0.0.1", "port": port, "tls": "none", **more}
    return {
        "mail": {"backend": "smtp", "from": "Films <films@example.org>", "smtp": section},
        "server": {"public_url": "https://films.example.org/"},
    }


def read(message: Any, kind: str) -> str:
    """One of the two texts of a letter."""
    text: str = message.get_body((kind,)).get_content()
    return text.replace("\r\n", "\n")
