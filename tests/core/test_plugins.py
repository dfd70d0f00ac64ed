"""Plugins of every sort, sound and broken, seen through a running server."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest

from mediaserver.contracts import Actor, TitleLimit
from mediaserver.core import actors, app, discovery, plugins, server
from mediaserver.core.config import load
from mediaserver.core.server import Server
from mediaserver.errors import ConfigError, Forbidden, StartError, StartLater
from mediaserver.events import TitleAdded
from mediaserver.models import Quarantine
from tests.core.plugin_workshop import HEAD, Workshop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaserver.testing import RunningApp

GREETER = """
from mediaserver import Plugin, Settings, hookimpl, json, public

class Config(Settings):
    greeting: str = "Hello"

plugin = Plugin(api="1", config=Config)

@hookimpl
def register_routes(registry):
    @registry.get("/v1/hello/<name:str>", guard=public)
    async def greet(request, name):
        return json({"greeting": f"{registry.config.greeting} {name}"})
"""


# ---- loading ---------------------------------------------------------------------------------------------------


async def test_without_any_plugin_the_server_answers_and_is_ready(app_with: Callable[..., RunningApp]) -> None:
    running = app_with()
    assert (await running.get("/health")).json() == {"status": "ok"}
    ready = (await running.get("/ready")).json()
    assert ready["ready"]
    assert ready["plugins_left_out"] == []


async def test_one_file_in_a_folder_is_a_plugin(workshop: Workshop) -> None:
    running = workshop.app(**{workshop.plugin(GREETER): {"greeting": "Moin"}})
    assert (await running.get("/v1/hello/Ada")).json() == {"greeting": "Moin Ada"}


async def test_an_installed_package_is_a_plugin(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    info = site / "greeter_for_tests-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greeter-for-tests\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mediaserver]\npackaged = greeter_for_tests\n")
    (site / "greeter_for_tests.py").write_text(GREETER)
    monkeypatch.syspath_prepend(site)
    importlib.invalidate_caches()
    running = workshop.app("packaged")
    assert (await running.get("/v1/hello/Ada/")).json() == {"greeting": "Hello Ada"}
    assert running.server.hooks.loaded["packaged"].found.source == "package greeter-for-tests"
    sys.modules.pop("greeter_for_tests")


async def test_a_plugin_that_is_false_or_not_named_is_not_even_imported(workshop: Workshop) -> None:
    off = workshop.plugin("raise RuntimeError")
    running = workshop.app(**{off: False})
    assert (await running.get("/ready")).json()["plugins_left_out"] == []


async def test_a_name_that_no_plugin_has_stops_the_start_with_the_nearest_one(workshop: Workshop) -> None:
    with pytest.raises(StartError, match=r"plugins\.catalogue: there is no such plugin .*did you mean catalog\?"):
        await workshop.app("catalogue").start()


async def test_an_option_that_does_not_exist_stops_the_start_with_its_line(workshop: Workshop) -> None:
    name = workshop.plugin(GREETER)
    with pytest.raises(ConfigError, match=rf"config.yaml:\d+: plugins.{name}.greting: unknown key; did you mean gree"):
        await workshop.app(**{name: {"greting": "Moin"}}).start()


# ---- faults cost their plugin alone ----------------------------------------------------------------------------

BROKEN = {
    "raises at import": ("1 / 0", "its import failed: ZeroDivisionError: division by zero"),
    "is no Python": ("def", "its import failed: SyntaxError"),
    "exits at import": ("raise SystemExit(1)", "its import failed: SystemExit"),
    "hangs at import": (HEAD + "import time\ntime.sleep(60)", "its import took more than"),
    "declares nothing": ("x = 1", 'it has no line `plugin = Plugin(api="1")`'),
    "is for another API": ('from mediaserver import Plugin\nplugin = Plugin(api="99")', "written for plugin API 99"),
    "misspells a hook": (HEAD + "@hookimpl\ndef startpu(server): ...", "no hook startpu; did you mean startup?"),
    "asks for an unknown argument": (
        HEAD + "@hookimpl\ndef startup(srv): ...",
        "startup asks for srv; there is server",
    ),
    "wraps others": (HEAD + "@hookimpl(wrapper=True)\ndef startup(server):\n yield", "startup is a wrapper"),
    "raises in register": (HEAD + "@hookimpl\ndef register(registry): 1 / 0", "register failed: division by zero"),
    "hangs in register": (
        HEAD + "import time\n@hookimpl\ndef register(registry): time.sleep(60)",
        "register took more than",
    ),
    "raises in startup": (HEAD + "@hookimpl\nasync def startup(server): 1 / 0", "startup failed: ZeroDivisionError"),
    "hangs in startup": (
        HEAD + "import asyncio\n@hookimpl\nasync def startup(server): await asyncio.sleep(60)",
        "startup failed: TimeoutError",
    ),
    "blocks in startup": (
        HEAD + "import time\n@hookimpl\ndef startup(server): time.sleep(60)",
        "startup took more than",
    ),
    "has an unguarded route": (
        HEAD + "@hookimpl\ndef register_routes(registry):\n registry.get('/v1/x')(None)",
        "GET /v1/x names no guard",
    ),
    "takes a whole path": (
        HEAD + "@hookimpl\ndef register_routes(registry):\n registry.get('/v1/<x:path>', guard=public)(None)",
        "a path is never a parameter",
    ),
    "names a rate group there is not": (
        HEAD + "@hookimpl\ndef register_routes(registry):\n registry.get('/v1/x', guard=public, limit='x')(None)",
        "there is no rate group x",
    ),
    "takes a route of core": (
        HEAD + "@hookimpl\ndef register_routes(registry):\n registry.get('/health', guard=public)(None)",
        "GET /health is a route of core",
    ),
    "takes a route of core with a slash": (
        HEAD + "@hookimpl\ndef register_routes(registry):\n registry.get('/health/', guard=public)(None)",
        "is a route of core",
    ),
    "has a route twice": (
        HEAD
        + "@hookimpl\ndef register_routes(registry):\n"
        + " registry.get('/v1/x/<a:str>', guard=public)(None)\n registry.get('/v1/x/<b:str>', guard=public)(None)",
        "GET /v1/x/<b:str> is a route of",
    ),
    "has a path that cannot be": (
        HEAD + "@hookimpl\ndef register_routes(registry):\n registry.get('/v1/<x:[>', guard=public)(None)",
        "/v1/<x:[>",
    ),
    "asks for a contract it did not declare": (
        HEAD
        + "from mediaserver.contracts import Catalog\n"
        + "@hookimpl\ndef register(registry): registry.services.get(Catalog)",
        "asks for Catalog but does not name it",
    ),
    "provides a contract it did not declare": (
        HEAD
        + "from mediaserver.contracts import Catalog\n"
        + "@hookimpl\ndef register(registry): registry.provide(Catalog, 1)",
        "does not name it in `provides`",
    ),
    "names a table module there is not": (
        'from mediaserver import Plugin\nplugin = Plugin(api="1", models=".tables")',
        "its tables",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
async def test_a_plugin_that_fails_costs_itself_alone(
    workshop: Workshop, fault: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if "hangs" in fault or "blocks" in fault:  # others are quick, but on no machine for certain
        for module, name in ((discovery, "IMPORT_SECONDS"), (server, "STARTUP_SECONDS"), (app, "REGISTER_SECONDS")):
            monkeypatch.setattr(module, name, 1.0)
    source, reason = BROKEN[fault]
    broken, sound = workshop.plugin(source), workshop.plugin(GREETER)
    running = workshop.app(broken, sound)
    assert (await running.get("/v1/hello/Ada")).status_code == 200
    assert list(running.server.hooks.faults) == [broken]
    assert reason in running.server.hooks.faults[broken]
    assert (await running.get("/ready")).json()["plugins_left_out"] == [broken]
    said = [line for line in capsys.readouterr().out.splitlines() if broken in line]
    assert len(said) == 1
    assert f"plugin {broken} is left out: " in said[0]


GUARD = {
    "identify": "(request)",
    "may": "(actor, action, target)",
    "may_play": "(actor, title_id, device)",
    "limit_titles": "(actor)",
    "before_request": "(request)",
}


@pytest.mark.parametrize("hook", GUARD)
@pytest.mark.parametrize(
    "fault", ["1 / 0", "@hookimpl\ndef register(registry): 1 / 0", "@hookimpl\ndef statrup(): ..."]
)
async def test_a_broken_plugin_that_guards_stops_the_start(workshop: Workshop, hook: str, fault: str) -> None:
    name = workshop.plugin(f"{HEAD}@hookimpl\ndef {hook}{GUARD[hook]}: ...\n{fault}\n")
    with pytest.raises(StartError, match=f"The plugin {name} guards this server and is broken: "):
        await workshop.app(name).start()


async def test_a_guard_whose_routes_are_broken_stops_the_start(workshop: Workshop) -> None:
    name = workshop.plugin(
        HEAD + "@hookimpl\ndef identify(request): ...\n@hookimpl\ndef register_routes(registry): 1 / 0\n"
    )
    with pytest.raises(StartError, match="guards this server"):
        await workshop.app(name).start()


# ---- calls -----------------------------------------------------------------------------------------------------


def identifying(workshop: Workshop, word: str, email: str) -> str:
    return workshop.plugin(f"""
