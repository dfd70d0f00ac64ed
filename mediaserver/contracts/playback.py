"""Who plays what, as contracts hand it around: devices, and sessions that hold an account's streams."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mediaserver.contracts.values import Manifest


@dataclass(frozen=True, slots=True)
class DeviceIn:
    """What a client says it is: `client_id` is its own word for itself, up to 255 characters."""

    client_id: str
    name: str = ""
    type: str = "other"  # mobile | tablet | tv | browser | other


@dataclass(frozen=True, slots=True)
class Device:
    id: int
    client_id: str
    name: str
    type: str
    created_at: datetime
    last_seen: datetime


class SessionState(StrEnum):
    """Stolen, stopped and ended (signed out, say) are for ever; the others take a slot again where one is free."""

    IDLE = "idle"  # an implicit one that holds no slot yet
    ACTIVE = "active"
    EXPIRED = "expired"
    STOLEN = "stolen"
    STOPPED = "stopped"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody plays a title; while `state` is active it holds one of the account's slots.

    Where the login stands for the device, `device.client_id` is "" and its name that of the login. `login_id` is None
    for an API key. `user_id` 0 is a guest. `position` and `duration` are seconds, 0.0 until they are told.
    """

    id: int
    user_id: int
    login_id: str | None
    title_id: int
    title: str
    device: Device
    profile_id: int | None
    implicit: bool
    state: SessionState
    started_at: datetime
    last_heartbeat: datetime
    position: float
    duration: float


@dataclass(frozen=True, slots=True)
class Started:
    """A session that has just begun; `limit` None is unlimited, `active` counts it too."""

    session: Session
    manifest: Manifest
    limit: int | None
    active: int
    position: float  # where this account left the title, 0.0 for its beginning
