"""`/` and the files it is made of. The pages hold no data of their own: they ask `/v1`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mediaserver import HTTPResponse, Request, public, send_file, send_text
from mediaserver.contracts import Accounts
from mediaserver.errors import NotFound

if TYPE_CHECKING:
    from mediaserver import RouteRegistry

STATIC = Path(__file__).with_name("static")
REVALIDATED = "no-cache"  # with an ETag: a new version is seen at once, an old one costs a 304
NAME = re.compile(r"[a-z][a-z0-9-]{0,40}\.(js|css|svg)")
VENDOR_NAME = re.compile(r"hls(\.min\.mjs|\.worker\.js)")
TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}


def register(registry: RouteRegistry) -> None:
    index = page_for(has_accounts=registry.services.find(Accounts) is not None)

    @registry.get("/", guard=public, limit=None)
    async def page(request: Request) -> HTTPResponse | None:
        if not request.path.endswith("/"):  # below a base path: the page's own addresses are relative
            return HTTPResponse(status=308, headers={"Location": f"{request.path}/"})
        await send_text(request, index, content_type=TYPES["html"], cache_control=REVALIDATED)
        return None

    @registry.get("/ui/<name:str>", guard=public, limit=None)
    async def static(request: Request, name: str) -> None:
        if not NAME.fullmatch(name):
            raise NotFound("There is nothing here.")
        await send(request, STATIC / name)

    @registry.get("/ui/vendor/<name:str>", guard=public, limit=None)
    async def vendor(request: Request, name: str) -> None:
        if not VENDOR_NAME.fullmatch(name):
            raise NotFound("There is nothing here.")
        await send(request, STATIC / "vendor" / name)


def page_for(*, has_accounts: bool) -> str:
    """Its scripts are told whether there is somewhere to sign in."""
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    return page.replace('<html lang="en">', '<html lang="en" data-accounts>') if has_accounts else page


async def send(request: Request, path: Path) -> None:
    kind = TYPES[path.suffix.removeprefix(".")]
    await send_file(request, path, content_type=kind, cache_control=REVALIDATED)
