"""What is told of the set-up while there is no administrator."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.plugins.auth_email.page_site import Site

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from mediaserver.testing import RunningApp

    AppWith = Callable[..., RunningApp]


async def test_the_advice_before_the_setup_is_a_command_that_works(
    app_with: AppWith, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make run` has the program in .venv/bin, and no shell looks there."""
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "mediaserver").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    page = await Site(app_with).browser.open("/login")
    assert ".venv/bin/mediaserver --config app0/config.yaml user setup-link" in page.text
