"""Letters: written by a worker, sent when the mail server lets them, and never to the wrong host."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.contracts import Jobs
from mediaserver.core import mail_smtp
from mediaserver.models import JobRecord
from tests.core.mail.mail_house import ADA, PLUGIN, Desk, read, smtp, standing
from tests.ports import free_port

if TYPE_CHECKING:
    from tests.core.mail.mail_house import House


ROOT = Path(__file__).parents[3]


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
        assert await post.until_told() == "Something went wrong here (RuntimeError); the log tells more."


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
def test_the_port_of_the_command_line_stands_in_the_mail_of_the_worker(tmp_path: Path) -> None:
    port = free_port()
    greets = "\n@hookimpl\nasync def startup(server):\n    if server.role == 'worker':\n"
    greets += "        await server.services.get(Mail).send('welcome', 'ada@example.org', 'account')\n"
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "writer.py").write_text(PLUGIN + greets)
    (tmp_path / "config.yaml").write_text("plugins: {writer: {}}\n")
    command = [sys.executable, "-m", "mediaserver", "run", "--port", str(port)]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            links = (line.strip() for line in running.stdout if "/activate?" in line)
            assert next(links) == f"http://localhost:{port}/activate?uid=7&token=a%20b"
        finally:
            running.terminate()


def test_a_process_that_sends_no_letter_loads_nothing_for_it() -> None:
    asked = "import sys, mediaserver.core.worker, mediaserver.core.server; print('aiosmtplib' in sys.modules)"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", asked], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
