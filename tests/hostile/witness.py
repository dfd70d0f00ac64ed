"""Probes and encodes files with chosen walls, as a program of its own that strace can watch.

    python -m tests.hostile.witness WORK < {"flags": {"name": "path", …}, "sandbox": {…}, "none": {…}}

With `flags` the sandbox stands open; with `sandbox` the whitelists are removed and whatever ffmpeg can follow is
allowed; with `none` both.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mediaserver.contracts import MediaTools
from mediaserver.core.ffmpeg import FFmpegTools
from mediaserver.core.library.probe import ProbeFailed, probe
from mediaserver.core.sandbox import Sandbox
from plugins.hls_transcoder.command import Run
from plugins.hls_transcoder.ladder import ladder
from plugins.hls_transcoder.plan import plan
from plugins.hls_transcoder.runner import EncodeFailed, EncodeJob, encode
from tests import media

AT_ONCE = 3
PROTOCOLS = "file,http,https,tcp,tls,udp,rtp,crypto,data,concat,subfile"
UNLOCKED = {  # options of one demuxer, which others do not know
    ".mov": {"enable_drefs": "1", "use_absolute_path": "1"},
    ".m3u8": {"allowed_extensions": "ALL"},
}


class OpenTools(FFmpegTools):
    """ffmpeg as somebody would start it who trusts every file."""

    def __init__(self, sandbox: Sandbox, ending: str) -> None:
        super().__init__(media.found(), sandbox)
        self._ending = ending

    @property
    def input_flags(self) -> Mapping[str, str]:
        return {"protocol_whitelist": PROTOCOLS, **UNLOCKED.get(self._ending, {})}


def tools_with(walls: str, ending: str) -> FFmpegTools:
    sandbox = Sandbox.detect() if walls == "sandbox" else Sandbox(0, sockets=True)
    return FFmpegTools(media.found(), sandbox) if walls == "flags" else OpenTools(sandbox, ending)


async def end_of(path: Path, tools: MediaTools, work: Path) -> str:
    """ "taken", "made", or the sentence with which it was refused."""
    try:
        info = await probe(tools, path)
        with tempfile.TemporaryDirectory(dir=work) as workspace:
            run = Run(info, plan(info), ladder(info)[:1], first=0, count=1)
            made = [cell async for cell in encode(tools, EncodeJob(run, path, Path(workspace)))]
    except (ProbeFailed, EncodeFailed) as refused:
        return str(refused)
    return "made" if made else "nothing was made"


async def main(grounds: Mapping[str, Mapping[str, str]], work: Path) -> dict[str, dict[str, str]]:
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(path: str, walls: str) -> str:
        async with slots:
            return await end_of(Path(path), tools_with(walls, Path(path).suffix), work)

    async def all_of(walls: str, films: Mapping[str, str]) -> dict[str, str]:
        return dict(zip(films, await asyncio.gather(*(one(path, walls) for path in films.values())), strict=True))

    return {walls: await all_of(walls, films) for walls, films in grounds.items()}


if __name__ == "__main__":
    ends = asyncio.run(main(json.load(sys.stdin), Path(sys.argv[1])))
    json.dump(ends, sys.stdout)
