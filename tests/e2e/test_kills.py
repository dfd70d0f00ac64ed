"""kill -9 at chosen moments: nothing lost, nothing half-published, nothing twice, the work goes on."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.appliance import Appliance, frames, running
from tests.media import film

SECONDS, RATE = 40, 25
SEGMENTS = 10
pytestmark = pytest.mark.slow


def kill(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def kill_role(role: str) -> Callable[[Appliance], None]:
    return lambda appliance: kill([appliance.roles()[role]])


def kill_ffmpeg(appliance: Appliance) -> None:
    kill(appliance.until(appliance.ffmpegs, "an ffmpeg runs")[:1])


def some_cells(count: int) -> Callable[[Appliance], bool]:
    return lambda appliance: len(appliance.cells()) >= count


MOMENTS: list[tuple[str, Callable[[Appliance], bool], Callable[[Appliance], None]]] = [
    ("watch when the file has just come", lambda _: True, kill_role("watch")),
    ("worker before it has made anything", lambda appliance: bool(appliance.titles()), kill_role("worker")),
    ("ffmpeg at the first cell", lambda appliance: bool(appliance.ffmpegs()), kill_ffmpeg),
    ("serve while it encodes", some_cells(1), kill_role("serve")),
    ("worker in the first chunk", some_cells(2), kill_role("worker")),
    ("ffmpeg in the middle", some_cells(5), kill_ffmpeg),
    ("watch in the middle", some_cells(7), kill_role("watch")),
    ("worker in the middle", some_cells(9), kill_role("worker")),
    ("worker again", some_cells(12), kill_role("worker")),
    ("everything at once", some_cells(14), lambda appliance: kill(list(appliance.roles().values()))),
]


def whole(folder: Path) -> Path:
    return film("kills.mp4", seconds=SECONDS, rate=str(RATE), size="1280x720", gop=50)


def check_film(appliance: Appliance) -> None:
    """Every cell is there once, whole, and together they are the film."""
    titles = appliance.titles()
    assert [title["title"] for title in titles] == ["Killed"]
    base = appliance.media(titles[0]["id"])
    for rung in ("480p", "720p"):
        cells = [appliance.http.get(f"{base}/{rung}/{number:03d}.ts") for number in range(SEGMENTS)]
        assert all(cell.status_code == 200 for cell in cells)
        assert frames(b"".join(cell.content for cell in cells)) == SECONDS * RATE
    assert len(appliance.cells()) == 2 * SEGMENTS
    assert not [path for path in (appliance.data / "media").rglob("*") if path.name.startswith(".")]


def test_ten_kills_during_ingest_lose_nothing_and_publish_nothing_twice(tmp_path: Path) -> None:
    with running(tmp_path) as appliance:
        watched: dict[Path, tuple[int, int]] = {}
        shutil.copy(whole(tmp_path), appliance.library / "Killed.mp4")
        for name, moment, blow in MOMENTS:
            appliance.until(lambda moment=moment: moment(appliance), f"the moment to kill: {name}", 90)
            blow(appliance)
            appliance.until(lambda: len(appliance.roles()) == 3, f"all roles are back after: {name}")
            remember(watched, appliance)
        title = appliance.until(appliance.titles, "the film is listed")[0]["id"]
        appliance.until(lambda: appliance.status(title).get("status") == "ready", "every cell is made", 120)
        remember(watched, appliance)
        check_film(appliance)
        leftovers = [path for path in (appliance.data / "work").iterdir() if not alive(path)]
        assert not leftovers, "what killed workers left behind is swept at the next start"


def remember(watched: dict[Path, tuple[int, int]], appliance: Appliance) -> None:
    """A cell that was published keeps its file: it is never empty, replaced or taken back."""
    for path in appliance.cells():
        told = path.stat()
        assert told.st_size > 0
        assert told.st_size % 188 == 0
        assert watched.setdefault(path, (told.st_ino, told.st_size)) == (told.st_ino, told.st_size)
    assert set(watched) <= set(appliance.cells())


def alive(workspace: Path) -> bool:
    return Path("/proc", workspace.name.partition("-")[0]).exists()


def test_ffmpeg_dies_with_its_worker(tmp_path: Path) -> None:
    with running(tmp_path) as appliance:
        shutil.copy(whole(tmp_path), appliance.library / "Killed.mp4")
        encoders = appliance.until(appliance.ffmpegs, "an ffmpeg runs")
        kill_role("worker")(appliance)
        appliance.until(lambda: not any(Path("/proc", str(pid)).exists() for pid in encoders), "they are gone")


def test_nothing_survives_a_killed_supervisor(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path)
    appliance.start()
    shutil.copy(whole(tmp_path), appliance.library / "Killed.mp4")
    encoders = appliance.until(appliance.ffmpegs, "an ffmpeg runs")
    roles = list(appliance.roles().values())
    assert appliance.process is not None
    appliance.process.kill()
    appliance.process.wait()
    appliance.process = None
    appliance.http.close()
    appliance.until(lambda: not any(Path("/proc", str(pid)).exists() for pid in roles + encoders), "all are gone")


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_sixty_kills_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    chance = random.Random(60)
    with running(tmp_path) as appliance:
        shutil.copy(whole(tmp_path), appliance.library / "Killed.mp4")
        for number in range(60):
            blow = chance.choice([kill_role("worker"), kill_role("serve"), kill_role("watch"), kill_ffmpeg])
            if blow is kill_ffmpeg and not appliance.ffmpegs():
                blow = kill_role("worker")
            appliance.until(lambda: len(appliance.roles()) == 3, f"all roles are back before kill {number}", 60)
            subprocess.run(["sleep", str(chance.random() * 2)], check=True)
            blow(appliance)
        title = appliance.until(appliance.titles, "the film is listed")[0]["id"]
        appliance.until(lambda: appliance.status(title).get("status") == "ready", "every cell is made", 300)
        check_film(appliance)
