"""What requests hold and what they are answered, field by field as the clients of this dialect name them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, RootModel, StrictBool, StringConstraints, WithJsonSchema

PLAIN = r"^[^\x00-\x1f\x7f]*$"
NOT_BLANK = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
LARGEST_ID = 2**31 - 1
LONGEST_FILM = 30 * 24 * 60  # minutes

# What is only described to clients is checked by whoever provides the contract, in its own words.
Email = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=300, pattern=PLAIN),
    WithJsonSchema({"type": "string", "format": "email", "maxLength": 254}),
]
Password = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=1000, pattern=r"^[^\x00]*$"),
    WithJsonSchema({"type": "string", "format": "password", "minLength": 8, "maxLength": 128}),
]
Token = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=4096, pattern=r"^[\x21-\x7e]*$")]
Username = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=150, pattern=PLAIN)]
Line = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=255, pattern=PLAIN)]
Slug = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=200, pattern=PLAIN)]
SessionId = Annotated[int, Field(strict=True, ge=1, le=LARGEST_ID)]
DeviceType = Literal["mobile", "tablet", "tv", "browser", "other"]


class Register(BaseModel):
    username: Username
    email: Email
    password: Password
    password_two: Password


class Login(BaseModel):
    email: Email
    password: Password


class Refresh(BaseModel):
    refresh: Token


class DeviceTold(BaseModel):
    device_id: Line
    name: Annotated[str, StringConstraints(strict=True, max_length=255, pattern=PLAIN)] = ""
    device_type: DeviceType = "other"


class MovieTold(BaseModel):
    """A title that plays from `cdn_path`; `duration` in minutes."""

    movie_id: Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_-]{1,200}$")]
    title: Annotated[str, StringConstraints(strict=True, max_length=500, pattern=NOT_BLANK)]
    duration: Annotated[float, Field(strict=True, gt=0, le=LONGEST_FILM)]
    cdn_path: Annotated[
        str,
        StringConstraints(strict=True, min_length=1, max_length=2000),
        WithJsonSchema({"type": "string", "format": "uri", "maxLength": 2000, "pattern": r"^https?://[a-z0-9.-]+/"}),
    ]
    is_active: StrictBool = True


class Start(BaseModel):
    """`steal` takes the slot of the session with the oldest heartbeat where all are held."""

    movie_id: Slug
    device_id: Line
    steal: StrictBool = False


class Touch(BaseModel):
    watch_session_id: SessionId


# ---- answers -------------------------------------------------------------------------------------------------


class Said(BaseModel):
    message: str


class Named(BaseModel):
    username: str
    email: str


class Registered(BaseModel):
    """Without tokens where the account has yet to be activated."""

    user: Named
    access: str | None
    refresh: str | None


class User(BaseModel):
    id: str
    email: str
    subscription_tier: str
    role: str


class SignedIn(BaseModel):
    access: str
    refresh: str
    access_token: str
    refresh_token: str
    expires_in: int
    user: User


class Pair(BaseModel):
    access: str
    refresh: str


class DeviceSaved(BaseModel):
    device_id: str
    created: bool


class DeviceShown(BaseModel):
    device_id: str
    name: str
    device_type: str


class DeviceList(RootModel[list[DeviceShown]]):
    pass


class MovieShown(BaseModel):
    """`duration` in whole minutes."""

    id: int
    movie_id: str
    title: str
    duration: int
    cdn_path: str
    is_active: bool
    created_at: str


class MovieList(RootModel[list[MovieShown]]):
    pass


class Started(BaseModel):
    watch_session_id: int
    movie_title: str
    movie_cdn: str


class Touched(BaseModel):
    message: str
    last_heartbeat: str


class SessionShown(BaseModel):
    id: int
    movie: MovieShown
    device: DeviceShown
    started_at: str
    last_heartbeat: str
    status: str


class SessionList(RootModel[list[SessionShown]]):
    pass
