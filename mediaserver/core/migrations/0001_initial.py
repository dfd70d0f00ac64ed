from tortoise import migrations
from tortoise.migrations import operations as ops
import functools
from json import dumps, loads
from mediaserver.models import JobState, LocationState, TitleKind
from tortoise.fields.base import OnDelete
from tortoise import fields
from tortoise.indexes import Index


class Migration(migrations.Migration):
    initial = True

    operations = [
        ops.CreateModel(
            name="Change",
            fields=[
                ("seq", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("kind", fields.CharField(max_length=64)),
                ("payload", fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads)),
                ("at", fields.FloatField(db_index=True)),
            ],
            options={"table": "core_change", "app": "core", "pk_attr": "seq"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Cursor",
            fields=[
                ("name", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64)),
                ("seq", fields.BigIntField(default=0)),
                ("owner", fields.CharField(default="", max_length=80)),
                ("lease_until", fields.FloatField(default=0.0)),
            ],
            options={"table": "core_cursor", "app": "core", "pk_attr": "name"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="JobRecord",
            fields=[
                ("id", fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("kind", fields.CharField(max_length=64)),
                ("key", fields.CharField(unique=True, max_length=200)),
                ("queue", fields.CharField(max_length=20)),
                ("args", fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads)),
                ("state", fields.CharEnumField(enum_type=JobState, max_length=10)),
                ("priority", fields.IntField(default=0)),
                ("attempt", fields.IntField(default=0)),
                ("due_at", fields.FloatField()),
                ("wanted_until", fields.FloatField(null=True)),
                ("lease_until", fields.FloatField(default=0.0)),
                ("fence", fields.IntField(default=0)),
                ("worker", fields.CharField(default="", max_length=80)),
                ("progress", fields.FloatField(default=0.0)),
                ("error", fields.TextField(default="", unique=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
                ("updated_at", fields.DatetimeField(auto_now=True, auto_now_add=False)),
            ],
            options={
                "table": "core_job",
                "app": "core",
                "indexes": [Index(fields=["state", "queue", "due_at"])],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Quarantine",
            fields=[
                ("plugin", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=100)),
                ("reason", fields.TextField(unique=False)),
                ("since", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={"table": "core_quarantine", "app": "core", "pk_attr": "plugin"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Title",
            fields=[
                ("id", fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("kind", fields.CharEnumField(enum_type=TitleKind, max_length=8)),
                ("title", fields.CharField(max_length=500)),
                ("slug", fields.CharField(unique=True, max_length=200)),
                ("year", fields.IntField(null=True)),
                (
                    "parent",
                    fields.ForeignKeyField(
                        "core.Title",
                        source_field="parent_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name="children",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("season", fields.IntField(null=True)),
                ("episode", fields.IntField(null=True)),
                ("published", fields.BooleanField(default=True)),
                ("created_at", fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=True)),
            ],
            options={"table": "core_title", "app": "core", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Video",
            fields=[
                ("id", fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("fingerprint", fields.CharField(db_index=True, max_length=80)),
                ("full_hash", fields.CharField(null=True, unique=True, max_length=64)),
                ("size", fields.BigIntField()),
                ("duration", fields.FloatField()),
                ("probe", fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads)),
                ("online", fields.BooleanField(default=True)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={"table": "core_video", "app": "core", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Location",
            fields=[
                ("id", fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("key", fields.CharField(unique=True, max_length=64)),
                ("root", fields.TextField(unique=False)),
                ("path", fields.TextField(unique=False)),
                ("file_id", fields.CharField(db_index=True, max_length=44)),
                ("size", fields.BigIntField()),
                ("mtime_ns", fields.BigIntField()),
                ("state", fields.CharEnumField(db_index=True, enum_type=LocationState, max_length=12)),
                ("reason", fields.TextField(unique=False)),
                (
                    "video",
                    fields.ForeignKeyField(
                        "core.Video",
                        source_field="video_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name="locations",
                        on_delete=OnDelete.SET_NULL,
                    ),
                ),
                ("seen_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=True)),
            ],
            options={"table": "core_location", "app": "core", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="TitleVideo",
            fields=[
                ("id", fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "title",
                    fields.ForeignKeyField(
                        "core.Title",
                        source_field="title_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="videos",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                (
                    "video",
                    fields.ForeignKeyField(
                        "core.Video",
                        source_field="video_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="titles",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("role", fields.CharField(default="version", max_length=8)),
                ("label", fields.CharField(default="", max_length=200)),
                ("position", fields.IntField(default=0)),
            ],
            options={
                "table": "core_title_video",
                "app": "core",
                "unique_together": (("title", "video"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
    ]
