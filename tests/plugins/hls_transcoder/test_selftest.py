from dataclasses import replace
from pathlib import Path

import pytest

from mediaserver.core.ffmpeg import FFmpegTools, find_tools
from mediaserver.core.sandbox import Sandbox
from mediaserver.core.storage import MediaStorage
from plugins.hls_transcoder.selftest import encoding_fault

pytestmark = pytest.mark.slow


async def test_a_machine_that_encodes_has_no_fault(tools: FFmpegTools, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to("disk")  # as people move their data to a larger disk
    storage = MediaStorage(tmp_path / "data")
    assert await encoding_fault(tools, storage) is None
    assert not list(storage.work.iterdir())


async def test_a_build_that_cannot_encode_is_told_with_what_to_do(tmp_path: Path) -> None:
    broken = FFmpegTools(replace(find_tools(), ffmpeg=Path("/bin/false").resolve()), Sandbox.detect())
    fault = await encoding_fault(broken, MediaStorage(tmp_path))
    assert fault is not None
    assert fault.startswith("ffmpeg cannot make a film here")
    assert "apt install ffmpeg" in fault
