"""The film's own file, as it lies in the library."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from mediaserver.contracts import Library, MediaGrant
from mediaserver.errors import Forbidden, NotFound
from mediaserver.models import Video
from plugins.hls_transcoder.original import Original, Vigil
from tests import media
from tests.patience import PATIENCE, until
from tests.plugins.hls_transcoder.test_subtitles import copy
from tests.plugins.hls_transcoder.theatre import Theatre, open_theatre

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaserver.testing import RunningApp

slow = pytest.mark.slow


def film() -> Path:
    return media.film("plain-4.mp4", seconds=4, options=("-bf", "0"))


async def allowed() -> None:
    """Whoever asks may go on."""


async def listed(theatre: Theatre, ref: str) -> dict[str, Any]:
    async def so() -> Any:
        answer = await theatre.app.get(f"/v1/content/{ref}")
        return answer.json() if answer.status_code == 200 else None

    found: dict[str, Any] = await until(so, f"a title {ref}")
    return found


@slow
async def test_the_file_itself_is_sent_whole_in_parts_and_as_a_download(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    async with open_theatre(app_with, tmp_path / "library") as theatre:
        whole = film().read_bytes()
        copy(film(), theatre.library / 'Größe "1"\u202e (2020).mp4')
        ref = (await listed(theatre, "grosse-1-2020"))["id"]
        address = (await theatre.get(f"/v1/streaming/{ref}/manifest"))["original_url"]
        answer = await theatre.app.get(address)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
        assert answer.content == whole
        assert "content-disposition" not in answer.headers
        again = await theatre.app.get(address, headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
        part = await theatre.app.get(address, headers={"Range": "bytes=1000-1999"})
        assert (part.status_code, part.content) == (206, whole[1000:2000])
        assert part.headers["content-range"] == f"bytes 1000-1999/{len(whole)}"
        head = await theatre.app.request("HEAD", address)
        assert (head.headers["content-length"], head.headers["accept-ranges"]) == (str(len(whole)), "bytes")
        assert (await theatre.app.get(address, headers={"Range": f"bytes={len(whole)}-"})).status_code == 416
        kept = await theatre.app.get(f"{address}?download")
        assert kept.content == whole
        assert kept.headers["content-disposition"] == (
            'attachment; filename="Gr__e _1__ (2020).mp4"; '
            "filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%221%22_%20%282020%29.mp4"
        )


@slow
async def test_a_file_that_is_away_is_told_in_a_sentence(app_with: Callable[..., RunningApp], tmp_path: Path) -> None:
    async with open_theatre(app_with, tmp_path / "library") as theatre:
        copy(film(), theatre.library / "Film.mp4")
        await listed(theatre, "film")
        address = (await theatre.get("/v1/streaming/film/manifest"))["original_url"]
        (theatre.library / "Film.mp4").rename(tmp_path / "elsewhere.mp4")
        answer = await theatre.app.get(address)
        assert answer.status_code == 503
        assert answer.json()["error"]["message"].startswith("Its file cannot be reached right now")


@slow
async def test_a_link_that_takes_the_place_of_a_film_between_two_steps_is_not_sent(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    async with open_theatre(app_with, tmp_path / "library") as theatre:
        copy(film(), theatre.library / "Film.mp4")
        await listed(theatre, "film")
        original = Original(theatre.app.server.services.get(Library), given=True)
        video = await Video.get()
        found = await original.file(MediaGrant(None, 1, video.id, 1, ("480p",), 0))
        (theatre.library / "Film.mp4").unlink()
        (theatre.library / "Film.mp4").symlink_to("/etc/passwd")
        asked = SimpleNamespace(get_args=lambda **_: {})
        with pytest.raises(NotFound):
            await original.send(cast("Any", asked), found, lambda: None, allowed)


@slow
async def test_an_operator_may_keep_the_files_to_himself(app_with: Callable[..., RunningApp], tmp_path: Path) -> None:
    async with open_theatre(app_with, tmp_path / "library", original=False) as theatre:
        copy(film(), theatre.library / "Film.mp4")
        await listed(theatre, "film")
        manifest = await theatre.get("/v1/streaming/film/manifest")
        assert manifest["original_url"] is None
        answer = await theatre.file("film", "original")
        assert answer.status_code == 404
        assert "plugins.hls_transcoder.original" in answer.json()["error"]["message"]
        assert (await theatre.file("film", "master.m3u8")).status_code == 200


@slow
async def test_nginx_is_not_asked_to_send_what_lies_in_the_library(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    async with open_theatre(app_with, tmp_path / "library", {"server": {"port": 0, "sendfile": "x-accel"}}) as theatre:
        copy(film(), theatre.library / "Film.mp4")
        await listed(theatre, "film")
        assert "x-accel-redirect" in (await theatre.file("film", "master.m3u8")).headers
        answer = await theatre.file("film", "original")
        assert "x-accel-redirect" not in answer.headers
        assert answer.content == film().read_bytes()


async def test_what_flows_is_asked_for_again_and_breaks_off_on_a_no() -> None:
    asked, cut = 0, asyncio.Event()

    async def again() -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise OSError("locked")
        if asked == 3:
            raise Forbidden("It is late.")

    async with asyncio.timeout(PATIENCE), Vigil(again, cut.set, seconds=0.001) as vigil:
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert asked == 0  # nothing was taken: nobody watches
        while not cut.is_set():
            vigil.flows()
            await asyncio.sleep(0.001)
    assert asked == 3
