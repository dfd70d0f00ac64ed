"""What a small file can be blown up to is bounded: in length, in segments and in bytes (docs/adr/0025)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mediaserver.core.library.probe import LEAST_BIT_RATE, LONG, LONGEST, ProbeFailed, probe
from plugins.hls_transcoder.ladder import ladder
from plugins.hls_transcoder.plan import plan
from plugins.hls_transcoder.playlists import AUDIO_RATE, media_playlist
from plugins.hls_transcoder.runner import encode
from tests import media
from tests.hostile.attacks import lay
from tests.plugins.hls_transcoder.conftest import job_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

TS_MOST = 1.25  # over the payload: packets of 188 bytes, each frame padded to whole ones


def noise() -> Path:
    picture = "color=gray:size=854x480:rate=25:duration=4,noise=alls=100:allf=t,format=yuv420p"
    coded = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "30")
    return media.make("noise.mkv", "-f", "lavfi", "-i", picture, *media.sound(4), *coded, "-c:a", "aac")


async def test_no_cell_is_larger_than_its_rung_allows(tmp_path: Path) -> None:
    """Even of pure noise, which no encoder makes small: rate times seconds, and what the buffer holds."""
    info = await probe(media.tools(), noise())
    job = job_for(info, noise(), tmp_path)
    sizes = {(cell.output.name, cell.number): cell.path.stat().st_size async for cell in encode(media.tools(), job)}
    rungs = {rung.name: rung for rung in job.run.rungs}
    assert {name for name, _ in sizes} == set(rungs)
    for (name, number), size in sizes.items():
        rung = rungs[name]
        seconds = float(job.run.grid.durations[number])
        assert size * 8 <= ((rung.max_rate + AUDIO_RATE) * seconds + rung.buffer_size) * TS_MOST


async def test_the_longest_film_has_a_bounded_number_of_segments() -> None:
    info = await probe(media.tools(), media.film(seconds=1))
    for rate in ("60/1", "1000/1", "1/3600", "30000/1001"):
        longest = replace(info, duration=LONGEST, video=replace(info.video, frame_rate=rate))
        grid = plan(longest)
        assert grid.segments <= 21_600
        assert grid.fps <= 61
        assert len(media_playlist(grid)) < 1_000_000
        assert len(ladder(longest)) <= 3


@pytest.mark.parametrize(("seconds", "reason"), [(3_600, "so little is no film"), (100_000, "more than 24")])
async def test_a_picture_that_stands_for_hours_is_no_film(seconds: float, reason: str, tmp_path: Path) -> None:
    [film] = lay(tmp_path, 1, [f"a gap of {seconds} seconds"]).values()
    with pytest.raises(ProbeFailed, match=reason):
        await probe(media.tools(), film)


async def test_a_picture_that_stands_for_minutes_may_be_one(tmp_path: Path) -> None:
    [film] = lay(tmp_path, 1, ["a gap of 250 seconds"]).values()
    info = await probe(media.tools(), film)
    assert info.duration <= LONG
    assert info.size * 8 / info.duration < LEAST_BIT_RATE
