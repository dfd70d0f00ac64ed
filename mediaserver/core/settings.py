"""Every setting with its type, default and meaning; config.yaml, the environment and the command line fill it."""

from __future__ import annotations

import re
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

SENDER = re.compile(r"(?P<name>[^<>@\"]*<)?[!-;=?A-~]+@[0-9A-Za-z.-]+(?(name)>)")


class Settings(BaseModel):
    """Base of every settings section, a plugin's `Config` included: frozen, and a key nobody declared is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @field_validator("*", mode="before")
    @classmethod
    def _as_a_word(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML reads a bare `off` as false and `on` as true; where these words are choices they were meant."""
        if not isinstance(value, bool) or info.field_name is None:
            return value
        word, choices = "on" if value else "off", _choices(cls.model_fields[info.field_name].annotation)
        return word if word in choices and value not in choices else value


def _choices(annotation: Any) -> set[Any]:
    """The values that a type names one by one."""
    if annotation is bool:
        return {True, False}
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    if get_origin(annotation) in (Union, UnionType, Annotated):
        return set().union(*map(_choices, get_args(annotation)))
    return set()


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


class SmtpSection(Settings):
    host: Annotated[str, Field(min_length=1)] | None = None
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    username: str | None = None
    password: str | None = None
    tls: Literal["starttls", "tls", "none"] = "starttls"


class MailSection(Settings):
    backend: Literal["console", "directory", "smtp"] = "console"
    directory: Path = Path("data/mail")
    sender: str = Field(default="mediaserver@localhost", alias="from")
    smtp: SmtpSection = SmtpSection()

    @field_validator("sender")
    @classmethod
    def _one_address(cls, value: str) -> str:
        if SENDER.fullmatch(value) and value.isprintable():
            return value
        raise ValueError("should be an address, films@example.org or Films <films@example.org>")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.backend == "smtp" and self.smtp.host is None:
            raise ValueError("smtp.host is missing, which `backend: smtp` needs")
        if (self.smtp.username is None) != (self.smtp.password is None):
            raise ValueError("smtp.username and smtp.password go together; set both or none")
        return self


class FrontendSection(Settings):
    base_url: str | None = None
    activation_path: str = "/pages/auth/activate.html"
    password_reset_path: str = "/pages/auth/confirm_password.html"  # noqa: S105 (a page)

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and (urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).hostname):
            raise ValueError("should be an address such as https://films.example.org")
        return value.rstrip("/") if value else None

    @field_validator("activation_path", "password_reset_path")
    @classmethod
    def _path(cls, value: str) -> str:
        if not value.startswith("/"):
            raise ValueError("should begin with a slash")
        return value


def _options(value: Any) -> Any:
    if value is None or value is False or isinstance(value, dict):
        return value
    raise ValueError("should hold options, {} for none, or be false")


class Configuration(Settings):
    """The whole of config.yaml. `plugins` maps a name to its options; False or absent is off."""

    server: ServerSection = ServerSection()
    data: Path = Path("data")
    media: Path | None = None
    log: LogSection = LogSection()
    plugin_folders: list[Path] = [Path("plugins")]
    database: Annotated[str, Field(pattern=r"^(sqlite|postgres(ql)?://.+)$")] = "sqlite"
    redis: Annotated[str | None, Field(pattern=r"^(rediss?|unix)://.+$")] = None
    ffmpeg: Path | None = None
    library: LibrarySection = LibrarySection()
    workers: WorkersSection = WorkersSection()
    mail: MailSection = MailSection()
    frontend: FrontendSection = FrontendSection()
    plugins: dict[str, Annotated[dict[str, Any] | Literal[False] | None, BeforeValidator(_options)]] = {}

    @property
    def enabled_plugins(self) -> dict[str, dict[str, Any]]:
        """Options of every plugin that is switched on, in the order of config.yaml."""
        return {name: options or {} for name, options in self.plugins.items() if options is not False}
