"""Files beside films: found with them, without them, later, and gone again; hostile ones do no harm."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mediaserver.contracts import SidecarKind
from mediaserver.models import Change, Location, Sidecar

if TYPE_CHECKING:
    from tests.core.library.library_house import Films, House

TEXT = "1\n00:00:00,100 --> 00:00:01,000\nHello\n"


async def video_of(house: House, path: str) -> int:
    async def known() -> Any:
        row = await Location.get_or_none(path=path)
        return row and row.video_id

    return int(await house.until(known))


async def sidecars_are(house: House, video: int, names: list[str]) -> None:
    async def so() -> bool:
        return [each.path.name for each in await house.service.beside(video)] == names

    await house.until(so)


async def test_a_subtitle_is_found_with_its_film_and_says_what_its_name_says(house: House, films: Films) -> None:
    films.write(house.folder / "Film.mp4")
    (house.folder / "Film.pt-BR.forced.srt").write_text(TEXT)
    (house.folder / "Film-poster.jpg").write_bytes(b"picture")
    (house.folder / "Another.srt").write_text(TEXT)
    async with house.watched():
        video = await video_of(house, "Film.mp4")
        await sidecars_are(house, video, ["Film-poster.jpg", "Film.pt-BR.forced.srt"])
    poster, subtitle = await house.service.beside(video)
    assert (poster.kind, subtitle.kind) == (SidecarKind.POSTER, SidecarKind.SUBTITLE)
    assert (subtitle.format, subtitle.language, subtitle.forced, subtitle.sdh) == ("srt", "pt-BR", True, False)
    why = await house.service.why(house.folder / "Film.pt-BR.forced.srt")
    assert (why.state, why.sentence) == ("sidecar", "It is a subtitle of Film.mp4 (Portuguese (Brazil), forced).")
    assert "No film stands beside it" in (await house.service.why(house.folder / "Another.srt")).sentence
    assert "poster of Film.mp4" in (await house.service.why(house.folder / "Film-poster.jpg")).sentence


async def test_what_comes_changes_and_goes_later_is_told(house: House, films: Films) -> None:
    films.write(house.folder / "Film.mp4")
    late = house.folder / "Film.en.srt"

    async def told() -> int:
        return await Change.filter(kind="sidecars_changed").count()

    async with house.watched():
        video = await video_of(house, "Film.mp4")
        late.write_text(TEXT)
        await sidecars_are(house, video, ["Film.en.srt"])
        before = await told()
        late.write_text(TEXT * 2)
        await house.until(lambda: _more(told, before))
        await sidecars_are(house, video, ["Film.en.srt"])
        late.rename(house.folder / "Film.de.srt")
        await sidecars_are(house, video, ["Film.de.srt"])
        (house.folder / "Film.mp4").rename(house.folder / "Other.mp4")
        await sidecars_are(house, video, [])
        assert "No film" in (await house.service.why(house.folder / "Film.de.srt")).sentence
        (house.folder / "Film.de.srt").rename(house.folder / "Other.de.srt")
        await sidecars_are(house, video, ["Other.de.srt"])
        before = await told()
        (house.folder / "Other.de.srt").unlink()
        await sidecars_are(house, video, [])
        await house.until(lambda: _more(told, before))


async def _more(count: Any, before: int) -> bool:
    return bool(await count() > before)


async def test_a_poster_of_a_folder_belongs_to_the_one_film_in_it(house: House, films: Films) -> None:
    films.write(house.folder / "Heat (1995)" / "Heat (1995) - 4K.mp4")
    films.write(house.folder / "Heat (1995)" / "Heat (1995)-trailer.mp4")
    films.write(house.folder / "Mixed" / "One.mp4")
    films.write(house.folder / "Mixed" / "Two.mp4")
    for folder in ("Heat (1995)", "Mixed", "."):
        (house.folder / folder / "poster.jpg").write_bytes(b"picture")
    async with house.watched():
        await sidecars_are(house, await video_of(house, "Heat (1995)/Heat (1995) - 4K.mp4"), ["poster.jpg"])
        await sidecars_are(house, await video_of(house, "Mixed/One.mp4"), [])


async def test_with_their_folder_sidecars_go_but_not_with_their_disk(house: House, films: Films) -> None:
    for name in ("One", "Two", "Three"):
        films.write(house.folder / name / f"{name}.mp4")
        (house.folder / name / f"{name}.en.srt").write_text(TEXT)
    away = house.folder.with_name("away")
    async with house.watched():
        await house.ready(3)
        for name in ("One.en.srt", "One.mp4"):
            (house.folder / "One" / name).unlink()
        (house.folder / "One").rmdir()
        await house.until(lambda: _counts(2))
        house.folder.rename(away)
        house.folder.mkdir()
        await house.service.scan()
        await house.until(_all_offline)
        assert await Sidecar.all().count() == 2


async def _counts(number: int) -> bool:
    return await Sidecar.all().count() == number


async def _all_offline() -> bool:
    return {row.state.value for row in await Location.all()} == {"offline"}


async def test_hostile_sidecars_are_named_and_never_opened(house: House, films: Films, tmp_path: Any) -> None:
    films.write(house.folder / "Film.mp4")
    secret = tmp_path / "secret.srt"
    secret.write_text(TEXT)
    (house.folder / "Film.en.srt").symlink_to(secret)
    os.mkfifo(house.folder / "Film.de.srt")
    (house.folder / "Film.fr.srt").touch()
    with (house.folder / "Film.it.srt").open("wb") as huge:
        huge.truncate(2_000_000_000)
    sentences = {"en": "points out of the library", "de": "not a regular file", "fr": "empty", "it": "2,000 MB"}
    async with house.watched():
        video = await video_of(house, "Film.mp4")
        await sidecars_are(house, video, [f"Film.{each}.srt" for each in sorted(sentences)])
    for each in await house.service.beside(video):
        assert sentences[each.language] in each.reason
    assert "more than 10 are refused" in (await house.service.why(house.folder / "Film.it.srt")).sentence


async def test_a_file_that_took_the_place_of_a_judged_one_is_not_handed_out(
    house: House, films: Films, tmp_path: Any
) -> None:
    films.write(house.folder / "Film.mp4")
    (house.folder / "Film.en.srt").write_text(TEXT)
    async with house.watched():
        video = await video_of(house, "Film.mp4")
        await sidecars_are(house, video, ["Film.en.srt"])
    (house.folder / "Film.en.srt").unlink()
    (house.folder / "Film.en.srt").symlink_to(tmp_path / "elsewhere")
    assert await house.service.beside(video) == ()
