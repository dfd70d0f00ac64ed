"""Every setting with its type, default and meaning; config.yaml, the environment and the command line fill it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, field_validator


class Settings(BaseModel):
    """Base of every settings section, a plugin's `Config` included: frozen, and a key nobody declared is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class ServerSection(Settings):
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    public_url: str | None = None
    cors_origins: list[str] = []
    trusted_proxies: list[str] = []
    base_path: str = ""
    allowed_hosts: list[str] = []
    docs: Literal["public", "admin"] = "public"
    guest: Literal["auto", "none", "viewer", "admin"] = "auto"
    sendfile: Literal["none", "x-accel"] = "none"

    @field_validator("base_path")
    @classmethod
    def _slashes(cls, value: str) -> str:
        stripped = value.strip("/")
        return f"/{stripped}" if stripped else ""


class LogSection(Settings):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "text", "json"] = "auto"


class LibrarySection(Settings):
    folders: Annotated[list[Path], Field(min_length=1)] = [Path("library")]
    upload_folder: Path = Path("data/uploads")
    settle_seconds: Annotated[float, Field(ge=0.3, le=3600)] = 2.0
    rescan_minutes: Annotated[float, Field(gt=0)] = 15.0
    watch: Literal["auto", "events", "polling", "off"] = "auto"
    follow_symlinks: Literal["never", "inside", "anywhere"] = "inside"
    missing_guard: Annotated[float, Field(gt=0, le=1)] = 0.5


class WorkersSection(Settings):
    count: Literal["auto"] | Annotated[int, Field(ge=0, le=256)] = "auto"
    nice: Annotated[int, Field(ge=0, le=19)] = 19
    pause_while_waiting: bool = True
    min_free_space: ByteSize = ByteSize(5_000_000_000)


def _options(value: Any) -> Any:
    if value is None or value is False or isinstance(value, dict):
        return value
    raise ValueError("should hold options, {} for none, or be false")


class Configuration(Settings):
    """The whole of config.yaml. `plugins` maps a name to its options; False or absent is off."""

    server: ServerSection = ServerSection()
    data: Path = Path("data")
    log: LogSection = LogSection()
    plugin_folders: list[Path] = [Path("plugins")]
    database: Annotated[str, Field(pattern=r"^(sqlite|postgres(ql)?://.+)$")] = "sqlite"
    redis: Annotated[str | None, Field(pattern=r"^(rediss?|unix)://.+$")] = None
    ffmpeg: Path | None = None
    library: LibrarySection = LibrarySection()
    workers: WorkersSection = WorkersSection()
    plugins: dict[str, Annotated[dict[str, Any] | Literal[False] | None, BeforeValidator(_options)]] = {}

    @property
    def enabled_plugins(self) -> dict[str, dict[str, Any]]:
        """Options of every plugin that is switched on, in the order of config.yaml."""
        return {name: options or {} for name, options in self.plugins.items() if options is not False}
