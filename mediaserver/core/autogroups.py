"""Linux shares its cores among sessions where its autogroups are on: how nice a process is counts only inside its own.

See sched(7), docs/adr/0027.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

AGAIN_SECONDS = 0.15  # it takes one wish in 0.1 s, of all on the machine who are not root


def yield_as_session(pid: int, nice: int, has_ended: Callable[[], bool]) -> None:
    """Let the session of `pid` be as nice as that, beside other sessions; it is asked until it is granted."""
    if not has_ended() and not _granted(pid, nice):
        asyncio.get_running_loop().call_later(AGAIN_SECONDS, yield_as_session, pid, nice, has_ended)


def _granted(pid: int, nice: int) -> bool:
    try:
        Path(f"/proc/{pid}/autogroup").write_text(str(nice), encoding="ascii")
    except BlockingIOError:
        return False
    except OSError:  # there are none here, or it is gone
        return True
    return True
