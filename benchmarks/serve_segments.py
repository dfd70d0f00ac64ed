"""How fast one serve process hands out made segments, beside nginx with the same file, and lists, beside bare Sanic.

    python benchmarks/serve_segments.py [--seconds S] [--rounds N]

wrk (Debian package of that name) asks over keep-alive connections, ours and theirs by turns: A B A B. One nginx worker
with sendfile is the mark for segments; for lists it is a Sanic handler that answers the same bytes from memory.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from benchmarks.figures import MB
from benchmarks.titles import add_titles
from tests.e2e.appliance import Appliance
from tests.media import make
from tests.patience import until
from tests.ports import free_port

PLUGINS = {"hls_transcoder": {"preset": "ultrafast"}}
CONNECTIONS = 16
TITLES = 1000
UNITS = {"": 1.0, "K": 1024.0, "M": 1024.0**2, "G": 1024.0**3}
TIMES = {"us": 1e-3, "ms": 1.0, "s": 1e3}
NGINX = """
worker_processes 1; daemon off; pid nginx.pid; error_log error.log;
events {{ worker_connections 256; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  server {{ listen 127.0.0.1:{port}; root {root}; }} }}
"""
BARE = """
import sys
from pathlib import Path
from sanic import Sanic
from sanic.response import raw
app, body = Sanic("bare", configure_logging=False), Path(sys.argv[2]).read_bytes()
@app.get("/")
async def answer(request):
    return raw(body, content_type="application/json")
app.run("127.0.0.1", int(sys.argv[1]), single_process=True, motd=False, access_log=False)
"""


@dataclass(frozen=True)
class Load:
    """What wrk measured: requests and bytes a second, the median and the 99th percentile in ms."""

    requests: float
    bytes: float
    p50: float
    p99: float


def wrk(url: str, seconds: int, header: str = "", connections: int = CONNECTIONS) -> Load:
    argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *(["-H", header] if header else []), url]
    told = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in told:
        raise SystemExit(told)
    requests = float(found(r"Requests/sec:\s+([\d.]+)", told)[0])
    size, unit = found(r"Transfer/sec:\s+([\d.]+)([KMG]?)B", told)
    return Load(requests, float(size) * UNITS[unit], percentile(50, told), percentile(99, told))


def percentile(which: int, told: str) -> float:
    late, scale = found(rf"{which}%\s+([\d.]+)(us|ms|s)", told)
    return float(late) * TIMES[scale]


def found(pattern: str, text: str) -> tuple[str, ...]:
    match = re.search(pattern, text)
    if match is None:
        raise SystemExit(text)
    return match.groups()


@contextmanager
def program(argv: list[str], port: int, folder: Path) -> Iterator[None]:
    """A program that runs while the block does and answers on `port`."""
    process = subprocess.Popen(argv, cwd=folder, stdin=subprocess.DEVNULL)
    try:
        until_answers(port)
        yield
    finally:
        process.terminate()
        process.wait()


def until_answers(port: int) -> None:
    for _ in range(200):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    raise SystemExit(f"Nothing answers on port {port}.")


def by_turns(name: str, ours: str, theirs: tuple[str, str], seconds: int, rounds: int) -> None:
    mark, address = theirs
    wrk(ours, 1), wrk(address, 1)  # warm
    pairs = [(wrk(ours, seconds), wrk(address, seconds)) for _ in range(rounds)]
    for title, loads in ((name, [pair[0] for pair in pairs]), (mark, [pair[1] for pair in pairs])):
        rate, requests = median(load.bytes for load in loads), median(load.requests for load in loads)
        late = median(load.p99 for load in loads)
        print(f"  {title:14} {rate / MB:8.1f} MB/s {requests:9.1f} requests/s   p99 {late:7.2f} ms")
    ratios = [one.requests / other.requests for one, other in pairs]
    print(f"  ratio          {min(ratios):.2f} / {median(ratios):.2f} / {max(ratios):.2f}")


async def segments(appliance: Appliance, folder: Path, seconds: int, rounds: int) -> None:
    title = str((await appliance.film(film(), "Noisy.mp4"))["id"])

    async def made() -> bool:
        return await appliance.status(title) == "ready" and await appliance.is_idle()

    await until(made, "every cell is made", 300)
    chosen = appliance.cells("1080p")[0]
    ours = urlsplit(f"{await appliance.media(title)}/1080p/{chosen.name}").path
    port = free_port()
    (folder / "nginx.conf").write_text(NGINX.format(port=port, root=chosen.parent), encoding="utf-8")
    print(f"segments of {chosen.stat().st_size / MB:.2f} MB, {CONNECTIONS} connections")
    with program(["nginx", "-p", str(folder), "-c", "nginx.conf"], port, folder):
        theirs = ("nginx", f"http://127.0.0.1:{port}/{chosen.name}")
        by_turns("mediaserver", f"http://127.0.0.1:{appliance.port}{ours}", theirs, seconds, rounds)


async def lists(appliance: Appliance, folder: Path, seconds: int, rounds: int) -> None:
    add_titles(appliance.data / "mediaserver.sqlite3", TITLES)
    path = "/v1/content/browse?limit=20"

    async def grown() -> bool:
        return bool((await appliance.get(path))["pagination"]["total"] > TITLES)

    await until(grown, "the titles are listed")
    (folder / "list.json").write_bytes((await appliance.client.get(appliance.url + path)).content)
    port = free_port()
    print(f"lists of 20 of {TITLES} titles, {CONNECTIONS} connections")
    with program([sys.executable, "-c", BARE, str(port), "list.json"], port, folder):
        theirs = ("bare Sanic", f"http://127.0.0.1:{port}/")
        by_turns("mediaserver", f"http://127.0.0.1:{appliance.port}{path}", theirs, seconds, rounds)


def film() -> Path:
    noise = ("-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=25:duration=8,noise=alls=12:allf=t")
    return make("noisy-8.mp4", *noise, "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "12M", "-an")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    told = parser.parse_args()
    if not shutil.which("wrk") or not shutil.which("nginx"):
        raise SystemExit("wrk and nginx are needed. On Debian and Ubuntu:  sudo apt install wrk nginx")
    with tempfile.TemporaryDirectory(prefix="bench-serve-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker is another user
        async with Appliance(folder / "home", plugins=PLUGINS) as appliance:
            await segments(appliance, folder, told.seconds, told.rounds)
            await lists(appliance, folder, told.seconds, told.rounds)


if __name__ == "__main__":
    asyncio.run(main())
