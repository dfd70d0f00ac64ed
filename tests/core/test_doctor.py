from pathlib import Path

import pytest

from mediaserver.core import ffmpeg
from mediaserver.core.config import load
from mediaserver.core.doctor import diagnose

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
