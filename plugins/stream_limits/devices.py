"""Implements `mediaserver.contracts.Devices`: what people play on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaserver.contracts import SessionState
from mediaserver.errors import Conflict, NotFound

from .models import KnownDevice, PlaybackSession
from .sessions import device_of
from .slots import OPEN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mediaserver.contracts import Actor, Device, DeviceIn, Transaction

    from .slots import Slots

FORGOTTEN_SECONDS = 90 * 24 * 3600  # a device that was not seen for so long
NO_DEVICE = "There is no such device."


class KnownDevices:
    """`end` ends a playback session, whatever it takes."""

    def __init__(self, slots: Slots, most: int | None, end: Callable[[int, SessionState], Awaitable[None]]) -> None:
        self._slots = slots
        self._most = most
        self._end = end

    async def upsert(self, actor: Actor, device: DeviceIn) -> tuple[Device, bool]:
        """Raises Conflict, which names the device that was not seen for longest."""
        user_id, now = actor.user_id or 0, self._slots.now()
        async with self._slots.turn(user_id) as (tx, _):
            row = await KnownDevice.get_or_none(user_id=user_id, client_id=device.client_id, using_db=tx)
            new = row is None
            if row is None:
                await self._need_room(user_id, tx)
                row = KnownDevice(user_id=user_id, client_id=device.client_id, created_at=now)
            row.name = device.name or (device.client_id if new else row.name)
            row.type, row.last_seen = device.type, now
            await row.save(using_db=tx)
        return device_of(row), new

    async def find(self, user_id: int, client_id: str) -> Device | None:
        row = await KnownDevice.get_or_none(user_id=user_id, client_id=client_id)
        return device_of(row) if row else None

    async def of(self, user_id: int) -> list[Device]:
        return [device_of(row) for row in await KnownDevice.filter(user_id=user_id).order_by("-last_seen", "-id")]

    async def change(self, user_id: int, client_id: str, *, name: str | None, type: str | None) -> Device:  # noqa: A002
        row = await self._mine(user_id, client_id)
        row.name = row.name if name is None else name
        row.type = row.type if type is None else type
        await row.save(update_fields=["name", "type"])
        return device_of(row)

    async def remove(self, user_id: int, client_id: str) -> None:
        """In the account's turn: what starts before ends here, and what starts after finds no device."""
        async with self._slots.turn(user_id) as (tx, _):
            row = await self._mine(user_id, client_id)
            played = PlaybackSession.filter(device_id=row.id, state__in=[str(state) for state in OPEN])
            sessions = await played.using_db(tx).values_list("id", flat=True)
            await row.delete(using_db=tx)
        for session_id in sessions:
            await self._end(int(str(session_id)), SessionState.ENDED)

    async def clear(self) -> None:
        """Forget what was not seen for long."""
        await KnownDevice.filter(last_seen__lte=self._slots.now() - FORGOTTEN_SECONDS).delete()

    async def _mine(self, user_id: int, client_id: str) -> KnownDevice:
        row = await KnownDevice.get_or_none(user_id=user_id, client_id=client_id)
        if row is None:
            raise NotFound(NO_DEVICE)
        return row

    async def _need_room(self, user_id: int, tx: Transaction) -> None:
        forgotten = self._slots.now() - FORGOTTEN_SECONDS
        await KnownDevice.filter(user_id=user_id, last_seen__lte=forgotten).using_db(tx).delete()
        if self._most is None:
            return
        known = await KnownDevice.filter(user_id=user_id).using_db(tx).order_by("last_seen", "id")
        if len(known) >= self._most:
            oldest = known[0]
            raise Conflict(
                f"This account has {self._most} devices already, as many as it may; "
                f"the one that was not seen for longest is {oldest.name} ({oldest.client_id}). Remove one.",
                details=oldest.client_id,
            )
