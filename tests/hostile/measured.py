"""The server's own ffmpeg, with a note of what each run of it took."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mediaserver.contracts import Finished, Limits
from mediaserver.core.ffmpeg import FFmpegTools
from mediaserver.core.sandbox import SandboxedTool

GIBIBYTE = 1 << 30


@dataclass
class Measured:
    """A `MediaTools` around the real one."""

    tools: FFmpegTools
    runs: list[Finished] = field(default_factory=list)

    @property
    def build(self) -> str:
        return self.tools.build

    @property
    def has_zscale(self) -> bool:
        return self.tools.has_zscale

    @property
    def input_flags(self) -> Mapping[str, str]:
        return self.tools.input_flags

    @property
    def most_memory(self) -> int:
        return max((run.max_rss for run in self.runs), default=0)

    async def start(
        self,
        tool: Literal["ffmpeg", "ffprobe"],
        arguments: Sequence[str],
        *,
        reads: Sequence[Path],
        workspace: Path | None,
        limits: Limits,
        devices: Sequence[Path] = (),
    ) -> MeasuredTool:
        inner = await self.tools.start(
            tool, arguments, reads=reads, workspace=workspace, limits=limits, devices=devices
        )
        return MeasuredTool(inner, self.runs)


class MeasuredTool:
    def __init__(self, inner: SandboxedTool, runs: list[Finished]) -> None:
        self._inner = inner
        self._runs = runs

    @property
    def pid(self) -> int:
        return self._inner.pid

    def lines(self) -> AsyncIterator[bytes]:
        return self._inner.lines()

    async def wait(self) -> Finished:
        finished = await self._inner.wait()
        self._runs.append(finished)
        return finished

    def pause(self) -> None:
        self._inner.pause()

    def resume(self) -> None:
        self._inner.resume()

    async def stop(self) -> None:
        await self._inner.stop()
        await self.wait()
