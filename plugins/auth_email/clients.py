"""What a request says about who sends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaserver.contracts import Client

if TYPE_CHECKING:
    from mediaserver import Request, Server

BROWSERS = ("Edg", "OPR", "Firefox", "Chrome", "Safari")
SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux")
SHOWN = {"Edg": "Edge", "OPR": "Opera"}


def client_of(request: Request, name: str = "") -> Client:
    """`name` is what the client calls itself; else it is called by its browser and system."""
    server: Server = request.app.ctx.server
    agent = "".join(char for char in request.headers.getone("user-agent", "") if char.isprintable())[:300]
    return Client(name or _known_by(agent), server.proxies.client(request)[:64], agent)


def _known_by(agent: str) -> str:
    browser = next((SHOWN.get(word, word) for word in BROWSERS if word in agent), agent.partition("/")[0][:40])
    system = next((word for word in SYSTEMS if word in agent), "")
    return f"{browser} on {system}" if browser and system else browser or "An app"
