"""What requests of this dialect hold, and what they are answered."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, RootModel, StringConstraints, WithJsonSchema

# What is only described to clients is checked by the accounts themselves, in their own words.
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
Token = Annotated[str, StringConstraints(strict=True, max_length=4096, pattern=r"^[\x21-\x7e]+$")]


class Register(BaseModel):
    email: Email
    password: Password
    confirmed_password: Password


class Login(BaseModel):
    email: Email
    password: Password


class Address(BaseModel):
    email: Email


class NewPassword(BaseModel):
    new_password: Password
    confirm_password: Password


class Link(BaseModel):
    token: Token


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Said(Answer):
    detail: str


class Pending(Answer):
    id: int
    email: str


class Registered(Said):
    user: Pending
    token: str


class Activated(Said):
    message: str


class User(Answer):
    id: int
    username: str


class SignedIn(Said):
    user: User


class Renewed(Said):
    access: str


class Index(RootModel[dict[str, str]]):
    """Addresses by what is to be found there."""


class Video(Answer):
    id: int
    created_at: str
    title: str
    description: str
    thumbnail_url: str
    category: str


class Videos(RootModel[list[Video]]):
    """Newest first."""
