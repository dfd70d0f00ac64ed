from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("core", "0003_locations_of_a_video")]

    initial = False

    operations = [
        ops.AddField(
            model_name="JobRecord",
            name="asked_at",
            field=fields.FloatField(default=0.0, db_default=0.0),
        ),
    ]
