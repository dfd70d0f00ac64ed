"""ffmpeg of this machine, looked for when it is first needed: `serve` seldom needs it."""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mediaserver.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mediaserver.contracts import Limits, RunningTool
    from mediaserver.core.ffmpeg import FFmpegTools

LEAKS = (
    "This ffmpeg reads other files when a playlist is named like a film. Install another one, or name it in `ffmpeg:`."
)


class MachineTools:
    """Implements `mediaserver.contracts.MediaTools`; each use raises StartError where there is no ffmpeg.

    What a build is and that it passed the self-test is kept in `notes`, as long as its files do not change:
    asking takes most of a second, three times at each start.
    """

    def __init__(self, configured: Path | None, notes: Path) -> None:
        self._configured = configured
        self._notes = notes

    @cached_property
    def found(self) -> FFmpegTools:
        from mediaserver.core.ffmpeg import FFmpegTools, Tools, inspect, locate
        from mediaserver.core.sandbox import Sandbox

        ffmpeg, ffprobe = locate(self._configured)
        stamp = _stamp(ffmpeg, ffprobe)
        noted = self._read()
        if noted.get("stamp") == stamp:
            told = noted["tools"]
            tools = Tools(
                Path(told["ffmpeg"]), Path(told["ffprobe"]), told["version"], told["build"], told["has_zscale"]
            )
        else:
            tools = inspect(ffmpeg, ffprobe)
            self._write({"stamp": stamp, "tools": asdict(tools), "safe": False})
        return FFmpegTools(tools, Sandbox.detect())

    async def check(self) -> None:
        """Raises StartError where there is no usable ffmpeg, or one that follows hostile playlists."""
        from mediaserver.core.ffmpeg import leaks

        found = self.found
        noted = self._read()
        if noted.get("safe"):
            return
        if await leaks(found):
            raise StartError(LEAKS)
        self._write({**noted, "safe": True})

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
        devices: Sequence[Path] = (),
    ) -> RunningTool:
        return await self.found.start(tool, arguments, reads=reads, workspace=workspace, limits=limits, devices=devices)

    def _read(self) -> dict[str, Any]:
        try:
            noted = json.loads(self._notes.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return noted if isinstance(noted, dict) else {}

    def _write(self, noted: dict[str, Any]) -> None:
        with suppress(OSError):  # a full disk: it is asked again next time
            tmp = self._notes.with_name(f".{self._notes.name}.{secrets.token_hex(4)}")
            tmp.write_text(json.dumps(noted, default=str), encoding="utf-8")
            tmp.replace(self._notes)


def _stamp(*programs: Path) -> list[str]:
    """Changes when a program is replaced."""
    stamps = []
    for program in programs:
        try:
            status = program.stat()
        except OSError:
            continue
        stamps.append(f"{program.resolve()} {status.st_size} {status.st_mtime_ns}")
    return stamps
