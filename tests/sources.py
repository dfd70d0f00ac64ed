"""What people own: a small medium of every odd sort, and how it has to end (ENCODING.md, its generator and more)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests import media
from tests.media import X264, copied, film, make, pictures, sound

AAC = ("-c:a", "aac", "-b:a", "96k")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-x265-params")
PQ = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc")
HLG = ("-color_primaries", "bt2020", "-color_trc", "arib-std-b67", "-colorspace", "bt2020nc")


@dataclass(frozen=True)
class Source:
    """How a file must end: `frames` of the lowest rung at `rate` a second, all rungs alike."""

    make: Callable[[], Path]
    ends: str = "ready"  # ready, partial, refused, ignored or settling
    frames: int = 0  # one more than made where the sound's priming puts the picture 21 ms later
    rate: str = "25.000"
    rungs: tuple[str, ...] = ("480p",)
    size: str = "160x90"  # of the highest rung
    sounds: tuple[str, ...] = ()  # tracks beside the one in the pictures
    says: str = ""  # part of the sentence shown


def rated(rate: str, seconds: float = 5) -> Callable[[], Path]:
    return lambda: film("rate.mp4", seconds=seconds, rate=rate)


def coded(name: str, *options: str, seconds: float = 5, size: str = "160x90") -> Callable[[], Path]:
    return lambda: make(name, *pictures(seconds, size=size), *sound(seconds), *options)


def changing() -> Path:
    """30, then 10 a second, then nothing for three seconds, then 30 again."""
    picture = "select='lt(t,2)+gte(t,2)*lt(t,4)*not(mod(n,3))+gte(t,7)'"
    return film("changing.mp4", seconds=9, rate="30", options=("-vf", picture, "-fps_mode", "vfr"))


def turned(angle: int) -> Callable[[], Path]:
    return lambda: copied(film(seconds=1), "turned.mp4", "-metadata:s:v:0", f"rotate={angle}")


def fields(name: str, *options: str, field_order: str = "interleave_top") -> Callable[[], Path]:
    return lambda: make(name, *pictures(5, "50", "160x96"), *sound(5), "-vf", f"tinterlace={field_order}", *options)


def unlike_sound(seconds: float, heard: float, *late: str) -> Callable[[], Path]:
    return lambda: make("sound.mkv", *pictures(seconds), *late, *sound(heard), *X264, *AAC)


def covered() -> Path:
    cover = make("cover.png", "-f", "lavfi", "-i", "color=red:s=64x64:d=0.04", "-frames:v", "1")
    inputs = ("-i", film(seconds=2), "-i", cover, "-map", "0", "-map", "1", "-c", "copy")
    return make("covered.mp4", *inputs, "-disposition:v:1", "attached_pic")


def cut(name: str, share: float, *options: str, gop: int = 25) -> Callable[[], Path]:
    """A copy that was interrupted."""
    return lambda: media.truncated(film(name, seconds=20, gop=gop, options=options), share)


def damaged(name: str, change: Callable[[bytearray], None], *options: str, seconds: float = 20) -> Callable[[], Path]:
    """A film whose bytes were changed after it was made."""

    def write() -> Path:
        whole = film(f"whole-{name}", seconds=seconds, gop=25, options=options)
        data = bytearray(whole.read_bytes())
        change(data)
        return media.kept(name, bytes(data))

    return write


def zeros(begin: float, end: float) -> Callable[[bytearray], None]:
    """What a disk gives for blocks that were never written."""

    def change(data: bytearray) -> None:
        first, last = int(len(data) * begin), int(len(data) * end)
        data[first:last] = bytes(last - first)

    return change


def flips(count: int, after: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        chance = random.Random(1)
        for _ in range(count):
            data[chance.randrange(after, len(data))] = chance.randrange(256)

    return change


def of_two_sizes() -> Path:
    """A broadcast that changes its picture's size in the middle."""
    first = film("first.ts", seconds=6, gop=25)
    second = film("second.ts", seconds=6, gop=25, size="128x96", options=("-output_ts_offset", "6"))
    return joined("sizes.ts", first, second)


