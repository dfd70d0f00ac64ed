"""Other people's readers find no fault in our playlists, and play what they name."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from plugins.web_ui.build_assets import npm
from tests import media
from tests.e2e.appliance import Appliance
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.e2e.screen import Screen

    Start = Callable[..., Awaitable[Appliance]]

pytestmark = pytest.mark.slow
READERS = Path(__file__).parent / "readers"
SECONDS, RATE = 9, 25
ENCRYPTION = {"as it is": "none", "encrypted": "aes-128"}


@pytest.fixture(scope="session")
def read() -> Callable[[dict[str, str]], list[str]]:
    """What the readers from npm complain of; they are brought once and kept in .cache."""
    lock = (READERS / "package-lock.json").read_bytes()
    folder = media.CACHE.parent / "npm" / hashlib.sha256(lock).hexdigest()[:20]
    with media.alone("readers"):
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(READERS, folder)
            command = [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
            subprocess.run(command, cwd=folder, check=True, stdin=subprocess.DEVNULL, timeout=300)
            (folder / "done").touch()
    node = npm()[0] if len(npm()) > 1 else "node"

    def ask(playlists: dict[str, str]) -> list[str]:
        asked = [node, str(READERS / "read.cjs"), str(folder / "node_modules")]
        said = subprocess.run(asked, input=json.dumps(playlists).encode(), capture_output=True, check=True)
        faults: list[str] = json.loads(said.stdout)
        return faults

    return ask


def film_with_everything() -> Path:
    """Two languages and two subtitles, one of them for who does not hear."""
    words = media.kept("said.srt", b"1\n00:00:01,000 --> 00:00:03,000\nGood evening.\n")
    tones = [part for hertz in (400, 1600) for part in ("-f", "lavfi", "-i", f"sine=f={hertz}:r=48000:d={SECONDS}")]
    texts = ("-f", "srt", "-i", words, "-f", "srt", "-i", words)
    mapped = [part for number in range(5) for part in ("-map", str(number))]
    told = ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", "-disposition:a:0", "default")
    said = ("-metadata:s:s:0", "language=eng", "-disposition:s:1", "hearing_impaired", "-c:s", "srt", "-c:a", "aac")
    pictures = media.pictures(SECONDS, str(RATE), "1280x720")
    return media.make("everything.mkv", *pictures, *tones, *texts, *mapped, *media.X264, "-g", "25", *told, *said)


async def playlists(appliance: Appliance, address: str) -> dict[str, str]:
    """The multivariant one and all that it names, by name."""
    master = (await appliance.client.get(f"{address}/master.m3u8")).text
    named = re.findall(r'URI="([^"]+)"', master) + re.findall(r"^[^#\n]+$", master, re.MULTILINE)
    found = {name: (await appliance.client.get(f"{address}/{name}")).text for name in named}
    return {"master.m3u8": master, **found}


async def decoded(address: str, stream: str) -> int:
    """Packets that ffmpeg finds behind an address; it complains of nothing."""
    argv = ["ffprobe", "-v", "error", "-select_streams", stream, "-count_packets", "-show_entries"]
    asked = await asyncio.create_subprocess_exec(
        *argv, "stream=nb_read_packets", "-of", "csv=p=0", address, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    told, said = await asked.communicate()
    assert not said, said.decode()
    return int(told.split()[0].strip(b","))


@pytest.mark.parametrize("encryption", ENCRYPTION.values(), ids=ENCRYPTION)
async def test_players_of_others_read_every_playlist_and_play_it(
    start_appliance: Start, screen: Screen, read: Callable[[dict[str, str]], list[str]], encryption: str
) -> None:
    appliance = await start_appliance(plugins={"hls_transcoder": {"preset": "ultrafast", "encryption": encryption}})
    film = await appliance.film(film_with_everything(), "Everything.mkv")
    subtitled = await until(lambda: _has_subtitles(appliance, film["id"]), "two subtitles")
    assert len(subtitled) == 2
    address = await appliance.media(film["id"])
    found = await playlists(appliance, address)
    texts = [name for name in found if name.startswith("subtitles/")]
    assert len(texts) == len(subtitled)
    assert found.keys() - set(texts) == {"master.m3u8", "480p/index.m3u8", "720p/index.m3u8", "audio/2/index.m3u8"}
    assert read(found) == []
    for rung in ("480p", "720p"):
        assert await decoded(f"{address}/{rung}/index.m3u8", "v:0") == pytest.approx(SECONDS * RATE, abs=1)
    assert await decoded(f"{address}/audio/2/index.m3u8", "a:0") > SECONDS * 48_000 / 1024 - 1
    await _is_encrypted(appliance, film["id"], address, wanted=encryption != "none")

    await screen.open(appliance.url)
    await screen.watch("Everything")
    at_end = await screen.ends()
    assert len(at_end["buffered"]) == 1


async def _has_subtitles(appliance: Appliance, title: str) -> list[dict[str, Any]]:
    told = await appliance.get(f"/v1/content/{title}")
    found: list[dict[str, Any]] = told["subtitles"]
    return found if len(found) == 2 else []


async def _is_encrypted(appliance: Appliance, title: str, address: str, *, wanted: bool) -> None:
    segment = (await appliance.client.get(f"{address}/480p/000.ts")).content
    assert (set(segment[::188]) == {0x47}) is not wanted
    license_url = (await appliance.get(f"/v1/streaming/{title}/manifest"))["drm_license_url"]
    key = await appliance.client.get(license_url or f"{address}/key")
    assert key.status_code == (200 if wanted else 404)
    if wanted:
        assert (len(key.content), key.headers["cache-control"]) == (16, "no-store")
