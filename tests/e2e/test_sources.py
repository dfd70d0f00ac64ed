"""Every odd source ends as the table says: how it plays, to the frame, or why it does not."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.appliance import Appliance
from tests.patience import until
from tests.sources import TABLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.sources import Source

    Start = Callable[..., Awaitable[Appliance]]

pytestmark = pytest.mark.slow
AT_ONCE = 3
AAC, ROUNDED = 1920, 2  # ticks of 90 kHz: between two packets of sound, and what rounding may cost
VARIANT = r"RESOLUTION=(\S+?),FRAME-RATE=([\d.]+).*\n(\d+p)/"
UNDECIDED = {"settling", "probing", "pending", "processing", "unknown"}


@pytest.mark.timeout(1800)  # two long waits: until all has ended, and for what is downloaded of it
async def test_every_source_ends_as_it_should(start_appliance: Start, tmp_path: Path) -> None:
    appliance = await start_appliance(plugins={"hls_transcoder": {"preset": "ultrafast"}})
    for name, source in TABLE.items():
        shutil.copyfile(source.make(), appliance.library / name)
    ended: dict[str, dict[str, Any]] = {}
    slots = asyncio.Semaphore(AT_ONCE)

    async def all_ended() -> bool:
        for name in TABLE.keys() - ended.keys():
            told = await state(appliance, name)
            if told["status"] == TABLE[name].ends or told["status"] not in UNDECIDED:
                ended[name] = told
        return len(ended) == len(TABLE)

    await until(all_ended, "an end of every source", 500)
    told = await asyncio.gather(*(facts(appliance, TABLE[name], ended[name], tmp_path, slots) for name in TABLE))
    found = dict(zip(TABLE, told, strict=True))
    assert found == {name: expected(source) for name, source in TABLE.items()}


async def state(appliance: Appliance, name: str) -> dict[str, Any]:
    """`status` and `reason` of a file, and of its title where it became one."""
    answer = await appliance.client.get(
        f"{appliance.url}/v1/admin/library/why", params={"path": str(appliance.library / name)}
    )
    file: dict[str, Any] = answer.json()
    if file["state"] != "ready":
        return {"status": file["state"], "reason": file["reason"], "id": None}
    title = await appliance.get(f"/v1/admin/content/{file['content_id']}/processing-status")
    told = (await appliance.get(f"/v1/streaming/progress?ids={file['content_id']}"))["progress"][0]
    return {"status": title["status"], "reason": told["reason"], "id": file["content_id"]}


def expected(source: Source) -> dict[str, Any]:
    told = {"ends": source.ends, "says": source.says}
    if source.ends in ("refused", "ignored", "settling"):
        return told
    return told | {
        "size": source.size,
        "sounds": dict.fromkeys(source.sounds, "seamless"),
        "rungs": dict.fromkeys(source.rungs, (source.frames, source.rate, "seamless")),
    }


async def facts(
    appliance: Appliance, source: Source, ended: dict[str, Any], folder: Path, slots: asyncio.Semaphore
) -> dict[str, Any]:
    """As `expected`, where all is well."""
    async with slots:
        return await facts_of_one(appliance, source, ended, folder)


async def facts_of_one(appliance: Appliance, source: Source, ended: dict[str, Any], folder: Path) -> dict[str, Any]:
    told = {"ends": ended["status"], "says": source.says if source.says in ended["reason"] else ended["reason"]}
    if ended["id"] is None:
        return told
    address = await appliance.media(ended["id"])
    master = (await appliance.client.get(f"{address}/master.m3u8")).text
    variants = re.findall(VARIANT, master)
    rungs = {}
    for _, rate, rung in variants:
        film = await download(appliance, f"{address}/{rung}", folder / f"{ended['id']}-{rung}.ts")
        pictures, sounds_of_rung = await packets(film)
        rungs[rung] = (len(pictures), rate, gap(pictures, sounds_of_rung, 90_000 / float(rate)))
    sounds = {}
    for track in re.findall(r'URI="(audio/\d+)/index', master):
        film = await download(appliance, f"{address}/{track}", folder / f"{ended['id']}-{track.replace('/', '-')}.ts")
        sounds[track] = gap([], (await packets(film))[1], 0)
    return told | {"size": variants[-1][0], "rungs": rungs, "sounds": sounds}


async def download(appliance: Appliance, address: str, to: Path) -> Path:
    """All segments of a playlist, one after the other."""
    playlist = (await appliance.client.get(f"{address}/index.m3u8")).text
    with to.open("wb") as film:
        for name in re.findall(r"^\d+\.ts$", playlist, re.MULTILINE):
            film.write((await appliance.client.get(f"{address}/{name}")).content)
    return to


async def packets(path: Path) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """PTS and DTS of the pictures and of the sound, in ticks of 90 kHz."""
    argv = ["ffprobe", "-v", "quiet", "-show_entries", "packet=codec_type,pts,dts", "-of", "csv=p=0", str(path)]
    asked = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE)
    found: dict[str, list[tuple[int, int]]] = {"video": [], "audio": []}
    for line in (await asked.communicate())[0].decode().split():
        kind, pts, dts, *_ = line.split(",")
        found[kind].append((int(pts), int(dts)))
    assert asked.returncode == 0
    return found["video"], found["audio"]


def gap(pictures: list[tuple[int, int]], sounds: list[tuple[int, int]], frame: float) -> str:
    """The first place where something is missing, twice or late."""
    if any(later <= earlier for (_, earlier), (_, later) in pairwise(pictures)):
        return "DTS steps back"
    for what, times, step in (
        ("picture", [pts for pts, _ in pictures], frame),
        ("sound", [pts for pts, _ in sounds], AAC),
    ):
        for earlier, later in pairwise(sorted(times)):
            if abs(later - earlier - step) > ROUNDED:
                return f"{what} at {later / 90_000 - 10:.3f} s comes {later - earlier} ticks after the one before"
    return "seamless"
