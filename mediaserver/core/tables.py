"""What tables are made of: Tortoise, brought in so that it does not look for comments that nobody reads.

Tortoise 1.1.9 parses the source of each table, and its own, for lines that begin with `#:`: a tenth of a start.
"""

from __future__ import annotations

import inspect

__all__ = ["Model", "fields"]


def _no_source(_of: object) -> str:
    raise OSError


read = inspect.getsource
inspect.getsource = _no_source  # type: ignore[assignment]
try:
    import tortoise.models
    from tortoise import fields
    from tortoise.models import Model
finally:
    inspect.getsource = read
tortoise.models._get_comments = lambda _table: {}  # type: ignore[assignment]  # noqa: SLF001
