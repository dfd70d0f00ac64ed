"""Plans of videos, and who encodes which chunk of one now."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.models import Model

if TYPE_CHECKING:
    from mediaserver.models import Video  # at run time Tortoise would take it for a table of this plugin


class PlanState(StrEnum):
    PLANNED = "planned"
    ENCODING = "encoding"
    READY = "ready"
    PARTIAL = "partial"  # it plays from start to end, but not all of the film is there; the reason says what
    FAILED = "failed"


class Plan(Model):
    """How a video is cut and encoded; immutable but for its state. Cells live under media/<video>/<id of the plan>."""

    id = fields.IntField(primary_key=True)
    video: fields.ForeignKeyRelation[Video] = fields.ForeignKeyField(
        "core.Video", related_name=False, on_delete=fields.CASCADE
    )
    video_id: int
    number = fields.IntField()
    recipe: fields.Field[dict[str, Any]] = fields.JSONField()  # recipes.Recipe as a dict
    key = fields.CharField(max_length=32, default="", db_default="")  # of AES-128, in hex; "" without encryption
    state = fields.CharField(max_length=10, default=PlanState.PLANNED.value)
    reason = fields.TextField(default="")
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "hls_plan"
        unique_together = (("video", "number"),)


class Claim(Model):
    """A chunk that somebody encodes: segments from `start`; it exists only while it is encoded."""

    id = fields.IntField(primary_key=True)
    plan: fields.ForeignKeyRelation[Plan] = fields.ForeignKeyField(
        "hls_transcoder.Plan", related_name="claims", on_delete=fields.CASCADE
    )
    plan_id: int
    start = fields.IntField()
    worker = fields.CharField(max_length=80)
    lease_until = fields.FloatField()
    fence = fields.IntField(default=0)

    class Meta:
        table = "hls_claim"
        unique_together = (("plan", "start"),)


class Subtitle(Model):
    """A subtitle of a video: one that was made, or (with the sentence `reason`) one that cannot be shown."""

    id = fields.IntField(primary_key=True)
    video: fields.ForeignKeyRelation[Video] = fields.ForeignKeyField(
        "core.Video", related_name=False, on_delete=fields.CASCADE
    )
    video_id: int
    key = fields.CharField(max_length=40)
    position = fields.IntField()
    label = fields.CharField(max_length=800)
    language = fields.CharField(max_length=35)
    default = fields.BooleanField()
    forced = fields.BooleanField()
    sdh = fields.BooleanField()
    reason = fields.TextField()

    class Meta:
        table = "hls_subtitle"
        unique_together = (("video", "key"),)
