from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from mediaserver.core.wakeups import Wakeups
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

OTHER_PROCESS = """
import asyncio, sys
from pathlib import Path
from mediaserver.core.wakeups import Wakeups

async def main():
    wakeups = Wakeups(Path(sys.argv[1]))
    await wakeups.open()
    with wakeups.subscribe("to-child") as calls:
        print("ready", flush=True)
        while await calls.wait(120):
            wakeups.notify("to-parent")

asyncio.run(main())
"""


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Wakeups, Wakeups]]:
    first, second = Wakeups(tmp_path / "run"), Wakeups(tmp_path / "run")
    await first.open()
    await second.open()
    yield first, second
    await first.close()
    await second.close()


def other_process(folder: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen([sys.executable, "-c", OTHER_PROCESS, str(folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()


async def test_another_listener_wakes(pair: tuple[Wakeups, Wakeups]) -> None:
    first, second = pair
    news = second.subscribe("changes")
    first.notify("changes")
    assert await news.wait(PATIENCE)


async def test_oneself_wakes_too(pair: tuple[Wakeups, Wakeups]) -> None:
    news = pair[0].subscribe("changes")
    pair[0].notify("changes")
    assert await news.wait(0)


async def test_another_topic_does_not_wake(pair: tuple[Wakeups, Wakeups]) -> None:
    first, second = pair
    news, other = second.subscribe("changes"), second.subscribe("queue:mail", "queue:background")
    first.notify("queue:mail")
    assert await other.wait(PATIENCE)
    assert not await news.wait(0)


async def test_every_subscriber_of_a_topic_wakes(pair: tuple[Wakeups, Wakeups]) -> None:
    first, second = pair
    subscriptions = [second.subscribe("changes") for _ in range(3)]
    first.notify("changes")
    assert all([await subscription.wait(PATIENCE) for subscription in subscriptions])


async def test_an_announcement_between_two_waits_is_kept_and_told_once() -> None:
    wakeups = Wakeups()
    await wakeups.open()
    news = wakeups.subscribe("changes")
    wakeups.notify("changes")
    wakeups.notify("changes")
    assert await news.wait(0)
    assert not await news.wait(0)
    await wakeups.close()


async def test_a_wait_that_is_cancelled_loses_nothing() -> None:
    wakeups = Wakeups()
    news = wakeups.subscribe("changes")
    waiting = asyncio.create_task(news.wait(PATIENCE))
    await asyncio.sleep(0)
    wakeups.notify("changes")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await news.wait(0)


async def test_a_closed_subscription_hears_nothing() -> None:
    wakeups = Wakeups()
    with wakeups.subscribe("changes") as news:
        pass
    wakeups.notify("changes")
    assert not await news.wait(0)


async def test_a_thread_may_announce(pair: tuple[Wakeups, Wakeups]) -> None:
    first, second = pair
    here, there = first.subscribe("changes"), second.subscribe("changes")
    thread = threading.Thread(target=first.notify, args=("changes",))
    thread.start()
    assert await here.wait(PATIENCE)
    assert await there.wait(PATIENCE)
    thread.join()


async def test_another_process_hears_and_answers(tmp_path: Path) -> None:
    wakeups = Wakeups(tmp_path)
    await wakeups.open()
    answers = wakeups.subscribe("to-parent")
    child = other_process(tmp_path)
    try:
        wakeups.notify("to-child")
        assert await answers.wait(PATIENCE)
    finally:
        end(child)
        await wakeups.close()


async def test_a_path_longer_than_a_socket_address_works(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120) / ("y" * 120)
    wakeups = Wakeups(folder)
    await wakeups.open()
    answers = wakeups.subscribe("to-parent")
    child = other_process(folder)
    try:
        wakeups.notify("to-child")
        assert await answers.wait(PATIENCE)
    finally:
        end(child)
        await wakeups.close()


async def test_the_socket_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    child = other_process(tmp_path)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert len(list(tmp_path.iterdir())) == 1
    wakeups = Wakeups(tmp_path)
    await wakeups.open()
    wakeups.notify("changes")
    assert len(list(tmp_path.iterdir())) == 1
    await wakeups.close()
    assert not list(tmp_path.iterdir())


async def test_a_listener_that_does_not_read_blocks_nobody(pair: tuple[Wakeups, Wakeups]) -> None:
    first, second = pair
    news = second.subscribe("changes")
    for _ in range(5000):  # far more than a datagram queue holds; `second` has had no turn to read
        first.notify("changes")
    assert await news.wait(PATIENCE)


async def test_where_no_socket_can_be_made_only_the_timeouts_are_left(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    wakeups = Wakeups(tmp_path / "file" / "run")
    await wakeups.open()
    news = wakeups.subscribe("changes")
    assert not await news.wait(0)
    wakeups.notify("changes")
    assert await news.wait(0)
    await wakeups.close()


async def test_notify_after_close_is_quiet(pair: tuple[Wakeups, Wakeups]) -> None:
    await pair[0].close()
    await pair[0].close()
    pair[0].notify("changes")
