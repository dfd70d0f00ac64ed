"""ffmpeg of this machine, looked for when it is first needed: `serve` seldom needs it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal

from mediaserver.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mediaserver.contracts import Limits, RunningTool
    from mediaserver.core.ffmpeg import FFmpegTools


class MachineTools:
    """Implements `mediaserver.contracts.MediaTools`; each use raises StartError where there is no ffmpeg."""

    def __init__(self, configured: Path | None) -> None:
        self._configured = configured

    @cached_property
    def found(self) -> FFmpegTools:
        from mediaserver.core.ffmpeg import FFmpegTools, find_tools
        from mediaserver.core.sandbox import Sandbox

        return FFmpegTools(find_tools(self._configured), Sandbox.detect())

    async def check(self) -> None:
        """Raises StartError where there is no usable ffmpeg, or one that follows hostile playlists."""
        from mediaserver.core.ffmpeg import leaks

        if await leaks(self.found):
            raise StartError("This ffmpeg reads other files when a playlist is named like a film. Install another one.")

    @property
    def build(self) -> str:
        return self.found.build

    @property
    def has_zscale(self) -> bool:
        return self.found.has_zscale

    @property
    def input_flags(self) -> Mapping[str, str]:
        return self.found.input_flags

    async def start(
        self,
        tool: Literal["ffmpeg", "ffprobe"],
        arguments: Sequence[str],
        *,
        reads: Sequence[Path],
        workspace: Path | None,
        limits: Limits,
    ) -> RunningTool:
        return await self.found.start(tool, arguments, reads=reads, workspace=workspace, limits=limits)