from mediaserver import Plugin, hookimpl
from mediaserver.contracts import Actor
from mediaserver.errors import Unauthorized
plugin = Plugin(api="1")
asked = []
@hookimpl
async def identify(request):
    asked.append(request.path)
    credential = request.headers.get("x-credential")
    if credential == "{word}":
        return Actor(1, "{email}", frozenset({{"admin"}}))
    if credential == "bad {word}":
        raise Unauthorized
""")


async def test_the_first_that_knows_somebody_is_believed_and_nobody_else_is_asked(workshop: Workshop) -> None:
    one, two = identifying(workshop, "sesame", "one@x"), identifying(workshop, "sesame", "two@x")
    running = workshop.app(one, two)
    answer = await running.request("HEAD", "/v1/events", headers={"x-credential": "sesame"})
    assert answer.status_code == 200
    loaded = running.server.hooks.loaded
    assert (loaded[one].found.module.asked, loaded[two].found.module.asked) == (["/v1/events"], [])
    assert (await running.request("HEAD", "/v1/events")).status_code == 401
    assert loaded[two].found.module.asked == ["/v1/events"]


async def test_a_bad_credential_is_401_but_never_blocks_a_public_route(workshop: Workshop) -> None:
    running = workshop.app(identifying(workshop, "sesame", "one@x"))
    bad = {"x-credential": "bad sesame"}
    assert (await running.get("/v1/events", headers=bad)).status_code == 401
    assert (await running.get("/health", headers=bad)).status_code == 200


@pytest.mark.parametrize(
    ("opinion", "said"),
    [
        ("return None", None),
        ("return Refusal('Not on Sundays.')", "Not on Sundays."),
        ("raise RuntimeError", "cannot be checked right now"),
        ("await asyncio.sleep(60)", "cannot be checked right now"),
    ],
)
async def test_whoever_is_asked_can_only_refuse(
    workshop: Workshop, opinion: str, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "REFUSAL_SECONDS", 0.1 if "sleep" in opinion else 120)
    head = HEAD + "import asyncio\nfrom mediaserver.contracts import Refusal\n"
    easy = workshop.plugin(head + "@hookimpl\ndef may(): ...\n@hookimpl\ndef may_play(): ...\n")
    strict = workshop.plugin(
        head + f"@hookimpl\nasync def may(action):\n {opinion}\n@hookimpl\nasync def may_play(device):\n {opinion}\n"
    )
    running = await workshop.app(easy, strict).start()
    for asking in (
        actors.require(running.server, Actor(1), "delete", 7),
        actors.require_play(running.server, Actor(1), 7, "tv"),
    ):
        if said is None:
            await asking
        else:
            with pytest.raises(Forbidden, match=said):
                await asking


async def test_limits_on_titles_are_intersected(workshop: Workshop) -> None:
    head = HEAD + "from mediaserver.contracts import TitleLimit\n@hookimpl\ndef limit_titles(actor):\n return "
    one = workshop.plugin(head + "TitleLimit(max_maturity=3, kinds=frozenset({'movie', 'series'}))")
    two = workshop.plugin(head + "TitleLimit(max_maturity=2, hidden_tags=frozenset({'gore'}))")
    none = workshop.plugin(head + "TitleLimit(kinds=frozenset())")
    mild = await workshop.app(one, two).start()
    limit = await actors.title_limit(mild.server, Actor(1))
    assert limit == TitleLimit(2, frozenset({"movie", "series"}), frozenset({"gore"}))
    await mild.stop()
    strict = await workshop.app(one, none).start()
    assert (await actors.title_limit(strict.server, Actor(1))).kinds == frozenset()


async def test_a_listener_that_fails_is_not_felt_by_the_next(workshop: Workshop) -> None:
    failing = workshop.plugin(HEAD + "@hookimpl\nasync def on_event(event): 1 / 0\n")
    hearing = workshop.plugin(HEAD + "heard = []\n@hookimpl\ndef on_event(event): heard.append(event)\n")
    running = await workshop.app(failing, hearing).start()
    await running.server.hooks.notify("on_event", server=running.server, event=TitleAdded(3))
    assert running.server.hooks.loaded[hearing].found.module.heard == [TitleAdded(3)]


async def test_the_first_answer_before_a_request_is_sent_and_responses_are_seen(workshop: Workshop) -> None:
    name = workshop.plugin(
        HEAD
        + """
