"""Argument lists for ffmpeg, built with ffmpeg-python: a run of segments at any rungs, and the poster."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from mediaserver.contracts import AudioTrack, MediaInfo, Rung

from .building import SOURCE, arguments
from .encoders import B_FRAMES, SOFTWARE, Encoder
from .ladder import Output, Sound, default_audio, level, picture_size
from .plan import Grid

__all__ = [
    "AudioSpan",
    "Lacking",
    "Run",
    "audio_span",
    "poster_arguments",
    "segment_name",
    "segments_arguments",
]

SAMPLE_RATE = 48_000  # Hz
PACKET = 1024  # samples of an AAC-LC packet
PREROLL = 4  # packets encoded before the first kept one, until the encoder's window has settled
AFTER = 3  # packets read beyond the last kept one: the encoder looks ahead
OFFSET_SECONDS = 10  # every timestamp stands this much later, so that no DTS is negative
SEEK_MARGIN = Fraction(1, 2)  # seconds before the first frame wanted; the seek lands on the key frame before that
STREAM_MARGIN = Fraction(3)  # where there is no index the seek may land on the key frame after: 2 s apart in broadcasts
STREAMS = {"mpegts", "mpeg"}
CLONED_TAIL = Fraction(1, 2)  # seconds the last frame may be held where the planned end is a frame or two late
ONE_THREAD = ("-filter_complex_threads", "1")
ONE_CLOCK = ("-copyts", "-start_at_zero")  # times are the source's; without it ffmpeg joins clocks that begin again
TYPICAL = 0.6  # of the greatest rate: what encoders that keep to a rate are told
NEVER = 10**9  # frames, a year and more: where nothing is to be cut
APART = "+global_header"  # that the segment muxer wants headers apart, tee does not tell the encoder
LONGEST_LIST = 30_000  # characters that tell where a film is cut: 4 hours
QUEUE = {"muxdelay": 0, "muxpreload": 0, "max_muxing_queue_size": 4096}
HDR_TRANSFERS = {"smpte2084", "arib-std-b67"}


class Lacking(StrEnum):
    """What the cells of a run do without, where the film is too damaged for it."""

    NOTHING = "nothing"
    SOUND = "sound"
    PICTURE = "picture and sound"  # nothing is read: black and silent cells, only the right times and lengths


@dataclass(frozen=True, slots=True)
class Run:
    """Segments `first`..`first + count - 1` of a grid as these outputs, in one ffmpeg with one decode."""

    info: MediaInfo
    grid: Grid
    outputs: tuple[Output, ...]
    first: int
    count: int
    preset: str = "veryfast"
    crf: int = 23
    lacking: Lacking = Lacking.NOTHING
    encoder: Encoder = SOFTWARE

    @property
    def rungs(self) -> tuple[Rung, ...]:
        return tuple(output for output in self.outputs if isinstance(output, Rung))

    @property
    def numbers(self) -> range:
        return range(self.first, self.first + self.count)

    @property
    def frames(self) -> tuple[int, int]:
        """First frame, and the first one after."""
        return self.grid.bounds(self.first)[0], self.grid.bounds(self.first + self.count - 1)[1]

    @property
    def is_whole(self) -> bool:
        return self.first == 0 and self.count == self.grid.segments


@dataclass(frozen=True, slots=True)
class AudioSpan:
    """Packets `first`..`end - 1` of the film's one grid of AAC packets."""

    first: int
    end: int

    @property
    def packets(self) -> int:
        return self.end - self.first


def audio_span(grid: Grid, first_frame: int, end_frame: int) -> AudioSpan:
    return AudioSpan(_border(grid, first_frame), _border(grid, end_frame))


def _border(grid: Grid, frame: int) -> int:
    """The first packet that belongs behind a cut before `frame`; the film begins and ends where its picture does."""
    if frame == 0:
        return 0
    delay = 0 if frame == grid.frames else grid.delay / grid.fps
    return math.ceil((grid.time(frame) - delay) * SAMPLE_RATE / PACKET)


def segment_name(output: Output, number: int) -> str:
    return f"{output.name}-{number:03d}.ts"


