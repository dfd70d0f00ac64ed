"""Films that are links: git-annex and seed boxes lay them so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import media
from tests.patience import until
from tests.plugins.hls_transcoder.theatre import open_theatre

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaserver.testing import RunningApp

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("follow", "store"), [("inside", "library/.store"), ("anywhere", "elsewhere")])
async def test_a_film_that_is_a_link_is_encoded_and_given_like_any_other(
    app_with: Callable[..., RunningApp], tmp_path: Path, follow: str, store: str
) -> None:
    library, film = tmp_path / "library", media.film("plain-4.mp4", seconds=4, options=("-bf", "0"))
    kept = tmp_path / store / "SHA256-s1--77"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(film.read_bytes())
    sections = {"library": {"folders": [str(library)], "settle_seconds": 0.3, "follow_symlinks": follow}}
    async with open_theatre(app_with, library, sections, preset="ultrafast") as theatre:
        (library / "Linked.mp4").symlink_to(kept)

        async def made() -> bytes:
            manifest = await theatre.app.get("/v1/streaming/linked/manifest")
            if manifest.status_code != 200:
                return b""
            cell = await theatre.file("linked", "480p/000.ts")
            return cell.content if cell.status_code == 200 else b""

        assert (await until(made, "its first cell"))[0] == 0x47
        address = (await theatre.get("/v1/streaming/linked/manifest"))["original_url"]
        answer = await theatre.app.get(f"{address}?download")
        assert (answer.headers["content-type"], answer.content) == ("video/mp4", film.read_bytes())
        assert 'filename="Linked.mp4"' in answer.headers["content-disposition"]
