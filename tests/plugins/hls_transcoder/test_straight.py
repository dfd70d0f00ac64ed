"""Films that cannot be cut by seeking are made in one run by another plan, while somebody watches by the first one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.patience import until
from tests.plugins.hls_transcoder.theatre import open_theatre
from tests.sources import of_two_sounds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaserver.testing import RunningApp

pytestmark = pytest.mark.slow


async def test_one_who_watches_an_encrypted_film_can_read_on_after_it_went_straight(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    async with open_theatre(app_with, tmp_path / "library", encryption="aes-128", preset="ultrafast") as theatre:
        (theatre.library / "Two Sounds.ts").write_bytes(of_two_sounds().read_bytes())

        async def listed() -> bool:
            return bool((await theatre.get("/v1/content/browse"))["content"])

        await until(listed, "the film")
        media = await theatre.media("1")
        playlist = (await theatre.app.get(f"{media}/480p/index.m3u8")).text
        key = (await theatre.app.get(f"{media}/key")).content
        names = re.findall(r"^\d+\.ts$", playlist, re.MULTILINE)
        assert len(names) == 3
        for number, name in enumerate(names):

            async def made(name: str = name) -> bytes:
                answer = await theatre.app.get(f"{media}/480p/{name}")
                return answer.content if answer.status_code == 200 else b""

            cell = await until(made, name)
            clear = Cipher(algorithms.AES128(key), modes.CBC(number.to_bytes(16, "big"))).decryptor().update(cell)
            assert (clear[0], clear[188], clear[376]) == (0x47, 0x47, 0x47), name
