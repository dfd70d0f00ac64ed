"""What a plan is made of: grid, rungs, encoding. Two equal recipes give interchangeable cells."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from mediaserver.contracts import MediaInfo, Rung

from .encoders import SOFTWARE_DELAY
from .ladder import Output, Sound, further_audio, ladder
from .plan import Grid, plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Recipe:
    """`build` names the ffmpeg build; `straight` means one run from start to end, without seeks."""

    grid: Grid
    rungs: tuple[Rung, ...]
    preset: str
    crf: int
    build: str
    chunk: int
    straight: bool = False
    sounds: tuple[Sound, ...] = ()
    encrypted: bool = False  # cells are encrypted with the plan's key

    def as_dict(self) -> dict[str, Any]:
        return {
            "grid": self.grid.to_dict(),
            "rungs": [asdict(rung) for rung in self.rungs],
            "preset": self.preset,
            "crf": self.crf,
            "build": self.build,
            "chunk": self.chunk,
            "straight": self.straight,
            "sounds": [asdict(sound) for sound in self.sounds],
            "encrypted": self.encrypted,
        }

    @staticmethod
    def from_dict(raw: Mapping[str, Any]) -> Recipe:
        rungs = tuple(Rung(**rung) for rung in raw["rungs"])
        grid = Grid.from_dict(raw["grid"])
        sounds = tuple(Sound(**sound) for sound in raw.get("sounds", ()))
        encrypted = raw.get("encrypted", False)
        return Recipe(
            grid, rungs, raw["preset"], raw["crf"], raw["build"], raw["chunk"], raw["straight"], sounds, encrypted
        )

    def same_cells(self, other: Recipe) -> bool:
        """Whether a plan made with `other` still is what the settings ask for; a straight run stays one."""
        mine, theirs = self.as_dict(), other.as_dict()
        for ignored in ("build", "straight", "chunk"):
            mine.pop(ignored)
            theirs.pop(ignored)
        for grid in (mine["grid"], theirs["grid"]):
            grid.pop("delay")  # of the encoder the plan was begun with; another one can go with it
        return bool(mine == theirs)

    @property
    def outputs(self) -> tuple[Output, ...]:
        return *self.rungs, *self.sounds

    def output(self, name: str) -> Output | None:
        return next((output for output in self.outputs if output.name == name), None)

    @property
    def cells(self) -> int:
        return self.grid.segments * len(self.outputs)


def recipe(
    info: MediaInfo,
    *,
    resolutions: Sequence[str],
    segment_seconds: float,
    chunk: int,
    preset: str,
    crf: int,
    build: str,
    straight: bool = False,
    encrypted: bool = False,
    delay: int = SOFTWARE_DELAY,
) -> Recipe:
    grid, rungs = replace(plan(info, segment_seconds), delay=delay), ladder(info, resolutions)
    return Recipe(grid, rungs, preset, crf, build, chunk, straight, further_audio(info), encrypted)
