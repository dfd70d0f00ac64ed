"""Playlists and segments, and the one stream that a login is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.contracts import MediaInfo, Playback, Storage, Transcoding, VideoStream
from mediaserver.models import Title, TitleKind, TitleVideo, Video
from tests.plugins.auth_email.conftest import ADA, ADMIN
from tests.plugins.dialect_videoflix.conftest import FrontEnd

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    OpenFrontEnd = Callable[..., Awaitable[FrontEnd]]

pytestmark = pytest.mark.contract

KIDS = """
from mediaserver import Plugin, hookimpl
from mediaserver.contracts import TitleLimit

plugin = Plugin(api="1")


@hookimpl
def limit_titles(actor):
    return None if actor.is_admin else TitleLimit(max_maturity=1)
"""


def probed(width: int, height: int) -> dict[str, Any]:
    stream = VideoStream(0, "h264", width, height, "25/1", False, "1/1", 0, "yuv420p", "progressive", "")
    return MediaInfo("mov", 8.0, 0.0, 1_000_000, stream, (), ()).as_dict()


async def film(front_end: FrontEnd, name: str = "Ada", size: tuple[int, int] = (1920, 1080)) -> int:
    """A title whose first segment is made, at every resolution, each with its own bytes."""
    services = front_end.house.app.server.services
    title = await Title.create(kind=TitleKind.MOVIE, title=name, slug=name.lower())
    video = await Video.create(fingerprint=name, size=1, duration=8.0, probe=probed(*size), online=True)
    await TitleVideo.create(title=title, video=video)
    plan = await services.get(Transcoding).plan(video.id)
    for rung in ("480p", "720p", "1080p"):
        cell = services.get(Storage).segment(video.id, plan, rung, 0)
        if cell.parent.exists():
            cell.write_bytes(f"{name} at {rung}".encode())
    return int(title.id)


@pytest.fixture
async def counting(open_front_end: OpenFrontEnd) -> FrontEnd:
    """One stream at once for every account."""
    return await open_front_end({"stream_limits": {"default_limit": 1}})


async def streams(front_end: FrontEnd) -> int:
    return len(await front_end.house.app.server.services.get(Playback).active())


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_playlist_names_its_segments_which_are_sent_in_every_form(front_end: FrontEnd, slash: str) -> None:
    number = await film(front_end)
    await front_end.sign_in()
    for rung in ("480p", "720p", "1080p"):
        playlist = await front_end.get(f"/video/{number}/{rung}/index.m3u8{slash}")
        assert playlist.status_code == 200
        assert playlist.headers["content-type"] == "application/vnd.apple.mpegurl"
        assert playlist.headers["cache-control"] == "no-cache"
        assert playlist.headers["etag"]
        names = [line for line in playlist.text.splitlines() if line and not line.startswith("#")]
        assert names == ["000.ts", "001.ts"]
        for name in ("000.ts", "000"):
            segment = await front_end.get(f"/video/{number}/{rung}/{name}{slash}")
            assert (segment.status_code, segment.text) == (200, f"Ada at {rung}"), name
            assert segment.headers["content-type"] == "video/mp2t"
            assert segment.headers["cache-control"] == "private, no-cache"


async def test_the_multivariant_playlist_leads_to_those_of_the_resolutions(front_end: FrontEnd) -> None:
    number = await film(front_end)
    await front_end.sign_in()
    master = await front_end.get(f"/video/{number}/master.m3u8")
    assert master.headers["content-type"] == "application/vnd.apple.mpegurl"
    for rung in ("480p", "720p", "1080p"):
        assert f"\n{rung}/index.m3u8" in master.text


async def test_segments_are_sent_whole_in_part_and_not_again(front_end: FrontEnd) -> None:
    path = f"/video/{await film(front_end)}/480p/000.ts"
    await front_end.sign_in()
    whole = await front_end.get(path)
    part = await front_end.get(path, headers={"range": "bytes=0-2"})
    assert (part.status_code, part.text) == (206, "Ada")
    assert (await front_end.get(path, headers={"if-none-match": whole.headers["etag"]})).status_code == 304
    head = await front_end.ask("HEAD", path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(whole.content)))


async def test_what_is_no_segment_or_no_resolution_is_not_found(front_end: FrontEnd) -> None:
    number = await film(front_end)
    await front_end.sign_in()
    wrong = ["480p/0", "480p/00.ts", "480p/000.mp4", "480p/0000000", "480p/..%2f000.ts", "480p/000.ts.ts", "480p/x"]
    wrong += ["360p/index.m3u8", "480p", "480p/999.ts", "480p/master.m3u8", "index.m3u8", "%2e%2e/master.m3u8"]
    for name in wrong:
        answer = await front_end.get(f"/video/{number}/{name}")
        assert (answer.status_code, answer.json().keys()) == (404, {"detail"}), name


async def test_a_film_too_small_for_a_resolution_plays_its_next_smaller_one(front_end: FrontEnd) -> None:
    number = await film(front_end, size=(1280, 720))
    await front_end.sign_in()
    for rung, made in (("480p", "480p"), ("720p", "720p"), ("1080p", "720p")):
        assert (await front_end.get(f"/video/{number}/{rung}/index.m3u8")).status_code == 200
        assert (await front_end.get(f"/video/{number}/{rung}/000.ts")).text == f"Ada at {made}"


async def test_media_want_a_login_and_titles_that_are_hidden_are_not_there(
    open_front_end: OpenFrontEnd, tmp_path: Path
) -> None:
    (tmp_path / "kids.py").write_text(KIDS)
    front_end = await open_front_end({"kids": {}}, settings={"plugin_folders": [str(tmp_path), "plugins"]})
    number = await film(front_end)
    paths = [f"/video/{number}/{name}" for name in ("480p/index.m3u8", "480p/000.ts", "master.m3u8")]
    for who, status in ((None, 401), (ADMIN, 200), (ADA, 404)):
        front_end.forget_cookies()
        if who:
            await front_end.sign_in(who)
        assert [(await front_end.get(path)).status_code for path in paths] == [status] * 3, who


async def test_a_series_and_a_title_without_a_file_play_nowhere(front_end: FrontEnd) -> None:
    series = await Title.create(kind=TitleKind.SERIES, title="Bees", slug="bees")
    gone = await film(front_end)
    await Video.all().update(online=False)
    await front_end.sign_in()
    for title_id, status in ((series.id, 404), (gone, 503)):
        answer = await front_end.get(f"/video/{title_id}/480p/index.m3u8")
        assert (answer.status_code, answer.json().keys()) == (status, {"detail"})


# ---- the one stream of a login -------------------------------------------------------------------------------------


async def test_two_players_of_one_login_are_one_stream(counting: FrontEnd) -> None:
    film_a, film_b = await film(counting), await film(counting, "Eve")
    await counting.sign_in()
    for number, rung in ((film_a, "480p"), (film_a, "1080p"), (film_b, "480p"), (film_a, "1080p")):
        assert (await counting.get(f"/video/{number}/{rung}/index.m3u8")).status_code == 200
        assert (await counting.get(f"/video/{number}/{rung}/000.ts")).status_code == 200
    assert await streams(counting) == 1


async def test_another_login_is_refused_while_the_streams_are_taken_and_let_in_when_one_is_free(
    counting: FrontEnd,
) -> None:
    number = await film(counting)
    paths = [f"/video/{number}/{name}" for name in ("480p/index.m3u8", "480p/000.ts", "480p/000/", "master.m3u8")]
    first = (await counting.sign_in()).cookies
    assert (await counting.get(paths[0])).status_code == 200
    counting.forget_cookies()
    await counting.sign_in()
    for path in paths:
        refused = await counting.get(path)
        assert (refused.status_code, refused.json().keys()) == (403, {"detail"})
    assert (await counting.get("/video/")).status_code == 200
    headers = {"cookie": f"refresh_token={first['refresh_token']}"}
    counting.forget_cookies()
    assert (await counting.ask("POST", "/logout/", headers=headers)).status_code == 200
    await counting.sign_in()
    assert [(await counting.get(path)).status_code for path in paths] == [200] * 4


async def test_a_login_that_is_silent_gives_its_stream_back_and_takes_it_again(counting: FrontEnd) -> None:
    number = await film(counting)
    await counting.sign_in()
    for _ in range(2):
        assert (await counting.get(f"/video/{number}/480p/000.ts")).status_code == 200
        assert await streams(counting) == 1
        counting.house.clock.ahead(seconds=241)
        assert await streams(counting) == 0


async def test_where_nothing_counts_streams_there_is_no_limit(front_end: FrontEnd) -> None:
    number = await film(front_end)
    for _ in range(4):
        front_end.forget_cookies()
        await front_end.sign_in()
        assert (await front_end.get(f"/video/{number}/480p/000.ts")).status_code == 200


async def test_who_is_refused_is_told_what_plays_without_its_markup(counting: FrontEnd) -> None:
    number = await film(counting, "<img src=x onerror=alert(1)>")
    await counting.sign_in()
    assert (await counting.get(f"/video/{number}/480p/index.m3u8")).status_code == 200
    counting.forget_cookies()
    await counting.sign_in()
    said = (await counting.get(f"/video/{number}/480p/index.m3u8")).json()["detail"]
    assert "img src=x" in said
    assert not set("<>\"'`") & set(said)
