"""Attempts of a job: what counts as one, what does not, and what ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mediaserver.core import worker
from mediaserver.core.jobs import MOST_LOST
from tests.core.job_house import House, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.databases


@pytest.fixture
async def house(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str | None
) -> AsyncIterator[House]:
    async with open_house(tmp_path, monkeypatch, database_url, redis_url) as house:
        yield house


async def test_a_failure_is_tried_again_and_then_told(house: House) -> None:
    async with house.working():
        job = await house.until_state(await house.enqueue("slow", "fails"), "failed")
    assert job.error == "Something went wrong here (RuntimeError); the log tells more."
    assert house.module.ran == [("fails", 1), ("fails", 2)]


async def test_what_cannot_be_done_is_not_tried_again_until_somebody_asks(house: House) -> None:
    async with house.working():
        job = await house.until_state(await house.enqueue("slow", "cannot"), "failed")
        assert job.error == "This film has no picture."
        assert await house.jobs.retry(job.id)
        await house.until_ran(2)
        await house.until_state(job.id, "failed")
    assert not await house.jobs.retry(job.id + 1)


async def test_a_postponed_job_has_lost_no_attempt(house: House) -> None:
    async with house.working():
        job = await house.until_state(await house.enqueue("slow", "later"), "done")
    assert house.module.ran == [("later", 1), ("later", 1)]
    assert job.attempt == 1


async def test_a_worker_that_stops_gives_its_job_back(house: House) -> None:
    async with house.working():
        job_id = await house.enqueue("slow", "a", wait=True)
        await house.until_ran(1)
    job = await house.row(job_id)
    assert (job.state.value, job.attempt) == ("due", 1)


async def test_workers_that_end_cost_a_job_no_attempt(house: House) -> None:
    """A machine that is restarted three times in the week that a film takes is no failure of the film."""
    job_id = await house.enqueue("slow", "fails")
    for _ in range(3):
        await house.lose(job_id)
    async with house.working():
        await house.until_state(job_id, "failed")
    assert house.module.ran == [("fails", 1), ("fails", 2)]


async def test_a_job_that_ends_every_worker_is_given_up(house: House) -> None:
    job_id = await house.enqueue("slow", "deadly")
    for _ in range(MOST_LOST - 1):
        await house.lose(job_id)
    assert (await house.row(job_id)).state.value == "due"
    await house.lose(job_id)
    job = await house.row(job_id)
    assert (job.state.value, job.error) == ("failed", "20 workers that took it up ended before it did.")
    assert await house.jobs.retry(job_id)
    await house.lose(job_id)
    assert (await house.row(job_id)).state.value == "due"


@pytest.mark.parametrize("end", ["postpone", "release", "survive"])
async def test_a_shared_job_is_not_given_up_while_workers_come_out_of_it_alive(house: House, end: str) -> None:
    """Nobody holds it then, and its lease runs out as if a worker had ended."""
    job_id = await house.enqueue("together", "film")
    jobs, kind = house.server.jobs, house.server.contributions.jobs["together"]
    for _ in range(MOST_LOST + 1):
        part = await jobs.claim(kind, job_id, (await house.row(job_id)).fence, "elsewhere:1:1")
        assert part is not None
        if end == "postpone":
            await jobs.postpone(part, kind, "The disk is full.", 3600)
        elif end == "release":
            await jobs.release(part, kind)
        else:
            await jobs.survive(part)
        await house.lapse(job_id)
    job = await house.row(job_id)
    assert (job.state.value, job.attempt) == ("due", 1)


async def test_a_full_disk_costs_a_job_no_attempt_and_its_owner_one_line(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the handler wrote to, for longer than it has attempts."""
    monkeypatch.setattr(worker, "DISK_SECONDS", 0.1)
    async with house.working():
        job = await house.until_state(await house.enqueue("slow", "writes"), "done")
    assert house.module.ran == [("writes", 1)] * 4
    assert (job.attempt, job.error) == (1, "")
    said = capsys.readouterr().out
    assert said.count("a job waits: The disk is full") == 1
    assert "Traceback" not in said


async def test_a_job_that_waits_for_room_says_so(house: House) -> None:
    async with house.working():
        job_id = await house.enqueue("slow", "writes")

        async def waits() -> bool:
            return (await house.row(job_id)).error == "The disk is full; it goes on when there is room."

        await house.until(waits)
        assert (await house.row(job_id)).state.value == "due"


async def test_what_a_job_waited_for_is_forgotten_when_it_goes_on(house: House) -> None:
    job_id = await house.enqueue("together", "film")
    jobs, kind = house.server.jobs, house.server.contributions.jobs["together"]
    part = await jobs.claim(kind, job_id, (await house.row(job_id)).fence, "elsewhere:1:1")
    assert part is not None
    await jobs.postpone(part, kind, "No file with this film can be reached.", 3600)
    assert (await house.row(job_id)).error
    await jobs.progress(part, 0.5)
    assert (await house.row(job_id)).error == ""
