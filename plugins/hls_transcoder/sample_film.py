"""A small film of our own making, to try out what the ffmpeg of this machine can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaserver.contracts import AudioTrack, Limits, MediaInfo, VideoStream

from .runner import EncodeFailed

if TYPE_CHECKING:
    from pathlib import Path

    from mediaserver.contracts import MediaTools

__all__ = ["SAMPLE", "make_sample"]

SAMPLE = "film.mkv"
LIMITS = Limits(wall=60, cpu=60)


async def make_sample(tools: MediaTools, folder: Path, size: tuple[int, int], seconds: float) -> MediaInfo:
    """`SAMPLE` in `folder`: H.264 at 25 frames a second and AAC; told without probing it. Raises EncodeFailed."""
    width, height = size
    make = (
        *("-nostdin", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate=25:duration={seconds}"),
        *("-f", "lavfi", "-i", f"sine=sample_rate=48000:duration={seconds}"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", SAMPLE),
    )
    finished = await (await tools.start("ffmpeg", make, reads=[], workspace=folder, limits=LIMITS)).wait()
    if finished.returncode != 0:
        raise EncodeFailed(f"ffmpeg cannot make a film here: {finished.stderr.strip()[-200:]}.")
    return MediaInfo(
        container="matroska,webm",
        duration=seconds,
        start_time=0.0,
        size=0,
        video=VideoStream(0, "h264", width, height, "25/1", False, "1/1", 0, "yuv420p", "progressive", ""),
        audio=(AudioTrack(index=1, codec="aac", channels=1, sample_rate=48_000, language="", title="", default=True),),
        subtitles=(),
    )
