"""Titles that play from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model

if TYPE_CHECKING:
    from mediaserver.models import Title  # at run time Tortoise would take it for a table of this plugin


class External(Model):
    """Where a title plays from, as long as the library has no file of it."""

    id = fields.IntField(primary_key=True)
    title: fields.OneToOneRelation[Title] = fields.OneToOneField(
        "core.Title", related_name=False, on_delete=fields.CASCADE
    )
    title_id: int
    url = fields.TextField()
    duration = fields.FloatField()  # seconds

    class Meta:
        table = "catalog_external"
