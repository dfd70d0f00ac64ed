"""Files somebody made to harm: texts that point elsewhere, boxes that lie, films that are bombs."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import media

HOLE = 1 << 40
PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n{before}#EXTINF:4,\n{uri}\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile '{uri}'\n"
DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT4S"'
    ' profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp4">'
    '<Representation id="1" bandwidth="1000"><BaseURL>{uri}</BaseURL><SegmentBase/></Representation>'
    "</AdaptationSet></Period></MPD>"
)
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 33\n"
VOBSUB = "# VobSub index file, v7 (do not modify this line!)\nsize: 720x576\nid: en, index: 0\n{cue}"
CUE = "timestamp: 00:00:01:101, filepos: 000000000\n"


@dataclass(frozen=True, slots=True)
class Ground:
    """Where an attack is made: beside `sibling`; `private` lies elsewhere, `port` answers on this machine."""

    folder: Path
    private: Path
    port: int

    @property
    def sibling(self) -> Path:
        return self.folder / "sibling.ts"

    def text(self, name: str, written: str) -> Path:
        return self.file(name, written.encode())

    def file(self, name: str, written: bytes | bytearray) -> Path:
        path = self.folder / name
        path.write_bytes(written)
        return path


Make = Callable[[Ground], Path]


def playlist(name: str, uri: str, before: str = "") -> Make:
    def make(at: Ground) -> Path:
        told = {"private": at.private, "port": at.port}
        return at.text(name, PLAYLIST.format(uri=uri.format(**told), before=before.format(**told)))

    return make


def text(name: str, template: str, uri: str = "") -> Make:
    def make(at: Ground) -> Path:
        return at.text(name, template.format(uri=uri.format(private=at.private, port=at.port), port=at.port, cue=CUE))

    return make


def subtitles_beside(at: Ground) -> Path:
    """The demuxer of VobSub opens what has its own name and ends in .sub."""
    shutil.copyfile(at.private, at.folder / "film.sub")
    return text("film.mp4", VOBSUB)(at)


# ---- mp4 --------------------------------------------------------------------------------------------------------


def box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload) + 8) + kind + payload


def small(name: str = "film.mov", *options: str) -> bytearray:
    return bytearray(media.film(name, seconds=1, size="64x48", audio=False, options=options).read_bytes())


def grow(data: bytearray, at: int, removed: int, put: bytes, parents: Iterator[bytes]) -> bytearray:
    """Put bytes at a place and correct the sizes of the boxes around it."""
    for parent in parents:
        begin = data.rfind(parent, 0, at) - 4
        size = int.from_bytes(data[begin : begin + 4], "big") + len(put) - removed
        data[begin : begin + 4] = size.to_bytes(4, "big")
    data[at : at + removed] = put
    return data


def external_data(at: Ground) -> Path:
    """A QuickTime film whose samples lie in another file: `alis` with the path absolute and relative."""
    path = os.fsencode(at.private)
    levels = struct.pack(">HH", len(at.folder.relative_to(at.private.parents[1]).parts) + 1, 2)
    alias = bytes(10) + b"\x01x" + bytes(26) + bytes(12) + b"\x01x" + bytes(62) + bytes(16) + levels + bytes(16)
    alias += struct.pack(">hH", 2, len(path)) + path + bytes(len(path) % 2) + struct.pack(">hH", -1, 0)
    data = small()
    entry = data.find(b"dref") + 12
    removed = int.from_bytes(data[entry : entry + 4], "big")
    put = box(b"alis", bytes(4) + alias)
    return at.file(
        "film.mov", grow(data, entry, removed, put, iter((b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov")))
    )


def table(kind: bytes, count: int = 1_000_000_000) -> Make:
    def make(at: Ground) -> Path:
        data = small()
        place = data.find(kind) + (12 if kind == b"stsz" else 8)
        data[place : place + 4] = count.to_bytes(4, "big")
        return at.file("film.mp4", bytes(data))

    return make


def edits(count: int) -> Make:
    """The same second of film, again and again."""

    def make(at: Ground) -> Path:
        data = small()
        place = data.find(b"elst") - 4
        removed = int.from_bytes(data[place : place + 4], "big")
        entry = struct.pack(">IiI", 1000, 0, 0x10000)
        put = box(b"elst", bytes(4) + count.to_bytes(4, "big") + entry * count)
        return at.file("film.mp4", grow(data, place, removed, put, iter((b"edts", b"trak", b"moov"))))

    return make


def boxes_in_boxes(at: Ground) -> Path:
    deep = b""
    for _ in range(20_000):
        deep = box(b"moov", deep)
    return at.file("film.mp4", box(b"ftyp", b"isom\0\0\0\0isom") + deep)


def wrong_aspect(at: Ground) -> Path:
    """Pixels that claim to be 60,000 times as wide as high: a picture of ten million pixels a line."""
    made = media.film("thin.mkv", seconds=1, size="160x90", audio=False, options=("-aspect", "100000:1"))
    return at.file("film.mkv", made.read_bytes())


def huge_frame(at: Ground) -> Path:
    """A JPEG of 65,500 x 65,500 in each frame, says the frame."""
    data = bytearray(media.make("jpeg.avi", *media.pictures(0.4, "10", "64x48"), "-c:v", "mjpeg").read_bytes())
    place = data.find(b"\xff\xc0")
    while place >= 0:
        data[place + 5 : place + 9] = struct.pack(">HH", 65500, 65500)
        place = data.find(b"\xff\xc0", place + 9)
    return at.file("film.avi", bytes(data))


# ---- matroska ---------------------------------------------------------------------------------------------------


def element(kind: str, payload: bytes) -> bytes:
    return bytes.fromhex(kind) + (len(payload) | 1 << 56).to_bytes(8, "big") + payload


def matroska(*put: bytes) -> bytes:
    """A real film with elements at its begin; the segment's own size is made unknown, as in a live stream."""
    data = media.copied(media.film(seconds=1, size="64x48", audio=False), "live.mkv", "-live", "1").read_bytes()
    body = data.find(bytes.fromhex("18538067")) + 4
    return data[:body] + b"\x01" + b"\xff" * 7 + b"".join(put) + data[body + 8 :]


