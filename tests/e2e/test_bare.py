"""Core alone: no plugin is switched on."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.e2e.appliance import ROOT, Appliance
from tests.media import film
from tests.patience import until

pytestmark = pytest.mark.slow


async def why(appliance: Appliance, path: Path) -> str:
    asked = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mediaserver", "--config", "config.yaml", "why", str(path)),
        cwd=appliance.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    return (await asked.communicate())[0].decode()


async def test_without_any_plugin_it_is_healthy_and_records_the_library(tmp_path: Path) -> None:
    async with Appliance(tmp_path, bare=True) as appliance:
        health = await appliance.client.get(f"{appliance.url}/health")
        assert health.json() == {"status": "ok"}
        assert all(health.headers.values()), "no header is empty, as Sanic's alt-svc would be"
        assert (await appliance.client.get(f"{appliance.url}/v1/content/browse")).status_code == 404
        await appliance.drop(film("bare.mp4", seconds=2), "Bare.mp4")

        async def recorded() -> bool:
            return (await why(appliance, appliance.library / "Bare.mp4")).startswith("ready: ")

        await until(recorded, "the film is recorded")
        nice = {role: os.getpriority(os.PRIO_PROCESS, pid) for role, pid in appliance.roles().items()}
        assert nice["watch"] > nice["worker"] == nice["serve"], "a scan yields to those who watch"
        session = Path(f"/proc/{appliance.roles()['watch']}/autogroup")
        assert not session.exists() or session.read_text().endswith(f" nice {nice['watch']}\n")
