"""Implements `mediaserver.contracts.Playback`: who plays what, within the streams an account may have at once."""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from mediaserver import require_play
from mediaserver.contracts import (
    Accounts,
    Changes,
    Clock,
    Database,
    Devices,
    Playback,
    SessionState,
    Started,
    Streaming,
)
from mediaserver.errors import NotFound, ServerError, SessionOver, StreamLimitReached, Unavailable

from .allowance import GUEST, Allowance
from .devices import KnownDevices
from .heartbeats import Beat, Heartbeats
from .liveness import Liveness, Living
from .models import PlaybackSession
from .permissions import Permissions
from .pulse import Pulse
from .sessions import NO_SESSION, Sessions, moment
from .slots import OPEN, OVER, Full, Slots, Wish, session_over

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mediaserver import Registry, Server
    from mediaserver.contracts import Actor, Device, Session

SWEEP_SECONDS = 30.0
AHEAD_SECONDS = 60.0  # of a machine whose clock is wrong
KEPT_SECONDS = 90 * 24 * 3600  # a session that is over


class PlaybackService:
    def __init__(self, server: Server, slots: Slots, db: Database, default_limit: int | None) -> None:
        self.permissions = Permissions(server)
        self.sessions = Sessions(lambda: server.services.find(Accounts))
        self.liveness = Liveness(db, slots)
        self.pulse = Pulse(server, self.liveness, Heartbeats(db))
        self._slots = slots
        self._server = server
        self._allowance = Allowance(server, self.sessions, default_limit)

    # ---- the contract ----------------------------------------------------------------------------------------

    async def start(
        self,
        actor: Actor,
        title_id: int,
        device: Device | None = None,
        *,
        steal: bool = False,
        profile_id: int | None = None,
    ) -> Started:
        await self._require(actor, title_id, device)
        user_id, limit = actor.user_id or GUEST, await self._allowance.limit(actor.user_id or GUEST)
        await self.pulse.write()
        position = await self.sessions.left_at(user_id, title_id)
        wish = Wish(
            user_id, actor.login_id, _holder(actor, device), title_id,
            device.id if device else None, profile_id or actor.profile_id,
        )  # fmt: skip
        try:
            session_id, active = await self._slots.start(wish, limit, steal=steal)
        except Full as full:
            raise await self._allowance.refusal(full) from full
        try:
            manifest = await _streaming(self._server).manifest(actor, title_id, session_id)
        except ServerError:
            await self._give_back(session_id, SessionState.ENDED)
            raise
        return Started(await self._began(session_id), manifest, limit, active, position)

    async def implicit(self, actor: Actor, title_id: int) -> int | None:
        await self.permissions.check(actor, title_id)
        if actor.user_id is None:
            return None
        await self.liveness.look()
        living = self.liveness.of_login(actor.user_id, actor.login_id)
        if living is not None:
            return living.id
        wish = Wish(
            actor.user_id, actor.login_id, _holder(actor, None), title_id, profile_id=actor.profile_id, implicit=True
        )
        return await self._slots.implicit(wish)

    async def get(self, actor: Actor, session_id: int) -> Session:
        living = await self._remembered(actor, session_id)
        if living is not None and living.told is not None:
            return living.told
        return (await self.sessions.told([await self._mine(actor, session_id)]))[0]

    async def beat(
        self, actor: Actor, session_id: int, position: float | None = None, duration: float | None = None
    ) -> Session:
        living = await self._remembered(actor, session_id) or await self._resumed(actor, session_id)
        self.pulse.note(living, Beat(self._slots.now(), position, duration))
        session = living.told or await self.sessions.one(session_id)
        living.told = replace(
            session,
            state=SessionState.ACTIVE,
            last_heartbeat=moment(living.last_heartbeat),
            position=session.position if position is None else position,
            duration=session.duration if duration is None else duration,
        )
        return living.told

    async def stop(self, actor: Actor, session_id: int, position: float | None = None) -> Session:
        row = await self._mine(actor, session_id)
        if row.state not in OVER:
            await self.pulse.write()
            await self._give_back(row.id, SessionState.STOPPED, position)
        return await self.sessions.one(session_id)

    async def active(self, actor: Actor | None = None) -> list[Session]:
        if actor is not None and actor.user_id is None:
            return []  # guests are many: what one of them plays is not for the others to see
        await self.pulse.write()
        return await self.sessions.holding(self._slots.stale(), None if actor is None else actor.user_id)

    async def end(self, session_id: int, state: SessionState) -> None:
        await self.sessions.row(session_id)
        await self._give_back(session_id, state)

    @asynccontextmanager
    async def delivering(self, session_id: int, title_id: int, cut: Callable[[], None]) -> AsyncIterator[None]:
        living = await self._living(session_id)
        with self.liveness.delivering(session_id, cut):
            await self.permissions.check_session(living, title_id)
            shown = title_id if living.implicit and living.title_id != title_id else None
            living.title_id = shown or living.title_id
            self.pulse.note(living, Beat(self._slots.now(), title_id=shown))
            yield

    # ---- what else happens -----------------------------------------------------------------------------------

    async def end_all(self, **which: object) -> None:
        """Every session that is not over of a login or an account (filters of `PlaybackSession`)."""
        for row in await PlaybackSession.filter(state__in=[str(state) for state in OPEN], **which):
            await self._give_back(row.id, SessionState.ENDED)

    async def sweep(self) -> None:
        """Expiry holds wherever one looks; here it is told to those who do not look. What is long over is forgotten."""
        stale, soon = self._slots.stale(), self._slots.now() + AHEAD_SECONDS
        ahead = PlaybackSession.filter(state=SessionState.ACTIVE, last_heartbeat__gt=soon)
        await ahead.update(last_heartbeat=self._slots.now())  # else they outlive a clock that was set back
        for row in await PlaybackSession.filter(state=SessionState.ACTIVE, last_heartbeat__lte=stale):
            await self._give_back(row.id, SessionState.EXPIRED)
        old = self._slots.now() - KEPT_SECONDS
        await PlaybackSession.filter(last_heartbeat__lte=old).exclude(state=SessionState.ACTIVE).delete()

    # ---- parts -----------------------------------------------------------------------------------------------

    async def _require(self, actor: Actor, title_id: int, device: Device | None) -> None:
        """Nobody loses a slot to a title that cannot be played."""
        await self.permissions.check(actor, title_id)
        if device is not None:
            await require_play(self._server, actor, title_id, device.client_id)
        await _streaming(self._server).manifest(actor, title_id)

    async def _mine(self, actor: Actor, session_id: int) -> PlaybackSession:
        row = await self.sessions.row(session_id)
        if row.user_id != (actor.user_id or GUEST):
            raise NotFound(NO_SESSION)
        return row

    async def _remembered(self, actor: Actor, session_id: int) -> Living | None:
        """One of the actor's that lives, and of which this process knows all there is to tell."""
        await self.liveness.look()
        living = self.liveness.find(session_id)
        if living is None or living.told is None or living.implicit or living.user_id != (actor.user_id or GUEST):
            return None
        return living

    async def _resumed(self, actor: Actor, session_id: int) -> Living:
        """Raises NotFound for one of somebody else, SessionOver for one that is over or finds no free slot."""
        row = await self._mine(actor, session_id)
        living = self.liveness.find(row.id) if row.state is SessionState.ACTIVE else None
        try:
            return living or await self._revived(row)
        except StreamLimitReached as full:
            raise SessionOver(
                f"This session has expired meanwhile. {full.message}", state=SessionState.EXPIRED
            ) from full

    async def _living(self, session_id: int) -> Living:
        await self.liveness.look()
        if living := self.liveness.find(session_id):
            return living
        if over := self.liveness.over(session_id):
            raise session_over(over)
        try:
            row = await self.sessions.row(session_id)
        except NotFound as error:
            raise session_over(SessionState.ENDED) from error
        return await self._revived(row)

    async def _revived(self, row: PlaybackSession) -> Living:
        """One that another process has just begun is alive; one that merely waited or timed out takes a slot."""
        if row.state in OVER:
            self.liveness.end(row.id, row.state)
            raise session_over(row.state)
        if row.state is not SessionState.ACTIVE or row.last_heartbeat <= self._slots.stale():
            limit = await self._allowance.limit(row.user_id)
            try:
                await self._slots.revive(row, limit)
            except Full as full:
                raise await self._allowance.refusal(full) from full
            row.last_heartbeat = self._slots.now()
        return self._know(row)

    async def _began(self, session_id: int) -> Session:
        row = await self.sessions.row(session_id)
        [told] = await self.sessions.told([row])
        self._know(row).told = told
        return told

    def _know(self, row: PlaybackSession) -> Living:
        living = Living(
            row.id, row.user_id, row.login_id, row.title_id, row.profile_id, row.implicit, row.last_heartbeat
        )
        self.liveness.begin(living)
        return living

    async def _give_back(self, session_id: int, state: SessionState, position: float | None = None) -> None:
        self.pulse.drop(session_id)
        if await self._slots.give_back(session_id, state, position):
            self.liveness.end(session_id, state)


