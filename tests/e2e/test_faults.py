"""What breaks around the server costs time: nothing lost, nothing twice, and the work goes on by itself."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.e2e.appliance import Appliance, another
from tests.e2e.published import frames, remember
from tests.media import film
from tests.patience import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.postgres import Postgres
    from tests.redis_server import RedisServer

pytestmark = pytest.mark.slow
FAST = {"hls_transcoder": {"preset": "ultrafast", "chunk_segments": 1}}
SLOW = {"hls_transcoder": {"preset": "medium", "chunk_segments": 1}}  # so that the fault comes before the end
RESUMED = 60  # s after a full disk: the promise, which only soak measures
SECONDS, SEGMENTS = 16, 4
LEASE = 20
LAPSED = [f"UPDATE {table} SET lease_until = 0" for table in ("core_job", "hls_claim", "core_cursor")]


def clip() -> Path:
    return film("growing.mp4", seconds=SECONDS, size="854x480", gop=50)


async def is_ready(appliance: Appliance, title: str) -> bool:
    return await appliance.status(title) == "ready"


async def has_cells(appliance: Appliance, least: int) -> bool:
    return len(appliance.cells()) >= least


# ---- the broker is emptied ---------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "redis"])
def emptied(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[dict[str, Any], Callable[[], None]]:
    """Settings of an appliance, and what empties its broker."""
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        return request.getfixturevalue("grown"), server.flush

    def delete() -> None:
        for file in (tmp_path / "data").glob("broker.sqlite3*"):
            file.unlink(missing_ok=True)

    return {}, delete


async def ingest(tmp_path: Path, count: int, pause: float, settings: dict[str, Any], empty: Callable[[], None]) -> int:
    """Drop films while the broker is emptied every `pause` seconds; answers how often it was."""
    published: dict[Path, tuple[int, int]] = {}
    emptyings = 0
    async with Appliance(tmp_path, plugins=FAST, **settings) as appliance:

        async def drop_all() -> None:
            for number in range(count):
                await appliance.drop(
                    film(f"emptied-{number}.mp4", options=("-metadata", f"title={number}")), f"{number}.mp4"
                )
                await asyncio.sleep(pause / 10)

        dropping = asyncio.create_task(drop_all())
        end = time.monotonic() + count * 5 + 2 * PATIENCE
        while not (dropping.done() and len(appliance.cells()) == count) or emptyings < 2:
            assert time.monotonic() < end, appliance.log
            await asyncio.sleep(pause)
            await asyncio.to_thread(empty)
            emptyings += 1
            remember(published, appliance)
        await dropping
        titles = [str(each["id"]) for each in (await appliance.get("/v1/content/browse?limit=100"))["content"]]
        assert len(titles) == len(set(titles)) == count
        for title in titles:
            await until(partial(is_ready, appliance, title), "every film is ready")
        await until(appliance.is_at_rest, "nobody works any more")
        remember(published, appliance)
        assert len(published) == count
        await appliance.film(film("after.mp4", seconds=5), "After.mp4")
        await until(partial(has_cells, appliance, count + 1), "a film dropped later is made")
    return emptyings


async def test_a_broker_that_is_emptied_twice_loses_no_film_and_makes_none_twice(
    tmp_path: Path, emptied: tuple[dict[str, Any], Callable[[], None]]
) -> None:
    assert await ingest(tmp_path, 3, 1.0, *emptied) >= 2


@pytest.mark.soak
async def test_a_broker_that_is_emptied_every_five_seconds_of_fifty_films_loses_none_and_makes_none_twice(
    tmp_path: Path, emptied: tuple[dict[str, Any], Callable[[], None]]
) -> None:
    assert await ingest(tmp_path, 50, 5.0, *emptied) >= 5


@pytest.mark.soak
async def test_while_redis_is_away_nobody_is_refused_and_the_work_goes_on_afterwards(
    tmp_path: Path, grown: dict[str, Any], redis_server: RedisServer
) -> None:
    async with Appliance(tmp_path, plugins=FAST, **grown) as appliance:
        early = (await appliance.film(clip(), "Early.mp4"))["id"]
        await until(lambda: asyncio.sleep(0, appliance.ffmpegs()), "an ffmpeg runs")
        redis_server.stop()
        late = (await appliance.film(film("after.mp4", seconds=5), "Late.mp4"))["id"]
        await asyncio.sleep(LEASE)
        redis_server.start()
        for title in (early, late):
            await until(partial(is_ready, appliance, title), "every cell is made")


# ---- the database goes and comes back ----------------------------------------------------------------------------

ASKED = (
    "/v1/content/browse?limit=7",
    "/v1/content/browse?page=2",
    "/v1/admin/jobs",
    "/v1/admin/library",
    "/v1/streaming/1/manifest",
    "/ready",
    "/health",
)


async def test_while_postgres_is_away_requests_are_put_off_and_the_work_goes_on_afterwards(
    tmp_path: Path, grown: dict[str, Any], postgres: Postgres
) -> None:
    await restart_postgres(tmp_path, grown, postgres, away=2.0)


@pytest.mark.soak
async def test_postgres_may_be_away_for_longer_than_a_lease(
    tmp_path: Path, grown: dict[str, Any], postgres: Postgres
) -> None:
    await restart_postgres(tmp_path, grown, postgres, away=LEASE + 10)


async def restart_postgres(tmp_path: Path, grown: dict[str, Any], postgres: Postgres, away: float) -> None:
    published: dict[Path, tuple[int, int]] = {}
    async with Appliance(tmp_path, plugins=SLOW, **grown) as appliance:
        title = (await appliance.film(clip(), "Restarted.mp4"))["id"]
        cell = f"{await appliance.media(title)}/480p/{SEGMENTS - 1:03d}.ts"
        await until(lambda: asyncio.sleep(0, appliance.ffmpegs()), "an ffmpeg runs")
        await asyncio.to_thread(postgres.stop, signal.SIGINT)
        put_off = 0
        end = time.monotonic() + away
        while time.monotonic() < end:
            for path in (*ASKED, cell.removeprefix(appliance.url)):
                put_off += put_off_well(await appliance.client.get(appliance.url + path))
            await asyncio.sleep(0.1)
        assert put_off
        postgres.start()  # in this thread, with which it ends
        if away < LEASE:
            for statement in LAPSED:
                postgres.rows(grown["database"], statement)
        remember(published, appliance)
        await until(lambda: is_served(appliance, cell), "requests are answered again")
        await until(lambda: is_ready(appliance, title), "every cell is made")
        await until(appliance.is_at_rest, "nobody works any more")
        remember(published, appliance)
        assert len(published) == SEGMENTS


def put_off_well(answer: httpx.Response) -> bool:
    """True for a 503 in the form of all errors; nothing worse is told, and never a secret."""
    assert answer.status_code in (200, 503), (answer.request.url, answer.text)
    if answer.status_code == 200 or answer.request.url.path == "/ready":
        return False
    assert answer.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
    assert int(answer.headers["retry-after"]) > 0, answer.request.url
    return True


async def is_served(appliance: Appliance, url: str) -> bool:
    answer = await appliance.client.get(url if url.startswith("http") else appliance.url + url)
    put_off_well(answer)
    return answer.status_code == 200


# ---- a worker stands still ---------------------------------------------------------------------------------------


async def test_what_a_frozen_worker_brings_late_harms_nothing(tmp_path: Path) -> None:
    await freeze(tmp_path, expire)


@pytest.mark.soak
async def test_a_worker_frozen_past_its_lease_is_replaced_and_comes_back(tmp_path: Path) -> None:
    await freeze(tmp_path, None)


def expire(appliance: Appliance) -> None:
    """What time does to leases that nobody renews."""
    with closing(sqlite3.connect(appliance.data / "mediaserver.sqlite3", isolation_level=None)) as database:
        for statement in LAPSED:
            database.execute(statement)


async def freeze(tmp_path: Path, hasten: Callable[[Appliance], None] | None) -> None:
    published: dict[Path, tuple[int, int]] = {}
    async with Appliance(tmp_path, plugins=SLOW, workers={"count": 1, "min_free_space": 0}) as appliance:
        title = (await appliance.film(clip(), "Frozen.mp4"))["id"]
        await until(lambda: asyncio.sleep(0, appliance.ffmpegs()), "an ffmpeg runs")
        frozen = appliance.roles()["worker"]
        os.killpg(frozen, signal.SIGSTOP)  # with its ffmpegs
        try:
            async with another(appliance, "worker") as other:
                if hasten:
                    hasten(appliance)
                await until(lambda: is_ready(appliance, title), "another worker has made it")
                remember(published, appliance)
                os.killpg(frozen, signal.SIGCONT)
                await until(lambda: asyncio.sleep(0, not appliance.ffmpegs()), "what was late has ended")
                await until(appliance.is_at_rest, "nobody works any more")
                remember(published, appliance)
                assert len(published) == SEGMENTS
                assert other.returncode is None
            after = (await appliance.film(film("after.mp4", seconds=5), "After.mp4"))["id"]
            await until(lambda: is_ready(appliance, after), "the one that was frozen works on")
            assert appliance.roles()["worker"] == frozen
        finally:
            os.killpg(frozen, signal.SIGCONT)


# ---- the disk is full --------------------------------------------------------------------------------------------

LONG, CELLS, POINTS = 40, 20, 5


@pytest.mark.soak
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts small disks")
async def test_a_disk_that_is_full_at_twenty_points_publishes_nothing_bad_and_costs_a_minute_at_most(
    tmp_path: Path,
) -> None:
    chance = random.Random(20)
    for first in (0, 2):  # two at a time: most of it is waiting
        async with asyncio.TaskGroup() as group:
            for number in (first, first + 1):
                points = sorted(chance.sample(range(CELLS - 2), POINTS))
                group.create_task(fill_again_and_again(tmp_path / str(number), points, chance))


async def fill_again_and_again(folder: Path, points: list[int], chance: random.Random) -> None:
    """One film, whose disk is full for a while each time so many of its cells are made."""
    media = folder / "media"
    media.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", media], check=True)
    published: dict[Path, tuple[int, int]] = {}
    try:
        settings: dict[str, Any] = {"media": str(media), "workers": {"count": 1, "min_free_space": 0}}
        async with Appliance(folder, plugins=FAST, **settings) as appliance:
            title = (await appliance.film(film("full.mp4", seconds=LONG, size="1280x720"), "Full.mp4"))["id"]
            for point in points:
                await until(partial(has_cells, appliance, point), f"{point} cells")
                fill(media, chance.randrange(400_000))
                await asyncio.sleep(3)
                remember(published, appliance)
                (media / "filler").unlink()
                made = len(published)
                await until(partial(has_cells, appliance, made + 1), "work resumes", RESUMED)
            await until(lambda: is_ready(appliance, title), "every cell is made")
            remember(published, appliance)
            assert len(published) == CELLS
            for rung in ("480p", "720p"):
                cells = sorted(cell for cell in published if cell.parent.name == rung)
                assert frames(b"".join(cell.read_bytes() for cell in cells)) == LONG * 25
    finally:
        subprocess.run(["umount", media], check=True)


def fill(disk: Path, left: int) -> None:
    with (disk / "filler").open("wb") as filler:
        while True:
            try:
                os.posix_fallocate(filler.fileno(), 0, max(4096, shutil.disk_usage(disk).free - left))
            except OSError:  # what ffmpeg wrote meanwhile is missing now
                continue
            return
