"""The news as server-sent events: to whom they may go, for how long, and how many streams at a time."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mediaserver.core import actors, http
from mediaserver.core.changes import POLL_SECONDS, TOPIC, Reader
from mediaserver.errors import InvalidRequest, RateLimited, ServerError
from mediaserver.events import AccountChanged, LoginEnded, PlaybackStarted, PlaybackStopped, UserDeleted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sanic import HTTPResponse, Request

    from mediaserver.contracts import Actor
    from mediaserver.core.server import Server
    from mediaserver.events import Event

TOPICS = {
    "location_changed": "library",
    "library_scanned": "library",
    "title_added": "library",
    "title_changed": "library",
    "video_probed": "library",
    "picture_made": "library",
    "tracks_changed": "library",
    "video_offline": "library",
    "video_online": "library",
    "encoding_progressed": "progress",
    "video_playable": "progress",
    "video_ready": "progress",
    "video_failed": "progress",
    "plugin_quarantined": "doctor",
    "playback_started": "sessions",
    "playback_stopped": "sessions",
}
PING_SECONDS = 15.0  # proxies and phones drop silent connections
IDENTIFY_SECONDS = 30.0  # how long a stream may outlive a credential whose end nobody tells, by running out say
MOST_STREAMS = 20  # of one account, or of one address without one: open pages
EVENT_ID = re.compile("[0-9]{1,19}")
NO_EVENT_ID = 1 << 63  # no database counts so far


class Streams:
    """The streams that are open in this process, by whose they are."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._open: Counter[str] = Counter()

    async def answer(self, request: Request) -> None:
        """Events from `Last-Event-ID` (or now) on, until the client leaves or is no longer who it was."""
        last = request.headers.getone("last-event-id", "")
        if last and not (EVENT_ID.fullmatch(last) and int(last) < NO_EVENT_ID):
            raise InvalidRequest("Last-Event-ID should be the id of an event.")
        with self._counted(request):
            opened = await self._server.changes.last()
            headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **http.SECURITY_HEADERS}
            response = await request.respond(content_type="text/event-stream", headers=headers)
            if response is None or request.method == "HEAD":
                return
            await response.send("retry: 2000\n\n")
            await self._tell(request, response, int(last) if last else opened, opened)
            await response.eof()

    @contextmanager
    def _counted(self, request: Request) -> Iterator[None]:
        """Raises RateLimited where one more is too many."""
        actor: Actor = request.ctx.actor
        whose = self._server.proxies.client(request) if actor.user_id is None else f"account {actor.user_id}"
        if self._open[whose] >= MOST_STREAMS:
            raise RateLimited(
                f"The news are followed {MOST_STREAMS} times already; close a page.", headers={"Retry-After": "30"}
            )
        self._open[whose] += 1
        try:
            yield
        finally:
            self._open[whose] -= 1
            if not self._open[whose]:
                del self._open[whose]

    async def _tell(self, request: Request, response: HTTPResponse, seq: int, opened: int) -> None:
        """What happened to the account before `opened` is told again to a page that was away, and ends nothing."""
        reader = Reader(self._server.db, seq)
        silent, identified = 0.0, self._now()
        with self._server.wakeups.subscribe(TOPIC) as news:
            while True:
                changes = await reader.read()
                for number, event in changes:
                    if number > opened and ends(event, request.ctx.actor):
                        return
                    if is_for(event, request.ctx.actor) and (text := _message(number, event)):
                        await response.send(text)
                silent = 0.0 if changes else silent + POLL_SECONDS
                if silent >= PING_SECONDS:
                    await response.send(": still here\n\n")
                    silent = 0.0
                if abs(self._now() - identified) >= IDENTIFY_SECONDS:
                    if not await self._is_still(request):
                        return
                    identified = self._now()
                await news.wait(POLL_SECONDS)

    async def _is_still(self, request: Request) -> bool:
        try:
            actor = await actors.identify(self._server, request)
        except ServerError:
            return False
        return bool(actor == request.ctx.actor)

    def _now(self) -> float:
        return self._server.clock.now().timestamp()


def ends(event: Event, actor: Actor) -> bool:
    """The client asks again, and is told as whom it may."""
    if isinstance(event, LoginEnded):
        return event.login_id == actor.login_id
    return isinstance(event, AccountChanged | UserDeleted) and event.user_id == actor.user_id


def is_for(event: Event, actor: Actor) -> bool:
    """What somebody plays is told to them and to administrators."""
    return not isinstance(event, PlaybackStarted | PlaybackStopped) or actor.is_admin or event.user_id == actor.user_id


def _message(seq: int, event: Event) -> str | None:
    topic = TOPICS.get(event.kind)
    if topic is None:
        return None
    return f"id: {seq}\nevent: {topic}\ndata: {json.dumps({'kind': event.kind, **event.payload()})}\n\n"
