from tortoise import migrations
from tortoise.migrations import operations as ops
from mediaserver.contracts import SessionState
from tortoise.fields.base import OnDelete
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]

    initial = True

    operations = [
        ops.CreateModel(
            name="KnownDevice",
            fields=[
                ("id", fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("user_id", fields.IntField()),
                ("client_id", fields.CharField(max_length=255)),
                ("name", fields.CharField(max_length=255)),
                ("type", fields.CharField(max_length=10)),
                ("created_at", fields.FloatField()),
                ("last_seen", fields.FloatField()),
            ],
            options={
                "table": "stream_limits_device",
                "app": "stream_limits",
                "unique_together": (("user_id", "client_id"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="PlaybackSession",
            fields=[
                ("id", fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("user_id", fields.IntField(db_index=True)),
                ("login_id", fields.CharField(null=True, db_index=True, max_length=64)),
                ("holder", fields.CharField(max_length=80)),
                (
                    "title",
                    fields.ForeignKeyField(
                        "core.Title",
                        source_field="title_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="playback_sessions",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                (
                    "device",
                    fields.ForeignKeyField(
                        "stream_limits.KnownDevice",
                        source_field="device_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name="sessions",
                        on_delete=OnDelete.SET_NULL,
                    ),
                ),
                ("profile_id", fields.IntField(null=True)),
                ("implicit", fields.BooleanField(default=False)),
                ("state", fields.CharEnumField(enum_type=SessionState, max_length=8)),
                ("started_at", fields.FloatField()),
                ("last_heartbeat", fields.FloatField(db_index=True)),
                ("position", fields.FloatField(default=0.0)),
                ("duration", fields.FloatField(default=0.0)),
            ],
            options={"table": "stream_limits_session", "app": "stream_limits", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Slot",
            fields=[
                (
                    "session",
                    fields.OneToOneField(
                        "stream_limits.PlaybackSession",
                        source_field="session_id",
                        primary_key=True,
                        db_index=True,
                        db_constraint=True,
                        to_field="id",
                        related_name="slot",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("user_id", fields.IntField()),
                ("number", fields.IntField()),
                ("holder", fields.CharField(max_length=80)),
            ],
            options={
                "table": "stream_limits_slot",
                "app": "stream_limits",
                "unique_together": (("user_id", "number"), ("user_id", "holder")),
                "pk_attr": "session_id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Turn",
            fields=[
                ("user_id", fields.IntField(primary_key=True, unique=True, db_index=True)),
                ("count", fields.BigIntField(default=0)),
            ],
            options={"table": "stream_limits_turn", "app": "stream_limits", "pk_attr": "user_id"},
            bases=["Model"],
        ),
    ]