def segments_arguments(run: Run, source: Path, *, flags: Mapping[str, str], tonemap: bool) -> list[str]:
    """Cells appear in the working directory as `segment_name` says; each closed one is a csv line on stdout.

    `tonemap` says that the build has zscale; without it HDR keeps its pale look.
    """
    first_frame, _ = run.frames
    margin = STREAM_MARGIN if run.info.container in STREAMS else SEEK_MARGIN
    seek = max(Fraction(0), run.grid.time(first_frame) - margin)
    # Not accurate: what is decoded before the seek point still reaches the fps filter, so a picture that stands still
    # for longer than the margin is repeated instead of missing.
    options: dict[str, Any] = {"ss": _decimal(seek), "noaccurate_seek": None} if seek else {}
    if run.info.video.field_order == "progressive":
        # A graph that is begun anew loses its place on the grid. `scale` takes pictures of any size, bwdif does not.
        options["reinit_filter:v"] = 0
    film = ffmpeg.input(SOURCE, threads=1, **options, **flags)
    sounds = _sounds(film, run)
    outputs = _with_pictures(film, run, sounds, tonemap=tonemap) if run.rungs else []
    outputs += [_sound_alone(run, output, sounds[output.index]) for output in run.outputs if isinstance(output, Sound)]
    clock = () if run.info.restarts else ONE_CLOCK
    return arguments(ffmpeg.merge_outputs(*outputs), source, (*ONE_THREAD, *clock, *run.encoder.opening))


def _with_pictures(film: Any, run: Run, sounds: Mapping[int, Any], *, tonemap: bool) -> list[Any]:
    shown = _black(run) if run.lacking is Lacking.PICTURE else _on_grid(film, run)
    track = default_audio(run.info)
    streams = _pictures(shown, run, tonemap=tonemap)
    if track is not None:
        streams.append(sounds[track.index])
    audio = _audio(run) if track else {}
    # The sound is encoded once and written into the cells of each rung, which are the same bytes as with an encoder for
    # each: of 16 s it takes 0.6 s CPU instead of 1.6, of about 18 for the whole chunk at 1080p. Only the tee muxer
    # writes one encoded stream into several files.
    files = "|".join(_file_of_tee(run, number) for number in range(len(run.rungs)))
    return [ffmpeg.output(*streams, files, f="tee", **_video(run), **audio, **QUEUE)]


def _file_of_tee(run: Run, number: int) -> str:
    """The pictures of a rung, which are stream `number`, and the sound, which is the last one."""
    streams = f"{number},a" if default_audio(run.info) is not None else str(number)
    cuts = [str(run.grid.bounds(number)[0] - run.frames[0]) for number in run.numbers[1:]]
    # abort: where a disk is full 5.1.9 goes on with the other files, whatever its manual says of the default.
    options = {"select": streams, **_muxer(run, cuts), "max_delay": 0, "onfail": "abort"}
    if len(options["segment_frames"]) > LONGEST_LIST:  # the system allows 128 KiB for all of them
        del options["segment_frames"]
        options["segment_time"] = 0.001  # at every key frame, which is where the grid has one: the same bytes
    said = ":".join(f"{name}={value}".replace(":", r"\\:") for name, value in options.items())
    return f"[{said}]{run.rungs[number].name}-%03d.ts"


def _sound_alone(run: Run, output: Sound, sound: Any) -> Any:
    """Cut at the packets where the sound in the pictures is cut, so that a player may go from one to the other."""
    begin = audio_span(run.grid, *run.frames).first
    cuts = [str(audio_span(run.grid, *run.grid.bounds(number)).first - begin) for number in run.numbers[1:]]
    stripped = {"map_metadata": -1, "map_chapters": -1}
    return ffmpeg.output(sound, f"{output.name}-%03d.ts", **_audio(run), **stripped, **_muxer(run, cuts), **QUEUE)


def _pictures(picture: Any, run: Run, *, tonemap: bool) -> list[Any]:
    """A stream for each rung."""
    copies = _split(picture, "split", len(run.rungs))
    return [_scaled(copy, rung, run, tonemap=tonemap) for copy, rung in zip(copies, run.rungs, strict=True)]


