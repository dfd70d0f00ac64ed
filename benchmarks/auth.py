"""What accounts cost: whether time tells who has one, what a sign-in does to others, what a token adds to a request.

    python benchmarks/auth.py [--tries N] [--seconds S] [--rounds N]

On default settings, bcrypt with 12 rounds and one `serve`. Tries with a known and an unknown address come in pairs, in
either order. wrk (Debian package of that name) asks for the same list as a user, as a guest and of bare Sanic by turns:
A B C A B C. With one connection the medians are compared, where nothing waits for anything else.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import random
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.figures import cpu, spread
from benchmarks.serve_segments import BARE, TITLES, program, wrk
from benchmarks.titles import add_titles
from tests.e2e.appliance import Appliance
from tests.media import film
from tests.patience import until
from tests.ports import free_port

ADMIN = {"email": "root@example.org", "password": "a long way home"}
PASSWORD = "eight bees fly"  # noqa: S105 - of people who do not exist
PEOPLE = 50
PATH = "/v1/content/browse?limit=20"
PLUGINS = {"auth_email": {"admin_email": ADMIN["email"], "admin_password": ADMIN["password"]}}
SECTIONS: dict[str, Any] = {
    "server": {"guest": "viewer"},
    "mail": {"backend": "directory"},
    "workers": {"count": 0},  # letters alone
}
PAUSE = 0.01  # seconds between two looks at /health
FIRSTS = 200


def person(number: int) -> str:
    return f"person-{number}@example.org"


def stranger(number: int) -> str:
    return f"nobody-{number}@example.org"


class Caller:
    """One keep-alive connection and nothing around it, so that what is measured is the server."""

    def __init__(self, port: int, token: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    def __call__(self, method: str, path: str, body: bytes = b"") -> tuple[float, int]:
        """Seconds and status."""
        began = time.perf_counter()
        self._connection.request(method, path, body or None, self._headers)
        answer = self._connection.getresponse()
        answer.read()
        return time.perf_counter() - began, answer.status

    def close(self) -> None:
        self._connection.close()


async def populate(appliance: Appliance, token: str) -> None:
    headers = {"authorization": f"Bearer {token}"}
    for number in range(PEOPLE):
        told = {"email": person(number), "password": PASSWORD, "role": "viewer"}
        answer = await appliance.client.post(f"{appliance.url}/v1/admin/users", json=told, headers=headers)
        answer.raise_for_status()


async def sign_in(appliance: Appliance, email: str, password: str) -> dict[str, Any]:
    """By a client that keeps no cookies."""
    told = {"email": email, "password": password}
    answer = await appliance.client.post(f"{appliance.url}/v1/auth/login", json=told)
    appliance.client.cookies.clear()
    answer.raise_for_status()
    tokens: dict[str, Any] = answer.json()
    return tokens


# ---- what time tells ---------------------------------------------------------------------------------------


def told_apart(port: int, path: str, expected: int, tries: int, fresh: bool, **rest: str) -> None:
    """Pairs of a known address and one that is not; `fresh` never asks for the same unknown one twice."""
    import json

    caller, dice = Caller(port), random.Random(7)
    times: dict[bool, list[float]] = {True: [], False: []}
    for number in range(tries):
        for known in dice.sample((True, False), 2):
            email = person(number % PEOPLE) if known else stranger(number if fresh else number % PEOPLE)
            seconds, status = caller("POST", path, json.dumps({"email": email, **rest}).encode())
            if status != expected:
                raise SystemExit(f"{path} answered {status}.")
            times[known].append(seconds * 1e3)
    caller.close()
    one, other = median(times[True]), median(times[False])
    print(f"  {path.rpartition('/')[2]:15} known {one:8.3f} ms, unknown {other:8.3f} ms, ratio {one / other:.3f}")


# ---- many at once ------------------------------------------------------------------------------------------


@dataclass
class Looks:
    """Somebody who asks /health again and again."""

    port: int
    times: list[float] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        caller = Caller(self.port)
        while not self.over.wait(PAUSE):
            self.times.append(caller("GET", "/health")[0] * 1e3)
        caller.close()

    def p99(self) -> float:
        return quantiles(self.times, n=100)[98]


async def crowd(appliance: Appliance) -> None:
    """Everybody signs in at the same moment."""
    looks = Looks(appliance.port)
    looking = asyncio.create_task(asyncio.to_thread(looks.look))
    began = time.perf_counter()
    await asyncio.gather(*(sign_in(appliance, person(number), PASSWORD) for number in range(PEOPLE)))
    taken = time.perf_counter() - began
    looks.over.set()
    await looking
    print(f"  {PEOPLE} sign-ins at once: {PEOPLE / taken:.1f} a second")
    print(
        f"  /health meanwhile: p50 {median(looks.times):.1f} ms, p99 {looks.p99():.1f} ms, "
        f"most {max(looks.times):.1f} ms of {len(looks.times)}"
    )


# ---- what a token adds -------------------------------------------------------------------------------------


async def first_uses(appliance: Appliance, tokens: dict[str, Any]) -> None:
    """Each refresh makes a token that the server has not seen."""
    first, again = [], []
    for _ in range(FIRSTS):
        told = {"refresh_token": tokens["refresh_token"]}
        answer = await appliance.client.post(f"{appliance.url}/v1/auth/refresh", json=told)
        appliance.client.cookies.clear()
        tokens = answer.json()
        caller = Caller(appliance.port, tokens["access_token"])
        caller("GET", "/health")  # connects
        first.append(caller("GET", PATH)[0] * 1e6)
        again.append(caller("GET", PATH)[0] * 1e6)
        caller.close()
    print(f"  first use of a token: {median(first):.0f} µs, again: {median(again):.0f} µs (medians of {FIRSTS})")


async def lists(appliance: Appliance, folder: Path, token: str, seconds: int, rounds: int) -> None:
    (folder / "list.json").write_bytes((await appliance.client.get(appliance.url + PATH)).content)
    port, serve = free_port(), appliance.roles()["serve"]
    ours, header = f"http://127.0.0.1:{appliance.port}{PATH}", f"Authorization: Bearer {token}"
    with program([sys.executable, "-c", BARE, str(port), "list.json"], port, folder):
        bare = f"http://127.0.0.1:{port}/"
        await asyncio.to_thread(throughput, (ours, header, bare), serve, seconds, rounds)
        await asyncio.to_thread(alone, (ours, header), seconds, rounds)


def throughput(asked: tuple[str, str, str], serve: int, seconds: int, rounds: int) -> None:
    ours, header, bare = asked
    named: dict[str, tuple[str, str]] = {"user": (ours, header), "guest": (ours, ""), "bare Sanic": (bare, "")}
    rates: dict[str, list[float]] = {name: [] for name in named}
    costs: dict[str, list[float]] = {name: [] for name in named}
    for url, told in named.values():
        wrk(url, 1, told)  # warm
    for _ in range(rounds):
        for name, (url, told) in named.items():
            before = cpu(serve)
            load = wrk(url, seconds, told)
            rates[name].append(load.requests)
            costs[name].append((cpu(serve) - before) / (load.requests * seconds) * 1e6)
    for name, values in rates.items():
        print(f"  {name:11} {spread(values, 'requests/s')}")
    ratios = [one / other for one, other in zip(rates["user"], rates["bare Sanic"], strict=True)]
    print(f"  user / bare Sanic {spread(ratios, '')}")
    added = [one - other for one, other in zip(costs["user"], costs["guest"], strict=True)]
    print(f"  a token costs {spread(added, 'µs of CPU a request')}")


def alone(asked: tuple[str, str], seconds: int, rounds: int) -> None:
    """One connection: the time of a request without any queue."""
    ours, header = asked
    pairs = [
        (wrk(ours, seconds, header, connections=1).p50 * 1e3, wrk(ours, seconds, connections=1).p50 * 1e3)
        for _ in range(rounds)
    ]
    print(f"  p50 alone, user {spread([pair[0] for pair in pairs], 'µs')}")
    print(f"  p50 alone, guest {spread([pair[1] for pair in pairs], 'µs')}")
    print(f"  a token adds {median(user - guest for user, guest in pairs):.0f} µs at p50")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--tries", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=6)
    told = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("wrk is needed. On Debian and Ubuntu:  sudo apt install wrk")
    with tempfile.TemporaryDirectory(prefix="bench-auth-") as name:
        async with Appliance(Path(name, "home"), plugins=PLUGINS, **SECTIONS) as appliance:
            await measure(appliance, Path(name), told)


async def measure(appliance: Appliance, folder: Path, told: argparse.Namespace) -> None:
    tokens = await sign_in(appliance, **ADMIN)
    await populate(appliance, tokens["access_token"])
    await appliance.film(film("bare.mp4", seconds=2), "Bare.mp4")
    add_titles(appliance.data / "mediaserver.sqlite3", TITLES)

    async def grown() -> bool:
        return bool((await appliance.get(PATH))["pagination"]["total"] > TITLES)

    await until(grown, "the titles are listed")
    print(f"lists of 20 of {TITLES} titles")
    await lists(appliance, folder, tokens["access_token"], told.seconds, told.rounds)
    await first_uses(appliance, tokens)
    print(f"{PEOPLE} people")
    await crowd(appliance)
    print(f"known and unknown addresses, {told.tries} tries each")
    wrong = {"password": "not the password"}
    await asyncio.to_thread(told_apart, appliance.port, "/v1/auth/login", 401, told.tries, False, **wrong)
    await asyncio.to_thread(told_apart, appliance.port, "/v1/auth/register", 201, told.tries, True, **wrong)
    await asyncio.to_thread(told_apart, appliance.port, "/v1/auth/password-reset", 200, told.tries, True)


if __name__ == "__main__":
    asyncio.run(main())
