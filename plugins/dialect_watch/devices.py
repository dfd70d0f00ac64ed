"""`/api/device`: what somebody watches on, by the client's own name for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mediaserver import HTTPResponse, Request, body, json, signed_in
from mediaserver.contracts import DeviceIn, Devices
from mediaserver.errors import Forbidden

from . import bodies

if TYPE_CHECKING:
    from mediaserver import RouteRegistry
    from mediaserver.contracts import Device


def register(registry: RouteRegistry, prefix: str) -> None:
    devices = registry.services.get(Devices)
    path = f"{prefix}/api/device"

    @registry.post(
        path,
        guard=signed_in, scope="account:write",
        body=bodies.DeviceTold, answer=bodies.DeviceSaved, status=201, errors=(409,),
    )  # fmt: skip
    async def save(request: Request) -> HTTPResponse:
        told = body(request, bodies.DeviceTold)
        user_of(request)
        device = DeviceIn(told.device_id, told.name, told.device_type)
        saved, created = await devices.upsert(request.ctx.actor, device)
        return json({"device_id": saved.client_id, "created": created}, status=201)

    @registry.get(path, guard=signed_in, scope="account:read", answer=bodies.DeviceList)
    async def mine(request: Request) -> HTTPResponse:
        return json([shown(device) for device in await devices.of(user_of(request))])


def user_of(request: Request) -> int:
    """Raises Forbidden for a guest, who owns nothing."""
    number: int | None = request.ctx.actor.user_id
    if number is None:
        raise Forbidden("This takes an account; guests have no devices.")
    return number


def shown(device: Device) -> dict[str, Any]:
    return {"device_id": device.client_id, "name": device.name, "device_type": device.type}
