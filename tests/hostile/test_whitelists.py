"""Which codecs and containers people own are taken, and what is said of the others. Measured, not assumed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mediaserver.core.library.probe import ProbeFailed, probe
from plugins.hls_transcoder.runner import encode
from tests import media
from tests.plugins.hls_transcoder.conftest import job_for

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    video: str
    audio: str
    options: tuple[str, ...] = ()
    size: str = "176x144"
    rate: str = "25"

    def make(self) -> Path:
        coded = ("-c:v", self.video, "-c:a", self.audio, "-strict", "-2", "-threads", "1", *self.options)
        return media.make(self.name, *media.pictures(1, self.rate, self.size), *media.sound(1), *coded)

    def __str__(self) -> str:
        return f"{self.name.rpartition('.')[2]}-{self.video}-{self.audio}"


X264 = media.X264[2:]
X265 = ("-preset", "ultrafast", "-x265-params", "log-level=none")
VPX = ("-deadline", "realtime", "-cpu-used", "8", "-b:v", "200k")
DV = ("-pix_fmt", "yuv420p", "-ar", "48000", "-ac", "2")
TAKEN = [
    Row("film.m4v", "libx264", "aac", X264),
    Row("film.mp4", "libx265", "eac3", (*X265, "-tag:v", "hvc1")),
    Row("film.mp4", "libaom-av1", "libopus", ("-cpu-used", "8", "-usage", "realtime", "-b:v", "200k"), "64x48"),
    Row("film.mp4", "libvpx-vp9", "flac", VPX),
    Row("film.mp4", "mpeg4", "libmp3lame"),
    Row("film.mov", "prores_ks", "pcm_s16le"),
    Row("film.mov", "dnxhd", "pcm_s24le", ("-profile:v", "dnxhr_sq", "-pix_fmt", "yuv422p"), "256x144"),
    Row("film.mov", "cfhd", "alac", ("-pix_fmt", "yuv422p10le")),
    Row("film.mov", "svq1", "adpcm_ima_qt", ("-pix_fmt", "yuv410p")),
    Row("film.mov", "v210", "pcm_s24be"),
    Row("film.mov", "qtrle", "pcm_s8"),
    Row("film.mov", "libx264", "pcm_f64le", X264),
    Row("film.mkv", "libx264", "dca", (*X264, "-ac", "2")),
    Row("film.mkv", "libx265", "truehd", (*X265, "-pix_fmt", "yuv420p10le")),
    Row("film.mkv", "ffv1", "flac", ("-level", "3")),
    Row("film.mkv", "libvpx", "wavpack", VPX),
    Row("film.mkv", "mpeg2video", "mlp"),
    Row("film.mkv", "mjpeg", "tta", ("-pix_fmt", "yuvj420p")),
    Row("film.webm", "libvpx", "libvorbis", VPX),
    Row("film.webm", "libvpx-vp9", "libopus", VPX),
    Row("film.ts", "mpeg2video", "mp2"),
    Row("film.ts", "libx264", "s302m", X264),
    Row("film.ts", "libx265", "ac3", X265),
    Row("film.m2ts", "libx264", "pcm_bluray", (*X264, "-mpegts_m2ts_mode", "1", "-ac", "2")),
    Row("film.mts", "libx264", "ac3", (*X264, "-f", "mpegts", "-mpegts_m2ts_mode", "1")),
    Row("film.vob", "mpeg2video", "pcm_dvd"),
    Row("film.mpg", "mpeg1video", "mp2"),
    Row("film.avi", "libxvid", "libmp3lame"),
    Row("film.avi", "msmpeg4", "adpcm_ms"),
    Row("film.avi", "msmpeg4v2", "pcm_s16le"),
    Row("film.avi", "huffyuv", "pcm_mulaw"),
    Row("film.avi", "ffvhuff", "pcm_u8"),
    Row("film.avi", "utvideo", "adpcm_ima_wav"),
    Row("film.avi", "cinepak", "pcm_alaw", (), "64x48"),
    Row("film.avi", "rawvideo", "libgsm_ms", ("-pix_fmt", "yuv420p", "-ar", "8000", "-ac", "1"), "64x48"),
    Row("film.avi", "msvideo1", "pcm_u8", (), "64x48"),
    Row("film.avi", "mjpeg", "pcm_s16le", ("-pix_fmt", "yuvj422p")),
    Row("film.avi", "dvvideo", "pcm_s16le", DV, "720x576"),
    Row("film.dv", "dvvideo", "pcm_s16le", DV, "720x576"),
    Row("film.wmv", "wmv2", "wmav2"),
    Row("film.asf", "wmv1", "wmav1"),
    Row("film.flv", "flv", "nellymoser", ("-ar", "44100", "-ac", "1")),
    Row("film.flv", "libx264", "libspeex", (*X264, "-ar", "16000", "-ac", "1")),
    Row("film.flv", "flv", "adpcm_swf", ("-ar", "44100")),
    Row("film.ogv", "libtheora", "libvorbis"),
    Row("film.3gp", "h263", "aac"),
    Row("film.mxf", "mpeg2video", "pcm_s16le", ("-ar", "48000")),
]
REFUSED = {
    Row("film.rm", "rv20", "ac3"): "The format rm ",
    Row("film.nut", "libx264", "aac", X264): "The format nut ",
    Row("film.wtv", "mpeg2video", "mp2"): "The format wtv ",
    Row("film.swf", "flv", "libmp3lame", ("-ar", "44100")): "The format swf ",
    Row("film.h264", "libx264", "aac", (*X264, "-an")): "The format h264 ",
    Row("film.m2v", "mpeg2video", "aac", ("-an",)): "The format mpegvideo ",
    Row("film.avi", "magicyuv", "mp2"): "the codec magicyuv,",
    Row("film.avi", "zmbv", "pcm_s16le"): "the codec zmbv,",
    Row("film.flv", "flashsv", "libmp3lame", ("-ar", "44100")): "the codec flashsv,",
    Row("film.mkv", "snow", "libmp3lame"): "the codec snow,",
    Row("film.mkv", "jpeg2000", "aac"): "the codec jpeg2000,",
    Row("film.mkv", "libx264", "sonic", X264): "the codec sonic,",
}


@pytest.mark.parametrize("row", TAKEN, ids=str)
async def test_what_people_own_is_taken(row: Row, tmp_path: Path) -> None:
    info = await probe(media.tools(), row.make())
    assert info.audio
    job = job_for(info, row.make(), tmp_path, 0, 1)
    job = replace(job, run=replace(job.run, outputs=job.run.rungs[:1]))
    assert [cell.number async for cell in encode(media.tools(), job)] == [0]


@pytest.mark.parametrize("row", REFUSED, ids=str)
async def test_what_is_not_read_is_named(row: Row) -> None:
    with pytest.raises(ProbeFailed, match=f"{REFUSED[row]}.*convert it") as refused:
        await probe(media.tools(), row.make())
    assert refused.value.reason.endswith(".")
