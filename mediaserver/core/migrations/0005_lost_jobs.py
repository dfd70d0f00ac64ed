from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("core", "0004_clock_set_back")]

    initial = False

    operations = [
        ops.AddField(
            model_name="JobRecord",
            name="lost",
            field=fields.IntField(default=0, db_default=0),
        ),
    ]