@hookimpl
def before_request(request):
    if request.path == "/health":
        return json({"status": "closed"}, 503)
@hookimpl
async def after_response(request, response):
    response.headers["x-seen"] = request.path
"""
    )
    running = workshop.app(name)
    answer = await running.get("/health")
    assert (answer.status_code, answer.headers["x-seen"]) == (503, "/health")
    assert (await running.get("/ready")).status_code == 200
    assert (await running.get("/nothing")).headers["x-seen"] == "/nothing"


@pytest.mark.parametrize("hook", ["register(registry)", "startup(server)"])
async def test_a_full_disk_is_no_plugins_fault(workshop: Workshop, hook: str) -> None:
    write = "with open('/dev/full', 'wb', buffering=0) as disk: disk.write(b'x')"
    running = workshop.app(workshop.plugin(f"{HEAD}@hookimpl\ndef {hook}:\n    {write}\n"))
    with pytest.raises(StartLater, match="Free some disk space"):
        await running.start()


# ---- the quarantine is shared ----------------------------------------------------------------------------------


async def test_a_plugin_found_at_fault_by_one_process_is_left_out_by_the_next(
    workshop: Workshop, tmp_path: Path
) -> None:
    name = workshop.plugin(GREETER)
    first = await workshop.app(name).start()
    await Quarantine.create(plugin=name, reason="it broke in the worker")
    await first.stop()
    async with Server(load(tmp_path / "app0/config.yaml", {}), "worker") as other:
        assert other.hooks.faults == {name: "it broke in the worker"}


async def test_a_fault_in_the_routes_is_known_to_other_processes(workshop: Workshop, tmp_path: Path) -> None:
    name = workshop.plugin(HEAD + "@hookimpl\ndef register_routes(registry): 1 / 0\n")
    running = await workshop.app(name).start()
    await running.stop()
    async with Server(load(tmp_path / "app0/config.yaml", {}), "worker") as other:
        assert list(other.hooks.faults) == [name]
