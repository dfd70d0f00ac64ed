"""The command line. What a command needs is imported when it runs: `run` itself stays small beside its three roles."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mediaserver import __version__
from mediaserver.errors import MediaServerError, StartLater

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mediaserver.core.config import Loaded
    from mediaserver.core.server import Server

CANNOT_GO_ON = 78  # EX_CONFIG of sysexits.h: the supervisor does not try such a role again
TRY_AGAIN = 75  # EX_TEMPFAIL
FILE = click.Path(path_type=Path)
PLUGIN_COMMANDS = f"{__name__}.plugin_commands"  # where click's context keeps them
ROLES = ("serve", "worker", "watch")


class Commands(click.Group):
    """Our commands and those of plugins."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or self._of_plugins(ctx).get(cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        try:
            offered = list(self._of_plugins(ctx))
        except MediaServerError:  # help is also for those whose config.yaml is not right yet
            offered = []
        return sorted([*super().list_commands(ctx), *offered])

    def _of_plugins(self, ctx: click.Context) -> dict[str, click.Command]:
        if PLUGIN_COMMANDS not in ctx.meta:
            from mediaserver.core.commands import plugin_commands

            ctx.meta[PLUGIN_COMMANDS] = plugin_commands(settings(ctx))
        return ctx.meta[PLUGIN_COMMANDS]  # type: ignore[no-any-return]

    def main(self, *args: Any, **kwargs: Any) -> Any:
        os.umask(os.umask(0) | 0o022)  # what this program makes is for others to read at most
        try:
            return super().main(*args, **kwargs)
        except MediaServerError as error:
            click.echo(f"mediaserver: {error}", err=True)
            sys.exit(TRY_AGAIN if isinstance(error, StartLater) else CANNOT_GO_ON)
        except KeyboardInterrupt:
            sys.exit(130)


@click.group(cls=Commands)
@click.version_option(__version__)
@click.option("--config", type=FILE, envvar="MEDIASERVER_CONFIG", is_eager=True, help="config.yaml to use.")
@click.option("--data", type=FILE, is_eager=True, help="Where database, media and secrets live.")
def main(config: Path | None, data: Path | None) -> None:
    """A media server: drop a video into library/, watch it seconds later."""
    # Both options are read by `given`: the name of a plugin's command is looked up before this is called.


def given(ctx: click.Context, option: str) -> Path | None:
    """What stands before the command, or in the environment where click answers --help before it reads options."""
    root = ctx.find_root()
    if option in root.params:
        return root.params[option]  # type: ignore[no-any-return]
    [declared] = [each for each in root.command.params if each.name == option]
    told = declared.resolve_envvar_value(root)
    return Path(told) if told else None


def config_file(ctx: click.Context) -> Path | None:
    default = Path("config.yaml")
    return given(ctx, "config") or (default if default.is_file() else None)


def settings(ctx: click.Context, **overrides: Any) -> Loaded:
    from mediaserver.core.config import load
    from mediaserver.core.logs import configure

    said = {tuple(key.split("__")): value for key, value in overrides.items() if value is not None}
    if data := given(ctx, "data"):
        said[("data",)] = str(data.absolute())
    loaded = load(config_file(ctx), os.environ, said)
    configure(loaded.settings.log.level, loaded.settings.log.format, ctx.info_name or "")
    return loaded


def running_here(ctx: click.Context) -> Loaded:
    """The settings of a server that has run here. Raises MediaServerError where none has."""
    loaded = settings(ctx)
    if not loaded.data.is_dir():
        raise MediaServerError(
            f"No server has run here: there is no {loaded.data}. Go to its folder, or name its settings: "
            f"mediaserver --config /path/to/config.yaml {ctx.info_name}"
        )
    return loaded


def with_server(loaded: Loaded, role: str, work: Callable[[Server], Awaitable[Any]]) -> Any:
    """Open the server for one command."""
    import asyncio

    from mediaserver.core.server import Server

    async def go() -> Any:
        async with Server(loaded, role) as server:
            return await work(server)

    return asyncio.run(go())


# ---- roles -------------------------------------------------------------------------------------------------


def listening(command: Callable[..., None]) -> Callable[..., None]:
    """Told to every role: links in the mail of a worker name the port."""
    command = click.option("--port", type=int, help="Port that serve listens on.")(command)
    return click.option("--host", help="Address that serve listens on.")(command)


