"""Contracts that plugins need, offer and like: in which order they start and stop."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from mediaserver.errors import StartError
from tests.core.plugin_workshop import Workshop


def speaking(workshop: Workshop, name: str, *, needs: str = "", offers: str = "", likes: str = "") -> str:
    """A plugin that notes its start in the module `contracts_of_tests`."""
    contracts = workshop.folder / "contracts_of_tests.py"
    if not contracts.exists():
        contracts.write_text("class A: ...\nclass B: ...\nclass C: ...\norder = []\n")
    source = f"""
from mediaserver import Plugin, hookimpl
import contracts_of_tests as c
plugin = Plugin(api="1", requires=({needs}), provides=({offers}), optional=({likes}))
@hookimpl
def register(registry):
    for contract in plugin.provides:
        registry.provide(contract, contract())
@hookimpl
def startup(server):
    c.order.append("{name}")
@hookimpl
def shutdown():
    c.order.append("end {name}")
"""
    return workshop.plugin(source, name)


@pytest.fixture
def order(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(workshop.folder)
    sys.modules.pop("contracts_of_tests", None)
    return lambda: sys.modules["contracts_of_tests"].order


async def test_providers_start_first_and_stop_last(workshop: Workshop, order: Any) -> None:
    speaking(workshop, "o1", needs="c.A,", likes="c.C,")
    speaking(workshop, "o2", offers="c.A,", likes="c.B,")
    speaking(workshop, "o3", offers="c.B,")
    running = workshop.app(o1={}, o2={}, o3={})
    await running.start()
    assert order() == ["o3", "o2", "o1"]
    await running.stop()
    assert order()[3:] == ["end o1", "end o2", "end o3"]


async def test_a_circle_of_likings_is_broken_by_the_order_of_the_file(workshop: Workshop, order: Any) -> None:
    speaking(workshop, "l1", likes="c.B,", offers="c.A,")
    speaking(workshop, "l2", likes="c.A,", offers="c.B,")
    await workshop.app("l1", "l2").start()
    assert order() == ["l1", "l2"]


async def test_a_circle_of_needs_stops_the_start(workshop: Workshop, order: Any) -> None:
    speaking(workshop, "c1", needs="c.B,", offers="c.A,")
    speaking(workshop, "c2", needs="c.A,", offers="c.B,")
    with pytest.raises(StartError, match=r"need each other in a circle: c\d → c\d → c\d\."):
        await workshop.app("c1", "c2").start()


async def test_a_contract_that_nobody_provides_stops_the_start(workshop: Workshop, order: Any) -> None:
    speaking(workshop, "m1", needs="c.A,")
    with pytest.raises(StartError, match=r"plugins\.m1 needs A, which no plugin that works provides"):
        await workshop.app("m1").start()


async def test_a_contract_with_two_providers_stops_the_start(workshop: Workshop, order: Any) -> None:
    speaking(workshop, "t1", offers="c.A,")
    speaking(workshop, "t2", offers="c.A,")
    with pytest.raises(StartError, match=r"A is provided by t1 and by t2; switch one off"):
        await workshop.app("t1", "t2").start()


async def test_a_broken_plugin_that_another_needs_stops_the_start(workshop: Workshop, order: Any) -> None:
    speaking(workshop, "b1", offers="c.A,")
    with (workshop.folder / "b1.py").open("a") as file:
        file.write("@hookimpl\ndef startup(server): 1 / 0\n")
    speaking(workshop, "b2", needs="c.A,")
    with pytest.raises(StartError, match="The plugin b1 is broken, and b2 cannot do without it"):
        await workshop.app("b1", "b2").start()
