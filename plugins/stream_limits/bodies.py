"""What requests about playback and devices hold, and what they are answered."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from mediaserver import row_id, timestamp
from mediaserver.contracts import Device, Session, Started
from mediaserver.errors import NotFound

MOST_SECONDS = 10_000_000  # a third of a year; no title is as long
DeviceType = Literal["mobile", "tablet", "tv", "browser", "other"]
Quality = Literal["auto", "480p", "720p", "1080p"]


def _number(value: Any) -> int:
    try:
        if type(value) in (int, str):  # a bool is neither
            return row_id(str(value))
    except NotFound:
        pass
    raise ValueError("Should be the number of a session.")


SessionId = Annotated[
    int,
    BeforeValidator(_number),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": "^[0-9]{1,9}$"}, {"type": "integer", "minimum": 0}]}),
]
Seconds = Annotated[float, Field(strict=True, ge=0, le=MOST_SECONDS, allow_inf_nan=False)]
ClientId = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]
NOT_BLANK = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
DeviceName = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=255, pattern=NOT_BLANK)]


class Start(BaseModel):
    device_id: ClientId | None = None
    device_type: DeviceType | None = None
    quality: Quality = "auto"
    steal: Annotated[bool, Field(strict=True)] = False


class ProgressTold(BaseModel):
    session_id: SessionId
    position: Seconds
    duration: Seconds | None = None


class Stop(BaseModel):
    session_id: SessionId
    position: Seconds | None = None


class DeviceChange(BaseModel):
    """Only what is given changes."""

    name: DeviceName | None = None
    device_type: DeviceType | None = None


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StartedSession(Answer):
    session_id: str
    manifest_url: str
    drm_license_url: str | None
    position: float
    limit: int | None
    active_count: int
    heartbeat_seconds: int


class Said(Answer):
    message: str


class Beaten(Answer):
    session_id: str
    position: float
    last_heartbeat: str


class Content(Answer):
    id: str
    title: str


class PlayingOn(Answer):
    device_id: str
    name: str
    device_type: str


class Playing(Answer):
    id: str
    content: Content
    device: PlayingOn
    profile: str | None
    started_at: str
    last_heartbeat: str
    position: float
    user_id: str


class PlayingList(Answer):
    sessions: list[Playing]


class OwnDevice(PlayingOn):
    last_seen: str


class OwnDevices(Answer):
    devices: list[OwnDevice]


def playing(session: Session) -> dict[str, Any]:
    return {
        "id": str(session.id),
        "content": {"id": str(session.title_id), "title": session.title},
        "device": playing_on(session.device),
        "profile": None if session.profile_id is None else str(session.profile_id),
        "started_at": timestamp(session.started_at),
        "last_heartbeat": timestamp(session.last_heartbeat),
        "position": session.position,
        "user_id": str(session.user_id),
    }


def started_session(
    started: Started, manifest_url: str, license_url: str | None, heartbeat_seconds: int
) -> dict[str, Any]:
    return {
        "session_id": str(started.session.id),
        "manifest_url": manifest_url,
        "drm_license_url": license_url,
        "position": started.position,
        "limit": started.limit,
        "active_count": started.active,
        "heartbeat_seconds": heartbeat_seconds,
    }


def playing_on(device: Device) -> dict[str, Any]:
    return {"device_id": device.client_id, "name": device.name, "device_type": device.type}


def own_device(device: Device) -> dict[str, Any]:
    return playing_on(device) | {"last_seen": timestamp(device.last_seen)}
