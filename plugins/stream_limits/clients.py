"""What a device is that says no more of itself than a browser does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaserver.contracts import DeviceIn

if TYPE_CHECKING:
    from mediaserver import Request
    from mediaserver.contracts import Device

# The first word that a User-Agent holds decides; televisions name a browser too, and tablets a mobile system.
TYPES = (
    ("tv", ("TV", "AFT", "CrKey", "Roku", "BRAVIA", "Web0S")),
    ("tablet", ("iPad", "Tablet")),
    ("mobile", ("Mobile", "iPhone", "Android")),
    ("browser", ("Mozilla",)),
)
NAMES = {"tv": "A television", "tablet": "A tablet", "mobile": "A phone", "browser": "A browser", "other": "An app"}


def described(request: Request, client_id: str, device_type: str | None, known: Device | None) -> DeviceIn:
    """What is known stays, unless the device says otherwise now."""
    agent = request.headers.getone("user-agent", "")
    seen = next((kind for kind, words in TYPES if any(word in agent for word in words)), "other")
    kind = device_type or (known.type if known else seen)
    return DeviceIn(client_id, known.name if known else NAMES[kind], kind)
