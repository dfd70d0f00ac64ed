"""Letters: written by a worker, sent when the mail server lets them, and never to the wrong address or host."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
import stat
import subprocess
import sys
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from mediaserver.contracts import Jobs, Mail
from mediaserver.core import jobs as records
from mediaserver.core import mail_smtp, worker
from mediaserver.core.commands import doctor_report
from mediaserver.core.config import load
from mediaserver.core.server import Server
from mediaserver.core.worker import JobRunner
from mediaserver.models import JobRecord

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from email.message import EmailMessage

    House = Callable[..., AbstractAsyncContextManager["Post"]]

ROOT = Path(__file__).parents[2]
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
        async with asyncio.timeout(10):
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
        [line] = [line for line in await doctor_report(self.server) if line[2:].startswith("mail")]
        return line


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(worker, "RECONCILE_SECONDS", 0.1)
    monkeypatch.setattr(records, "BACKOFF_SECONDS", (0.05, 0.05))

    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[Post]:
        (tmp_path / "writer.py").write_text(PLUGIN)
        config = tmp_path / "config.yaml"
        config.write_text(json.dumps({"plugin_folders": [str(tmp_path)], "plugins": {"writer": {}}, **settings}))
        async with Server(load(config, {}), "worker") as server:
            yield Post(server)

    return opened


# ---- a mail server ---------------------------------------------------------------------------------------------


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
            server.transport.abort()
            return "250 nobody hears this"
        if self.after_data.startswith("2"):
            message: Any = message_from_bytes(envelope.content, policy=policy.default)
            self.messages.append(message)
            self.encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
            self.authenticated.append(session.authenticated)
            self.arrived.set()
        return self.after_data

    async def handle_QUIT(self, server: SMTP, _session: Any, _envelope: Any) -> str:  # noqa: N802
        server.transport.abort()
        return "221 nobody hears this"

    async def arrival(self) -> EmailMessage:
        async with asyncio.timeout(10):
            await self.arrived.wait()
        return self.messages[-1]


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
            if each.transport is not None:
                each.transport.abort()
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


async def test_a_letter_arrives_as_text_and_html_with_its_link(house: House) -> None:
    desk = Desk()
    async with standing(desk) as port, house(**smtp(port)) as post, post.working():
        await post.send()
        message = await desk.arrival()
        await post.until_gone()
    assert (message["From"], message["To"], message["Subject"]) == ("Films <films@example.org>", ADA, "Your account")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@example.org>")
    assert message["Date"].datetime.tzinfo is not None
    link = "https://films.example.org/activate?uid=7&token=a%20b"
    assert f"Grüße! Open this page:\n\n{link}\n" in read(message, "plain")
    assert f'href="{link.replace("&", "&amp;")}"' in read(message, "html")


async def test_films_that_are_encoded_hold_up_no_letter(house: House) -> None:
    desk = Desk()
    async with standing(desk) as port, house(**smtp(port)) as post:
        for number in range(6):
            await post.server.services.get(Jobs).enqueue("film", f"film {number}", {})
        async with post.working(slots=2):

            async def busy() -> bool:
                return await JobRecord.filter(kind="film", state="running").count() == 2

            await post.until(busy)
            await post.send()
            await desk.arrival()


async def test_a_letter_that_is_queued_is_not_queued_again_and_its_key_tells_no_address(house: House) -> None:
    async with house() as post:
        for about in ("account", "account", "other"):
            await post.send(about=about)
        keys = [job.key for job in await JobRecord.filter(kind="mail")]
    assert len(keys) == 2
    assert not any("ada" in key for key in keys)


async def test_a_letter_of_a_transaction_that_fails_is_not_sent(house: House) -> None:
    async with house() as post:
        with pytest.raises(ZeroDivisionError):
            async with post.server.db.transaction() as tx:
                await post.mail.send("welcome", ADA, tx=tx)
                raise ZeroDivisionError
        assert not await JobRecord.filter(kind="mail").exists()


# ---- when it goes wrong ----------------------------------------------------------------------------------------


async def test_a_server_that_is_down_costs_time_only_and_the_operator_sees_why(house: House) -> None:
    desk = Desk()
    async with standing(desk) as port:
        pass
    async with house(**smtp(port)) as post, post.working():
        await post.send()
        reason = await post.until_told()
        assert reason.startswith(f"The mail server 127.0.0.1:{port} cannot be used (")
        line = await post.doctor()
        assert line.startswith("✗ mail: 1 letter waits since 20")
        assert line.endswith(f" UTC, because: {reason}")
        async with standing(desk, port):
            await desk.arrival()
            await post.until_gone()
        assert await post.doctor() == "✓ mail"


async def test_a_server_that_greylists_gets_the_letter_again(house: House) -> None:
    desk = Desk(["451 4.7.1 Come back later", "450 4.2.0 Not yet"])
    async with standing(desk) as port, house(**smtp(port)) as post, post.working():
        await post.send()
        await desk.arrival()
        await post.until_gone()
    assert desk.recipients == [ADA] * 3
    assert len(desk.messages) == 1
    assert post.plugin.composed == [(ADA, "account")] * 3


@pytest.mark.parametrize("answers", [{"drops": 2}, {"after_data": "451 4.3.0 disk full"}])
async def test_a_connection_that_is_dropped_and_a_letter_that_is_put_off_are_tried_again(
    house: House, answers: dict[str, Any]
) -> None:
    desk = Desk(**answers)
    async with standing(desk) as port, house(**smtp(port)) as post, post.working():
        await post.send()
        assert f"The mail server 127.0.0.1:{port}" in await post.until_told()
        desk.after_data = "250 OK"
        await desk.arrival()
        await post.until_gone()
    assert len(desk.messages) == 1


@pytest.mark.parametrize(
    "answers",
    [{"replies": [f"550 5.1.1 <{ADA.title()}>: no such mailbox"]}, {"after_data": "554 5.7.1 <ada@example.org> spam"}],
)
async def test_a_letter_that_is_refused_for_good_is_given_up_with_one_sentence(
    house: House, answers: dict[str, Any]
) -> None:
    async with standing(desk := Desk(**answers)) as port, house(**smtp(port)) as post, post.working():
        await post.send()
        reason = await post.until_told("failed")
        assert reason.startswith(f"The mail server 127.0.0.1:{port} refused the letter (55")
        assert "ada" not in reason.lower()
        assert await post.doctor() == f"✗ mail: 1 letter was given up, the last because: {reason}"
    assert len(desk.recipients) == 1


async def test_a_letter_that_was_given_up_is_sent_when_it_is_asked_for_again(house: House) -> None:
    desk = Desk(["550 5.1.1 no such mailbox"])
    async with standing(desk) as port, house(**smtp(port)) as post, post.working():
        await post.send()
        await post.until_told("failed")
        await post.send()
        await desk.arrival()
        await post.until_gone()


async def test_what_was_given_up_is_forgotten_after_a_week_with_its_address(house: House) -> None:
    desk = Desk(["550 5.1.1 no such mailbox"])
    async with standing(desk) as port, house(**smtp(port)) as post, post.working():
        await post.send()
        await post.until_told("failed")
        await post.server.db.fetch("UPDATE core_job SET wanted_until = wanted_until - 7 * 86400 - 3600")
        await post.until_gone()


async def test_a_sender_that_is_refused_is_for_the_operator_to_mend_and_no_letter_is_lost(house: House) -> None:
    desk = Desk(to_sender="553 5.7.1 not yours")
    async with standing(desk) as port, house(**smtp(port)) as post, post.working():
        await post.send()
        assert "takes no letter now (553 5.7.1 not yours)" in await post.until_told()
        desk.to_sender = "250 OK"
        await desk.arrival()


async def test_a_server_that_hangs_up_after_it_took_the_letter_gets_it_once(house: House) -> None:
    desk = Desk()
    async with standing(desk) as port, house(**smtp(port)) as post, post.working():
        await post.send()
        await post.until_gone()
    assert len(desk.messages) == 1


async def test_a_server_that_never_says_a_word_is_left_after_a_while(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_smtp, "STEP_SECONDS", 0.1)
    waiting: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _reader, writer: waiting.append(writer), "127.0.0.1", 0)
    async with silent, house(**smtp(silent.sockets[0].getsockname()[1])) as post, post.working():
        await post.send()
        assert "Timed out" in await post.until_told()
    for writer in waiting:
        writer.close()


async def test_a_letter_is_tried_for_a_day(house: House) -> None:
    async with house() as post:
        attempts = post.server.contributions.jobs["mail"].attempts
    seconds = [2.0, 15.0, 60.0, 300.0, *[900.0] * (attempts - 5)]
    assert 0.95 < sum(seconds) / 86400 < 1.05


async def test_a_plugin_that_fails_to_write_is_asked_again(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    async with house() as post, post.working():
        await post.send(about="breaks")
        assert await post.until_told() == "RuntimeError: the key is away"


async def test_a_letter_nobody_writes_is_refused_at_once_and_kept_when_its_plugin_has_gone_since(house: House) -> None:
    async with house() as post:
        with pytest.raises(LookupError, match="No plugin writes the letter farewell"):
            await post.mail.send("farewell", ADA)
        await post.send()
        post.server.quarantine("writer", "it broke")
        async with post.working():
            assert await post.until_told() == "No plugin writes the letter welcome; switch on the one that did."


async def test_when_there_is_nothing_to_write_any_more_nothing_is_sent(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    async with house() as post, post.working():
        await post.send(about="nothing")
        await post.until_gone()
        assert post.plugin.composed == [(ADA, "nothing")]
    assert ADA not in capsys.readouterr().out


# ---- TLS and login ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """Of 127.0.0.1, signed by itself."""
    folder = tmp_path_factory.mktemp("certificate")
    file, key = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=desk"
    given = [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", file]
    subprocess.run(given, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return file, context


def only_ada_knows(_server: Any, _session: Any, _envelope: Any, _mechanism: str, told: Any) -> AuthResult:
    return AuthResult(success=(told.login, told.password) == (b"films", b"[right"), handled=False)


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_letter_travels_encrypted_with_a_login(
    house: House, certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch, tls: str
) -> None:
    file, context = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    desk, options = Desk(), {"authenticator": only_ada_knows, "auth_require_tls": tls == "starttls"}
    options |= {"tls_context": context, "require_starttls": True} if tls == "starttls" else {"tls": context}
    settings = smtp(0, tls=tls, username="films", password="[right")
    async with standing(desk, **options) as settings["mail"]["smtp"]["port"], house(**settings) as post, post.working():
        await post.send()
        await desk.arrival()
    assert (desk.encrypted, desk.authenticated) == ([True], [True])


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_certificate_nobody_vouches_for_gets_no_letter(
    house: House, certificate: tuple[Path, ssl.SSLContext], tls: str
) -> None:
    desk, context = Desk(), certificate[1]
    options: dict[str, Any] = {"tls": context} if tls == "tls" else {"tls_context": context}
    async with standing(desk, **options) as port, house(**smtp(port, tls=tls)) as post, post.working():
        await post.send()
        assert "certificate verify failed" in await post.until_told()
    assert not desk.recipients


async def test_a_server_without_starttls_gets_no_letter_and_no_password(house: House) -> None:
    desk, settings = Desk(), smtp(0, tls="starttls", username="films", password="[right")
    options = {"authenticator": only_ada_knows, "auth_require_tls": False}
    async with standing(desk, **options) as settings["mail"]["smtp"]["port"], house(**settings) as post, post.working():
        await post.send()
        assert "STARTTLS" in await post.until_told()
    assert not desk.recipients


async def test_a_wrong_password_waits_for_the_right_one_and_is_told_nowhere(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    desk, settings = Desk(), smtp(0, username="films", password="wr0ng")
    options = {"authenticator": only_ada_knows, "auth_require_tls": False}
    async with standing(desk, **options) as settings["mail"]["smtp"]["port"], house(**settings) as post, post.working():
        await post.send()
        reason = await post.until_told()
    assert "does not take mail.smtp.username and mail.smtp.password (535" in reason
    out = capsys.readouterr().out
    assert reason in out
    assert not any(secret in reason + out for secret in ("wr0ng", base64.b64encode(b"wr0ng").decode(), ADA))


# ---- the other backends ----------------------------------------------------------------------------------------


async def test_the_console_shows_the_link_alone_on_its_line(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    async with house() as post, post.working():
        await post.send()
        await post.until_gone()
    lines = capsys.readouterr().out.splitlines()
    assert LINK in lines
    assert "  Mail for ada@example.org: Your account" in lines


async def test_the_console_shows_the_text_where_there_is_no_link(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    async with house() as post, post.working():
        await post.send(about="notice")
        await post.until_gone()
    assert "It was you?\nThen all is well.\n" in capsys.readouterr().out


async def test_the_directory_holds_a_private_file_per_letter_in_their_order(house: House, tmp_path: Path) -> None:
    async with house(mail={"backend": "directory", "directory": "post"}) as post, post.working():
        for about in ("account", "long"):
            await post.send(about=about)
            await post.until_gone()
    files = sorted((tmp_path / "post").iterdir())
    assert [file.suffix for file in files] == [".eml", ".eml"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "post").stat().st_mode) == 0o700
    first, second = (message_from_bytes(file.read_bytes(), policy=policy.default) for file in files)
    assert (first["To"], first["Subject"]) == (ADA, "Your account")
    assert second["Subject"] == "Wörter " * 40
    for kind in ("plain", "html"):
        assert LINK in read(first, kind).replace("&amp;", "&")


async def test_a_directory_that_cannot_be_written_is_told_and_tried_again(house: House, tmp_path: Path) -> None:
    (tmp_path / "post").write_text("not a folder")
    async with house(mail={"backend": "directory", "directory": "post"}) as post, post.working():
        await post.send()
        assert await post.until_told() == f"mail.directory {tmp_path / 'post'} cannot be written (File exists)."
        (tmp_path / "post").unlink()
        await post.until_gone()
    assert len(list((tmp_path / "post").iterdir())) == 1


# ---- nothing gets into a header --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "about"),
    [
        (f"{ADA}\r\nBcc: eve@example.org", "account"),
        (f"{ADA}\n", "account"),
        (f"{ADA},eve@example.org", "account"),
        (f"{ADA}> <eve@example.org", "account"),
        ("ada\u2028@example.org", "account"),
        ("\x1b[2Jada@example.org", "account"),
        (f"{'a' * 250}@example.org", "account"),
        ("ada", "account"),
        (ADA, "injected"),
        (ADA, "bad link"),
    ],
)
@pytest.mark.parametrize("backend", ["console", "smtp"])
async def test_a_line_break_or_a_second_address_is_refused(
    house: House, capsys: pytest.CaptureFixture[str], backend: str, to: str, about: str
) -> None:
    desk = Desk()
    async with standing(desk) as port:
        settings = smtp(port) if backend == "smtp" else {}
        async with house(**settings) as post, post.working():
            await post.send(to, about)
            assert (await post.until_told("failed")).startswith("The letter is not sent: ")
    assert not desk.recipients
    assert "  Mail for" not in capsys.readouterr().out


@pytest.mark.parametrize("to", [f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 60}.org", "o'neil+films=x{1}@example.org"])
async def test_an_unusual_address_arrives_as_it_is(house: House, to: str) -> None:
    desk = Desk()
    async with standing(desk) as port, house(**smtp(port)) as post, post.working():
        await post.send(to)
        message = await desk.arrival()
    assert desk.recipients == [to]
    assert message["To"].addresses[0].addr_spec == to


async def test_an_address_of_other_letters_needs_a_server_that_knows_them(house: House) -> None:
    desk = Desk()
    async with standing(desk, enable_SMTPUTF8=True) as port, house(**smtp(port)) as post, post.working():
        await post.send("jürgen@example.org")
        await desk.arrival()
    async with standing(desk) as port, house(**smtp(port)) as post, post.working():
        await post.send("jürgen@example.org")
        assert "knows only addresses of plain letters" in await post.until_told("failed")
    assert desk.recipients == ["jürgen@example.org"]


# ---- links -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "page", "link"),
    [
        ({}, "activation", "http://localhost:8000/activate"),
        ({}, "password_reset", "http://localhost:8000/reset"),
        ({"server": {"port": 8123, "base_path": "films"}}, "/me", "http://localhost:8123/films/me"),
        ({"server": {"host": "192.0.2.7"}}, "/me", "http://192.0.2.7:8000/me"),
        ({"server": {"public_url": "https://a.example/"}}, "activation", "https://a.example/activate"),
        ({"server": {"public_url": "https://a.example", "base_path": "/f"}}, "/me", "https://a.example/f/me"),
        ({"server": {"public_url": "https://a.example/f", "base_path": "/f"}}, "/me", "https://a.example/f/me"),
        (
            {"frontend": {"base_url": "https://b.example/"}, "server": {"public_url": "https://a.example"}},
            "activation",
            "https://b.example/pages/auth/activate.html",
        ),
        (
            {"frontend": {"base_url": "https://b.example"}},
            "password_reset",
            "https://b.example/pages/auth/confirm_password.html",
        ),
        ({"frontend": {"base_url": "https://b.example"}}, "/me", "http://localhost:8000/me"),
    ],
)
async def test_a_link_leads_where_the_settings_say(
    house: House, settings: dict[str, Any], page: str, link: str
) -> None:
    async with house(**settings) as post:
        assert post.mail.link(page) == link
        assert post.mail.link(page, uid="7", token="a b&c=/ü") == f"{link}?uid=7&token=a%20b%26c%3D%2F%C3%BC"


async def test_a_page_of_a_front_end_may_have_a_query_of_its_own(house: House) -> None:
    async with house(frontend={"base_url": "https://b.example", "activation_path": "/?page=activate"}) as post:
        assert post.mail.link("activation", uid="7") == "https://b.example/?page=activate&uid=7"
        with pytest.raises(ValueError, match="evil is no page"):
            post.mail.link("evil")


async def test_letters_to_others_with_links_to_this_machine_are_found_by_the_doctor(house: House) -> None:
    settings = smtp(25) | {"server": {}}
    async with house(**settings) as post:
        line = await post.doctor()
    assert line == "✗ mail: Links in letters lead to http://localhost:8000/; set server.public_url."


@pytest.mark.slow
def test_the_port_of_the_command_line_stands_in_the_mail_of_the_worker(tmp_path: Path, unused_tcp_port: int) -> None:
    greets = "\n@hookimpl\nasync def startup(server):\n    if server.role == 'worker':\n"
    greets += "        await server.services.get(Mail).send('welcome', 'ada@example.org', 'account')\n"
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "writer.py").write_text(PLUGIN + greets)
    (tmp_path / "config.yaml").write_text("plugins: {writer: {}}\n")
    command = [sys.executable, "-m", "mediaserver", "run", "--port", str(unused_tcp_port)]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            links = (line.strip() for line in running.stdout if "/activate?" in line)
            assert next(links) == f"http://localhost:{unused_tcp_port}/activate?uid=7&token=a%20b"
        finally:
            running.terminate()


def test_a_process_that_sends_no_letter_loads_nothing_for_it() -> None:
    asked = "import sys, mediaserver.core.worker, mediaserver.core.server; print('aiosmtplib' in sys.modules)"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", asked], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