def of_two_sounds() -> Path:
    """A broadcast that goes from stereo at 48 kHz to mono at 44.1 kHz: the graph of the filters begins anew there."""
    first = film("first.ts", seconds=6, gop=25)
    mono = ("-f", "lavfi", "-i", "sine=r=44100:d=6", *X264, "-g", "25", "-c:a", "aac", "-ac", "1")
    return joined("sounds.ts", first, make("mono.ts", *pictures(6), *mono, "-output_ts_offset", "6"))


def of_three_sizes() -> Path:
    """Interlaced, so that the graph begins anew, and so close to a border that the two segments there are lost."""

    def part(seconds: float, size: str, begins: int) -> Path:
        options = ("-vf", "tinterlace=interleave_top", "-flags", "+ilme+ildct", "-x264-params", "tff=1", "-g", "25")
        told = (*options, "-output_ts_offset", str(begins))
        return film("part.ts", seconds=seconds, rate="50", size=size, options=told)

    return joined("three.ts", part(3, "160x96", 0), part(3, "128x128", 3), part(4, "160x96", 6))


def joined(name: str, *parts: Path) -> Path:
    return media.kept(name, b"".join(part.read_bytes() for part in parts))


def restarted() -> Path:
    """Two recordings in one file: the clock begins again in the middle."""
    part = film("part.ts", seconds=6, gop=25)
    return joined("restarted.ts", part, part)


def leapt() -> Path:
    """Two recordings in one file, the second of them 20 minutes later."""
    options = ("-output_ts_offset", "1200")
    return joined("leapt.ts", film("part.ts", seconds=6, gop=25), film("part.ts", seconds=6, gop=25, options=options))


def fragmented() -> Path:
    return copied(
        film(seconds=10, gop=25), "fragmented.mp4", "-movflags", "+frag_keyframe+empty_moov+default_base_moof"
    )


def swapped(name: str, source: Callable[[], Path], old: bytes, new: bytes) -> Callable[[], Path]:
    """The same bytes but for one place, as a header that lies."""

    return lambda: media.kept(name, source().read_bytes().replace(old, new))


def written(name: str, data: bytes) -> Callable[[], Path]:
    return lambda: media.kept(name, data)


def tracks() -> Path:
    """Two languages, the second one first, and surround."""
    inputs = (
        *pictures(5),
        *sound(5),
        "-f",
        "lavfi",
        "-i",
        "sine=r=44100:d=5,pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0",
    )
    mapped = ("-map", "0", "-map", "1", "-map", "2", "-c:a:0", "aac", "-c:a:1", "ac3", "-disposition:a:0", "0")
    told = ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu", "-disposition:a:1", "default")
    return make("tracks.mkv", *inputs, *mapped, *X264, *told)


def subtitled(name: str, codec: str) -> Callable[[], Path]:
    def write() -> Path:
        text = written("words.srt", b"1\n00:00:00,500 --> 00:00:02,000\nHello <i>world</i>\n")()
        inputs = ("-i", film(seconds=5), "-f", "srt", "-i", text, "-map", "0", "-map", "1")
        return make(name, *inputs, "-c", "copy", "-c:s", codec, "-metadata:s:s:0", "language=eng")

    return write


