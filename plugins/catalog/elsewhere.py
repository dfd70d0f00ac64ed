"""Titles that play from another server: checked, added, and where they are."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tortoise.exceptions import IntegrityError

from mediaserver.errors import Conflict, InvalidRequest
from mediaserver.events import TitleAdded
from mediaserver.models import Title, TitleKind, TitleVideo

from .models import External

if TYPE_CHECKING:
    from mediaserver.contracts import Changes, Database, ExternalTitle

SLUG = re.compile(r"[A-Za-z0-9_-]{1,200}")
LONGEST_TITLE, LONGEST_URL = 500, 2000  # characters
LONGEST_FILM = 30 * 24 * 3600.0  # seconds


async def add(db: Database, changes: Changes, external: ExternalTitle) -> Title:
    """Raises InvalidRequest or Conflict."""
    if faults := [{"field": field, "problem": problem} for field, problem in _faults(external)]:
        raise InvalidRequest(f"Please correct: {', '.join(fault['field'] for fault in faults)}.", fields=faults)
    try:
        async with db.transaction() as tx:
            title = await Title.create(
                using_db=tx,
                kind=TitleKind.MOVIE,
                title=external.title.strip(),
                slug=external.slug,
                published=external.published,
            )
            await External.create(using_db=tx, title_id=title.id, url=external.url, duration=external.duration)
            await changes.record(TitleAdded(title.id), tx)
    except IntegrityError as error:
        raise Conflict("Another title has this slug already; choose another one.", details=external.slug) from error
    return title


async def url_of(title_id: int) -> str:
    """A file in the library plays before an address does."""
    external = await External.get_or_none(title_id=title_id)
    of_library = external is None or await TitleVideo.filter(title_id=title_id, role__in=("version", "part")).exists()
    return "" if external is None or of_library else external.url


def _faults(external: ExternalTitle) -> list[tuple[str, str]]:
    faults = []
    if not SLUG.fullmatch(external.slug):
        faults.append(("slug", "Up to 200 letters, digits, - and _."))
    if not 1 <= len(external.title.strip()) <= LONGEST_TITLE or any(map(_is_odd, external.title)):
        faults.append(("title", f"Between 1 and {LONGEST_TITLE} characters, without line breaks."))
    if not _is_web_address(external.url):
        faults.append(("url", f"An address that begins with http:// or https://, up to {LONGEST_URL} characters."))
    if not (math.isfinite(external.duration) and 0 <= external.duration <= LONGEST_FILM):
        faults.append(("duration", "Seconds, from 0 to 30 days."))
    return faults


def _is_odd(char: str) -> bool:
    """Control characters, and halves of characters, which no database takes."""
    return unicodedata.category(char) in ("Cc", "Cs")


def _is_web_address(url: str) -> bool:
    if len(url) > LONGEST_URL or not url.isprintable() or set(url) & set(" \"'<>\\`"):
        return False  # browsers read a backslash as a slash, and pages put addresses between quotes
    try:
        parts = urlsplit(url)
        _ = parts.port  # read for its ValueError, where it is no number
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
