from datetime import UTC, datetime
from pathlib import Path

import pytest

from mediaserver.core import ffmpeg
from mediaserver.core.config import load
from mediaserver.core.doctor import diagnose
from mediaserver.core.library.records import GONE_AT_ONCE
from mediaserver.core.server import Server
from mediaserver.models import Location, LocationState

pytestmark = pytest.mark.slow


async def test_a_build_that_follows_playlists_is_found_whatever_was_noted_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the flag that forbids playlists left out, this real build is one that leaks."""
    config = tmp_path / "config.yaml"
    config.write_text("workers: {min_free_space: 0}\n")
    assert "✓ hostile playlists are not followed" in await diagnose(load(config, {}))
    open_flags = {key: value for key, value in ffmpeg.INPUT_FLAGS.items() if key != "format_whitelist"}
    monkeypatch.setattr(ffmpeg, "INPUT_FLAGS", open_flags)
    found = "\n".join(await diagnose(load(config, {})))
    assert "✗ This ffmpeg reads other files when a playlist is named like a film. Install another one" in found


async def test_a_library_without_most_of_its_films_is_a_fault(tmp_path: Path) -> None:
    config, library = tmp_path / "config.yaml", tmp_path / "library"
    config.write_text("workers: {min_free_space: 0}\n")
    library.mkdir()
    loaded = load(config, {})
    sentence = GONE_AT_ONCE.format(gone=4, all=4, root=library)
    async with Server(loaded, "watch"):
        for number in range(4):
            await Location.create(
                key=str(number), root=str(library), path=f"{number}.mp4", file_id="", size=1, mtime_ns=1,
                state=LocationState.OFFLINE, reason=sentence, seen_at=datetime.now(UTC),
            )  # fmt: skip
    found = await diagnose(loaded)
    assert f"✗ {sentence}" in found
    assert not any(line.startswith("✓ library") for line in found)
