"""Letters that leave no machine: shown on the console, or kept as files."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mediaserver.errors import JobHindered

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path

    from mediaserver.contracts import Letter


def show(to: str, letter: Letter) -> None:
    """Written at once: the other roles write to the same terminal."""
    body = letter.link or "\n".join(line for line in letter.text.splitlines() if line.isprintable())
    sys.stdout.write(f"\n  Mail for {to}: {letter.subject}\n{body}\n\n")
    sys.stdout.flush()


async def keep(folder: Path, message: EmailMessage) -> None:
    """As a file that sorts by its time. Raises JobHindered where the disk or the rights do not allow it."""
    try:
        await asyncio.to_thread(_write, folder, message.as_bytes())
    except OSError as error:
        raise JobHindered(f"mail.directory {folder} cannot be written ({error.strerror}).") from error


def _write(folder: Path, content: bytes) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}.eml"
    tmp = folder / f".{name}"
    descriptor = os.open(tmp, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        tmp.rename(folder / name)
    except OSError:
        tmp.unlink(missing_ok=True)
        raise
