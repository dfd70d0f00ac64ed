from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise.indexes import Index


class Migration(migrations.Migration):
    dependencies = [("core", "0002_sidecars")]

    initial = False

    operations = [
        ops.AddIndex(model_name="Location", index=Index(fields=["video_id", "state"])),
    ]
