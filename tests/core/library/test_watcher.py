from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from mediaserver.models import Location, Title, TitleVideo, Video

from library_house import Films, House


async def test_a_dropped_file_becomes_a_video_with_a_title(house: House, films: Films) -> None:
    async with house.watched():
        films.write(house.folder / "Heat (1995)" / "Heat (1995).mp4")
        await house.settled({"Heat (1995)/Heat (1995).mp4": "ready"})
    title = await Title.get()
    assert (title.title, title.year, title.slug) == ("Heat", 1995, "heat-1995")
    assert await TitleVideo.filter(title_id=title.id).count() == 1
    kinds = [event.kind for _, event in await _changes(house)]
    assert kinds.count("video_probed") == 1
    assert kinds.count("title_added") == 1


async def _changes(house: House) -> list[tuple[int, object]]:
    from mediaserver.core.changes import Reader

    return await Reader(house.db, 0).read()
