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

FRESH_SECONDS = 20.0  # after which it is asked again while one plays on; a change that is told asks at once
ASKED_SECONDS = 30.0  # after which nothing is given out before the answer
MOST = 10_000
NOT_ANY_MORE = "This title may not be played here any more."
Question = tuple[int | None, str | None, int]


class Permissions:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._asked: dict[Question, float] = {}
        self._asking: dict[Question, asyncio.Task[None]] = {}

    def forget(self) -> None:
        self._asked = {}

    async def close(self) -> None:
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def check(self, actor: Actor, title_id: int) -> None:
        """Raises NotFound for what the actor may not see, Forbidden for what may not be played."""
        question = (actor.user_id, actor.login_id, title_id)
        if self._age(question) >= ASKED_SECONDS:
            await self._ask(question, actor, self._asked)

    async def check_session(self, living: Living, title_id: int) -> None:
        """The same for whoever a session belongs to, who is not here to ask. Raises Forbidden."""
        accounts = self._server.services.find(Accounts)
        if accounts is None or not living.user_id:
            return
        question = (living.user_id, living.login_id, title_id)
        age = self._age(question)
        if age >= ASKED_SECONDS:
            await self._ask_for(living, accounts, question)
        elif age >= FRESH_SECONDS and question not in self._asking:
            self._asking[question] = asyncio.create_task(self._ask_ahead(living, accounts, question))

    def _age(self, question: Question) -> float:
        """Seconds since it was answered."""
        return asyncio.get_running_loop().time() - self._asked.get(question, float("-inf"))

    async def _ask_ahead(self, living: Living, accounts: Accounts, question: Question) -> None:
        """Nobody waits for it; who is refused here is refused at the next request."""
        try:
            await self._ask_for(living, accounts, question)
        except Exception:  # noqa: BLE001 - whatever it is, the next request asks for itself
            self._asked.pop(question, None)
        finally:
            del self._asking[question]

    async def _ask_for(self, living: Living, accounts: Accounts, question: Question) -> None:
        asked = self._asked  # what is forgotten meanwhile takes this answer with it
        try:
            await self._ask(question, _actor(await accounts.get(living.user_id), living), asked)
        except NotFound as error:
            raise Forbidden(NOT_ANY_MORE) from error

    async def _ask(self, question: Question, actor: Actor, asked: dict[Question, float]) -> None:
        now, title_id = asyncio.get_running_loop().time(), question[2]
        catalog = self._server.services.find(Catalog)
        if catalog is not None:
            await catalog.item(title_id, actor)
        await require_play(self._server, actor, title_id, None)
        asked.pop(question, None)  # the oldest stand first
        if len(asked) >= MOST:
            asked.pop(next(iter(asked)))
        asked[question] = now


def _actor(account: Account, living: Living) -> Actor:
    """Raises Forbidden for who may not sign in any more."""
    if account.disabled or not account.active:
        raise Forbidden(NOT_ANY_MORE)
    roles = frozenset({"viewer", account.role})
    return Actor(account.id, account.email, roles, living.login_id, living.profile_id)
