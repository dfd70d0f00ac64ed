import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mediaserver.contracts import Rung
from mediaserver.core.library.probe import probe
from plugins.hls_transcoder.command import OFFSET_SECONDS, Run
from plugins.hls_transcoder.plan import Grid, plan
from plugins.hls_transcoder.runner import EncodeJob, encode
from tests import media

pytestmark = pytest.mark.slow

SECONDS = 18.3
RUNGS = (Rung("480p", 160, 90, 1_400_000, 2_800_000), Rung("720p", 80, 46, 2_800_000, 5_600_000))
MIXES = {
    "one job for all": [5],
    "a job for each": [1, 1, 1, 1, 1],
    "jobs of two": [2, 2, 1],
    "mixed": [1, 3, 1],
}


def long_gop_mp4(rate: str) -> Path:
    return media.film("long.mp4", seconds=SECONDS, rate=rate, gop=300)


def matroska(rate: str) -> Path:
    coded = ("-c:a", "flac", *media.X264, "-g", "50", "-bf", "2")
    return media.make("film.mkv", *media.pictures(SECONDS, rate), *media.sound(SECONDS), *coded)


@dataclass
class Made:
    grid: Grid
    source: Path
    cells: dict[tuple[str, int, str], bytes]  # rung, number, name of the mix

    def film(self, rung: str, mixes: list[str], folder: Path) -> Path:
        joined = folder / f"{rung}-{abs(hash(tuple(mixes)))}.ts"
        joined.write_bytes(b"".join(self.cells[rung, number, mix] for number, mix in enumerate(mixes)))
        return joined


async def make_all(source: Path, folder: Path) -> Made:
    tools = media.tools()
    info = await probe(tools, source)
    grid = plan(info)
    cells: dict[tuple[str, int, str], bytes] = {}
    for mix, sizes in MIXES.items():
        first = 0
        for number, size in enumerate(sizes):
            workspace = folder / f"{mix}-{number}"
            workspace.mkdir()
            job = EncodeJob(Run(info, grid, RUNGS, first, size), source, workspace)
            async for cell in encode(tools, job):
                cells[cell.output.name, cell.number, mix] = cell.path.read_bytes()
            first += size
        assert first == grid.segments
    return Made(grid, source, cells)


def packets(path: Path, stream: str) -> list[tuple[int, int]]:
    entries = ["-select_streams", stream, "-show_entries", "packet=pts,dts", "-of", "csv=p=0"]
    told = subprocess.run(["ffprobe", "-v", "quiet", *entries, path], capture_output=True, check=True).stdout.decode()
    return [(int(pts), int(dts)) for pts, dts, *_ in (line.split(",") for line in told.split())]


def samples(path: Path) -> np.ndarray:
    """The left channel at 48 kHz from the film's start on."""
    fill = "aresample=48000:async=1:first_pts=0,aformat=channel_layouts=stereo,pan=mono|c0=c0"
    argv: list[str | Path] = [
        "ffmpeg",
        "-v",
        "quiet",
        "-nostdin",
        "-copyts",
        "-start_at_zero",
        "-i",
        path,
        "-map",
        "0:a",
        "-af",
        fill,
    ]
    heard = subprocess.run([*argv, "-f", "f32le", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(heard, dtype=np.float32)


def assert_pictures_follow_each_other(path: Path, grid: Grid) -> None:
    found = packets(path, "v:0")
    wanted = [round((grid.time(frame) + OFFSET_SECONDS) * 90_000) for frame in range(grid.frames)]
    assert len(found) == grid.frames
    assert max(abs(a - b) for a, b in zip(sorted(pts for pts, _ in found), wanted, strict=True)) <= 2
    assert all(later > earlier for (_, earlier), (_, later) in pairwise(found))


def assert_sound_follows_itself(path: Path) -> None:
    times = [pts for pts, _ in packets(path, "a:0")]
    steps = {later - earlier for earlier, later in pairwise(times)}
    assert all(abs(step - 1920) <= 1.6 for step in steps), steps
    assert abs(times[0] - OFFSET_SECONDS * 90_000) <= 2


def loudness_of_error(path: Path, source: Path) -> np.ndarray:
    """Root mean square of decoded minus source, for each window of 1024 samples."""
    got, wanted = samples(path), samples(source)
    length = (min(len(got), len(wanted)) - 4096) // 1024 * 1024
    windows: np.ndarray = (got[:length] - wanted[:length]).reshape(-1, 1024)
    loudness: np.ndarray = np.sqrt(np.mean(np.square(windows), axis=1))
    return loudness


def near_borders(grid: Grid) -> set[int]:
    borders = [round(float(grid.time(number * grid.gop)) * 48_000) // 1024 for number in range(1, grid.segments)]
    return {border + off for border in borders for off in range(-5, 4)}


def assert_borders_sound_like_the_rest(path: Path, made: Made, folder: Path) -> None:
    """A border errs no more than plain AAC does between borders where each cell had an encoder of its own.

    A packet lost, doubled or moved gives 0.2 and more.
    """
    alone = made.film(RUNGS[0].name, ["a job for each"] * made.grid.segments, folder)
    plain = loudness_of_error(alone, made.source)
    near = near_borders(made.grid)
    allowed = max(plain[n] for n in range(4, len(plain)) if n not in near)
    assert allowed < 0.15
    found = loudness_of_error(path, made.source)
    assert np.median(found) < 0.02
    assert max(found[n] for n in near) <= allowed


@pytest.mark.parametrize("rate", ["25", "24000/1001", "30000/1001"])
@pytest.mark.parametrize("source", [long_gop_mp4, matroska])
async def test_cells_of_any_mix_of_jobs_play_as_one_film(
    source: Callable[[str], Path], rate: str, tmp_path: Path
) -> None:
    made = await make_all(source(rate), tmp_path)
    assert len(made.cells) == len(MIXES) * len(RUNGS) * made.grid.segments
    choose = random.Random(7)
    mixes = [[mix] * made.grid.segments for mix in MIXES]
    mixes += [[choose.choice(list(MIXES)) for _ in range(made.grid.segments)] for _ in range(4)]
    for mix in mixes:
        for rung in RUNGS:
            joined = made.film(rung.name, mix, tmp_path)
            assert_pictures_follow_each_other(joined, made.grid)
            assert_sound_follows_itself(joined)
        assert_borders_sound_like_the_rest(joined, made, tmp_path)
