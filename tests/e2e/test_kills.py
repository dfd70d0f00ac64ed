"""kill -9 at chosen moments: nothing lost, nothing half-published, nothing twice, the work goes on."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from mediaserver.core.processes import is_gone
from tests.e2e.appliance import Appliance
from tests.e2e.published import frames, remember
from tests.media import film
from tests.patience import PATIENCE, until
from tests.sources import TABLE

SECONDS, RATE, SEGMENTS = 28, 25, 7
FAST = {"hls_transcoder": {"preset": "ultrafast"}}
pytestmark = pytest.mark.slow
T = TypeVar("T")
Blow = Callable[[Appliance], Awaitable[set[int]]]  # whom it killed


def kill(pids: list[int]) -> set[int]:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return set(pids)


def role(name: str) -> Blow:
    async def blow(appliance: Appliance) -> set[int]:
        return kill([appliance.roles()[name]])

    return blow


async def an_ffmpeg(appliance: Appliance) -> set[int]:
    """Or nobody, where the film was made before one was seen."""
    await found(lambda: appliance.ffmpegs() or len(appliance.cells()) == 2 * SEGMENTS, "an ffmpeg runs")
    return kill(appliance.ffmpegs()[:1])


async def everything(appliance: Appliance) -> set[int]:
    return kill(list(appliance.roles().values()))


async def found(look: Callable[[], T], what: str) -> T:
    async def ask() -> T:
        return look()

    answer: T = await until(ask, what)
    return answer


def are_back(appliance: Appliance, killed: set[int]) -> bool:
    """All roles run; who was killed a moment ago may still be in the list of processes."""
    roles = appliance.roles()
    return len(roles) == 3 and not killed & set(roles.values())


def has_cells(appliance: Appliance, least: int) -> bool:
    return len(appliance.cells()) >= least


MOMENTS: list[tuple[int, Blow]] = [  # so many cells are made, then the blow
    (0, role("watch")),
    (0, role("worker")),
    (0, an_ffmpeg),
    (1, role("serve")),
    (2, role("worker")),
    (4, an_ffmpeg),
    (5, role("watch")),
    (6, role("worker")),
    (8, role("worker")),
    (10, everything),
]


def clip() -> Path:
    return film("kills.mp4", seconds=SECONDS, rate=str(RATE), size="1280x720", gop=50)


async def titles(appliance: Appliance) -> list[dict[str, object]]:
    with suppress(httpx.TransportError):
        return await appliance.films()
    return []


async def finished(appliance: Appliance, seconds: float = PATIENCE) -> str:
    title = str((await until(lambda: titles(appliance), "the film is listed"))[0]["id"])

    async def is_ready() -> bool:
        return await appliance.status(title) == "ready"

    await until(is_ready, "every cell is made", seconds)
    return title


async def check_film(appliance: Appliance, title: str) -> None:
    """Every cell is there once, whole, and together they are the film."""
    assert [each["title"] for each in await appliance.films()] == ["Killed"]
    base = await appliance.media(title)
    for rung in ("480p", "720p"):
        cells = [await appliance.client.get(f"{base}/{rung}/{number:03d}.ts") for number in range(SEGMENTS)]
        assert [cell.status_code for cell in cells] == [httpx.codes.OK] * SEGMENTS
        assert frames(b"".join(cell.content for cell in cells)) == SECONDS * RATE
    assert len(appliance.cells()) == 2 * SEGMENTS
    await found(lambda: not half_made(appliance), "no half-made file is left")


def half_made(appliance: Appliance) -> list[Path]:
    """While a picture is made there is one for a moment."""
    return [path for path in (appliance.data / "media").rglob("*") if path.name.startswith(".")]


async def test_ten_kills_during_ingest_lose_nothing_and_publish_nothing_twice(tmp_path: Path) -> None:
    async with Appliance(tmp_path, plugins=FAST) as appliance:
        published: dict[Path, tuple[int, int]] = {}
        await appliance.drop(clip(), "Killed.mp4")
        for cells, blow in MOMENTS:
            await found(partial(has_cells, appliance, cells), f"{cells} cells are made")
            killed = await blow(appliance)
            await found(partial(are_back, appliance, killed), "all roles are back")
            remember(published, appliance)
        title = await finished(appliance)
        remember(published, appliance)
        await check_film(appliance, title)
        work = appliance.data / "work"
        swept = "what killed workers left behind is swept at the next start"
        await found(lambda: all(owner_lives(path) for path in work.iterdir()), swept)


def owner_lives(workspace: Path) -> bool:
    return not is_gone(workspace.name.rpartition("=")[0].replace("=", ":"))


async def test_ffmpeg_dies_with_its_worker(tmp_path: Path) -> None:
    async with Appliance(tmp_path, plugins=FAST) as appliance:
        await appliance.drop(clip(), "Killed.mp4")
        encoders = await found(appliance.ffmpegs, "an ffmpeg runs")
        kill([appliance.roles()["worker"]])
        await found(lambda: not any(lives(pid) for pid in encoders), "its ffmpegs are gone")


async def test_nothing_survives_a_killed_supervisor(tmp_path: Path) -> None:
    async with Appliance(tmp_path, plugins=FAST) as appliance:
        await appliance.drop(clip(), "Killed.mp4")
        encoders = await found(appliance.ffmpegs, "an ffmpeg runs")
        orphans = [*appliance.roles().values(), *encoders]
        await appliance.kill()
        await found(lambda: not any(lives(pid) for pid in orphans), "all are gone")


def lives(pid: int) -> bool:
    return Path("/proc", str(pid)).exists()


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_sixty_kills_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    chance = random.Random(60)
    async with Appliance(tmp_path, plugins=FAST) as appliance:
        await appliance.drop(clip(), "Killed.mp4")
        killed: set[int] = set()
        for number in range(60):
            await found(lambda: are_back(appliance, killed), f"all roles are back before kill {number}")
            await asyncio.sleep(chance.random() * 2)
            encoders = appliance.ffmpegs()
            killed = kill([chance.choice([*appliance.roles().values(), *encoders[:1]])])
        title = await finished(appliance, 300)
        await check_film(appliance, title)


async def test_a_film_that_was_mended_for_a_while_ends_where_it_would_have(
    start_appliance: Callable[..., Awaitable[Appliance]],
) -> None:
    """The black cells that a killed worker left are not taken for right ones: half of this film are zeros."""
    appliance = await start_appliance(plugins={"hls_transcoder": {"preset": "medium"}})
    damaged = await appliance.film(TABLE["mp4 with zeros at its end.mp4"].make(), "Damaged.mp4")

    async def first_black_one() -> bool:
        straight = [path for path in appliance.cells() if path.parent.parent.name == "2"]
        return len(straight) > 3  # it ends in the third

    await until(first_black_one, "a cell behind the end")
    kill([appliance.roles()["worker"]])

    async def has_its_end() -> bool:
        return str((await appliance.get(f"/v1/content/{damaged['id']}"))["duration"]).startswith("10")

    await until(has_its_end, "the right length")

    async def says_so() -> bool:
        return await appliance.status(damaged["id"]) == "partial"

    await until(says_so, "a film that says what is missing")
    assert len(list((appliance.media_folder / "1" / "3" / "480p").glob("*.ts"))) == 3
