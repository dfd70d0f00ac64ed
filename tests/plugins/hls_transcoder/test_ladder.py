from dataclasses import replace
from fractions import Fraction

import pytest

from mediaserver.contracts import MediaInfo, VideoStream
from plugins.hls_transcoder.ladder import codecs, ladder, resolution, rung_for


def info(width: int, height: int, *, rotation: int = 0, sample_aspect: str = "1/1") -> MediaInfo:
    video = VideoStream(0, "h264", width, height, "25/1", False, sample_aspect, rotation, "yuv420p", "progressive", "")
    return MediaInfo("mov", 60.0, 0.0, 1_000_000, video, (), ())


def sizes(media: MediaInfo) -> dict[str, str]:
    return {rung.name: resolution(rung) for rung in ladder(media)}


@pytest.mark.parametrize(
    ("media", "wanted"),
    [
        (info(1920, 1080), {"480p": "854x480", "720p": "1280x720", "1080p": "1920x1080"}),
        (info(3840, 2160), {"480p": "854x480", "720p": "1280x720", "1080p": "1920x1080"}),
        (info(1920, 800), {"480p": "1152x480", "720p": "1728x720", "1080p": "1920x800"}),
        (info(1080, 1920), {"480p": "480x854", "720p": "720x1280", "1080p": "1080x1920"}),
        (info(1280, 720, rotation=90), {"480p": "480x854", "720p": "720x1280"}),
        (info(720, 576, sample_aspect="64/45"), {"480p": "854x480", "720p": "1024x576"}),
        (info(720, 480, sample_aspect="8/9", rotation=270), {"480p": "480x640"}),
        (info(320, 180), {"480p": "320x180"}),
        (info(853, 481), {"480p": "852x480"}),
        (info(1, 1), {"480p": "2x2"}),
    ],
)
def test_rungs_have_the_shown_shape_even_sides_and_are_never_larger_than_the_source(
    media: MediaInfo, wanted: dict[str, str]
) -> None:
    assert sizes(media) == wanted


def test_only_the_configured_resolutions_are_made() -> None:
    assert [rung.name for rung in ladder(info(1920, 1080), ["1080p", "480p"])] == ["480p", "1080p"]


def test_a_small_source_answers_with_its_best_rung() -> None:
    rungs = ladder(info(1280, 720))
    assert rung_for(rungs, "480p").name == "480p"
    assert rung_for(rungs, "1080p").name == "720p"
    assert rung_for(ladder(info(320, 180)), "720p").name == "480p"


@pytest.mark.parametrize(
    ("rung", "fps", "wanted"),
    [("480p", "25", "64001e"), ("480p", "30", "64001f"), ("720p", "30", "64001f"), ("1080p", "30", "640028"),
     ("1080p", "60", "64002a")],
)  # fmt: skip
def test_codecs_name_the_lowest_level_that_fits(rung: str, fps: str, wanted: str) -> None:
    chosen = rung_for(ladder(info(1920, 1080)), rung)
    assert codecs(chosen, Fraction(fps), audio=True) == f"avc1.{wanted},mp4a.40.2"
    assert codecs(chosen, Fraction(fps), audio=False) == f"avc1.{wanted}"


def test_a_picture_beyond_every_level_gets_the_highest() -> None:
    huge = replace(rung_for(ladder(info(1920, 1080)), "1080p"), width=20_000, height=20_000)
    assert codecs(huge, Fraction(60), audio=False) == "avc1.640034"
