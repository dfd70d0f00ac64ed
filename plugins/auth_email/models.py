"""Accounts, what waits to become one, where people are signed in, and the secrets they were sent (hashes only)."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model


class User(Model):
    """`email` is normalised; `password` "" lets nobody in. `stream_limit` counts only with `has_own_limit`."""

    id = fields.IntField(primary_key=True)
    email = fields.CharField(max_length=254, unique=True)
    password = fields.CharField(max_length=80, default="")  # bcrypt
    role = fields.CharField(max_length=10, default="viewer")
    active = fields.BooleanField(default=False)
    disabled = fields.BooleanField(default=False)
    has_own_limit = fields.BooleanField(default=False)
    stream_limit = fields.IntField(null=True)
    created_at = fields.DatetimeField()
    last_seen = fields.DatetimeField(null=True)

    class Meta:
        table = "auth_email_user"


class Registration(Model):
    """Somebody asked for an account with this password. It is theirs only once they show the mailed link."""

    id = fields.IntField(primary_key=True)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "auth_email.User", related_name="registrations", on_delete=fields.CASCADE
    )
    user_id: int
    password = fields.CharField(max_length=80)
    expires_at = fields.DatetimeField()

    class Meta:
        table = "auth_email_registration"


class Ticket(Model):
    """A secret that was sent to somebody, once good for one purpose; `email` is the address it is about."""

    id = fields.IntField(primary_key=True)
    purpose = fields.CharField(max_length=12)
    hash = fields.CharField(max_length=64, unique=True)
    user: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "auth_email.User", related_name="tickets", null=True, on_delete=fields.CASCADE
    )
    user_id: int | None
    registration_id = fields.IntField(null=True)
    email = fields.CharField(max_length=254, default="")
    role = fields.CharField(max_length=10, default="viewer")
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "auth_email_ticket"


class LoginSession(Model):
    """Where somebody is signed in. `generation` counts how often the refresh token was spent."""

    id = fields.CharField(max_length=32, primary_key=True)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "auth_email.User", related_name="logins", on_delete=fields.CASCADE
    )
    user_id: int
    name = fields.CharField(max_length=100)
    address = fields.CharField(max_length=64)
    user_agent = fields.CharField(max_length=300)
    generation = fields.IntField(default=0)
    created_at = fields.DatetimeField()
    last_used = fields.DatetimeField()
    rotated_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()

    class Meta:
        table = "auth_email_login"


class ApiKey(Model):
    """A script's credential; `prefix` is what people know it by."""

    id = fields.IntField(primary_key=True)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "auth_email.User", related_name="api_keys", on_delete=fields.CASCADE
    )
    user_id: int
    name = fields.CharField(max_length=100)
    prefix = fields.CharField(max_length=12)
    hash = fields.CharField(max_length=64, unique=True)
    scopes: fields.Field[list[str]] = fields.JSONField()
    created_at = fields.DatetimeField()
    last_used = fields.DatetimeField(null=True)

    class Meta:
        table = "auth_email_api_key"


class WaitingDevice(Model):
    """A television that shows `user_code` and waits for somebody to approve it (RFC 8628)."""

    id = fields.IntField(primary_key=True)
    device_hash = fields.CharField(max_length=64, unique=True)
    user_code = fields.CharField(max_length=8, unique=True)
    name = fields.CharField(max_length=100)
    approved_by = fields.IntField(null=True)
    polled_at = fields.DatetimeField(null=True)
    expires_at = fields.DatetimeField()

    class Meta:
        table = "auth_email_device"


class Failure(Model):
    """Tries to sign in that failed since `since`, by the hash of what they are counted for."""

    id = fields.IntField(primary_key=True)
    key = fields.CharField(max_length=64, unique=True)
    count = fields.IntField()
    since = fields.DatetimeField()

    class Meta:
        table = "auth_email_failure"
