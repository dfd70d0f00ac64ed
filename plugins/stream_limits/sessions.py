"""Playback sessions as they are told to others."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mediaserver.contracts import Accounts, Device, Session
from mediaserver.errors import NotFound
from mediaserver.models import TitleVideo

from .models import PlaybackSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .models import KnownDevice

NEARLY_OVER = 0.95  # of a title: who stopped there begins anew
NO_SESSION = "There is no such playback session."


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def device_of(row: KnownDevice) -> Device:
    return Device(row.id, row.client_id, row.name, row.type, moment(row.created_at), moment(row.last_seen))


class Sessions:
    """Reads sessions; that of a login without a device is named by the login."""

    def __init__(self, accounts: Callable[[], Accounts | None]) -> None:
        self._accounts = accounts

    async def row(self, session_id: int) -> PlaybackSession:
        """Raises NotFound."""
        row = await PlaybackSession.get_or_none(id=session_id).select_related("title", "device")
        if row is None:
            raise NotFound(NO_SESSION)
        return row

    async def one(self, session_id: int) -> Session:
        """Raises NotFound."""
        return (await self.told([await self.row(session_id)]))[0]

    async def of_ids(self, ids: Iterable[int]) -> list[Session]:
        return await self._listed(id__in=list(ids))

    async def holding(self, after: float, user_id: int | None) -> list[Session]:
        """Those with a slot that have not expired: their last heartbeat is after `after`."""
        whose = {} if user_id is None else {"user_id": user_id}
        return await self._listed(slot__number__gt=0, last_heartbeat__gt=after, **whose)

    async def told(self, rows: list[PlaybackSession]) -> list[Session]:
        names = await self._login_names({row.user_id for row in rows if row.device is None})
        return [_session(row, names.get(row.login_id or "", "")) for row in rows]

    async def left_at(self, user_id: int, title_id: int) -> float:
        """Seconds; where the account stopped last, on whatever device."""
        played = PlaybackSession.filter(user_id=user_id, title_id=title_id, position__gt=0)
        last = await played.order_by("-last_heartbeat", "-id").first() if user_id else None
        if last is None:
            return 0.0
        duration = last.duration or await _duration(title_id)
        return 0.0 if duration and last.position >= NEARLY_OVER * duration else float(last.position)

    async def _listed(self, **which: Any) -> list[Session]:
        rows = await PlaybackSession.filter(**which).select_related("title", "device").order_by("started_at", "id")
        return await self.told(rows)

    async def _login_names(self, users: set[int]) -> dict[str, str]:
        accounts = self._accounts()
        if accounts is None:
            return {}
        return {login.id: login.name for user_id in users if user_id for login in await accounts.logins(user_id)}


async def _duration(title_id: int) -> float:
    """Seconds; 0.0 where only the player knows."""
    link = await TitleVideo.filter(title_id=title_id).select_related("video").order_by("position").first()
    return float(link.video.duration) if link else 0.0


def _session(row: PlaybackSession, login_name: str) -> Session:
    began, beat = moment(row.started_at), moment(row.last_heartbeat)
    return Session(
        id=row.id,
        user_id=row.user_id,
        login_id=row.login_id,
        title_id=row.title_id,
        title=row.title.title,
        device=device_of(row.device) if row.device else Device(0, "", login_name or "An app", "other", began, beat),
        profile_id=row.profile_id,
        implicit=row.implicit,
        state=row.state,
        started_at=began,
        last_heartbeat=beat,
        position=row.position,
        duration=row.duration,
    )
