"""Whether somebody may see and play a title: asked at the start, and again while it plays."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mediaserver import require_play
from mediaserver.contracts import Accounts, Actor, Catalog
from mediaserver.errors import Forbidden, NotFound

if TYPE_CHECKING:
    from mediaserver import Server
    from mediaserver.contracts import Account

    from .liveness import Living

ASKED_SECONDS = 30.0  # after which it is asked again; a change that is told asks at once
MOST = 10_000
NOT_ANY_MORE = "This title may not be played here any more."
Question = tuple[int | None, str | None, int]


class Permissions:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._asked: dict[Question, float] = {}

    def forget(self) -> None:
        self._asked = {}

    async def check(self, actor: Actor, title_id: int) -> None:
        """Raises NotFound for what the actor may not see, Forbidden for what may not be played."""
        question = (actor.user_id, actor.login_id, title_id)
        now = asyncio.get_running_loop().time()
        if now - self._asked.get(question, float("-inf")) < ASKED_SECONDS:
            return
        asked = self._asked  # what is forgotten meanwhile takes this answer with it
        asked.pop(question, None)
        catalog = self._server.services.find(Catalog)
        if catalog is not None:
            await catalog.item(title_id, actor)
        await require_play(self._server, actor, title_id, None)
        if len(asked) >= MOST:
            asked.pop(next(iter(asked)))
        asked[question] = now

    async def check_session(self, living: Living, title_id: int) -> None:
        """The same for whoever a session belongs to, who is not here to ask. Raises Forbidden."""
        accounts = self._server.services.find(Accounts)
        if accounts is None or not living.user_id:
            return
        question = (living.user_id, living.login_id, title_id)
        if asyncio.get_running_loop().time() - self._asked.get(question, float("-inf")) < ASKED_SECONDS:
            return
        try:
            account = await accounts.get(living.user_id)
            await self.check(_actor(account, living), title_id)
        except NotFound as error:
            raise Forbidden(NOT_ANY_MORE) from error


def _actor(account: Account, living: Living) -> Actor:
    """Raises Forbidden for who may not sign in any more."""
    if account.disabled or not account.active:
        raise Forbidden(NOT_ANY_MORE)
    roles = frozenset({"viewer", account.role})
    return Actor(account.id, account.email, roles, living.login_id, living.profile_id)
