"""Postgres, Redis and several machines: the same films, by settings alone."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.appliance import Appliance, another
from tests.e2e.published import remember
from tests.media import film
from tests.patience import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres import Postgres

pytestmark = pytest.mark.slow
FAST = {"hls_transcoder": {"preset": "ultrafast", "chunk_segments": 1}}
SECONDS, SEGMENTS = 16, 4
HOLDERS = "SELECT plan_id, start, worker FROM hls_claim"


def clip(number: int = 0) -> Path:
    """Films of other numbers are other films."""
    told = ("-metadata", f"comment={number}")
    return film("growing.mp4", seconds=SECONDS, size="854x480", gop=50, options=told)


async def test_a_film_is_ready_soon_after_its_drop_on_postgres_and_redis(tmp_path: Path, grown: dict[str, Any]) -> None:
    async with Appliance(tmp_path, plugins=FAST, **grown) as appliance:
        title = (await appliance.film(clip(), "Grown.mp4"))["id"]
        await until(lambda: is_ready(appliance, title), "every cell is made")
        cell = await appliance.client.get(f"{await appliance.media(title)}/480p/000.ts")
        assert cell.status_code == 200
        assert not list(appliance.data.glob("*.sqlite3"))


async def test_workers_with_data_folders_of_their_own_make_one_film_in_one_media_folder(
    tmp_path: Path, grown: dict[str, Any], postgres: Postgres
) -> None:
    """As on two machines: nothing is shared but the database, Redis, the library and the media folder.

    Who is quick may make a whole film before the other one looks, so there are films until both were seen at work.
    """
    (tmp_path / "media").mkdir()
    shared: dict[str, Any] = {"media": "media", **grown}
    async with AsyncExitStack() as stack:
        appliance = await stack.enter_async_context(
            Appliance(tmp_path, plugins=FAST, workers={"count": 0, "min_free_space": 0}, **shared)
        )
        workers = [
            await stack.enter_async_context(
                another(
                    appliance,
                    "worker",
                    config=f"{name}.yaml",
                    data=name,
                    workers={"count": 1, "min_free_space": 0},
                )
            )
            for name in ("one", "two")
        ]
        held: set[tuple[str, str]] = set()  # chunks, and who had them
        published: dict[Path, tuple[int, int]] = {}
        work = tmp_path / "media" / ".work"
        films = 0
        while {worker.split(":")[1] for _, worker in held} != {str(worker.pid) for worker in workers}:
            films += 1
            title = (await appliance.film(clip(films), f"Grown {films}.mp4"))["id"]

            async def made(title: str = title) -> bool:
                rows = await asyncio.to_thread(postgres.rows, grown["database"], HOLDERS)
                held.update((chunk, worker) for chunk, _, worker in (row.rpartition("|") for row in rows))
                remember(published, appliance)
                return await is_ready(appliance, title)

            await until(made, "every cell is made")
        remember(published, appliance)
        assert len(published) == SEGMENTS * films
        assert len({chunk for chunk, _ in held}) == len(held), "no chunk had two holders"
        await until(lambda: asyncio.sleep(0, not list(work.iterdir())), "an empty working folder")
        assert not any((tmp_path / name / "media").exists() for name in ("data", "one", "two"))


async def is_ready(appliance: Appliance, title: str) -> bool:
    return await appliance.status(title) == "ready"
