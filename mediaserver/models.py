"""Core's tables, for the foreign keys of plugins. Times of leases are seconds since 1970 by the database's clock."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from tortoise import fields
from tortoise.models import Model

from mediaserver.contracts.tracks import SidecarKind

__all__ = [
    "Change",
    "Cursor",
    "JobRecord",
    "JobState",
    "Location",
    "LocationState",
    "Quarantine",
    "Sidecar",
    "Title",
    "TitleKind",
    "TitleVideo",
    "Video",
]


class LocationState(StrEnum):
    SETTLING = "settling"
    PROBING = "probing"
    READY = "ready"
    REFUSED = "refused"
    OFFLINE = "offline"
    DUPLICATE = "duplicate"


class TitleKind(StrEnum):
    MOVIE = "movie"
    SERIES = "series"
    EPISODE = "episode"


class JobState(StrEnum):
    DUE = "due"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Video(Model):
    """Content: who a file IS. `fingerprint` is a sampled hash and may be shared; `full_hash` (SHA-256) may not."""

    id = fields.IntField(primary_key=True)
    fingerprint = fields.CharField(max_length=80, db_index=True)
    full_hash = fields.CharField(max_length=64, null=True, unique=True)
    size = fields.BigIntField()
    duration = fields.FloatField()  # seconds
    probe: fields.Field[dict[str, Any]] = fields.JSONField()  # mediaserver.contracts.MediaInfo as a dict
    online = fields.BooleanField(default=True)  # at least one location can be read
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "core_video"


class Location(Model):
    """A file of the library: where content is. `key` is the SHA-256 of root and path; `file_id` is device:inode."""

    id = fields.IntField(primary_key=True)
    key = fields.CharField(max_length=64, unique=True)
    root = fields.TextField()  # the library folder, absolute
    path = fields.TextField()  # inside root; undecodable bytes as U+F780…F7FF (core/library/paths.py)
    file_id = fields.CharField(max_length=44, db_index=True)
    size = fields.BigIntField()
    mtime_ns = fields.BigIntField()
    state = fields.CharEnumField(LocationState, max_length=12, db_index=True)
    reason = fields.TextField()  # one sentence for people
    video: fields.ForeignKeyNullableRelation[Video] = fields.ForeignKeyField(
        "core.Video", related_name="locations", null=True, on_delete=fields.SET_NULL
    )
    video_id: int | None
    seen_at = fields.DatetimeField()
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "core_location"
        indexes = (("video_id", "state"),)


class Sidecar(Model):
    """A file that may belong to a video beside it: a subtitle, a poster.

    `film` is the `key` of the location it belongs to, for a poster of a whole folder the `place` itself, "" where no
    film stands there; `place` is the SHA-256 of root and folder, as `Location.key` is of root and path.
    """

    id = fields.IntField(primary_key=True)
    key = fields.CharField(max_length=64, unique=True)
    root = fields.TextField()
    path = fields.TextField()  # as that of a location
    place = fields.CharField(max_length=64, db_index=True)
    film = fields.CharField(max_length=64, db_index=True)
    kind = fields.CharEnumField(SidecarKind, max_length=8)
    file_id = fields.CharField(max_length=44)
    size = fields.BigIntField()
    mtime_ns = fields.BigIntField()
    reason = fields.TextField()  # one sentence where it is never opened, else ""

    class Meta:
        table = "core_sidecar"


class Title(Model):
    """What people see; everything they do hangs on it."""

    id = fields.IntField(primary_key=True)
    kind = fields.CharEnumField(TitleKind, max_length=8)
    title = fields.CharField(max_length=500)
    slug = fields.CharField(max_length=200, unique=True)
    year = fields.IntField(null=True)
    parent: fields.ForeignKeyNullableRelation[Title] = fields.ForeignKeyField(
        "core.Title", related_name="children", null=True, on_delete=fields.CASCADE
    )
    parent_id: int | None
    season = fields.IntField(null=True)
    episode = fields.IntField(null=True)
    published = fields.BooleanField(default=True)
    created_at = fields.DatetimeField(auto_now_add=True, db_index=True)

    class Meta:
        table = "core_title"


class TitleVideo(Model):
    """Which videos a title has: `role` is version, part or extra."""

    id = fields.IntField(primary_key=True)
    title: fields.ForeignKeyRelation[Title] = fields.ForeignKeyField(
        "core.Title", related_name="videos", on_delete=fields.CASCADE
    )
    title_id: int
    video: fields.ForeignKeyRelation[Video] = fields.ForeignKeyField(
        "core.Video", related_name="titles", on_delete=fields.CASCADE
    )
    video_id: int
    role = fields.CharField(max_length=8, default="version")
    label = fields.CharField(max_length=200, default="")
    position = fields.IntField(default=0)

    class Meta:
        table = "core_title_video"
        unique_together = (("title", "video"),)


class Change(Model):
    """The change log: written in the transaction of the fact it tells."""

    seq = fields.BigIntField(primary_key=True, generated=True)
    kind = fields.CharField(max_length=64)
    payload: fields.Field[dict[str, Any]] = fields.JSONField()
    at = fields.FloatField(db_index=True)

    class Meta:
        table = "core_change"


class Cursor(Model):
    """How far a reader that exists once per installation has come, and who reads now."""

    name = fields.CharField(max_length=64, primary_key=True)
    seq = fields.BigIntField(default=0)
    owner = fields.CharField(max_length=80, default="")
    lease_until = fields.FloatField(default=0.0)

    class Meta:
        table = "core_cursor"


class JobRecord(Model):
    """The truth about a job; the broker only carries its id."""

    id = fields.IntField(primary_key=True)
    kind = fields.CharField(max_length=64)
    key = fields.CharField(max_length=200, unique=True)
    queue = fields.CharField(max_length=20)
    args: fields.Field[dict[str, Any]] = fields.JSONField()
    state = fields.CharEnumField(JobState, max_length=10)
    priority = fields.IntField(default=0)  # higher first
    attempt = fields.IntField(default=0)  # which one this is; those before it failed
    lost = fields.IntField(default=0, db_default=0)  # workers that ended with it, one after the other
    due_at = fields.FloatField()
    asked_at = fields.FloatField(default=0.0, db_default=0.0)  # when that was said
    wanted_until = fields.FloatField(null=True)  # dropped when nobody asks for it any more
    lease_until = fields.FloatField(default=0.0)
    fence = fields.IntField(default=0)
    worker = fields.CharField(max_length=80, default="")
    progress = fields.FloatField(default=0.0)
    error = fields.TextField(default="")
    created_at = fields.DatetimeField(auto_now_add=True)
    updated_at = fields.DatetimeField(auto_now=True)

    class Meta:
        table = "core_job"
        indexes = (("state", "queue", "due_at"),)


class Quarantine(Model):
    """A plugin switched off by a fault of its own; every process reads this."""

    plugin = fields.CharField(max_length=100, primary_key=True)
    reason = fields.TextField()
    since = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "core_quarantine"