def still() -> Path:
    return make("still.jpg", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=1", "-frames:v", "1")


FASTSTART = ("-movflags", "+faststart")
MPEG2 = ("-c:v", "mpeg2video", "-b:v", "1M", "-c:a", "mp2")
ENDS_EARLY = "before its header says"
TABLE = {
    # ---- rates
    "r23976.mp4": Source(rated("24000/1001"), frames=120, rate="23.976"),
    "r24.mp4": Source(rated("24"), frames=120, rate="24.000"),
    "r25.mp4": Source(rated("25"), frames=125),
    "r2997.mp4": Source(rated("30000/1001"), frames=150, rate="29.970"),
    "r50.mp4": Source(rated("50"), frames=250, rate="50.000"),
    "r5994.mp4": Source(rated("60000/1001"), frames=300, rate="59.940"),
    "r60.mp4": Source(rated("60"), frames=300, rate="60.000"),
    "r100.mp4": Source(rated("100"), frames=250, rate="50.000"),
    "r120.mp4": Source(rated("120"), frames=300, rate="60.000"),
    "r12.mp4": Source(rated("12"), frames=60, rate="12.000"),
    "slides.mp4": Source(rated("1"), frames=50, rate="10.000"),
    "changing.mp4": Source(changing, frames=270, rate="30.000"),
    # ---- pictures
    "portrait.mp4": Source(lambda: film(size="90x160"), frames=100, size="90x160"),
    "turned90.mp4": Source(turned(90), frames=25, size="90x160"),
    "turned180.mp4": Source(turned(180), frames=25, size="160x90"),
    "anamorphic.mp4": Source(
        lambda: film(seconds=1, size="72x58", options=("-vf", "setsar=64/45")), frames=25, size="102x58"
    ),
    "odd.mkv": Source(
        coded("odd.mkv", "-pix_fmt", "yuv444p", "-c:v", "libx264", *AAC, size="85x47"), frames=126, size="84x46"
    ),
    "scope.mp4": Source(
        lambda: film(seconds=1, size="1920x800"), frames=25, rungs=("480p", "720p", "1080p"), size="1920x800"
    ),
    "uhd.mp4": Source(
        lambda: film(seconds=0.4, size="3840x2160", audio=False),
        frames=10,
        rungs=("480p", "720p", "1080p"),
        size="1920x1080",
    ),
    "ten bits.mkv": Source(coded("ten.mkv", "-pix_fmt", "yuv444p10le", "-c:v", "libx264", *AAC), frames=126),
    "hdr10.mkv": Source(coded("hdr10.mkv", *X265, "log-level=none", *PQ, *AAC, seconds=1), frames=26),
    "hlg.mp4": Source(coded("hlg.mp4", *X265, "log-level=none", *HLG, *AAC, seconds=1), frames=25),
    "mpg fields.mpg": Source(
        fields("fields.mpg", *MPEG2, "-flags", "+ilme+ildct", "-r", "25"), frames=126, size="160x96"
    ),
    "ts fields.ts": Source(
        fields("fields.ts", *X264, *AAC, "-flags", "+ilme+ildct", "-x264-params", "tff=1", "-g", "25"),
        frames=126,
        size="160x96",
    ),
    # ---- sound
    "silent.mp4": Source(lambda: film(seconds=5, audio=False), frames=125),
    "tracks.mkv": Source(tracks, frames=126, sounds=("audio/1",)),
    "low.avi": Source(coded("low.avi", *X264, "-c:a", "pcm_u8", "-ar", "8000", "-ac", "1"), frames=125),
    "sound ends early.mkv": Source(unlike_sound(9, 3), frames=226),
    "sound goes on.mkv": Source(unlike_sound(5, 9), frames=126),
    "sound begins late.mkv": Source(unlike_sound(6, 3, "-itsoffset", "1.5"), frames=150),
    # ---- containers and how they seek
    "late.ts": Source(
        lambda: film(seconds=9, options=("-output_ts_offset", "5000", "-g", "25"), name="late.ts"), frames=226
    ),
    "single key.ts": Source(lambda: film("single.ts", seconds=9, gop=1000), frames=226),
    "open gop.mkv": Source(
        lambda: film("open.mkv", seconds=9, options=("-x264-params", "open-gop=1:bframes=3:keyint=25")), frames=226
    ),
    "fragmented.mp4": Source(fragmented, frames=251),
    "no duration.mkv": Source(lambda: copied(film(seconds=5), "streamed.mkv", "-live", "1"), frames=126),
    "xvid.avi": Source(coded("xvid.avi", "-c:v", "mpeg4", "-c:a", "libmp3lame"), frames=126),
    "vp8.webm": Source(
        coded("vp8.webm", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"), frames=126
    ),
    "wmv.wmv": Source(coded("wmv.wmv", "-c:v", "wmv2", "-c:a", "wmav2"), frames=127),
    "theora.ogv": Source(coded("theora.ogv", "-c:v", "libtheora", "-c:a", "libvorbis"), frames=125),
    "flash.flv": Source(coded("flash.flv", "-c:v", "flv", "-c:a", "libmp3lame", "-ar", "44100"), frames=126),
    "two sizes.ts": Source(of_two_sizes, frames=300),
    "two sounds.ts": Source(of_two_sounds, "partial", 300, says="at 0:04, shown without sound there"),
    "restarted.ts": Source(restarted, frames=301),
    "leapt.ts": Source(leapt, frames=301),
    # ---- texts and covers
    "srt.mkv": Source(subtitled("srt.mkv", "srt"), frames=126),
    "movtext.mp4": Source(subtitled("movtext.mp4", "mov_text"), frames=125),
    "ass.mkv": Source(subtitled("ass.mkv", "ass"), frames=126),
    "covered.mp4": Source(covered, frames=50),
    # ---- lengths and names
    "short.mp4": Source(lambda: film(seconds=0.4), frames=10),
    "one frame.mp4": Source(lambda: film(seconds=0.04, audio=False), frames=1),
    "-leading ünï 'quote' & [x] %03d.mp4": Source(lambda: film(seconds=1), frames=25),
    # ---- damaged
    "mp4 cut.mp4": Source(cut("cut.mp4", 0.6, *FASTSTART), "partial", 299, says=ENDS_EARLY),
    "mkv cut.mkv": Source(cut("cut.mkv", 0.6), "partial", 301, says=ENDS_EARLY),
    "ts cut.ts": Source(cut("cut.ts", 0.6), frames=302),
    "no index.mp4": Source(cut("index.mp4", 0.6), "refused", says="The index of this file is missing"),
    "ts with flipped bits.ts": Source(damaged("flipped.ts", flips(200, 20_000)), frames=501),
    "mkv with flipped bits.mkv": Source(damaged("flipped.mkv", flips(200, 20_000)), frames=501),
    "mp4 with zeros in its middle.mp4": Source(damaged("middle.mp4", zeros(0.4, 0.6), *FASTSTART), frames=500),
    "mkv with zeros in its middle.mkv": Source(damaged("middle.mkv", zeros(0.4, 0.6)), frames=501),
    "mp4 with zeros at its end.mp4": Source(
        damaged("end.mp4", zeros(0.5, 1), *FASTSTART), "partial", 260, says=ENDS_EARLY
    ),
    "mkv with zeros at its end.mkv": Source(damaged("end.mkv", zeros(0.5, 1)), "partial", 251, says=ENDS_EARLY),
    "three sizes.ts": Source(of_three_sizes, "partial", 250, size="160x96", says="shown black there; copy it again"),
    # ---- no films
    "sound.mp4": Source(lambda: make("sound.mp4", *sound(1), "-c:a", "aac"), "refused", says="holds only sound"),
    "still.jpg": Source(still, "ignored"),
    "moving.gif": Source(lambda: make("moving.gif", *pictures(0.4, "5")), "ignored"),
    "empty.mp4": Source(written("empty.mp4", b""), "settling"),
    "random.mp4": Source(written("random.mp4", random.Random(1).randbytes(100_000)), "refused", says="damaged"),
    "text.mkv": Source(written("text.mkv", b"not a video\n"), "refused", says="damaged"),
}
