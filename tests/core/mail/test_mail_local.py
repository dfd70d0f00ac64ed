"""Letters that stay on this machine: on the console, or in a folder."""

from __future__ import annotations

import stat
from email import message_from_bytes, policy
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.core.mail.mail_house import ADA, LINK, read

if TYPE_CHECKING:
    from tests.core.mail.mail_house import House


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
