"""The installation's key and what is signed with it."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from mediaserver.contracts import MediaGrant
from mediaserver.core.secrets import FileKeys, SignedGrants, load_key
from mediaserver.errors import Forbidden, NotFound, StartError

if TYPE_CHECKING:
    from pathlib import Path

GRANT = MediaGrant(3, 4, 5, 6, ("480p", "1080p"), expires=1000)


class Stopped:
    """A clock that stands at so many seconds since 1970."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)


@pytest.fixture
def grants() -> SignedGrants:
    return SignedGrants(b"k" * 32, Stopped(999))


def test_the_key_is_made_once_and_readable_by_nobody_else(tmp_path: Path) -> None:
    key = load_key(tmp_path)
    assert len(key) == 32
    assert load_key(tmp_path) == key
    file = tmp_path / ".secrets" / "key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["key"]


def test_all_who_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    start, keys = threading.Barrier(16), []

    def ask() -> None:
        start.wait()
        keys.append(load_key(tmp_path))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 16
    assert len(set(keys)) == 1


def test_a_key_that_is_too_short_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / ".secrets").mkdir()
    (tmp_path / ".secrets" / "key").write_bytes(b"secret")
    with pytest.raises(StartError, match="too short to be safe; delete it"):
        load_key(tmp_path)


def test_a_key_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / ".secrets").write_text("a file stands in the way")
    with pytest.raises(StartError, match="cannot be used"):
        load_key(tmp_path)


def test_a_grant_comes_back_as_it_was_given(grants: SignedGrants) -> None:
    for grant in (GRANT, replace(GRANT, session_id=None), replace(GRANT, rungs=())):
        assert grants.verify(grants.issue(grant)) == grant


def test_a_grant_ends_with_its_second() -> None:
    token = SignedGrants(b"k" * 32, Stopped(0)).issue(GRANT)
    assert SignedGrants(b"k" * 32, Stopped(999.9)).verify(token)
    with pytest.raises(Forbidden, match="expired"):
        SignedGrants(b"k" * 32, Stopped(1000)).verify(token)


def test_a_forged_foreign_or_broken_token_is_refused(grants: SignedGrants) -> None:
    token = grants.issue(GRANT)
    payload, _, signature = token.partition(".")
    longer = base64.urlsafe_b64encode(json.dumps([3, 4, 5, 6, "480p", 9999999]).encode()).decode().rstrip("=")
    foreign = SignedGrants(b"x" * 32, Stopped(0)).issue(GRANT)
    changed = "A" if token[-2] != "A" else "B"
    for bad in (
        f"{longer}.{signature}",
        foreign,
        payload,
        f"{payload}.",
        f".{signature}",
        "",
        ".",
        f"{token}A",
        f"{token[:-2]}{changed}{token[-1]}",
        token * 100,
        "ü.ü",
        "\ud800.\ud800",
    ):
        with pytest.raises(Forbidden):
            grants.verify(bad)


def test_a_sealed_word_names_its_number_for_its_purpose_only(grants: SignedGrants) -> None:
    word = grants.seal("pictures", 7)
    assert grants.unseal("pictures", word) == 7
    other = grants.seal("pictures", 8)
    for purpose, bad in (
        ("uploads", word),
        ("pictures", word.replace("7-", "8-", 1)),
        ("pictures", "7"),
        ("pictures", ""),
        ("pictures", "-"),
        ("pictures", other.replace("8-", "08-", 1)),
        ("pictures", "\ud800-\ud800"),
    ):
        with pytest.raises(NotFound):
            grants.unseal(purpose, bad)


def test_a_sealed_word_is_no_media_token(grants: SignedGrants) -> None:
    number, _, signature = grants.seal("pictures", 7).partition("-")
    for payload in (f"pictures:{number}", number):
        with pytest.raises(Forbidden):
            grants.verify(f"{payload}.{signature}")


def test_a_media_token_is_no_sealed_word(grants: SignedGrants) -> None:
    with pytest.raises(NotFound):
        grants.unseal("pictures", grants.issue(GRANT))


def test_a_rotated_key_signs_and_the_old_one_still_verifies(tmp_path: Path) -> None:
    keys, others = FileKeys(tmp_path), FileKeys(tmp_path)
    first_id, first = keys.current("tokens")
    assert others.current("tokens") == (first_id, first)
    second_id = keys.rotate("tokens")
    assert keys.current("tokens")[0] == second_id != first_id
    assert keys.find("tokens", first_id) == first
    assert others.find("tokens", second_id) == keys.current("tokens")[1]
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "tokens").iterdir()} == {0o600}


def test_a_replaced_key_is_retired_after_its_time_and_the_one_that_signs_never(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path)
    first, second = keys.current("tokens")[0], keys.rotate("tokens")
    assert keys.retire("tokens", 60) == []
    assert keys.retire("tokens", -1) == [first]
    assert keys.find("tokens", first) is None
    assert keys.retire("tokens", -1) == []
    assert keys.current("tokens")[0] == second


@pytest.mark.parametrize("hostile", ["", "../../key", "/etc/passwd", "1\0", "\u0661", "9" * 5000, "7"])
def test_a_key_id_that_is_none_of_ours_finds_nothing(tmp_path: Path, hostile: str) -> None:
    keys = FileKeys(tmp_path)
    keys.current("tokens")
    assert keys.find("tokens", hostile) is None


def test_a_key_that_was_cut_short_stops_the_start(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path)
    keys.current("tokens")
    (tmp_path / "tokens" / "1").write_bytes(b"short")
    with pytest.raises(StartError, match="too short"):
        FileKeys(tmp_path).current("tokens")
