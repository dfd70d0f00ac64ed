"""Rates as the settings write them: 10/minute."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator

RATE = re.compile(r"([1-9]\d{0,8})/(second|minute|hour|day)")
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True, slots=True)
class Rate:
    """`amount` requests within `seconds`."""

    amount: int
    seconds: int


def rate(text: str) -> Rate:
    """Raises ValueError with the words for whoever wrote it."""
    match = RATE.fullmatch(text)
    if match is None:
        raise ValueError("should be a number from 1 on per second, minute, hour or day, such as 10/minute")
    return Rate(int(match[1]), SECONDS[match[2]])


def _checked(value: Any) -> str:
    text = str(value)
    rate(text)
    return text


RateText = Annotated[str, BeforeValidator(_checked)]