def _black(run: Run) -> Any:
    fps, (first_frame, end_frame) = run.grid.fps, run.frames
    picture = ffmpeg.input(f"color=black:s=64x64:r={fps.numerator}/{fps.denominator}", f="lavfi").video
    picture = picture.filter("settb", f"{fps.denominator}/{fps.numerator}").filter("setpts", f"N+{first_frame}")
    return picture.filter("trim", start_pts=first_frame, end_pts=end_frame)


def _on_grid(film: Any, run: Run) -> Any:
    """One picture at the grid's rate, whose time base then is one frame: the cut is exact."""
    fps, (first_frame, end_frame) = run.grid.fps, run.frames
    picture = film[str(run.info.video.index)]
    if run.info.video.field_order != "progressive":
        picture = picture.filter("bwdif", mode="send_frame", deint="interlaced")
    rate = f"{fps.numerator}/{fps.denominator}"
    head = {} if first_frame else {"start_time": 0}  # Matroska begins 21 to 33 ms late
    picture = picture.filter("fps", rate, **head)
    if end_frame == run.grid.frames:
        picture = picture.filter("tpad", stop_mode="clone", stop_duration=_decimal(CLONED_TAIL))
    return picture.filter("trim", start_pts=first_frame, end_pts=end_frame)


def _split(stream: Any, name: str, count: int) -> list[Any]:
    if count == 1:
        return [stream]
    split = stream.filter_multi_output(name, count)
    return [split[number] for number in range(count)]


def _scaled(picture: Any, rung: Rung, run: Run, *, tonemap: bool) -> Any:
    picture = picture.filter("scale", rung.width, rung.height, flags="bicubic")
    if tonemap and run.info.video.transfer in HDR_TRANSFERS and run.lacking is not Lacking.PICTURE:
        picture = standard_range(picture)
    picture = picture.filter("format", run.encoder.pixels).filter("setsar", 1)
    return picture.filter("hwupload") if run.encoder.uploads else picture


def standard_range(picture: Any) -> Any:
    linear = picture.filter("zscale", t="linear", npl=100).filter("format", "gbrpf32le").filter("zscale", p="bt709")
    return linear.filter("tonemap", "hable", desat=0).filter("zscale", t="bt709", m="bt709", r="tv")


def _sounds(film: Any, run: Run) -> dict[int, Any]:
    """Of each track that is wanted, by its index: its sound on the grid of packets, silence where it has none."""
    muxed = default_audio(run.info) if run.rungs else None
    chosen = {output.index for output in run.outputs if isinstance(output, Sound)} | ({muxed.index} if muxed else set())
    tracks = [track for track in run.info.audio if track.index in chosen]
    if not tracks:
        return {}
    span = audio_span(run.grid, *run.frames)
    begin = max(0, span.first - PREROLL) * PACKET
    end = (span.end + AFTER) * PACKET
    silence = ffmpeg.input(f"anullsrc=r={SAMPLE_RATE}:cl=stereo", f="lavfi").audio
    silence = silence.filter("atrim", end_sample=end - begin).filter("asetpts", f"N+{begin}")
    silences = _split(silence, "asplit", len(tracks))
    return {
        track.index: _mixed(film, track, quiet, begin, end) if _sounds_in(run, track) else quiet
        for track, quiet in zip(tracks, silences, strict=True)
    }


def _mixed(film: Any, track: AudioTrack, silence: Any, begin: int, end: int) -> Any:
    """Under the track lies silence of the right length: a track that ends early leaves no cell without sound."""
    heard = film[str(track.index)].filter("aresample", SAMPLE_RATE, **{"async": 1, "first_pts": begin})
    heard = heard.filter("aformat", sample_fmts="fltp", channel_layouts="stereo").filter("atrim", end_pts=end)
    base = silence.filter("aformat", sample_fmts="fltp", channel_layouts="stereo")
    return ffmpeg.filter([base, heard], "amix", inputs=2, duration="first", normalize=0)


