"""Nothing gets into the header of a letter that was not meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.core.mail.mail_house import ADA, Desk, smtp, standing

if TYPE_CHECKING:
    from tests.core.mail.mail_house import House


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
