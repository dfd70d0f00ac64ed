from tortoise import migrations
from tortoise.migrations import operations as ops
from mediaserver.contracts.tracks import SidecarKind
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Sidecar",
            fields=[
                ("id", fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("key", fields.CharField(unique=True, max_length=64)),
                ("root", fields.TextField(unique=False)),
                ("path", fields.TextField(unique=False)),
                ("place", fields.CharField(db_index=True, max_length=64)),
                ("film", fields.CharField(db_index=True, max_length=64)),
                ("kind", fields.CharEnumField(enum_type=SidecarKind, max_length=8)),
                ("file_id", fields.CharField(max_length=44)),
                ("size", fields.BigIntField()),
                ("mtime_ns", fields.BigIntField()),
                ("reason", fields.TextField(unique=False)),
            ],
            options={"table": "core_sidecar", "app": "core", "pk_attr": "id"},
            bases=["Model"],
        ),
    ]