def inside(data: bytes, kind: str, put: bytes) -> bytes:
    """Put an element at the end of the last one of a kind; the index before names it too."""
    begin = data.rfind(bytes.fromhex(kind)) + len(kind) // 2
    width = 9 - data[begin].bit_length()
    size = int.from_bytes(data[begin : begin + width], "big") & (1 << 7 * width) - 1
    body, end = begin + width, begin + width + size
    return data[: begin - len(kind) // 2] + element(kind, data[body:end] + put) + data[end:]


def linked_segments(at: Ground) -> Path:
    """Ordered chapters whose pictures are in another segment, and the name of the file that follows."""
    uid, name = b"\x11" * 16, os.fsencode(at.private)
    info = element("1549a966", element("73a4", b"\x22" * 16) + element("3eb923", uid) + element("3e83bb", name))
    chapter = element("b6", element("73c4", b"\x01") + element("91", b"\0") + element("6e67", uid))
    chapters = element("1043a770", element("45b9", element("45dd", b"\x01") + chapter))
    return at.file("film.mkv", matroska(info, chapters))


def attachments(at: Ground) -> Path:
    files = [
        element(
            "61a7", element("466e", name) + element("4660", b"application/x-truetype-font") + element("465c", b"x" * 9)
        )
        for name in (b"../../../../tmp/evil.ttf", os.fsencode(at.private))
    ]
    return at.file("film.mkv", matroska(element("1941a469", b"".join(files))))


def endless_element(at: Ground) -> Path:
    return at.file("film.mkv", matroska(bytes.fromhex("1254c367") + b"\x01" + b"\xff" * 6 + b"\xfe"))


def tags_in_tags(at: Ground) -> Path:
    deep = b""
    for _ in range(2_000):
        deep = element("67c8", element("45a3", b"x") + deep)
    return at.file("film.mkv", matroska(element("1254c367", element("7373", deep))))


# ---- ffmpeg's own -----------------------------------------------------------------------------------------------


def many_streams(at: Ground) -> Path:
    copies = [part for _ in range(200) for part in ("-map", "0")]
    made = media.make("many.mkv", "-i", media.film(seconds=1, size="64x48", audio=False), *copies, "-c", "copy")
    return at.file("film.mkv", made.read_bytes())


def gap(seconds: int) -> Make:
    """Two pictures, hours apart."""

    def make(at: Ground) -> Path:
        picture = f"testsrc2=size=320x180:rate=1/{seconds}:duration={seconds * 2}"
        made = media.make(f"gap{seconds}.mp4", "-f", "lavfi", "-i", picture, *media.X264, "-fps_mode", "vfr")
        return at.file("film.mp4", made.read_bytes())

    return make


def many_subtitles(at: Ground) -> Path:
    data = media.copied(media.film(seconds=1, size="64x48", audio=False), "live.mkv", "-live", "1").read_bytes()
    track = element("d7", b"\x02") + element("73c5", b"\x02") + element("83", b"\x11") + element("86", b"S_TEXT/UTF8")
    said = element("a0", element("a1", b"\x82\0\0\0" + b"x" * 90) + element("9b", b"\x7f\xff\xff\xff"))
    data = inside(data, "1654ae6b", element("ae", track))
    cluster = data.find(bytes.fromhex("1f43b675"))
    cues = element("1f43b675", element("e7", b"\0") + said * 20_000)
    return at.file("film.mkv", data[:cluster] + cues + data[cluster:])


def with_a_hole(source: Callable[[], Path], name: str) -> Make:
    """A film that begins well and goes on with a terabyte of nothing that costs its maker no disk."""

    def make(at: Ground) -> Path:
        path = at.file(name, source().read_bytes())
        os.truncate(path, HOLE)
        return path

    return make


def nothing(at: Ground) -> Path:
    path = at.file("film.mp4", b"")
    os.truncate(path, HOLE)
    return path


def link(target: str) -> Make:
    def make(at: Ground) -> Path:
        path = at.folder / "film.mkv"
        path.symlink_to(target.format(private=at.private))
        return path

    return make


def pipe(at: Ground) -> Path:
    path = at.folder / "film.mkv"
    os.mkfifo(path)
    return path


def folder(at: Ground) -> Path:
    path = at.folder / "film.mp4"
    path.mkdir()
    return path


POINTS_ELSEWHERE: dict[str, Make] = {
    **{f"hls as {end}": playlist(f"film.{end}", "file://{private}") for end in ("mp4", "m3u8", "ts")},
    "hls to its neighbour": playlist("film.mp4", "sibling.ts"),
    "hls to the network": playlist("film.mp4", "http://127.0.0.1:{port}/film.ts"),
    "hls with a key elsewhere": playlist(
        "film.m3u8", "sibling.ts", '#EXT-X-KEY:METHOD=AES-128,URI="file://{private}"\n'
    ),
    "hls with a map elsewhere": playlist("film.mp4", "sibling.ts", '#EXT-X-MAP:URI="{private}"\n'),
    "hls through concat": playlist("film.mp4", "concat:{private}|{private}"),
    "hls through subfile": playlist("film.mp4", "subfile,,start,0,end,9999,,:{private}"),
    "ffconcat absolute": text("film.mkv", CONCAT, "{private}"),
    "ffconcat relative": text("film.mkv", CONCAT, "sibling.ts"),
    "ffconcat to the network": text("film.mkv", CONCAT, "http://127.0.0.1:{port}/film.ts"),
    "dash": text("film.mp4", DASH, "file://{private}"),
    "dash to the network": text("film.mp4", DASH, "http://127.0.0.1:{port}/film.mp4"),
    "sdp": text("film.mp4", SDP),
    "strm": text("film.strm", "{uri}\n", "{private}"),
    "vobsub": subtitles_beside,
    "quicktime with external data": external_data,
    "matroska with linked segments": linked_segments,
    "matroska with attachments": attachments,
    "link to a private file": link("{private}"),
    "link to /etc/passwd": link("/etc/passwd"),
    "link to /dev/zero": link("/dev/zero"),
}
BOMBS: dict[str, Make] = {
    **{
        f"a billion entries in {kind.decode()}": table(kind)
        for kind in (b"stts", b"stsz", b"stco", b"stsc", b"elst", b"stsd")
    },
    "a thousand edits": edits(1_000),
    "a hundred thousand edits": edits(100_000),
    "boxes in boxes": boxes_in_boxes,
    "pixels of absurd width": wrong_aspect,
    "frames of absurd size": huge_frame,
    "an element without end": endless_element,
    "tags in tags": tags_in_tags,
    "two hundred streams": many_streams,
    **{f"a gap of {seconds} seconds": gap(seconds) for seconds in (250, 3_600, 20_000, 100_000)},
    "twenty thousand subtitles": many_subtitles,
    "a terabyte of nothing": nothing,
    "an mp4 and a hole": with_a_hole(lambda: media.film(seconds=1), "film.mp4"),
    "a ts and a hole": with_a_hole(lambda: media.film("film.ts", seconds=1), "film.ts"),
    "an mkv and a hole": with_a_hole(lambda: media.copied(media.film(seconds=1), "live.mkv", "-live", "1"), "film.mkv"),
    "a pipe": pipe,
    "a folder": folder,
}
ATTACKS = {**POINTS_ELSEWHERE, **BOMBS}


def lay(root: Path, port: int, names: Iterable[str]) -> dict[str, Path]:
    """The attacks by name, each in a folder of its own with a neighbour; `root`/secret holds what nobody may read."""
    private = root / "secret" / "private.ts"
    private.parent.mkdir(parents=True)
    shutil.copyfile(media.film("film.ts", seconds=1), private)
    made = {}
    for number, name in enumerate(names):
        at = Ground(root / "attacks" / f"{number:02d}", private, port)
        at.folder.mkdir(parents=True)
        shutil.copyfile(private, at.sibling)
        made[name] = ATTACKS[name](at)
    return made
