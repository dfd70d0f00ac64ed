"""A server whose plugin has jobs, for the tests of jobs, and workers that run them."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from mediaserver.contracts import Jobs
from mediaserver.core import jobs as records
from mediaserver.core import worker
from mediaserver.core.config import load
from mediaserver.core.server import Server
from mediaserver.core.worker import JobRunner
from mediaserver.models import JobRecord
from tests.hands import Hands
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    import pytest

PLUGIN = """
import asyncio, errno, os
from tortoise.exceptions import OperationalError
from mediaserver import Plugin, hookimpl
from mediaserver.errors import JobFailed, JobPostponed

plugin = Plugin(api="1")
gate = asyncio.Event()
ran = []
full = [OSError(errno.ENOSPC, "No space left"), OSError(errno.EDQUOT, "Quota"), OperationalError("disk is full")]

async def work(job):
    ran.append((job.args.get("name"), job.attempt))
    if path := job.args.get("log"):
        with open(path, "a+") as file:
            file.write(f"{os.getpid()}\\n")
            file.seek(0)
            runs = len(file.readlines())
        if job.args["name"] == "hangs once" and runs == 1:
            await asyncio.sleep(3600)
    if job.args.get("name") == "fails":
        raise RuntimeError("the disk is away")
    if job.args.get("name") == "cannot":
        raise JobFailed("This film has no picture.")
    if job.args.get("name") == "later" and len(ran) == 1:
        raise JobPostponed("The disk is full.", 0.1)
    if job.args.get("name") == "writes" and full:
        raise full.pop()
    if job.args.get("wait"):
        await gate.wait()
    await job.progress(0.5)

@hookimpl
def register(registry):
    registry.job("slow", work, queue="background", attempts=2)
    registry.job("quick", work, queue="interactive", attempts=1, kept=False)
    registry.job("together", work, shared=True)
"""


class House:
    def __init__(self, config: Path, server: Server, clock: Hands) -> None:
        self.config = config
        self.server = server
        self.clock = clock
        self.jobs = server.services.get(Jobs)
        self.module: Any = server.hooks.loaded["working"].found.module

    async def enqueue(self, kind: str, key: str, **more: Any) -> int:
        options = {name: more.pop(name) for name in ("priority", "delay", "wanted_for") if name in more}
        return await self.jobs.enqueue(kind, key, {"name": key, **more}, **options)

    async def row(self, job_id: int) -> JobRecord:
        return await JobRecord.get(id=job_id)

    async def until(self, check: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not await check():
                await asyncio.sleep(0.01)

    async def until_state(self, job_id: int, state: str) -> JobRecord:
        async def reached() -> bool:
            return (await self.row(job_id)).state.value == state

        await self.until(reached)
        return await self.row(job_id)

    async def lose(self, job_id: int) -> None:
        """A worker of another machine takes it up and is killed."""
        job = await self.row(job_id)
        kind = self.server.contributions.jobs[job.kind]
        assert await self.server.jobs.claim(kind, job_id, job.fence, "elsewhere:1:1")
        await self.lapse(job_id)

    async def lapse(self, job_id: int) -> None:
        await JobRecord.filter(id=job_id).update(lease_until=0.0)
        await self.server.jobs.reconcile()

    async def renewed(self, job_id: int, times: int) -> None:
        """Wait until the lease of a job was renewed so often."""
        for _ in range(times):
            before = (await self.row(job_id)).lease_until

            async def later(before: float = before) -> bool:
                return (await self.row(job_id)).lease_until > before

            await self.until(later)

    async def until_ran(self, count: int) -> list[tuple[str, int]]:
        async def reached() -> bool:
            return len(self.module.ran) >= count

        await self.until(reached)
        ran: list[tuple[str, int]] = self.module.ran
        return ran

    @asynccontextmanager
    async def working(self, slots: int = 2) -> AsyncIterator[None]:
        stop = asyncio.Event()
        task = asyncio.create_task(JobRunner(self.server, slots).run(stop))
        try:
            yield
        finally:
            stop.set()
            await task


@asynccontextmanager
async def open_house(
    folder: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str | None
) -> AsyncIterator[House]:
    monkeypatch.setattr(worker, "RECONCILE_SECONDS", 0.1)
    monkeypatch.setattr(worker, "RENEW_SECONDS", 0.1)
    monkeypatch.setattr(records, "BACKOFF_SECONDS", (0.1, 0.1))
    (folder / "working.py").write_text(PLUGIN)
    config = folder / "config.yaml"
    settings = {"database": database_url, "redis": redis_url, "plugin_folders": [str(folder)]}
    config.write_text(json.dumps(settings | {"plugins": {"working": {}}}))
    clock = Hands()
    async with Server(load(config, {}), "worker", clock) as server:
        yield House(config, server, clock)
