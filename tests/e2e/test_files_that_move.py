"""What people do to files while a film is being made, seen through the running program."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.appliance import Appliance
from tests.media import film
from tests.patience import until
from tests.sources import TABLE

pytestmark = pytest.mark.slow
FAST = {"hls_transcoder": {"preset": "ultrafast"}}


async def ready(appliance: Appliance, title: str) -> None:
    async def is_ready() -> bool:
        return await appliance.status(title) == "ready"

    await until(is_ready, "every cell is made")


def published(appliance: Appliance) -> dict[str, int]:
    return {str(path): path.stat().st_ino for path in appliance.cells()}


async def test_a_rename_during_the_encode_makes_nothing_again(tmp_path: Path) -> None:
    async with Appliance(tmp_path, plugins=FAST) as appliance:
        title = (await appliance.film(film("moving.mp4", seconds=40, size="1280x720"), "Before.mp4"))["id"]

        async def some() -> dict[str, int]:
            return published(appliance)

        before = await until(some, "the first cell")
        (appliance.library / "Before.mp4").rename(appliance.library / "After.mp4")
        await ready(appliance, title)
        after = published(appliance)
        assert before.items() <= after.items(), "published cells stay as they are"
        assert len({Path(path).parts[-3] for path in after}) == 1, "there is one plan"

        async def renamed() -> bool:
            return [each["title"] for each in await appliance.films()] == ["After"]

        await until(renamed, "the title follows its file's name")


async def test_a_film_that_was_made_is_not_made_again_when_it_comes_back(tmp_path: Path) -> None:
    source = film("returning.mp4", seconds=6, size="640x360")
    async with Appliance(tmp_path, plugins=FAST) as appliance:
        title = (await appliance.film(source, "Returning.mp4"))["id"]
        await ready(appliance, title)
        before = published(appliance)
        shutil.move(appliance.library / "Returning.mp4", tmp_path / "elsewhere.mp4")

        async def is_away() -> bool:
            return not (await appliance.films())[0]["playable"]

        await until(is_away, "the film is offline")
        shutil.move(tmp_path / "elsewhere.mp4", appliance.library / "Back again.mp4")

        async def is_back() -> bool:
            return bool((await appliance.films())[0]["playable"])

        await until(is_back, "the film is back")
        assert [each["id"] for each in await appliance.films()] == [title]
        assert published(appliance) == before


async def test_a_viewer_of_a_film_that_is_away_is_told_and_goes_on_soon_after_it_is_back(tmp_path: Path) -> None:
    """Without a word from the watcher too: a rename is not known for a moment."""
    off = {"hls_transcoder": {"preset": "ultrafast", "background": "off"}}
    async with Appliance(tmp_path, plugins=off) as appliance:
        title = (await appliance.film(film("away.mp4", seconds=6, size="640x360"), "Away.mp4"))["id"]
        base = await appliance.media(title)
        shutil.move(appliance.library / "Away.mp4", tmp_path / "elsewhere.mp4")
        answer = await appliance.client.get(f"{base}/480p/000.ts")
        assert answer.status_code == 503
        assert "No file with this film can be reached" in answer.json()["error"]["message"]
        shutil.move(tmp_path / "elsewhere.mp4", appliance.library / "Away.mp4")

        async def plays() -> bool:
            return (await appliance.client.get(f"{base}/480p/000.ts")).status_code == 200

        await until(plays, "the viewer goes on")


async def test_without_room_films_play_and_the_reason_is_told(tmp_path: Path) -> None:
    plenty = {"min_free_space": 10**15}
    async with Appliance(tmp_path, plugins=FAST, workers=plenty) as appliance:
        title = (await appliance.film(film("full.mp4", seconds=6, size="640x360"), "Full.mp4"))["id"]

        async def reason() -> str:
            told = await appliance.get(f"/v1/admin/content/{title}/processing-status")
            return str(told["reason"]) if "workers.min_free_space" in told["reason"] else ""

        assert "it goes on when there is room" in await until(reason, "the reason why nothing is made ahead")
        cell = await appliance.client.get(f"{await appliance.media(title)}/480p/000.ts")
        assert cell.status_code == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
async def test_a_full_disk_is_never_blamed_on_the_film_and_the_work_goes_on_when_there_is_room(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", data], check=True)
    try:
        async with Appliance(tmp_path, plugins=FAST, workers={"min_free_space": 0}) as appliance:
            title = (await appliance.film(film("moving.mp4", seconds=40, size="1280x720"), "Big.mp4"))["id"]

            async def told() -> bool:
                return " are free" in str(
                    (await appliance.get(f"/v1/admin/content/{title}/processing-status"))["reason"]
                )

            filler = data / "filler"
            with filler.open("wb") as file:  # the database keeps what it has, cells find no room
                file.truncate(0)
                os.posix_fallocate(file.fileno(), 0, max(4096, shutil.disk_usage(data).free - 1_500_000))
            await until(told, "the reason is told")
            filler.unlink()
            subprocess.run(["mount", "-o", "remount,size=400m", data], check=True)
            await ready(appliance, title)
            assert not [path for path in appliance.cells() if path.stat().st_size % 188 or not path.stat().st_size]
            assert len({path.parts[-3] for path in appliance.cells()}) == 1, "the film was never made anew"
    finally:
        subprocess.run(["umount", data], check=True)


async def test_a_film_replaced_while_it_is_mended_gets_no_picture_of_the_new_one(tmp_path: Path) -> None:
    slow = {"hls_transcoder": {"preset": "medium"}}  # so that it is replaced before it is mended
    async with Appliance(tmp_path, plugins=slow) as appliance:
        await appliance.film(TABLE["mp4 with zeros at its end.mp4"].make(), "Film.mp4")

        def made(video: int) -> list[Path]:
            return sorted(appliance.media_folder.glob(f"{video}/[23]/480p/*.ts"))

        async def has_its_right_cells() -> bool:
            return len(made(1)) >= 2

        await until(has_its_right_cells, "the straight run")
        new = appliance.library / ".new"
        new.write_bytes(film(seconds=20, gop=25).read_bytes())
        new.replace(appliance.library / "Film.mp4")

        async def other_is_made() -> bool:
            return len(list(appliance.media_folder.glob("2/*/480p/*.ts"))) == 5

        await until(other_is_made, "the new film")
        assert len(made(1)) < 5
