"""Schemathesis asks every route of the OpenAPI document, with sense and nonsense, and checks what it is answered."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.e2e.appliance import Appliance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HERE = Path(__file__).parent
ROOT = {"email": "root@example.org", "password": "a long way home"}
PLUGINS = {
    "auth_email": {"bcrypt_rounds": 4, "admin_email": ROOT["email"], "admin_password": ROOT["password"]},
    "hls_transcoder": {},
    "catalog": {},
    "admin": {},
    "stream_limits": {},
    "dialect_watch": {},
    "web_ui": {},
    "dialect_videoflix": {},
}
# What ends the login that asks; the news, which do not end.
LEFT_OUT = ("/v1/auth/logout", "/auth/logout", "/v1/events")


@pytest_asyncio.fixture(loop_scope="session")
async def appliance(tmp_path: Path) -> AsyncIterator[Appliance]:
    async with Appliance(tmp_path, plugins=PLUGINS, mail={"backend": "directory"}) as running:
        yield running


async def ask(appliance: Appliance, *chosen: str) -> int:
    """Answers how many cases there were."""
    login = await appliance.client.post(f"{appliance.url}/v1/auth/login", json=ROOT)
    excluded = [word for path in LEFT_OUT for word in ("--exclude-path", path)]
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(HERE / "schemathesis.toml"), "run",
        f"{appliance.url}/docs/openapi.json", "-H", f"Authorization: Bearer {login.json()['access_token']}",
        "--checks", "all", "--phases", "examples,coverage,fuzzing", "--no-color", "--seed", "7", *excluded, *chosen,
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=appliance.folder)
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said[-20_000:]
    found = re.search(r"(\d+) generated", said)
    assert found, said
    return int(found[1])


@pytest.mark.slow
async def test_no_case_is_a_server_error_or_breaks_the_contract(appliance: Appliance) -> None:
    assert await ask(appliance, "--max-examples", "1") >= 300


@pytest.mark.soak
async def test_none_of_many_cases_is_a_server_error_or_breaks_the_contract(appliance: Appliance) -> None:
    assert await ask(appliance, "--max-examples", "50") >= 2000
