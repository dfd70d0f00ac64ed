from tortoise import migrations
from tortoise.migrations import operations as ops
import functools
from json import dumps, loads
from tortoise.fields.base import OnDelete
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]

    initial = True

    operations = [
        ops.CreateModel(
            name="Plan",
            fields=[
                ("id", fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "video",
                    fields.ForeignKeyField(
                        "core.Video",
                        source_field="video_id",
                        db_constraint=True,
                        to_field="id",
                        related_name=False,
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("number", fields.IntField()),
                ("recipe", fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads)),
                ("state", fields.CharField(default="planned", max_length=10)),
                ("reason", fields.TextField(default="", unique=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={
                "table": "hls_plan",
                "app": "hls_transcoder",
                "unique_together": (("video", "number"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Claim",
            fields=[
                ("id", fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "plan",
                    fields.ForeignKeyField(
                        "hls_transcoder.Plan",
                        source_field="plan_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="claims",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("start", fields.IntField()),
                ("worker", fields.CharField(max_length=80)),
                ("lease_until", fields.FloatField()),
                ("fence", fields.IntField(default=0)),
            ],
            options={
                "table": "hls_claim",
                "app": "hls_transcoder",
                "unique_together": (("plan", "start"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
    ]
