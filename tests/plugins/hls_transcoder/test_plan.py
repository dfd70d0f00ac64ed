from dataclasses import replace
from fractions import Fraction

import pytest

from mediaserver.contracts import MediaInfo, VideoStream
from plugins.hls_transcoder.plan import Grid, grid_rate, plan


def info(duration: float, rate: str = "25/1", *, variable: bool = False) -> MediaInfo:
    video = VideoStream(0, "h264", 1920, 1080, rate, variable, "1/1", 0, "yuv420p", "progressive", "")
    return MediaInfo("mov", duration, 0.0, 1_000_000, video, (), ())


@pytest.mark.parametrize("rate", ["24/1", "25/1", "30/1", "50/1", "60/1"])
def test_segments_at_whole_rates_last_four_seconds(rate: str) -> None:
    assert set(plan(info(40, rate)).durations) == {Fraction(4)}


@pytest.mark.parametrize("rate", ["24000/1001", "30000/1001", "60000/1001"])
def test_segments_at_broadcast_rates_last_4004_milliseconds(rate: str) -> None:
    assert plan(info(40, rate)).durations[0] == Fraction("4.004")


def test_every_frame_is_in_exactly_one_segment() -> None:
    grid = plan(info(61.7, "24000/1001"))
    frames = [frame for number in range(grid.segments) for frame in range(*grid.bounds(number))]
    assert frames == list(range(grid.frames))
    assert sum(grid.durations) == grid.duration == Fraction(grid.frames) / grid.fps


def test_a_short_tail_joins_the_segment_before() -> None:
    assert [float(seconds) for seconds in plan(info(9.2)).durations] == [4.0, 5.2]
    assert [float(seconds) for seconds in plan(info(9.4)).durations] == [4.0, 4.0, 1.4]


def test_a_film_shorter_than_a_segment_has_one() -> None:
    assert plan(info(0.4)).durations == (Fraction("0.4"),)
    assert plan(info(0.0)).frames == 1


def test_rounded_durations_make_no_frame_too_many() -> None:
    assert plan(info(10.000001)).frames == 250
    assert plan(info(9.9999)).frames == 250


@pytest.mark.parametrize(
    ("source", "wanted"),
    [("120/1", "60"), ("240000/1001", "60000/1001"), ("2997/100", "30000/1001"), ("90000/1", "43.945"), ("15/1", "15"),
     ("1/100", "10"), ("23976/1000", "24000/1001"), ("25000/1001", "25")],
)  # fmt: skip
def test_the_rate_is_a_standard_one_of_at_most_sixty(source: str, wanted: str) -> None:
    rate = grid_rate(Fraction(source))
    assert float(rate) == pytest.approx(float(Fraction(wanted)), rel=1e-3)
    assert rate <= 60


def test_a_segment_outside_of_the_film_is_an_error() -> None:
    with pytest.raises(IndexError):
        plan(info(10)).bounds(3)


def test_a_grid_survives_being_written_down() -> None:
    grid = plan(info(61.7, "30000/1001"))
    assert Grid.from_dict(grid.to_dict()) == grid


def test_segment_length_can_be_chosen() -> None:
    assert plan(info(20), segment_seconds=2).durations[0] == 2
    assert plan(replace(info(20), duration=20.5), segment_seconds=2.5).gop == 62