def _holder(actor: Actor, device: Device | None) -> str:
    """Who takes its own slot over: a device, else the login (all API keys of an account are one); no guest does."""
    if device is not None:
        return f"device:{device.id}"
    if actor.user_id is None:
        return f"guest:{secrets.token_hex(8)}"
    return f"login:{actor.login_id}" if actor.login_id else "account"


def _streaming(server: Server) -> Streaming:
    """Raises Unavailable."""
    streaming = server.services.find(Streaming)
    if streaming is None:
        raise Unavailable("No plugin plays films here; switch one on in config.yaml.")
    return streaming


def playback_of(server: Server) -> PlaybackService:
    return cast("PlaybackService", server.services.get(Playback))


def register(registry: Registry) -> None:
    services, config = registry.services, registry.config
    db, clock = services.get(Database), services.get(Clock)
    slots = Slots(db, services.get(Changes), clock, config.session_timeout_seconds)
    playback = PlaybackService(registry.server, slots, db, config.default_limit)
    devices = KnownDevices(slots, config.max_devices, playback.end)
    registry.provide(Playback, playback)
    registry.provide(Devices, devices)

    async def sweep() -> None:
        await playback.sweep()
        await devices.clear()

    registry.timer("stream_limits.sweep", SWEEP_SECONDS, sweep)
