"""Signing in on a television: it shows a short code, and somebody who is signed in approves it (RFC 8628)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tortoise.exceptions import IntegrityError

from mediaserver.contracts import Actor, Client, Tokens
from mediaserver.errors import Forbidden, InvalidRequest, NotFound

from .logins import may_sign_in
from .models import User, WaitingDevice
from .tickets import hashed

if TYPE_CHECKING:
    from .desk import Desk

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628, 6.1: no vowels, no words; 20^8 codes
CODE = 8
WAITS = timedelta(minutes=10)
INTERVAL = 5  # seconds between two questions


@dataclass(frozen=True)
class Offer:
    device_code: str
    user_code: str
    verification_uri: str
    expires_in: int
    interval: int


class Television:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def begin(self, client: Client) -> Offer:
        secret = secrets.token_urlsafe(32)
        code = await self._waiting(secret, client.name or "A television")
        return Offer(
            secret,
            f"{code[:4]}-{code[4:]}",
            self._desk.mail.link("/device"),
            int(WAITS.total_seconds()),
            INTERVAL,
        )

    async def _waiting(self, secret: str, name: str) -> str:
        while True:
            code = "".join(secrets.choice(LETTERS) for _ in range(CODE))
            try:
                await WaitingDevice.create(
                    device_hash=hashed(secret), user_code=code, name=name[:100],
                    expires_at=self._desk.clock.now() + WAITS,
                )  # fmt: skip
            except IntegrityError:  # somebody shows this code already
                continue
            return code

    async def waiting(self, user_code: str) -> str:
        """The name of the device that shows this code. Raises NotFound."""
        return (await self._shown(user_code)).name

    async def approve(self, actor: Actor, user_code: str) -> None:
        """Raises NotFound for a code that nothing shows, Forbidden for who has no account."""
        if actor.user_id is None or actor.login_id is None:
            raise Forbidden("Sign in with your account to let a device in.")
        device = await self._shown(user_code)
        await WaitingDevice.filter(id=device.id, approved_by__isnull=True).update(approved_by=actor.user_id)

    async def poll(self, device_code: str, client: Client) -> Tokens:
        """Raises InvalidRequest whose details are authorization_pending, slow_down, expired_token or access_denied."""
        now = self._desk.clock.now()
        device = await WaitingDevice.get_or_none(device_hash=hashed(device_code))
        if device is None or device.expires_at <= now:
            raise InvalidRequest("This code has expired; begin again.", details="expired_token")
        early = device.polled_at is not None and (now - device.polled_at).total_seconds() < INTERVAL - 1
        await WaitingDevice.filter(id=device.id).update(polled_at=now)
        if early:
            raise InvalidRequest(f"Ask every {INTERVAL} seconds, not more often.", details="slow_down")
        if device.approved_by is None:
            raise InvalidRequest("Nobody has let this device in yet.", details="authorization_pending")
        if not await WaitingDevice.filter(id=device.id).delete():  # of two who ask at once one is let in
            raise InvalidRequest("This code was used already; begin again.", details="expired_token")
        user = await User.get_or_none(id=device.approved_by)
        if user is None or not may_sign_in(user):
            raise InvalidRequest("Who let this device in has no account any more.", details="access_denied")
        return await self._desk.sessions.start(user, replace(client, name=device.name))

    async def clear(self) -> None:
        await WaitingDevice.filter(expires_at__lte=self._desk.clock.now()).delete()

    async def _shown(self, user_code: str) -> WaitingDevice:
        code = "".join(char for char in user_code.upper() if char in LETTERS)
        device = await WaitingDevice.get_or_none(user_code=code) if len(code) == CODE else None
        if device is None or device.expires_at <= self._desk.clock.now() or device.approved_by is not None:
            raise NotFound("No device shows this code; look again, it may have changed.")
        return device
