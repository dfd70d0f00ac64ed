"""Encoders are believed when they have shown it: on this machine without any chip, only that they do not."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from mediaserver.core.storage import MediaStorage
from plugins.hls_transcoder.encoders import HARDWARE, SOFTWARE, Encoder
from plugins.hls_transcoder.runner import EncodeFailed
from plugins.hls_transcoder.trial import Encoders, tried
from tests import media
from tests.patience import until
from tests.plugins.hls_transcoder.test_subtitles import copy
from tests.plugins.hls_transcoder.theatre import Theatre, open_theatre

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaserver.core.ffmpeg import FFmpegTools
    from mediaserver.testing import RunningApp

pytestmark = pytest.mark.slow


@pytest.fixture
def storage(tmp_path: Path) -> MediaStorage:
    made = MediaStorage(tmp_path)
    made.prepare()
    return made


@pytest.mark.parametrize(("options", "delay"), [({"bf": 0}, 0), ({"bf": 1}, 1), ({"bf": 3, "b-pyramid": "normal"}, 2)])
async def test_the_delay_of_an_encoder_that_works_is_measured(
    tools: FFmpegTools, storage: MediaStorage, options: dict[str, Any], delay: int
) -> None:
    """Other settings of libx264 stand in for other encoders."""
    assert await tried(tools, storage, Encoder("libx264", options)) == delay


@pytest.mark.parametrize(
    ("encoder", "reason"),
    [
        (Encoder("libx264", {"bf": 0, "x264-params": "level=5.2"}), "it made profile 100, level 52"),
        (Encoder("mpeg4", {"bf": 0}), "ffmpeg could not encode this film"),
        (Encoder("h264_none"), "Unknown encoder 'h264_none'"),
    ],
)
async def test_an_encoder_that_makes_something_else_is_not_taken(
    tools: FFmpegTools, storage: MediaStorage, encoder: Encoder, reason: str
) -> None:
    with pytest.raises(EncodeFailed, match=reason):
        await tried(tools, storage, encoder)


async def test_what_a_worker_found_is_noted_until_build_or_wish_change(
    tools: FFmpegTools, storage: MediaStorage, tmp_path: Path
) -> None:
    notes = tmp_path / "run" / "note.json"
    with capture_logs() as logged:
        await Encoders("h264_v4l2m2m", tools, storage, notes).prepare()
    assert "h264_v4l2m2m does not work here (" in str(logged)
    known = Encoders("h264_v4l2m2m", tools, storage, notes)
    assert known.trial.reason.endswith("Films are encoded by libx264.")
    assert known.encoder(2) is SOFTWARE
    written = notes.stat().st_mtime_ns
    with capture_logs() as logged:
        await known.prepare()
    assert notes.stat().st_mtime_ns == written
    assert logged == []
    assert Encoders("h264_qsv", tools, storage, notes).trial.reason == ""


async def test_doctor_asks_anew_and_says_which_encoder_does_not_work_and_why(
    app_with: Callable[..., RunningApp],
) -> None:
    running = await app_with(hls_transcoder={"encoder": "h264_nvenc"}).start()
    running.server.storage.prepare()
    said = await running.server.contributions.checks["encoder"].run()
    assert said is not None
    assert said.startswith("h264_nvenc does not work here (")
    assert said.endswith("). Films are encoded by libx264.")


async def test_a_chip_that_fails_within_a_film_leaves_it_to_libx264(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    """The note says that it worked; cells of libx264 then have its delay, and go with those it made before."""
    options: dict[str, Any] = {"background": "all", "preset": "ultrafast", "encoder": "h264_nvenc"}
    with capture_logs() as logged:
        async with open_theatre(app_with, tmp_path / "library", **options) as theatre:
            cell = await first_cell_of_a_film(theatre, tmp_path)
    asked = ["ffprobe", "-v", "error", "-show_entries", "stream=has_b_frames", "-select_streams", "v", "-of", "csv=p=0"]
    assert subprocess.run([*asked, cell], capture_output=True, check=True, text=True).stdout.split()[0] == "0"
    assert "a chip did not encode it, libx264 does" in str(logged)


async def first_cell_of_a_film(theatre: Theatre, folder: Path) -> Path:
    """Encoded by a worker whose note says that h264_nvenc works."""
    server = theatre.app.server
    devices = sorted({str(path) for each in HARDWARE.values() for path in each.opened})
    trial = {"encoder": "h264_nvenc", "delay": 0, "reason": ""}
    note = {"of": ["h264_nvenc", server.tools.build, *devices], "trial": trial}
    server.storage.write_text(server.data / "run" / "hls_encoder.json", json.dumps(note))
    copy(media.film("plain-9.mp4", seconds=9), theatre.library / "Film.mp4")

    async def ready() -> Any:
        answer = await theatre.app.get("/v1/streaming/progress?ids=1")
        told = answer.json()["progress"] if answer.status_code == 200 else []
        return told and told[0]["status"] == "ready"

    await until(ready, "a film that is ready")
    cell = folder / "000.ts"
    cell.write_bytes((await theatre.file("film", "480p/000.ts")).content)
    return cell
