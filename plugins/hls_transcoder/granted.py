"""What was granted holds: the same plan from the first segment to the last, and no title that was hidden since."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from mediaserver.errors import Forbidden
from mediaserver.models import Title

from .collecting import UNUSED_SECONDS

if TYPE_CHECKING:
    from collections.abc import Collection

    from mediaserver.contracts import MediaGrant

K = TypeVar("K")
V = TypeVar("V")
MOST = 10_000  # of one process; one that is forgotten is made anew
ASKED_SECONDS = 30.0  # after which it is asked again whether a title is still there
RECENT_SECONDS = 1.0  # what was found for one session is true for the next


class Granted:
    """Grants of sessions by session and title, the one that was not used for longest first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, int], tuple[MediaGrant, float]] = OrderedDict()
        self._recent: OrderedDict[int, tuple[MediaGrant, float]] = OrderedDict()

    def get(self, session_id: int | None, title_id: int) -> MediaGrant | None:
        """None too where its plan may have been collected since. A new session may get that of another one."""
        known, alive = self._kept.get((session_id or 0, title_id)), UNUSED_SECONDS
        if known is None:
            known, alive = self._recent.get(title_id), RECENT_SECONDS
        if known is None or time.monotonic() - known[1] > alive:
            return None
        grant = replace(known[0], session_id=session_id)
        self._keep(grant)
        return grant

    def found(self, grant: MediaGrant) -> None:
        """Which plan somebody gets was just looked up."""
        _put(self._recent, grant.title_id, (grant, time.monotonic()))
        self._keep(grant)

    def forget_others(self, title_id: int, videos: Collection[int]) -> None:
        """The title has these videos now: who asks again gets one of them, and no file that was replaced."""
        _forget(self._kept, title_id, videos)
        _forget(self._recent, title_id, videos)

    def _keep(self, grant: MediaGrant) -> None:
        if grant.session_id is not None:
            _put(self._kept, (grant.session_id, grant.title_id), (grant, time.monotonic()))


class Published:
    """For tokens that no playback session ends: a guest's, say."""

    def __init__(self) -> None:
        self._asked: OrderedDict[int, float] = OrderedDict()

    async def check(self, title_id: int) -> None:
        """Raises Forbidden for a title that was hidden or deleted."""
        now = time.monotonic()
        if now - self._asked.get(title_id, -ASKED_SECONDS) < ASKED_SECONDS:
            return
        if not await Title.filter(id=title_id, published=True).exists():
            raise Forbidden("This title may not be played any more.")
        _put(self._asked, title_id, now)


def _forget(kept: OrderedDict[K, tuple[MediaGrant, float]], title_id: int, videos: Collection[int]) -> None:
    for key, (grant, _) in list(kept.items()):
        if grant.title_id == title_id and grant.video_id not in videos:
            del kept[key]


def _put(kept: OrderedDict[K, V], key: K, value: V) -> None:
    """As the newest; the oldest of too many goes."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > MOST:
        kept.popitem(last=False)
