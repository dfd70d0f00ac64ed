"""Which plan a session plays a title by: the same from its first segment to its last."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from .collecting import UNUSED_SECONDS

if TYPE_CHECKING:
    from mediaserver.contracts import MediaGrant

MOST = 10_000  # of one process; one that is forgotten is made anew


class Granted:
    """Grants of sessions by session and title, the one that was not used for longest first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, int], tuple[MediaGrant, float]] = OrderedDict()

    def get(self, session_id: int | None, title_id: int) -> MediaGrant | None:
        """None too where its plan may have been collected since."""
        known = self._kept.get((session_id or 0, title_id))
        if known is None or time.monotonic() - known[1] > UNUSED_SECONDS:
            return None
        self.keep(known[0])
        return known[0]

    def keep(self, grant: MediaGrant) -> None:
        if grant.session_id is None:
            return
        key = (grant.session_id, grant.title_id)
        self._kept[key] = (grant, time.monotonic())
        self._kept.move_to_end(key)
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)
