"""ffmpeg and ffprobe, which core runs in a sandbox for every plugin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use: seconds and bytes. Paused time does not count for `wall`."""

    wall: float
    cpu: int
    memory: int = 1 << 30  # what it may fill; no film needs more (960 MB: ProRes 4444 of 7680x4320 at three rungs)
    address_space: int = 3 << 30
    file_size: int = 2 << 30
    open_files: int = 64
    stdout: int = 16 << 20  # what is kept of the output; the rest is dropped
    nice: int | None = None
    idle_io: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended. A negative `returncode` is a signal; `stderr` is the last of what it said.

    `timed_out` where it used up its seconds, by the clock or of CPU.
    """

    returncode: int
    stdout: bytes
    stderr: str
    cpu_seconds: float
    max_rss: int  # bytes
    timed_out: bool = False


class RunningTool(Protocol):
    """A program in its sandbox, with a process group of its own. It dies with the process that started it."""

    @property
    def pid(self) -> int: ...

    def lines(self) -> AsyncIterator[bytes]:
        """Every line of its output as soon as it is written, without the line end."""
        ...

    async def wait(self) -> Finished:
        """Cancelling this stops the whole group."""
        ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    async def stop(self) -> None:
        """SIGTERM, two seconds, SIGKILL; returns when it is gone."""
        ...


class MediaTools(Protocol):
    """ffmpeg and ffprobe, started only in a sandbox."""

    @property
    def build(self) -> str:
        """Identity of the build: cells of different builds are not mixed in one plan."""
        ...

    @property
    def has_zscale(self) -> bool:
        """The build can turn HDR into SDR."""
        ...

    @property
    def input_flags(self) -> Mapping[str, str]:
        """The options that must stand in front of every `-i` of a file somebody else made."""
        ...

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
        """Run `tool` in `workspace`, the only folder it may write; input paths need the prefix `file:`.

        `devices` are read, written and controlled: those of a graphics chip, say.
        """
        ...
