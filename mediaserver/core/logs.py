"""Logs: structlog for us, the standard library's for others, one form for both; secrets never stand in them."""

from __future__ import annotations

import logging
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

log = structlog.get_logger()
SECRET_KEYS = re.compile(r"password|secret|token|cookie|authorization", re.IGNORECASE)
MEDIA_TOKEN = re.compile(r"(/v1/media/)[^/\s]+")
STILL_SO = 60.0  # s
TRACEBACK = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)  # typed passwords stand in locals
LOUD = ("saq",)  # its warnings tell what we mean to do: jobs are cancelled when a worker stops
QUIET = ("asyncio", "aiosqlite", "tortoise", "sanic.root", "sanic.server", "watchdog", "rebulk", "guessit")


def configure(level: str, form: str, role: str, clock: Callable[[], float] = time.monotonic) -> None:
    """`form` is auto (text on a terminal or a pipe read by people, colours only on a terminal), text or json."""
    number = getattr(logging, level.upper())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True) if form == "json" else
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        _hide_secrets,
        lambda _logger, _method, event: {"role": role, **event},
    ]  # fmt: skip
    final: list[Any] = (
        [structlog.processors.ExceptionRenderer(TRACEBACK), structlog.processors.JSONRenderer()]
        if form == "json"
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stdout.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    structlog.configure(
        processors=[*shared, *final],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[_drop_meta, *final], foreign_pre_chain=shared))
    handler.addFilter(InALine(clock))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.INFO))
    for name in QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.ERROR)


class InALine(logging.Filter):
    """Redis that is away is no fault of the program; SAQ and asyncio tell it by tracebacks, some every second.

    Whoever says it, it is one warning, and again after a minute of `clock` (seconds) if it is still so.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._told_at = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not type(error).__module__.startswith("redis."):
            return True
        now = self._clock()
        if now - self._told_at < STILL_SO:
            return False
        self._told_at = now
        record.msg, record.args = f"Redis does not answer; jobs wait until it does ({error})", ()
        record.exc_info = record.exc_text = None
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        return True


def _drop_meta(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.pop("_record", None)
    event.pop("_from_structlog", None)
    return event


def _hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if SECRET_KEYS.search(key):
            event[key] = "hidden"
        elif isinstance(value, str):
            event[key] = MEDIA_TOKEN.sub(r"\1…", value)
    return event
