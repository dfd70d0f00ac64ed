"""What an administrator sees and does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.contracts import Jobs
from mediaserver.models import JobRecord

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaserver.testing import RunningApp

    AppWith = Callable[..., RunningApp]

ALL: dict[str, dict[str, Any]] = {"catalog": {}, "hls_transcoder": {}, "admin": {}}


async def test_why_tells_the_state_of_any_path(app_with: AppWith, tmp_path: Path) -> None:
    app = app_with(**ALL)
    told = (await app.get("/v1/admin/library/why", params={"path": str(tmp_path / "elsewhere.mp4")})).json()
    assert told["state"] == "outside"
    assert (await app.get("/v1/admin/library/why")).status_code == 400


@pytest.mark.parametrize("after", ["retry", "cancel"])
async def test_a_job_is_cancelled_once_and_tried_again(app_with: AppWith, after: str) -> None:
    app = await app_with(**ALL).start()
    job = await app.server.services.get(Jobs).enqueue("hls.encode", "encode:1", {"video": 1}, delay=3600)
    assert (await app.post(f"/v1/admin/jobs/{job}/cancel")).status_code == 200
    assert (await app.get("/v1/admin/jobs")).json()["jobs"][0]["state"] == "cancelled"
    assert (await app.post(f"/v1/admin/jobs/{job}/{after}")).status_code == (200 if after == "retry" else 409)
    assert (await JobRecord.get(id=job)).state.value == ("due" if after == "retry" else "cancelled")
