"""What requests about accounts hold, and what they are answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from mediaserver import timestamp

from .people import HIGHEST_LIMIT

if TYPE_CHECKING:
    from mediaserver.contracts import Account

    from .models import ApiKey


def _limit(value: Any) -> int | str | None:
    if value in (None, "default") or (type(value) is int and 0 <= value <= HIGHEST_LIMIT):  # a bool is none
        return value  # type: ignore[no-any-return]
    raise ValueError(f'Should be 0 to {HIGHEST_LIMIT}, null for any number, or "default".')


# What is only described to clients is checked by the plugin itself, in its own words.
Email = Annotated[
    str,
    StringConstraints(strict=True, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$"),
    WithJsonSchema({"type": "string", "format": "email", "maxLength": 254}),
]
Password = Annotated[
    str,
    StringConstraints(strict=True, max_length=1000, pattern=r"^[^\x00]*$"),
    WithJsonSchema({"type": "string", "format": "password", "minLength": 8, "maxLength": 128}),
]
Line = Annotated[str, StringConstraints(strict=True, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]
Secret = Annotated[str, StringConstraints(strict=True, max_length=1000, pattern=r"^[^\x00]*$")]
Token = Annotated[str, StringConstraints(strict=True, max_length=4096, pattern=r"^[\x21-\x7e]*$")]
Name = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
Role = Literal["viewer", "admin"]
StreamLimit = Annotated[
    int | Literal["default"] | None,
    BeforeValidator(_limit),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0, "maximum": HIGHEST_LIMIT}, {"const": "default"}, {"type": "null"}]}
    ),
]


class Setup(BaseModel):
    token: Token
    email: Email
    password: Password


class Register(BaseModel):
    email: Email
    password: Password
    invite: Token = ""


class Activate(BaseModel):
    uid: Token
    token: Token


class Login(BaseModel):
    email: Email
    password: Password
    device_name: Annotated[str, StringConstraints(strict=True, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class Refresh(BaseModel):
    refresh_token: Token | None = None


class Address(BaseModel):
    email: Email


class NewPassword(BaseModel):
    uid: Token
    token: Token
    new_password: Password


class DeviceName(BaseModel):
    name: Annotated[str, StringConstraints(strict=True, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class DeviceCode(BaseModel):
    device_code: Token


class UserCode(BaseModel):
    user_code: Line


class NewKey(BaseModel):
    name: Name
    scopes: Annotated[list[Line], Field(min_length=1, max_length=20)]


class Me(BaseModel):
    """Only what is given changes."""

    email: Email | None = None
    password: Password | None = None
    current_password: Secret | None = None


class Leaving(BaseModel):
    """Needed where the sign-in is older than ten minutes."""

    current_password: Secret | None = None


class NewUser(BaseModel):
    email: Email
    password: Password | None = None
    role: Role = "viewer"
    active: Annotated[bool, Field(strict=True)] = True
    stream_limit: StreamLimit = "default"


class User(BaseModel):
    """Only what is given changes; `stream_limit` null is unlimited, "default" the limit of everybody."""

    role: Role | None = None
    active: Annotated[bool, Field(strict=True)] | None = None
    stream_limit: StreamLimit = None


class Invite(BaseModel):
    email: Line = ""
    role: Role = "viewer"


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PublicUser(Answer):
    id: str
    email: str
    role: str
    subscription_tier: str


class LoginAnswer(Answer):
    access_token: str
    refresh_token: str
    expires_in: int
    user: PublicUser


class Said(Answer):
    message: str


class SetupNeeded(Answer):
    needed: bool


class Made(Answer):
    user: PublicUser


class NewAddress(Answer):
    email: str


class Registered(Answer):
    user: NewAddress
    message: str


class Session(Answer):
    id: str
    device_name: str
    address: str
    user_agent: str
    created_at: str
    last_used: str
    current: bool


class Sessions(Answer):
    sessions: list[Session]


class DeviceOffer(Answer):
    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


class OwnUser(PublicUser):
    stream_limit: int | None
    created_at: str
    last_seen: str | None


class ListedUser(OwnUser):
    active: bool


class Pagination(Answer):
    page: int
    limit: int
    total: int
    has_next: bool


class Users(Answer):
    users: list[ListedUser]
    pagination: Pagination


class Key(Answer):
    id: str
    name: str
    prefix: str
    scopes: list[str]
    created_at: str
    last_used: str | None


class Keys(Answer):
    api_keys: list[Key]


class MadeKey(Key):
    key: str


class Link(Answer):
    link: str


def public_user(account: Account) -> dict[str, Any]:
    return {
        "id": str(account.id),
        "email": account.email,
        "role": account.role,
        "subscription_tier": account.subscription_tier,
    }


def own_user(account: Account) -> dict[str, Any]:
    return public_user(account) | {
        "stream_limit": account.stream_limit,
        "created_at": timestamp(account.created_at),
        "last_seen": timestamp(account.last_seen) if account.last_seen else None,
    }


def listed_user(account: Account) -> dict[str, Any]:
    """`active` is false for who was disabled and for who never activated."""
    return own_user(account) | {"active": account.active and not account.disabled}


def listed_key(key: ApiKey) -> dict[str, Any]:
    return {
        "id": str(key.id),
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "created_at": timestamp(key.created_at),
        "last_used": timestamp(key.last_used) if key.last_used else None,
    }
