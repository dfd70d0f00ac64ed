"""What players notice of a large library that is being scanned: reads and heartbeats before, during and after.

    python benchmarks/streams_under_scan.py [--players P] [--files N] [--seconds S]

One `mediaserver run` on SQLite with accounts and stream limits and 1,000 titles. Each player fetches a segment every
4 s, a page of the list and an item every 20 s and tells where it is every 30 s. Then a folder of N small files is moved
into the library. Rows: S seconds before, until every name is recorded, and S seconds in which ffprobe looks at them.
Beside each stands what serve used of a core and how long it waited for one: under load that is the machine's part.
Budget: p99 < 50 ms while the names are recorded.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sqlite3
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any
from urllib.parse import urlsplit

from benchmarks.figures import cpu, waited
from benchmarks.scan import make
from benchmarks.streams import HEARTBEAT_SECONDS, PLUGINS, SEGMENT_SECONDS, Connection, playing, prepared
from benchmarks.titles import add_titles
from tests.e2e.appliance import Appliance
from tests.patience import until

TITLES = 1000
PAGE_SECONDS = 20.0
LONGEST_SCAN = 600  # s
KINDS = ("segment", "list", "item", "heartbeat")


@dataclass
class Phase:
    """What was asked while it lasted: seconds of each kind, and whatever was not 200."""

    name: str
    serve: int
    taken: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    failed: Counter[str] = field(default_factory=Counter)
    loop_late: list[float] = field(default_factory=list)  # how late this process's own loop was

    def __post_init__(self) -> None:
        self._began, self._used, self._waited = time.perf_counter(), cpu(self.serve), waited(self.serve)

    def report(self) -> None:
        lasted = time.perf_counter() - self._began
        used, idle = (cpu(self.serve) - self._used) / lasted, (waited(self.serve) - self._waited) / lasted
        print(f"{self.name}: {lasted:.0f} s; load {os.getloadavg()[0]:.1f}")
        print(f"  serve used {used:.0%} of a core and waited {idle:.0%} for one")
        for kind, times in (*self.taken.items(), ("(own loop)", self.loop_late)):
            if len(times) > 1:
                cut = [each * 1e3 for each in quantiles(times, n=100, method="inclusive")]
                most = max(times) * 1e3
                print(f"  {kind:10} {len(times):6}   p50 {cut[49]:6.1f}   p99 {cut[98]:6.1f}   most {most:6.1f} ms")
        if self.failed:
            print(f"  failed: {dict(self.failed)}")


class Players:
    """They go on through all phases until told to stop."""

    def __init__(self, appliance: Appliance, tokens: list[str], title: str, phase: Phase) -> None:
        self._appliance, self._tokens, self._title = appliance, tokens, title
        self._cells = [path.name for path in appliance.cells("480p")]
        self.phase = phase
        self._dice = random.Random(7)
        self._stop = asyncio.Event()

    async def play(self, count: int) -> list[asyncio.Task[None]]:
        sessions = [
            await playing(self._appliance, self._token(number), self._title, f"player {number}")
            for number in range(count)
        ]
        players = [asyncio.create_task(self._player(number, each)) for number, each in enumerate(sessions)]
        return [*players, asyncio.create_task(self._look_at_own_loop())]

    def stop(self) -> None:
        self._stop.set()

    def _token(self, number: int) -> str:
        return self._tokens[number % len(self._tokens)]

    async def _player(self, number: int, session: dict[str, Any]) -> None:
        media = urlsplit(session["manifest_url"]).path.removesuffix("master.m3u8")
        connection = await Connection.open(self._appliance.port, self._token(number))
        beat = {"session_id": session["session_id"], "position": 0}
        asks: list[tuple[float, str, Any]] = [
            (SEGMENT_SECONDS, "segment", lambda: ("GET", f"{media}480p/{self._dice.choice(self._cells)}")),
            (PAGE_SECONDS, "list", lambda: ("GET", f"/v1/content/browse?limit=20&page={self._dice.randint(1, 50)}")),
            (PAGE_SECONDS, "item", lambda: ("GET", f"/v1/content/{self._title}")),
            (HEARTBEAT_SECONDS, "heartbeat", lambda: ("PUT", f"/v1/streaming/{self._title}/progress", beat)),
        ]
        now = time.perf_counter()
        due = [now + self._dice.uniform(0, every) for every, _, _ in asks]
        while not self._stop.is_set():
            next_one = min(range(len(asks)), key=due.__getitem__)
            await asyncio.sleep(due[next_one] - time.perf_counter())
            every, kind, said = asks[next_one]
            due[next_one] += every
            await self._ask(kind, connection, *said())
        connection.close()

    async def _ask(self, kind: str, connection: Connection, *said: Any) -> None:
        phase, began = self.phase, time.perf_counter()
        try:
            status, _ = await connection.ask(*said)
        except (OSError, asyncio.IncompleteReadError) as error:
            phase.failed[f"{kind} {type(error).__name__}"] += 1
            self.stop()
            return
        phase.taken[kind].append(time.perf_counter() - began)
        if status != 200:
            phase.failed[f"{kind} {status}"] += 1

    async def _look_at_own_loop(self) -> None:
        while not self._stop.is_set():
            began = time.perf_counter()
            await asyncio.sleep(0.05)
            self.phase.loop_late.append(time.perf_counter() - began - 0.05)


def recorded(database: Path) -> tuple[int, int]:
    """Files whose names are known, and those of them that ffprobe has looked at."""
    with sqlite3.connect(database, timeout=30) as db:
        names = int(db.execute("SELECT count(*) FROM core_location").fetchone()[0])
        done = int(db.execute("SELECT count(*) FROM core_location WHERE state = 'refused'").fetchone()[0])
    db.close()
    return names, done


async def phases(appliance: Appliance, tokens: list[str], title: str, waiting: Path, told: argparse.Namespace) -> None:
    database, serve = appliance.data / "mediaserver.sqlite3", appliance.roles()["serve"]
    players = Players(appliance, tokens, title, Phase("start", serve))
    tasks = await players.play(told.players)
    await asyncio.sleep(SEGMENT_SECONDS)

    players.phase = Phase(f"before, {told.players} players", serve)
    await asyncio.sleep(told.seconds)
    players.phase.report()

    async def all_known() -> bool:
        await asyncio.sleep(0.5)
        return bool((await asyncio.to_thread(recorded, database))[0] >= told.files)

    players.phase = Phase(f"while {told.files} names are recorded", serve)
    waiting.rename(appliance.library / "many")
    await until(all_known, "every name is recorded", LONGEST_SCAN)
    players.phase.report()

    _, before = recorded(database)
    players.phase = Phase("while ffprobe looks at them", serve)
    await asyncio.sleep(told.seconds)
    players.phase.report()
    print(f"  {(recorded(database)[1] - before) / told.seconds:.0f} files looked at a second")
    players.stop()
    await asyncio.gather(*tasks)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--players", type=int, default=500)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=30)
    told = parser.parse_args()
    plugins = PLUGINS | {"hls_transcoder": {"preset": "ultrafast", "resolutions": ["480p"]}}
    with tempfile.TemporaryDirectory(prefix="bench-scanned-") as name:
        waiting = Path(name, "waiting")
        waiting.mkdir()
        await asyncio.to_thread(make, waiting, told.files)
        async with Appliance(Path(name, "home"), plugins=plugins) as appliance:
            tokens, title = await prepared(appliance)
            await asyncio.to_thread(add_titles, appliance.data / "mediaserver.sqlite3", TITLES)
            await phases(appliance, tokens, title, waiting, told)


if __name__ == "__main__":
    asyncio.run(main())
