"""Nothing a stranger wrote about a film leaves in what is served of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mediaserver.core.library.probe import probe
from plugins.hls_transcoder.pictures import make_poster
from plugins.hls_transcoder.playlists import media_playlist, multivariant_playlist
from plugins.hls_transcoder.runner import encode
from tests import media
from tests.plugins.hls_transcoder.conftest import job_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

MARK = "<img src=x onerror=alert(1)>"
TAGS = (
    "title",
    "artist",
    "comment",
    "description",
    "encoder",
    "service_name",
    "service_provider",
    "location",
    "copyright",
)


def chaptered() -> Path:
    """A text of chapters, with tags of its own."""
    told = f";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=1\ntitle={MARK}\n"
    return media.kept("chapters.txt", told.encode())


def marked(name: str, *options: str) -> Path:
    told = [part for tag in TAGS for part in ("-metadata", f"{tag}={MARK}")]
    for kind in ("v", "a"):
        for tag in ("title", "handler_name"):
            told += [f"-metadata:s:{kind}:0", f"{tag}={MARK}"]
    inputs = ("-i", media.film(seconds=5), "-f", "ffmetadata", "-i", chaptered())
    return media.make(name, *inputs, "-map", "0", "-map_chapters", "1", "-c", "copy", *told, *options)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("marked.mp4", ("-movflags", "use_metadata_tags", "-metadata", "location=+48.8584+002.2945/")),
        ("marked.mkv", ("-metadata:s:v:0", f"filename={MARK}")),
        ("marked.ts", ()),
    ],
)
async def test_tags_of_the_source_are_in_no_cell_poster_or_playlist(
    name: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    film = marked(name, *options)
    assert MARK.encode() in film.read_bytes()
    info = await probe(media.tools(), film)
    job = job_for(info, film, tmp_path)
    grid, rungs = job.run.grid, job.run.rungs
    served = [cell.path.read_bytes() async for cell in encode(media.tools(), job)]
    served.append((await make_poster(media.tools(), info, film, tmp_path)).read_bytes())
    served += [media_playlist(grid).encode(), multivariant_playlist(grid, rungs, audio=True).encode()]
    assert len(served) == len(rungs) * grid.segments + 3
    for data in served:
        for written in (MARK.encode(), b"onerror", b"+48.8584", b"VideoHandler", b"SoundHandler"):
            assert written not in data, written
