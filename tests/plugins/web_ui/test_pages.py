from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import plugins.web_ui

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.testing import RunningApp

STATIC = Path(plugins.web_ui.__file__).with_name("static")
OURS = sorted(path.name for path in STATIC.iterdir() if path.suffix in {".js", ".css", ".svg"})


async def test_anybody_gets_the_page_and_all_that_it_is_made_of(app_with: Callable[..., RunningApp]) -> None:
    app = app_with(web_ui={})
    page = await app.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    for name in OURS:
        answer = await app.get(f"/ui/{name}")
        assert answer.status_code == 200, name
        again = await app.get(f"/ui/{name}", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304


@pytest.mark.parametrize("name", ["index.html", "..%2froutes.py", "%2e%2e", "App.js", "app.js%00", "vendor", ".app.js"])
async def test_a_name_that_is_no_static_file_is_not_found(app_with: Callable[..., RunningApp], name: str) -> None:
    answer = await app_with(web_ui={}).get(f"/ui/{name}")
    assert answer.status_code == 404


@pytest.mark.parametrize("name", ["integrity", "LICENSE", "hls.js", "..%2fapp.js"])
async def test_only_the_players_parts_are_served_from_vendor(app_with: Callable[..., RunningApp], name: str) -> None:
    answer = await app_with(web_ui={}).get(f"/ui/vendor/{name}")
    assert answer.status_code == 404


async def test_below_a_base_path_the_page_has_its_slash(app_with: Callable[..., RunningApp]) -> None:
    app = app_with(settings={"server": {"port": 0, "base_path": "/films"}}, web_ui={})
    bare = await app.get("/films")
    assert (bare.status_code, bare.headers["location"]) == (308, "/films/")
    assert (await app.get("/films/")).status_code == 200


async def test_the_page_knows_whether_there_is_somewhere_to_sign_in(app_with: Callable[..., RunningApp]) -> None:
    assert "data-accounts" not in (await app_with(web_ui={}).get("/")).text
    app = app_with(web_ui={}, auth_email={"bcrypt_rounds": 4})
    page = await app.get("/")
    assert '<html lang="en" data-accounts>' in page.text
    again = await app.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304


def test_every_module_and_style_that_is_named_exists() -> None:
    for path in STATIC.glob("*.js"):
        for name in re.findall(r'(?:from|import) "\./([\w.-]+)"', path.read_text()):
            assert name in OURS, f"{path.name} names {name}"
    for name in re.findall(r'"ui/([\w.-]+)"', (STATIC / "index.html").read_text()):
        assert name in OURS


def test_titles_can_never_become_markup() -> None:
    for path in STATIC.glob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", path.read_text()), path.name
