from __future__ import annotations

import asyncio
import http.client
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from mediaserver.core.files import send_file
from tests.patience import PATIENCE, until
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = """
import sys
from pathlib import Path
from sanic import Sanic, json
from mediaserver.core.files import send_file, send_text
from mediaserver.errors import ServerError

folder, port = Path(sys.argv[1]), int(sys.argv[2])
app = Sanic("files")

@app.exception(ServerError)
async def render(request, error):
    return json({"error": error.code}, status=error.status, headers=error.headers)

@app.route("/file/<name:str>", methods=["GET", "HEAD"])
async def file(request, name):
    await send_file(
        request, folder / name, content_type="video/mp2t", cache_control="private",
        download_name=request.args.get("as"), accel=request.args.get("accel"), file_id=request.args.get("id"),
    )

@app.route("/text", methods=["GET", "HEAD"])
async def text(request):
    await send_text(request, "#EXTM3U\\n", content_type="application/vnd.apple.mpegurl", cache_control="no-cache")

@app.get("/memory")
async def memory(request):
    lines = Path("/proc/self/status").read_text().splitlines()
    return json([int(line.split()[1]) for line in lines if line.startswith("VmHWM")][0])

@app.get("/descriptors")
async def descriptors(request):
    import os
    return json(len(os.listdir("/proc/self/fd")))

@app.after_server_start
async def ready(app):
    print("ready", flush=True)

app.run("127.0.0.1", port, single_process=True, motd=False, access_log=False)
"""
BODY = bytes(range(256)) * 4


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass
class Server:
    folder: Path
    port: int
    log: Path

    def ask(self, path: str, headers: list[tuple[str, str]] | None = None, method: str = "GET") -> Answer:
        """Header lines go out as they are, twice or odd."""
        with self.connected() as client:
            lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in headers or []]
            client.sendall("\r\n".join([*lines, "", ""]).encode())
            response = http.client.HTTPResponse(client, method=method)
            response.begin()
            with response:
                return Answer(response.status, response.headers, response.read())

    def connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def part(self, value: str, name: str = "clip.ts") -> Answer:
        return self.ask(f"/file/{name}", [("Range", value)])

    def number(self, path: str) -> int:
        return int(self.ask(path).body)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("files")
    (folder / "clip.ts").write_bytes(BODY)
    os.utime(folder / "clip.ts", ns=(1_700_000_000_123_456_789, 1_700_000_000_123_456_789))
    (folder / "empty.ts").touch()
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    with (folder / "huge.ts").open("wb") as huge:
        huge.truncate(5 << 30)
    port = free_port()
    log = folder / "server.log"
    arguments = [sys.executable, "-c", PROGRAM, str(folder), str(port)]
    with log.open("wb") as errors, subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=errors) as process:
        assert process.stdout is not None
        assert any(line == b"ready\n" for line in process.stdout)
        yield Server(folder, port, log)
        process.kill()


