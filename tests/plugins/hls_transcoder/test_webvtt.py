"""Subtitles are texts of strangers: what comes out is harmless in innerHTML and the same for every player."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from plugins.hls_transcoder.webvtt import NotText, decoded, read, written

HARMLESS = {"b", "i", "u", "c", "v", "lang", "ruby", "rt"}


def one(text: str, form: str = "00:00:01,000 --> 00:00:02,500") -> str:
    [cue] = read(f"1\n{form}\n{text}\n\n")
    return cue.text


class Reader(HTMLParser):
    """What innerHTML would make of it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag.partition(".")[0])
        self.attributes += attrs


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("<i>lean</i> & <B>fat</B>", "<i>lean</i> &amp; <b>fat</b>"),
        ('<font color="#fff">white</font>', "white"),
        ("<i>open", "<i>open</i>"),
        ("<i>crossed<b></i></b>", "<i>crossed<b></b></i>"),
        ("a < b > c <3", "a &lt; b &gt; c &lt;3"),
        ("&lt;b&gt; &amp; &#60; &eacute; &nope;", "&lt;b&gt; &amp; &lt; é &amp;nope;"),
        ("<c.yellow.bg_blue>colour</c>", "<c.yellow.bg_blue>colour</c>"),
        ("<v Ada Lovelace>Hi", "<v Ada Lovelace>Hi</v>"),
        ("<lang de>Hallo</lang>", "<lang de>Hallo</lang>"),
        ("<00:00:01.500>timed", "timed"),
        (r"{\an8}{\pos(1,2)}up", "up"),
        ("two\n lines ", "two\nlines"),
    ],
)
def test_known_markup_stays_and_the_rest_is_text(raw: str, shown: str) -> None:
    assert one(raw) == shown


@pytest.mark.parametrize(
    "raw",
    [
        "<script>alert(1)</script>x",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "<img src=x onerror=alert(1)>x",
        "<b onclick=alert(1)>x</b>",
        "<v Ada onmouseover=alert(1)>x</v>",
        '<v "><img src=x onerror=alert(1)>x',
        "<c.x onfocus=alert(1)>x</c>",
        "<lang en style='x'>x</lang>",
        "<scr<script>ipt>x",
        "<svg/onload=alert(1)>x",
        "<!-- x --><style>x</style>x",
        "x<b\n onclick=alert(1)>y",
        "x<iframe",
        "x\x00<\x00script>y",
    ],
)
def test_nothing_that_runs_survives(raw: str) -> None:
    shown = one(raw)
    reader = Reader()
    reader.feed(shown)
    reader.close()
    assert reader.tags <= HARMLESS
    assert all(value is None for _, value in reader.attributes)
    assert not re.search(r"<(?!/?(?:b|i|u|c|v|lang|ruby|rt)\b)", shown)


def test_times_and_settings_are_kept_and_written_the_same_again() -> None:
    cues = read(
        "WEBVTT\n\nSTYLE\n::cue { color: red }\n\nid\n01:00.5 --> 1:01:02.25 line:10% align:start evil:<x>\nLate\n"
    )
    text = written(cues)
    assert text.startswith("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\n")
    assert "00:01:00.500 --> 01:01:02.250 line:10% align:start\nLate\n" in text
    assert written(read(text)) == text


@pytest.mark.parametrize(
    ("data", "language", "text"),
    [
        ("Schöne Grüße".encode(), "", "Schöne Grüße"),
        ("Schöne".encode("utf-8-sig"), "", "Schöne"),
        ("Schöne".encode("utf-16"), "", "Schöne"),
        (b"\xfe\xff" + "Schöne".encode("utf-16-be"), "", "Schöne"),
        ("Schöne".encode("cp1252"), "de", "Schöne"),
        ("Привет".encode("cp1251"), "ru", "Привет"),
        ("Zażółć".encode("cp1250"), "pl", "Zażółć"),
        ("日本語".encode("cp932"), "ja", "日本語"),
        ("繁體".encode("cp950"), "zh-Hant", "繁體"),
        (b"\x81 odd", "", "\ufffd odd"),
    ],
)
def test_old_encodings_are_guessed_by_the_language(data: bytes, language: str, text: str) -> None:
    assert decoded(data, language) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no subtitle\n" * 1000,
        "#EXTM3U\n#EXTINF:4,\nfile:///etc/passwd\n",
        "00:00:02,000 --> 00:00:01,000\nbackwards\n",
        "00:00:01,000 --> 00:00:02,000\n<script></script>\n",
        "99:00:01,000 --> 99:00:02,000\nfar\n",
        "00:00:01,000 --> 00:00:02,000\nm 0 0 l 100 0 100 100\n",
        "-->\n" * 100_000,
        "<" * 1_000_000,
    ],
)
def test_what_holds_no_subtitle_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(NotText, match=r"There is no text with times in it\."):
        read(text)


def test_there_is_an_end_to_what_is_read_and_written() -> None:
    with pytest.raises(NotText, match="more than 50000"):
        read("00:00:01,000 --> 00:00:02,000\nx\n\n" * 50_001)
    with pytest.raises(NotText, match="larger than 10 MB"):
        written(read(f"00:00:01,000 --> 00:00:02,000\n{'é' * 2000}\n\n" * 3000))


@pytest.mark.parametrize("raw", ["<b>" * 600, "<v " + "a" * 1900, "{\\" * 900, "&" + "a" * 1900, "<" * 1900])
def test_long_nonsense_is_read_at_once(raw: str) -> None:
    read(f"00:00:01,000 --> 00:00:02,000\nx{raw}\n\n" * 200)
