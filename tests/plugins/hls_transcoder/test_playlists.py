import re
from fractions import Fraction

from mediaserver.contracts import Rung
from plugins.hls_transcoder.plan import Grid
from plugins.hls_transcoder.playlists import Rates, distinct, media_playlist, multivariant_playlist

GRID = Grid(Fraction(30000, 1001), 120, 300, 3)
RUNGS = (Rung("480p", 854, 480, 1_400_000, 2_800_000), Rung("1080p", 1920, 1080, 5_000_000, 10_000_000))


def test_a_media_playlist_is_complete_before_a_segment_exists() -> None:
    assert media_playlist(GRID) == (
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:5\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n"
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXTINF:4.004000,\n000.ts\n#EXTINF:4.004000,\n001.ts\n#EXTINF:2.002000,\n002.ts\n#EXT-X-ENDLIST\n"
    )


def test_the_target_duration_holds_for_a_longer_last_segment() -> None:
    assert "#EXT-X-TARGETDURATION:6\n" in media_playlist(Grid(Fraction(25), 100, 230, 2))


def test_segments_may_be_addressed_elsewhere() -> None:
    assert "\n../480p/001.ts\n" in media_playlist(GRID, "../480p/{number:03d}.ts")


def test_a_long_film_has_more_than_three_digits() -> None:
    assert "\n1200.ts\n" in media_playlist(Grid(Fraction(25), 100, 150_000, 1500))


def test_the_multivariant_playlist_begins_with_the_lowest_rung() -> None:
    lines = multivariant_playlist(GRID, RUNGS, audio=True).splitlines()
    assert lines[:3] == ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-INDEPENDENT-SEGMENTS"]
    assert lines[4::2] == ["480p/index.m3u8", "1080p/index.m3u8"]
    assert 'CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=854x480,FRAME-RATE=29.970' in lines[3]
    assert 'CODECS="avc1.640028,mp4a.40.2",RESOLUTION=1920x1080,FRAME-RATE=29.970' in lines[5]


def test_a_silent_film_names_no_sound() -> None:
    assert "mp4a" not in multivariant_playlist(GRID, RUNGS, audio=False)


def test_rates_are_those_measured_where_a_rung_is_complete() -> None:
    text = multivariant_playlist(GRID, RUNGS, audio=True, measured={"480p": Rates(999_000, 500_000)})
    assert re.findall(r":BANDWIDTH=(\d+),AVERAGE-BANDWIDTH=(\d+)", text)[0] == ("999000", "500000")
    peak, average = map(int, re.findall(r":BANDWIDTH=(\d+),AVERAGE-BANDWIDTH=(\d+)", text)[1])
    assert average < peak
    assert peak > RUNGS[1].max_rate


def test_no_two_names_are_written_alike() -> None:
    assert distinct(["A", "A", "A 2", 'x"', "X'"]) == ["A", "A 2", "A 2 2", 'x"', "X' 2"]
