from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("hls_transcoder", "0002_subtitles")]

    initial = False

    operations = [
        ops.AddField(
            model_name="Plan",
            name="key",
            field=fields.CharField(default="", db_default="", max_length=32),
        ),
    ]
