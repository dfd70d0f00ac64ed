"""A damaged film and a better copy of it, which differ only where no sample is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaserver.core.library.identity import fingerprint
from mediaserver.models import Location, Video

if TYPE_CHECKING:
    from tests.core.library.library_house import Films, House

BETWEEN = 100_000  # bytes: behind the first 64 KiB, before the first sample
SIZE = 2_000_000  # bytes


async def test_a_better_copy_over_a_damaged_film_is_another_version_of_its_title(house: House, films: Films) -> None:
    path = films.write(house.folder / "Film.mp4", "film", padding=SIZE)
    async with house.watched():
        await house.settled({"Film.mp4": "ready"})
        video = await Video.get()
        await house.service.damaged(video.id, 0.5)
        assert (await Video.get()).duration == 0.5
        mark = fingerprint(path)
        better = bytearray(path.read_bytes())
        better[BETWEEN : BETWEEN + 100] = b"better" * 16 + b"good"
        path.write_bytes(better)
        assert fingerprint(path) == mark

        async def replaced() -> bool:
            return (await Location.get()).video_id not in (None, video.id)

        await house.until(replaced)
        assert (await Video.get(id=(await Location.get()).video_id)).duration == 1.0
