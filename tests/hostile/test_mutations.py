"""Damaged and forged media: each ends clearly, soon, and within its memory."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mediaserver.contracts import MediaInfo
from mediaserver.core.library.probe import ProbeFailed, probe
from mediaserver.errors import JobPostponed
from plugins.hls_transcoder.pictures import make_poster
from plugins.hls_transcoder.plan import plan
from plugins.hls_transcoder.runner import EncodeFailed, encode
from tests import media
from tests.hostile.measured import GIBIBYTE, Measured
from tests.hostile.mutations import BASES, base, mutation
from tests.plugins.hls_transcoder.conftest import job_for

AT_ONCE = 2
PROBE_SECONDS = 15.0
ENCODED = 5  # every so manieth of those that are taken is encoded and gets a poster


@dataclass
class Ends:
    measured: Measured
    folder: Path
    ends: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0

    async def try_all(self, numbers: Sequence[int]) -> None:
        waiting = iter(numbers)

        async def one_after_another() -> None:
            for number in waiting:
                await self.try_one(number)

        await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))

    async def try_one(self, number: int) -> None:
        name, data = mutation(number)
        path = self.folder / name
        path.write_bytes(data)
        try:
            end = await self._end(number, path)
        except Exception as error:  # noqa: BLE001 - any other end than the named ones is what is looked for
            end = "fault"
            self.faults.append(f"{name}: {error!r}")
        self.ends[end] += 1
        path.unlink()

    async def _end(self, number: int, path: Path) -> str:
        begun = time.monotonic()
        try:
            info = await probe(self.measured, path)
        except ProbeFailed as refused:
            self._must_be_a_sentence(path, refused.reason)
            return "refused"
        finally:
            self.slowest = max(self.slowest, time.monotonic() - begun)
        if number % ENCODED:
            return "taken"
        return await self._encoded(number, path, info)

    async def _encoded(self, number: int, path: Path, info: MediaInfo) -> str:
        workspace = self.folder / f"work-{number}"
        workspace.mkdir()
        try:
            await make_poster(self.measured, info, path, workspace)
            segments = plan(info).segments
            job = job_for(info, path, workspace, number % segments, 1)
            return f"{len([cell async for cell in encode(self.measured, job)])} cells"
        except (EncodeFailed, JobPostponed) as failed:
            self._must_be_a_sentence(path, str(failed))
            return type(failed).__name__
        finally:
            shutil.rmtree(workspace)

    def _must_be_a_sentence(self, path: Path, said: str) -> None:
        if "\n" in said or not said.endswith(".") or "Traceback" in said:
            self.faults.append(f"{path.name}: {said!r}")


def children() -> set[str]:
    return {child for task in Path("/proc/self/task").iterdir() for child in _children_of(task)}


def _children_of(task: Path) -> list[str]:
    return (task / "children").read_text().split()


async def damage(numbers: Sequence[int], folder: Path) -> Ends:
    tried = Ends(Measured(media.tools()), folder)
    before = children()
    await tried.try_all(numbers)
    assert not tried.faults
    assert children() <= before
    assert sum(tried.ends.values()) == len(numbers)
    assert tried.measured.most_memory <= GIBIBYTE
    return tried


@pytest.mark.slow
@pytest.mark.parametrize("name", BASES)
async def test_every_medium_is_a_film_before_it_is_damaged(name: str, tmp_path: Path) -> None:
    info = await probe(media.tools(), base(name))
    job = job_for(info, base(name), tmp_path)
    assert [cell.number async for cell in encode(media.tools(), job)] == [0]


@pytest.mark.slow
async def test_damaged_media_end_clearly(tmp_path: Path) -> None:
    tried = await damage(range(150), tmp_path)
    assert tried.ends["refused"] > 10
    assert tried.ends["taken"] > 10


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("thousand", range(10))
async def test_ten_thousand_damaged_media_end_clearly(thousand: int, tmp_path: Path) -> None:
    tried = await damage(range(thousand * 1_000, (thousand + 1) * 1_000), tmp_path)
    assert tried.slowest <= PROBE_SECONDS
    print(f"\n{dict(tried.ends)}, {tried.slowest:.1f} s, {tried.measured.most_memory >> 20} MiB")  # noqa: T201 - to be noted
