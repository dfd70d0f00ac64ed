from __future__ import annotations

import pytest

from mediaserver.contracts import SidecarKind
from mediaserver.core.library.sidecar_names import SubtitleName, belongs_to, sidecar_kind, subtitle_name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Film.srt", SubtitleName()),
        ("Film.en.srt", SubtitleName("en")),
        ("Film.eng.srt", SubtitleName("en")),
        ("Film.ger.vtt", SubtitleName("de")),
        ("Film.DEU.ass", SubtitleName("de")),
        ("Film.yue.srt", SubtitleName("yue")),
        ("Film.pt-BR.srt", SubtitleName("pt-BR")),
        ("Film.zh_hant.ssa", SubtitleName("zh-Hant")),
        ("Film.es-419.srt", SubtitleName("es-419")),
        ("Film.en.forced.srt", SubtitleName("en", forced=True)),
        ("Film.foreign.en.srt", SubtitleName("en", forced=True)),
        ("Film.default.en.srt", SubtitleName("en", default=True)),
        ("Film.sdh.vtt", SubtitleName(sdh=True)),
        ("Film.en.cc.srt", SubtitleName("en", sdh=True)),
        ("Film.hi.srt", SubtitleName("hi")),
        ("Film.en.hi.srt", SubtitleName("en", sdh=True)),
        ("Film.hi.en.srt", SubtitleName("en", sdh=True)),
        ("Film.hi.hi.srt", SubtitleName("hi", sdh=True)),
        ("Film.Commentary.en.srt", SubtitleName("en", "Commentary")),
        ("Film.en.Director's Cut.forced.srt", SubtitleName("en", "Director's Cut", forced=True)),
        ("Film.The.en.srt", SubtitleName("en", "The")),
        ("Film.signs and songs.srt", SubtitleName("", "signs and songs")),
        ("Film.und.srt", SubtitleName("", "und")),
        ("Film.EN.FORCED.SDH.srt", SubtitleName("en", forced=True, sdh=True)),
        ("Film.<b>x\u202e.en.srt", SubtitleName("en", "<b>x")),
    ],
)
def test_the_name_of_a_subtitle_says_language_flags_and_title(name: str, said: SubtitleName) -> None:
    assert subtitle_name(name, "Film") == said


@pytest.mark.parametrize(
    ("name", "film"),
    [
        ("Film.en.srt", "Film"),
        ("film.EN.SRT", "Film"),
        ("Film 2.en.srt", "Film 2"),
        ("Film.en.forced.srt", "Film.en"),
        ("Filmed.en.srt", None),
        ("Film-poster.jpg", "Film"),
        ("Film 2-thumb.webp", "Film 2"),
        ("poster.jpg", None),
    ],
)
def test_a_sidecar_belongs_to_the_longest_name_it_begins_with(name: str, film: str | None) -> None:
    stems = ["Film", "Film 2", "Film.en"] if "forced" in name else ["Film", "Film 2"]
    assert belongs_to(name, stems) == film


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Film.srt", SidecarKind.SUBTITLE),
        ("Film.SUB", SidecarKind.SUBTITLE),
        ("Film.idx", None),
        ("folder.jpg", SidecarKind.POSTER),
        ("Film-poster.PNG", SidecarKind.POSTER),
        ("holiday.jpg", None),
        (".srt", None),
        (".hidden.srt", None),
        ("srt", None),
    ],
)
def test_what_may_be_a_sidecar_is_known_by_its_name(name: str, kind: SidecarKind | None) -> None:
    assert sidecar_kind(name) == kind