def test_a_whole_file_has_its_exact_length_and_version(server: Server) -> None:
    answer = server.ask("/file/clip.ts")
    assert (answer.status, answer.body) == (200, BODY)
    assert answer.headers["Content-Length"] == "1024"
    assert answer.headers["Content-Type"] == "video/mp2t"
    assert answer.headers["Cache-Control"] == "private"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["ETag"] == f'"{1_700_000_000_123_456_789:x}-400"'
    assert answer.headers["Last-Modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=1000-", 1000, 1024),
        ("bytes=0-", 0, 1024),
        ("bytes=-24", 1000, 1024),
        ("bytes=-9999", 0, 1024),
        ("bytes=1000-9999", 1000, 1024),
        ("bytes=1000-99999999999999999999999999", 1000, 1024),
        ("BYTES=1-2", 1, 3),
        ("bytes= 1-2 ", 1, 3),
    ],
)
def test_one_range_gives_exactly_these_bytes(server: Server, asked: str, start: int, end: int) -> None:
    answer = server.part(asked)
    assert (answer.status, answer.body) == (206, BODY[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/1024"
    assert answer.headers["Content-Length"] == str(end - start)


@pytest.mark.parametrize("asked", ["bytes=1024-", "bytes=1024-2000", "bytes=-0", "bytes=99999999999999999999-"])
def test_a_range_behind_the_end_is_refused_with_the_size(server: Server, asked: str) -> None:
    answer = server.part(asked)
    assert answer.status == 416
    assert answer.headers["Content-Range"] == "bytes */1024"


@pytest.mark.parametrize(
    "asked",
    ["", "bytes", "bytes=", "bytes=-", "bytes=5-1", "bytes=a-b", "bytes=1-2,5-6", "bytes=1-2,", "lines=1-2",
     "bytes=--5", "bytes=+1-2", "bytes=1.5-2", "bytes=0x1-2", "bytes=٣-٤", "bytes=1 - 2", "bytes=" + "9" * 5000 + "-"],
)  # fmt: skip
def test_a_range_that_is_malformed_or_multiple_is_ignored(server: Server, asked: str) -> None:
    answer = server.part(asked)
    assert (answer.status, answer.body) == (200, BODY)
    assert answer.headers["Content-Range"] is None


def test_two_range_lines_are_ignored(server: Server) -> None:
    answer = server.ask("/file/clip.ts", [("Range", "bytes=0-1"), ("Range", "bytes=4-5")])
    assert (answer.status, answer.body) == (200, BODY)


def test_an_empty_file_is_empty_and_has_no_ranges(server: Server) -> None:
    answer = server.ask("/file/empty.ts")
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")
    assert server.part("bytes=0-", "empty.ts").status == 416
    assert server.part("bytes=-5", "empty.ts").status == 416


def test_head_gives_the_headers_of_the_whole_and_no_body(server: Server) -> None:
    answer = server.ask("/file/clip.ts", [("Range", "bytes=0-1")], method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == "1024"


def test_a_connection_is_used_again_after_every_kind_of_answer(server: Server) -> None:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    etag = server.ask("/file/clip.ts").headers["ETag"]
    for method, headers, status, length in [
        ("GET", {}, 200, 1024),
        ("HEAD", {}, 200, 0),
        ("GET", {"Range": "bytes=1-2"}, 206, 2),
        ("GET", {"If-None-Match": etag}, 304, 0),
        ("GET", {}, 200, 1024),
    ]:
        client.request(method, "/file/clip.ts", headers=headers)
        response = client.getresponse()
        assert (response.status, len(response.read())) == (status, length)
    client.close()


@pytest.mark.parametrize("form", ["{etag}", "W/{etag}", '"a", {etag}', '"a" ,W/{etag}', "*"])
def test_a_copy_with_the_same_tag_is_not_sent_again(server: Server, form: str) -> None:
    etag = server.ask("/file/clip.ts").headers["ETag"]
    answer = server.ask("/file/clip.ts", [("If-None-Match", form.format(etag=etag)), ("Range", "bytes=0-1")])
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["ETag"] == etag
    assert answer.headers["Cache-Control"] == "private"


def test_another_tag_counts_more_than_the_date(server: Server) -> None:
    since = ("If-Modified-Since", formatdate(1_800_000_000, usegmt=True))
    assert server.ask("/file/clip.ts", [("If-None-Match", '"old"'), since]).status == 200


@pytest.mark.parametrize(
    ("since", "status"),
    [
        (formatdate(1_700_000_000, usegmt=True), 304),
        (formatdate(1_699_999_999, usegmt=True), 200),
        ("Tuesday, 14-Nov-23 22:13:20 GMT", 304),
        ("yesterday", 200),
        ("", 200),
    ],
)
def test_a_copy_of_the_same_date_is_not_sent_again(server: Server, since: str, status: int) -> None:
    assert server.ask("/file/clip.ts", [("If-Modified-Since", since)]).status == status


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("{etag}", 206),
        ("W/{etag}", 200),
        ('"old"', 200),
        (formatdate(1_700_000_000, usegmt=True), 206),
        (formatdate(1_700_000_001, usegmt=True), 200),
        ("nonsense", 200),
    ],
)
def test_a_range_counts_only_for_the_version_it_names(server: Server, condition: str, status: int) -> None:
    etag = server.ask("/file/clip.ts").headers["ETag"]
    headers = [("Range", "bytes=0-1"), ("If-Range", condition.format(etag=etag))]
    assert server.ask("/file/clip.ts", headers).status == status


@pytest.mark.parametrize("name", ["missing.ts", "folder", "pipe"])
def test_what_is_not_a_regular_file_is_not_found(server: Server, name: str) -> None:
    answer = server.ask(f"/file/{name}")
    assert (answer.status, answer.body) == (404, b'{"error":"NOT_FOUND"}')


def test_a_download_is_named_in_every_script(server: Server) -> None:
    answer = server.ask("/file/clip.ts?as=%C3%9Cber%20%22uns%22.mp4")
    expected = "attachment; filename=\"_ber _uns_.mp4\"; filename*=UTF-8''%C3%9Cber%20%22uns%22.mp4"
    assert answer.headers["Content-Disposition"] == expected


def test_nginx_is_told_where_the_file_is(server: Server) -> None:
    answer = server.ask("/file/clip.ts?accel=/internal/a%20b.ts")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["X-Accel-Redirect"] == "/internal/a%20b.ts"
    assert answer.headers["Content-Type"] == "video/mp2t"
    assert server.ask("/file/missing.ts?accel=/internal/missing.ts").status == 404


def test_a_text_has_a_version_too(server: Server) -> None:
    answer = server.ask("/text")
    assert (answer.status, answer.body) == (200, b"#EXTM3U\n")
    assert answer.headers["Content-Type"] == "application/vnd.apple.mpegurl"
    again = server.ask("/text", [("If-None-Match", answer.headers["ETag"])])
    assert (again.status, again.body) == (304, b"")
    head = server.ask("/text", method="HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", "8")


@pytest.mark.slow
def test_a_gigabyte_is_sent_without_growing(server: Server) -> None:
    """Over the border of 4 GiB, behind which old numbers are too small."""
    first, size = (4 << 30) - (1 << 29), 1 << 30
    before = server.number("/memory")
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    client.request("GET", "/file/huge.ts", headers={"Range": f"bytes={first}-{first + size - 1}"})
    response = client.getresponse()
    buffer, received = bytearray(1 << 20), 0
    while count := response.readinto(buffer):
        received += count
    client.close()
    assert received == size
    assert server.number("/memory") - before < 64 * 1024  # KiB


def test_the_last_bytes_of_a_huge_file_can_be_asked_for(server: Server) -> None:
    answer = server.part(f"bytes={(5 << 30) - 3}-", "huge.ts")
    assert (answer.status, answer.body) == (206, b"\0\0\0")


def test_a_client_that_leaves_is_no_error_and_leaks_nothing(server: Server) -> None:
    before = server.number("/descriptors")
    for _ in range(5):
        with server.connected() as client:
            client.sendall(b"GET /file/huge.ts HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(100)
    while server.number("/descriptors") > before:
        pass
    assert b"Traceback" not in server.log.read_bytes()


async def test_a_client_that_leaves_while_a_disk_wakes_up_leaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film, really_open = tmp_path / "film.ts", os.open
    asked, awake, opened = threading.Event(), threading.Event(), threading.Event()
    film.write_bytes(b"film")

    def slowly(path: Any, *how: Any, **more: Any) -> int:
        if path != film:
            return really_open(path, *how, **more)
        asked.set()
        awake.wait()
        descriptor = really_open(path, *how, **more)
        opened.set()
        return descriptor

    monkeypatch.setattr(os, "open", slowly)
    sending = asyncio.create_task(send_file(cast("Any", None), film, content_type="video/mp2t", cache_control=""))
    await asyncio.to_thread(asked.wait)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    awake.set()
    await asyncio.to_thread(opened.wait)

    async def closed() -> bool:
        return str(film) not in {os.path.realpath(descriptor) for descriptor in Path("/proc/self/fd").iterdir()}

    await until(closed, "a closed file")


def test_a_file_that_shrinks_while_it_is_sent_breaks_the_connection(server: Server) -> None:
    shrinking = server.folder / "shrinking.ts"
    with shrinking.open("wb") as file:
        file.truncate(1 << 30)
    with server.connected() as client:
        client.sendall(b"GET /file/shrinking.ts HTTP/1.1\r\nHost: x\r\n\r\n")
        received = len(client.recv(1 << 16))
        os.truncate(shrinking, 1000)
        with suppress(ConnectionResetError):
            while count := len(client.recv(1 << 20)):
                received += count
    assert received < 1 << 30  # and the connection has ended: nobody takes the part for the whole
    assert b"Traceback" not in server.log.read_bytes()


def test_a_file_is_sent_only_as_the_one_that_was_asked_for(server: Server) -> None:
    film = server.folder / "film.ts"
    film.write_bytes(b"film")
    told = film.stat()
    address = f"/file/film.ts?id={told.st_dev}:{told.st_ino}"
    assert server.ask(address).body == b"film"
    film.rename(server.folder / "away.ts")
    film.write_bytes(b"another")
    assert server.ask(address).status == 404
    film.unlink()
    film.symlink_to(server.folder / "away.ts")
    assert server.ask(address).status == 404


@pytest.mark.parametrize("year", [1950, 2300, 20_000])
def test_a_file_of_any_time_is_sent(server: Server, year: int) -> None:
    """Where its file system knows the time: some know none before 1901 or after 2446."""
    film = server.folder / "far.ts"
    film.write_bytes(b"film")
    os.utime(film, ns=((year - 1970) * 31_556_952 * 10**9,) * 2)
    answer = server.ask("/file/far.ts")
    assert (answer.status, answer.body) == (200, b"film")
    assert server.ask("/file/far.ts", [("If-None-Match", answer.headers["ETag"])]).status == 304
