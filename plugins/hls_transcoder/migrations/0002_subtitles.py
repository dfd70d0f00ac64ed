from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.fields.base import OnDelete
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("hls_transcoder", "0001_initial")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Subtitle",
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
                ("key", fields.CharField(max_length=40)),
                ("position", fields.IntField()),
                ("label", fields.CharField(max_length=800)),
                ("language", fields.CharField(max_length=35)),
                ("default", fields.BooleanField()),
                ("forced", fields.BooleanField()),
                ("sdh", fields.BooleanField()),
                ("reason", fields.TextField(unique=False)),
            ],
            options={
                "table": "hls_subtitle",
                "app": "hls_transcoder",
                "unique_together": (("video", "key"),),
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
    ]
