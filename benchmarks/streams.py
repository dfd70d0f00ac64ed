"""What counting streams costs: starts, heartbeats, authorised segments, and a crowd of players.

    python benchmarks/streams.py [--seconds S] [--rounds N] [--players P] [--crowd S]

One `serve` with accounts and stream limits, SQLite. Segments are asked for by wrk with the token of a playback session;
one nginx worker that sends the same file is the mark, and nginx in front that is told by X-Accel-Redirect what to send.
The crowd runs in this process: each player fetches a segment of 4 s every 4 s and tells where it is every 30 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Self
from urllib.parse import urlsplit

from benchmarks.auth import ADMIN, PASSWORD, PEOPLE, person, populate, sign_in
from benchmarks.figures import MB, cpu
from benchmarks.serve_segments import NGINX, by_turns, film, program
from tests.e2e.appliance import Appliance
from tests.patience import until
from tests.ports import free_port

PLUGINS: dict[str, Any] = {
    "auth_email": {"admin_email": ADMIN["email"], "admin_password": ADMIN["password"]},
    "hls_transcoder": {"preset": "ultrafast"},
    "stream_limits": {"default_limit": None},
}
CONNECTIONS = 16
SEGMENT_SECONDS, HEARTBEAT_SECONDS = 4.0, 30.0
DROPPED = 256 * 1024  # bytes of a segment that a player reads at a time
PROXY = """
worker_processes 1; daemon off; pid nginx.pid; error_log error.log;
events {{ worker_connections 256; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  upstream serve {{ server 127.0.0.1:{serve}; keepalive 32; }}
  server {{ listen 127.0.0.1:{port};
    location / {{ proxy_pass http://serve; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    location /internal-media/ {{ internal; alias {media}/; }} }} }}
"""


class Connection:
    """One keep-alive connection, and nothing that costs time around it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
        self._reader, self._writer = reader, writer
        self._credential = f"Authorization: Bearer {token}\r\n" if token else ""

    @classmethod
    async def open(cls, port: int, token: str = "") -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port), token)

    async def ask(self, method: str, path: str, told: dict[str, Any] | None = None) -> tuple[int, bytes]:
        """Status and, of JSON, the body."""
        body = json.dumps(told).encode() if told is not None else b""
        kind = "Content-Type: application/json\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{self._credential}{kind}"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        said = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        left = int(said.partition(b"content-length:")[2].partition(b"\r\n")[0])
        kept = b""
        while left:
            piece = await self._reader.read(min(left, DROPPED))
            if not piece:
                raise ConnectionError("the answer broke off")
            left -= len(piece)
            kept = kept + piece if b"application/json" in said else b""
        return int(said.split(b" ", 2)[1]), kept

    def close(self) -> None:
        self._writer.close()


@dataclass
class Crowd:
    """What players met: seconds of each segment, and whatever was not 200."""

    times: list[float] = field(default_factory=list)
    beats: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)

    async def timed(self, times: list[float], asked: Any) -> None:
        began = time.perf_counter()
        try:
            status, _ = await asked
        except (OSError, asyncio.IncompleteReadError) as error:
            self.failed[type(error).__name__] += 1
            return
        times.append(time.perf_counter() - began)
        if status != 200:
            self.failed[str(status)] += 1


# ---- starts and heartbeats ---------------------------------------------------------------------------------


async def rate(port: int, tokens: list[str], asks: Any, seconds: float) -> float:
    """Requests a second of CONNECTIONS that each ask again and again."""
    end = time.perf_counter() + seconds

    async def one(number: int) -> int:
        connection = await Connection.open(port, tokens[number % len(tokens)])
        count = 0
        while time.perf_counter() < end:
            status, body = await connection.ask(*asks(number, count))
            if status not in (200, 201):
                raise SystemExit(f"{status}: {body.decode()}")
            count += 1
        connection.close()
        return count

    done = sum(await asyncio.gather(*(one(number) for number in range(CONNECTIONS))))
    return done / seconds


async def playing(appliance: Appliance, token: str, title: str, device: str) -> dict[str, Any]:
    connection = await Connection.open(appliance.port, token)
    _, body = await connection.ask("POST", f"/v1/streaming/{title}/start", {"device_id": device})
    connection.close()
    started: dict[str, Any] = json.loads(body)
    return started


async def requests(appliance: Appliance, tokens: list[str], title: str, told: argparse.Namespace) -> None:
    sessions = [
        (await playing(appliance, tokens[each % len(tokens)], title, f"beat {each}"))["session_id"]
        for each in range(CONNECTIONS)
    ]
    asked: dict[str, Any] = {
        "starts, each of a device of its own": lambda number, count: (
            "POST", f"/v1/streaming/{title}/start", {"device_id": f"device {number} {count % 50}"},
        ),
        "heartbeats": lambda number, count: (
            "PUT", f"/v1/streaming/{title}/progress", {"session_id": sessions[number], "position": count % 8},
        ),
        "GET /v1/users/me, the mark": lambda _number, _count: ("GET", "/v1/users/me", None),
    }  # fmt: skip
    rates: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(told.rounds):
        for name, asks in asked.items():
            rates[name].append(await rate(appliance.port, tokens, asks, told.seconds))
    mark = median(rates["GET /v1/users/me, the mark"])
    for name, values in rates.items():
        print(f"  {name:36} {median(values):8.0f} a second   {median(values) / mark:.2f} of the mark")


# ---- segments ----------------------------------------------------------------------------------------------


async def segments(appliance: Appliance, folder: Path, path: str, told: argparse.Namespace) -> None:
    chosen = appliance.cells("1080p")[0]
    port, ours = free_port(), f"http://127.0.0.1:{appliance.port}{path}"
    print(f"segments of {chosen.stat().st_size / MB:.2f} MB, {CONNECTIONS} connections")
    (folder / "nginx.conf").write_text(NGINX.format(port=port, root=chosen.parent), encoding="utf-8")
    with program(["nginx", "-p", str(folder), "-c", "nginx.conf"], port, folder):
        theirs = ("nginx", f"http://127.0.0.1:{port}/{chosen.name}")
        await asyncio.to_thread(by_turns, "mediaserver", ours, theirs, told.seconds, told.rounds)


async def behind_nginx(appliance: Appliance, folder: Path, path: str, told: argparse.Namespace) -> None:
    chosen = appliance.cells("1080p")[0]
    proxy, direct = free_port(), free_port()
    proxied = PROXY.format(port=proxy, serve=appliance.port, media=appliance.data / "media")
    for name, text in (("proxy", proxied), ("direct", NGINX.format(port=direct, root=chosen.parent))):
        (folder / name).mkdir()
        (folder / name).chmod(0o755)
        (folder / name / "nginx.conf").write_text(text, encoding="utf-8")
    with (
        program(["nginx", "-p", str(folder / "proxy"), "-c", "nginx.conf"], proxy, folder),
        program(["nginx", "-p", str(folder / "direct"), "-c", "nginx.conf"], direct, folder),
    ):
        theirs = ("nginx", f"http://127.0.0.1:{direct}/{chosen.name}")
        ours = f"http://127.0.0.1:{proxy}{path}"
        await asyncio.to_thread(by_turns, "X-Accel", ours, theirs, told.seconds, told.rounds)


# ---- the crowd ---------------------------------------------------------------------------------------------


async def crowd(appliance: Appliance, tokens: list[str], title: str, told: argparse.Namespace) -> None:
    met, serve = Crowd(), appliance.roles()["serve"]
    names = [path.name for path in appliance.cells("720p")]
    started = [
        await playing(appliance, tokens[each % len(tokens)], title, f"player {each}") for each in range(told.players)
    ]
    began, before = time.perf_counter(), cpu(serve)
    end = began + told.crowd
    dice = random.Random(7)

    async def player(number: int, waits: float) -> None:
        session = started[number]
        path = urlsplit(session["manifest_url"]).path.removesuffix("master.m3u8")
        connection = await Connection.open(appliance.port, tokens[number % len(tokens)])
        due, beaten, count = began + waits, began + waits, 0
        while due < end:
            await asyncio.sleep(due - time.perf_counter())
            await met.timed(met.times, connection.ask("GET", f"{path}720p/{names[count % len(names)]}"))
            if time.perf_counter() >= beaten:
                beat = {"session_id": session["session_id"], "position": count * SEGMENT_SECONDS}
                await met.timed(met.beats, connection.ask("PUT", f"/v1/streaming/{title}/progress", beat))
                beaten += HEARTBEAT_SECONDS
            count, due = count + 1, due + SEGMENT_SECONDS
        connection.close()

    await asyncio.gather(*(player(number, dice.uniform(0, SEGMENT_SECONDS)) for number in range(told.players)))
    size = median(path.stat().st_size for path in appliance.cells("720p"))
    late = quantiles(met.times, n=100)
    print(f"{told.players} players for {told.crowd} s, segments of {size / MB:.2f} MB")
    print(f"  {len(met.times)} segments, {sum(met.failed.values())} failed {dict(met.failed) or ''}")
    print(f"  segment: p50 {late[49] * 1e3:.1f} ms, p99 {late[98] * 1e3:.1f} ms, most {max(met.times) * 1e3:.1f} ms")
    print(f"  {len(met.beats)} heartbeats: p50 {median(met.beats) * 1e3:.1f} ms, most {max(met.beats) * 1e3:.1f} ms")
    print(f"  serve used {(cpu(serve) - before) / told.crowd * 100:.0f} % of one core")


async def prepared(appliance: Appliance) -> tuple[list[str], str]:
    """Tokens of everybody, and a title whose segments are all made."""
    root = (await sign_in(appliance, **ADMIN))["access_token"]
    await populate(appliance, root)
    tokens = [(await sign_in(appliance, person(number), PASSWORD))["access_token"] for number in range(PEOPLE)]
    appliance.client.headers["authorization"] = f"Bearer {root}"
    title = str((await appliance.film(film(), "Noisy.mp4"))["id"])

    async def made() -> bool:
        return await appliance.status(title) == "ready" and await appliance.is_idle()

    await until(made, "every cell is made", 300)
    return tokens, title


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--players", type=int, default=500)
    parser.add_argument("--crowd", type=int, default=60, help="seconds")
    told = parser.parse_args()
    if not shutil.which("wrk") or not shutil.which("nginx"):
        raise SystemExit("wrk and nginx are needed. On Debian and Ubuntu:  sudo apt install wrk nginx")
    with tempfile.TemporaryDirectory(prefix="bench-streams-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker is another user
        for sendfile in ("none", "x-accel"):
            home = folder / sendfile
            async with Appliance(home, plugins=PLUGINS, server={"sendfile": sendfile}) as appliance:
                tokens, title = await prepared(appliance)
                manifest = (await playing(appliance, tokens[0], title, "wrk"))["manifest_url"]
                path = urlsplit(manifest).path.replace("master.m3u8", f"1080p/{appliance.cells('1080p')[0].name}")
                if sendfile == "none":
                    await crowd(appliance, tokens, title, told)
                    await requests(appliance, tokens, title, told)
                    await segments(appliance, folder, path, told)
                else:
                    await behind_nginx(appliance, folder, path, told)


if __name__ == "__main__":
    asyncio.run(main())
