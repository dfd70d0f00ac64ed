"""The plugin API; `mediaserver.contracts`, `.events`, `.errors`, `.models` and `.testing` complete it.

Names are imported when they are first used: a worker never loads what only `serve` needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

API_VERSION = "1"
__version__ = "0.1.0"

if TYPE_CHECKING:
    from sanic import HTTPResponse, Request
    from sanic.response import html, json
    from structlog import get_logger

    from mediaserver.core.actors import Guard, admin, public, require, require_play, signed_in, title_limit
    from mediaserver.core.answers import json_bytes
    from mediaserver.core.discovery import Plugin
    from mediaserver.core.files import send_data, send_file, send_text
    from mediaserver.core.hookspecs import hookimpl
    from mediaserver.core.http import absolute, body, query, timestamp
    from mediaserver.core.languages import language_name, language_tag
    from mediaserver.core.markup import neutral
    from mediaserver.core.registry import Registry
    from mediaserver.core.routes import SCOPES, RouteRegistry, row_id
    from mediaserver.core.server import Server
    from mediaserver.core.settings import Settings
    from mediaserver.core.worker import RunningJob

    log: Any = get_logger()

_HOMES = {
    "Guard": "mediaserver.core.actors",
    "HTTPResponse": "sanic",
    "Plugin": "mediaserver.core.discovery",
    "Registry": "mediaserver.core.registry",
    "Request": "sanic",
    "RouteRegistry": "mediaserver.core.routes",
    "RunningJob": "mediaserver.core.worker",
    "SCOPES": "mediaserver.core.routes",
    "Server": "mediaserver.core.server",
    "Settings": "mediaserver.core.settings",
    "absolute": "mediaserver.core.http",
    "admin": "mediaserver.core.actors",
    "body": "mediaserver.core.http",
    "hookimpl": "mediaserver.core.hookspecs",
    "html": "sanic.response",
    "json": "sanic.response",
    "json_bytes": "mediaserver.core.answers",
    "language_name": "mediaserver.core.languages",
    "language_tag": "mediaserver.core.languages",
    "log": "mediaserver.core.logs",
    "neutral": "mediaserver.core.markup",
    "public": "mediaserver.core.actors",
    "query": "mediaserver.core.http",
    "require": "mediaserver.core.actors",
    "require_play": "mediaserver.core.actors",
    "row_id": "mediaserver.core.routes",
    "send_file": "mediaserver.core.files",
    "send_data": "mediaserver.core.files",
    "send_text": "mediaserver.core.files",
    "signed_in": "mediaserver.core.actors",
    "timestamp": "mediaserver.core.http",
    "title_limit": "mediaserver.core.actors",
}

__all__ = [
    "API_VERSION",
    "SCOPES",
    "Guard",
    "HTTPResponse",
    "Plugin",
    "Registry",
    "Request",
    "RouteRegistry",
    "RunningJob",
    "Server",
    "Settings",
    "absolute",
    "admin",
    "body",
    "hookimpl",
    "html",
    "json",
    "json_bytes",
    "language_name",
    "language_tag",
    "log",
    "neutral",
    "public",
    "query",
    "require",
    "require_play",
    "row_id",
    "send_data",
    "send_file",
    "send_text",
    "signed_in",
    "timestamp",
    "title_limit",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module mediaserver has no attribute {name}")
    return getattr(importlib.import_module(home), name)
