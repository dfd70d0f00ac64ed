"""`/v1/users/me/devices`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from mediaserver import HTTPResponse, Request, body, json, signed_in
from mediaserver.contracts import Devices
from mediaserver.errors import Forbidden, NotFound

from . import bodies
from .devices import NO_DEVICE

if TYPE_CHECKING:
    from mediaserver import RouteRegistry

PATH = "/v1/users/me/devices"


def register(registry: RouteRegistry) -> None:
    devices = registry.services.get(Devices)

    @registry.get(PATH, guard=signed_in, scope="account:read", answer=bodies.OwnDevices)
    async def mine(request: Request) -> HTTPResponse:
        return json({"devices": [bodies.own_device(device) for device in await devices.of(_owner(request))]})

    @registry.get(f"{PATH}/<device_id:str>", guard=signed_in, scope="account:read", answer=bodies.OwnDevice)
    async def one(request: Request, device_id: str) -> HTTPResponse:
        device = await devices.find(_owner(request), unquote(device_id))
        if device is None:
            raise NotFound(NO_DEVICE)
        return json(bodies.own_device(device))

    @registry.put(
        f"{PATH}/<device_id:str>",
        guard=signed_in, scope="account:write", body=bodies.DeviceChange, answer=bodies.OwnDevice,
    )  # fmt: skip
    async def change(request: Request, device_id: str) -> HTTPResponse:
        told = body(request, bodies.DeviceChange)
        device = await devices.change(_owner(request), unquote(device_id), name=told.name, type=told.device_type)
        return json(bodies.own_device(device))

    @registry.delete(f"{PATH}/<device_id:str>", guard=signed_in, scope="account:write", status=204)
    async def remove(request: Request, device_id: str) -> HTTPResponse:
        await devices.remove(_owner(request), unquote(device_id))
        return HTTPResponse(status=204)


def _owner(request: Request) -> int:
    """Raises Forbidden for a guest: what one of them plays on is not for the others to see."""
    number: int | None = request.ctx.actor.user_id
    if number is None:
        raise Forbidden("This takes an account; guests have no devices.")
    return number
