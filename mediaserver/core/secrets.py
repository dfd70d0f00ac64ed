"""Keys made at the first start, readable by nobody else, and the tokens that are signed with them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import os
import re
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mediaserver.contracts import MediaGrant
from mediaserver.core.db import is_full
from mediaserver.errors import Forbidden, NotFound, StartError

if TYPE_CHECKING:
    from pathlib import Path

    from mediaserver.contracts import Clock

KEY_BYTES = 32
LONGEST_TOKEN = 1024
KEY_ID = re.compile(r"[0-9]{1,9}")
RING_SECONDS = 60.0  # after which a process looks whether another one has rotated


def load_key(data: Path) -> bytes:
    """The installation's key, made where there is none; several processes may ask at once. Raises StartError."""
    return _key_at(data / ".secrets" / "key")


def _key_at(path: Path) -> bytes:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_once(path)
        key = path.read_bytes()
    except OSError as error:
        if is_full(error):
            raise
        raise StartError(f"{path} cannot be used ({error.strerror}); the data directory must be writable.") from error
    if len(key) < KEY_BYTES:
        raise StartError(f"{path} is too short to be safe; delete it and start again.")
    return key


def _make_once(path: Path) -> None:
    if path.exists():
        return
    tmp = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(tmp, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
    with suppress(FileExistsError):
        os.link(tmp, path)
    tmp.unlink()


class FileKeys:
    """Implements `mediaserver.contracts.KeyRing`: a folder per name, in it a file per key, named by its number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rings: dict[str, dict[str, bytes]] = {}
        self._read_at: dict[str, float] = {}

    def current(self, name: str) -> tuple[str, bytes]:
        ring = self._ring(name)
        if not ring:
            _key_at(self._folder / name / "1")
            ring = self._read(name)
        newest = max(ring, key=int)
        return newest, ring[newest]

    def find(self, name: str, key_id: str) -> bytes | None:
        if key_id not in self._ring(name) and KEY_ID.fullmatch(key_id) and (self._folder / name / key_id).is_file():
            self._read(name)  # another process has just made it
        return self._rings[name].get(key_id)

    def rotate(self, name: str) -> str:
        number = str(int(self.current(name)[0]) + 1)
        _key_at(self._folder / name / number)
        self._read(name)
        return number

    def retire(self, name: str, seconds: float) -> list[str]:
        """A key is replaced at the moment in which the one after it was made."""
        numbers = sorted(self._read(name), key=int)
        gone = []
        for number, successor in itertools.pairwise(numbers):
            if time.time() - (self._folder / name / successor).stat().st_mtime > seconds:
                (self._folder / name / number).unlink(missing_ok=True)
                gone.append(number)
        self._read(name)
        return gone

    def _ring(self, name: str) -> dict[str, bytes]:
        if time.monotonic() - self._read_at.get(name, -RING_SECONDS) >= RING_SECONDS:
            return self._read(name)
        return self._rings[name]

    def _read(self, name: str) -> dict[str, bytes]:
        folder = self._folder / name
        numbers = [file.name for file in folder.iterdir() if KEY_ID.fullmatch(file.name)] if folder.is_dir() else []
        self._rings[name] = {number: _key_at(folder / number) for number in numbers}
        self._read_at[name] = time.monotonic()
        return self._rings[name]


class SignedGrants:
    """Implements `mediaserver.contracts.MediaGrants`: HMAC-SHA-256 over the grant, nothing stored."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = hmac.digest(key, b"media grants", hashlib.sha256)
        self._seal_key = hmac.digest(key, b"seals", hashlib.sha256)  # what is sealed is no grant, whatever it says
        self._clock = clock

    def issue(self, grant: MediaGrant) -> str:
        fields: list[Any] = [
            grant.session_id,
            grant.title_id,
            grant.video_id,
            grant.plan_id,
            ",".join(grant.rungs),
            grant.expires,
        ]
        payload = _encode(json.dumps(fields, separators=(",", ":")).encode())
        return f"{payload}.{_signature(self._key, payload)}"

    def verify(self, token: str) -> MediaGrant:
        payload, _, signature = token[:LONGEST_TOKEN].rpartition(".")
        if not hmac.compare_digest(_signature(self._key, payload).encode(), _bytes(signature)):
            raise Forbidden("This media link is not valid; start playing again.")
        session, title, video, plan, rungs, expires = json.loads(_decode(payload))
        if self._clock.now().timestamp() >= expires:
            raise Forbidden("This media link has expired; start playing again.")
        return MediaGrant(session, title, video, plan, tuple(rungs.split(",")) if rungs else (), expires)

    def seal(self, purpose: str, number: int) -> str:
        return f"{number}-{_signature(self._seal_key, f'{purpose}:{number}')}"

    def unseal(self, purpose: str, word: str) -> int:
        number, _, signature = word[:LONGEST_TOKEN].partition("-")
        if not hmac.compare_digest(_signature(self._seal_key, f"{purpose}:{number}").encode(), _bytes(signature)):
            raise NotFound("There is nothing here.")
        return int(number)


def _signature(key: bytes, text: str) -> str:
    return _encode(hmac.digest(key, _bytes(text), hashlib.sha256)[:16])


def _bytes(text: str) -> bytes:
    """Text of a request may hold what is no Unicode."""
    return text.encode("utf-8", "surrogatepass")


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
