"""How many streams an account may have, and the words in which one more is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaserver.contracts import Accounts
from mediaserver.errors import Forbidden, StreamLimitReached

if TYPE_CHECKING:
    from mediaserver import Server

    from .sessions import Sessions
    from .slots import Full

GUEST = 0  # guests have no account: their streams are not counted


class Allowance:
    def __init__(self, server: Server, sessions: Sessions, default: int | None) -> None:
        self._server = server
        self._sessions = sessions
        self._default = default

    async def limit(self, user_id: int) -> int | None:
        """None is any number. Raises Forbidden for an account that may not play at all."""
        if user_id == GUEST:
            return None
        accounts = self._server.services.find(Accounts)
        limit = await accounts.stream_limit(user_id, self._default) if accounts else self._default
        if limit == 0:
            raise Forbidden("This account may not play anything; an administrator can change that.")
        return limit

    async def refusal(self, limit: int | None, full: Full) -> StreamLimitReached:
        from .bodies import playing  # workers know this class too, and never load Sanic

        sessions = await self._sessions.of_ids(full.session_ids)
        holders = "; ".join(f"{each.device.name} plays {each.title}" for each in sessions)
        streams = "The one stream of this account is" if limit == 1 else f"All {limit} streams of this account are"
        return StreamLimitReached(
            f"{streams} in use: {holders}.",
            limit=limit or 0,
            sessions=tuple(sessions),
            shown=[playing(session) for session in sessions],
        )
