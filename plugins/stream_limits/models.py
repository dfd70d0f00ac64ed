"""Devices, playback sessions and the slots they hold. Times are seconds since 1970."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model

from mediaserver.contracts import SessionState

if TYPE_CHECKING:
    from mediaserver.models import Title


class KnownDevice(Model):
    """`client_id` is the device's own word for itself."""

    id = fields.IntField(primary_key=True)
    user_id = fields.IntField()
    client_id = fields.CharField(max_length=255)
    name = fields.CharField(max_length=255)
    type = fields.CharField(max_length=10)
    created_at = fields.FloatField()
    last_seen = fields.FloatField()

    class Meta:
        table = "stream_limits_device"
        unique_together = (("user_id", "client_id"),)


class PlaybackSession(Model):
    """`holder` is the device, or the login that stands for one; `user_id` 0 is a guest."""

    id = fields.IntField(primary_key=True)
    user_id = fields.IntField(db_index=True)
    login_id = fields.CharField(max_length=64, null=True, db_index=True)
    holder = fields.CharField(max_length=80)
    title: fields.ForeignKeyRelation[Title] = fields.ForeignKeyField(
        "core.Title", related_name="playback_sessions", on_delete=fields.CASCADE
    )
    title_id: int
    device: fields.ForeignKeyNullableRelation[KnownDevice] = fields.ForeignKeyField(
        "stream_limits.KnownDevice", related_name="sessions", null=True, on_delete=fields.SET_NULL
    )
    device_id: int | None
    profile_id = fields.IntField(null=True)
    implicit = fields.BooleanField(default=False)
    state = fields.CharEnumField(SessionState, max_length=8)
    started_at = fields.FloatField()
    last_heartbeat = fields.FloatField(db_index=True)
    position = fields.FloatField(default=0.0)
    duration = fields.FloatField(default=0.0)

    class Meta:
        table = "stream_limits_session"


class Slot(Model):
    """One of the streams an account may have at once. No two sessions hold the same; no device holds two."""

    session: fields.OneToOneRelation[PlaybackSession] = fields.OneToOneField(
        "stream_limits.PlaybackSession", related_name="slot", primary_key=True, on_delete=fields.CASCADE
    )
    session_id: int
    user_id = fields.IntField()
    number = fields.IntField()
    holder = fields.CharField(max_length=80)

    class Meta:
        table = "stream_limits_slot"
        unique_together = (("user_id", "number"), ("user_id", "holder"))


class Turn(Model):
    """Whoever writes an account's row has the turn: its slots are given out one at a time, on Postgres too."""

    user_id = fields.IntField(primary_key=True, generated=False)
    count = fields.BigIntField(default=0)

    class Meta:
        table = "stream_limits_turn"