def _sounds_in(run: Run, track: AudioTrack) -> bool:
    """Whether the track has packets in this run: waiting for one that never comes, ffmpeg keeps every picture."""
    first_frame, end_frame = run.frames
    if run.lacking is not Lacking.NOTHING:
        return False
    if track.end is not None and track.end <= run.grid.time(first_frame):
        return False
    return track.start < run.grid.time(end_frame)


def _video(run: Run) -> dict[str, Any]:
    options: dict[str, Any] = {
        "profile:v": "high",
        "g": run.grid.gop,
        "map_metadata": -1,
        "map_chapters": -1,
        **(_by_chip(run) if run.encoder.is_hardware else _by_software(run)),
    }
    for number, rung in enumerate(run.rungs):
        options[f"maxrate:v:{number}"] = rung.max_rate
        options[f"bufsize:v:{number}"] = rung.buffer_size
        options[f"level:v:{number}"] = level(rung, run.grid.fps)
    return options


def _by_software(run: Run) -> dict[str, Any]:
    return {
        "c:v": run.encoder.name,
        "preset": run.preset,
        "crf": run.crf,
        "keyint_min": run.grid.gop,
        "sc_threshold": 0,
        "flags": f"+cgop{APART}",
        "forced-idr": 1,
        **(run.encoder.options or B_FRAMES[run.grid.delay]),
        "threads:v": 1,
    }


def _by_chip(run: Run) -> dict[str, Any]:
    rungs = enumerate(run.rungs) if run.encoder.typical else ()
    rates = {f"b:v:{number}": round(rung.max_rate * TYPICAL) for number, rung in rungs}
    return {"c:v": run.encoder.name, "bf": 0, "flags": APART, **rates, **run.encoder.options}


def _audio(run: Run) -> dict[str, Any]:
    """Packets are dropped by count: their pts changes its time base when the header is written (5.1.9)."""
    span = audio_span(run.grid, *run.frames)
    preroll = min(PREROLL, span.first)
    drop = f"lte(n,{preroll})+gt(n,{preroll + span.packets})"  # packet 0 is the encoder's priming
    return {"c:a": "aac", "b:a": "128k", "bsf:a": f"noise=drop='{drop}'"}


def _muxer(run: Run, cuts: Sequence[str]) -> dict[str, Any]:
    """`cuts` count the frames before each segment but the first: pictures, or packets where there is only sound."""
    return {
        "f": "segment",
        "segment_format": "mpegts",
        "segment_format_options": "mpegts_flags=+initial_discontinuity",
        "segment_start_number": run.first,
        "segment_frames": ",".join(cuts) or str(NEVER),
        "avoid_negative_ts": "disabled",
        "output_ts_offset": OFFSET_SECONDS,
        "segment_list": "pipe:1",
        "segment_list_type": "csv",
    }


def poster_arguments(
    info: MediaInfo, source: Path, *, at: float, width: int, flags: Mapping[str, str], tonemap: bool
) -> list[str]:
    """The most typical of the 50 frames after `at` seconds, as poster.jpg of at most `width` pixels."""
    shown_width, shown_height = picture_size(info)
    scale = min(Fraction(1), width / shown_width)
    seek = {"ss": _decimal(Fraction(at))} if at else {}
    picture = ffmpeg.input(SOURCE, threads=1, **seek, **flags)[str(info.video.index)]
    picture = picture.filter("thumbnail", 50)
    picture = picture.filter("scale", *(max(2, round(side * scale / 2) * 2) for side in (shown_width, shown_height)))
    if tonemap and info.video.transfer in HDR_TRANSFERS:
        picture = standard_range(picture)
    picture = picture.filter("format", "yuvj420p").filter("setsar", 1)
    options = {"frames:v": 1, "c:v": "mjpeg", "q:v": 4, "f": "image2", "update": 1, "map_metadata": -1}
    return arguments(ffmpeg.output(picture, "poster.jpg", **options), source, (*ONE_THREAD, *ONE_CLOCK))


def _decimal(seconds: Fraction) -> str:
    return f"{float(seconds):.6f}"