@main.command()
@listening
@click.pass_context
def run(ctx: click.Context, host: str | None, port: int | None) -> None:
    """Serve, worker and watch on this machine, restarted."""
    from mediaserver.supervisor import Supervisor

    if config_file(ctx) is None:
        write_default_config(Path("config.yaml"))
    commands = {role: [*_program(ctx), role, *_options(host, port)] for role in ROLES}
    sys.exit(Supervisor(commands, say=click.echo, grace=10.0, opener="serve").run())


def _program(ctx: click.Context) -> list[str]:
    program = [sys.executable, "-m", "mediaserver"]
    for option in ("config", "data"):
        if value := given(ctx, option):
            program += [f"--{option}", str(value)]
    return program


def _options(host: str | None, port: int | None) -> list[str]:
    return [*(["--host", host] if host else []), *(["--port", str(port)] if port is not None else [])]


def write_default_config(path: Path) -> None:
    package = Path(__file__).parent
    source = next(each for each in (package / "config.yaml", package.parent / "config.yaml") if each.is_file())
    try:
        path.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    except OSError as error:
        raise MediaServerError(f"{path.absolute()} cannot be written ({error.strerror}).") from error
    click.echo(f"Wrote {path.absolute()}: every setting, with its meaning.")


@main.command()
@listening
@click.pass_context
def serve(ctx: click.Context, host: str | None, port: int | None) -> None:
    """Answer requests."""
    from mediaserver.supervisor import is_supervised, standing

    stand = standing()
    _role(ctx, "serve", host, port, stand=stand, looks_anew=stand is not None or not is_supervised())


@main.command()
@listening
@click.pass_context
def worker(ctx: click.Context, host: str | None, port: int | None) -> None:
    """Run jobs: encode films, send mail."""
    _role(ctx, "worker", host, port)


@main.command()
@listening
@click.pass_context
def watch(ctx: click.Context, host: str | None, port: int | None) -> None:
    """Watch the library for files."""
    _role(ctx, "watch", host, port)


def _role(ctx: click.Context, name: str, host: str | None, port: int | None, **more: Any) -> None:
    from mediaserver.supervisor import watch_lifeline

    watch_lifeline()
    from mediaserver.core import roles

    roles.run_role(getattr(roles, name)(settings(ctx, server__host=host, server__port=port), **more))


# ---- one-off commands --------------------------------------------------------------------------------------


@main.command()
@click.option("--no-copy", is_flag=True, help="Make no copy of the database first.")
@click.pass_context
def migrate(ctx: click.Context, no_copy: bool) -> None:
    """Bring the database up to date now, instead of at the next start."""
    import asyncio

    from mediaserver.core.commands import bring_up_to_date

    asyncio.run(bring_up_to_date(settings(ctx), copies=not no_copy))
    click.echo("The database is up to date.")


@main.command()
@click.argument("path", required=False, type=FILE)
@click.pass_context
def scan(ctx: click.Context, path: Path | None) -> None:
    """Ask the watcher to look at PATH, or at the whole library, now."""
    from mediaserver.core.commands import ask_to_scan

    click.echo(with_server(running_here(ctx), "cli", lambda server: ask_to_scan(server, path)))


@main.command()
@click.argument("path", type=FILE)
@click.pass_context
def why(ctx: click.Context, path: Path) -> None:
    """State of the file PATH and why, in one sentence."""
    from mediaserver.contracts import Library

    reason = with_server(running_here(ctx), "cli", lambda server: server.services.get(Library).why(path.absolute()))
    click.echo(f"{reason.state}: {reason.sentence}")


@main.command()
@click.pass_context
def plugins(ctx: click.Context) -> None:
    """Which plugins take part, and which are left out and why."""
    from mediaserver.core.commands import plugins_here

    for line in plugins_here(settings(ctx)):
        click.echo(line)


@main.command(name="config")
@click.pass_context
def config_command(ctx: click.Context) -> None:
    """Every setting that differs from its default."""
    from mediaserver.core.commands import config_report

    for line in config_report(settings(ctx)):
        click.echo(line)


@main.command()
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """What is wrong with this installation, and what to do about it."""
    import asyncio

    from mediaserver.core.doctor import diagnose

    findings = asyncio.run(diagnose(settings(ctx)))
    for line in findings:
        click.echo(line)
    sys.exit(1 if any(line.startswith("✗") for line in findings) else 0)
