"""Devices that come at once, where an account may have only so many."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.contract

MOST, CROWD = 3, 20


@pytest.mark.databases
async def test_of_a_crowd_of_new_devices_as_many_are_known_as_may_be(open_cinema: Callable[..., Any]) -> None:
    cinema = await open_cinema(max_devices=MOST, default_limit=None)
    film = await cinema.film()
    answers = await asyncio.gather(*(cinema.start(cinema.ada, film, f"device {number}") for number in range(CROWD)))
    assert sorted(answer.status_code for answer in answers) == [201] * MOST + [409] * (CROWD - MOST)
    known = {
        each["device_id"] for each in (await cinema.house.get("/v1/users/me/devices", cinema.ada)).json()["devices"]
    }
    assert len(known) == MOST
    for refused in (answer.json()["error"] for answer in answers if answer.status_code == 409):
        assert (refused["code"], refused["details"] in known) == ("CONFLICT", True)
