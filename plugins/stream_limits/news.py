"""What other parts of the program tell that ends or changes who may play."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaserver.contracts import Accounts, SessionState
from mediaserver.errors import NotFound
from mediaserver.events import (
    AccountChanged,
    ChangesMissed,
    LoginEnded,
    PlaybackStarted,
    PlaybackStopped,
    TitleChanged,
    UserDeleted,
)

from .models import KnownDevice, PlaybackSession, Turn
from .service import playback_of

if TYPE_CHECKING:
    from mediaserver import Server
    from mediaserver.events import Event


async def settle(server: Server, event: Event) -> None:
    """Once per installation, for certain: sessions end with what they began by."""
    playback = playback_of(server)
    if isinstance(event, LoginEnded):
        await playback.end_all(login_id=event.login_id)
    elif isinstance(event, AccountChanged) and event.user_id:
        await playback.end_all(user_id=event.user_id, login_id=None)  # an API key that is gone, perhaps
        if not await _may_play(server, event.user_id):
            await playback.end_all(user_id=event.user_id)
    elif isinstance(event, UserDeleted) and event.user_id:
        await playback.end_all(user_id=event.user_id)
        for model in (PlaybackSession, KnownDevice, Turn):
            await model.filter(user_id=event.user_id).delete()


async def hear(server: Server, event: Event) -> None:
    """In every process that delivers media, at once."""
    playback = playback_of(server)
    if isinstance(event, PlaybackStopped) and event.state != SessionState.EXPIRED:
        playback.liveness.end(event.session_id, SessionState(event.state))
    elif isinstance(event, PlaybackStopped | PlaybackStarted):  # what has expired may have come back since
        playback.liveness.forget()
    elif isinstance(event, TitleChanged):
        playback.permissions.forget()
    elif isinstance(event, ChangesMissed):
        playback.permissions.forget()
        playback.liveness.forget()
    elif isinstance(event, LoginEnded | AccountChanged | UserDeleted):
        playback.permissions.forget()
        await settle(server, event)


async def _may_play(server: Server, user_id: int) -> bool:
    accounts = server.services.find(Accounts)
    if accounts is None:
        return True
    try:
        account = await accounts.get(user_id)
    except NotFound:
        return False
    return account.active and not account.disabled and await accounts.stream_limit(user_id, None) != 0
