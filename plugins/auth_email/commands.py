"""`mediaserver user`: accounts from the terminal, whether the server runs or not. No password is ever an argument."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mediaserver.errors import MediaServerError, NotFound

from .provided import accounts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver import Registry, Server
    from mediaserver.contracts import Account

FC = TypeVar("FC", bound="Callable[..., Any] | click.Command")
ROLES = ("viewer", "admin")
EMAIL = click.argument("email")
AT_ONCE = 100  # accounts of one question
LONGEST_NUMBER = 9  # digits


def register(registry: Registry) -> None:
    registry.command(user_commands())


def user_commands() -> click.Group:
    commands = (
        *(add(), show_all(), activate(), link(), passwd(), role(), limit(), disable(), enable(), delete()),
        *(setup_link(), invite(), rotate_keys()),
    )
    return click.Group("user", commands, help="Accounts: who may sign in, as what, and how much at once.")


# ---- what they have in common --------------------------------------------------------------------------------


async def named(server: Server, email: str) -> Account:
    """Raises NotFound."""
    account = await accounts_of(server).find(email)
    if account is None:
        raise NotFound(f"There is no account with the address {email}; `mediaserver user list` shows all.")
    return account


def from_terminal(ctx: click.Context, _option: click.Parameter, from_stdin: bool) -> str | None:
    """The password, read before anything is opened; None where none is wanted."""
    if ctx.resilient_parsing or ctx.params.get("letter"):
        return None
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise MediaServerError("There is no terminal to ask for the password; give it with --password-stdin.")
    typed: str = click.prompt("Password (not shown)", hide_input=True)
    if typed != click.prompt("Once more", hide_input=True):
        raise MediaServerError("The two passwords differ; nothing was changed.")
    return typed


def password_option(text: str) -> Callable[[FC], FC]:
    return click.option("--password-stdin", "password", is_flag=True, callback=from_terminal, help=text)


def stream_limit(_ctx: click.Context, _argument: click.Parameter, said: str) -> int | str:
    if said in ("unlimited", "default"):
        return said
    if said.isascii() and said.isdecimal() and len(said) <= LONGEST_NUMBER:
        return int(said)
    raise click.BadParameter(f"{said} is neither a number nor unlimited nor default.")


# ---- the commands --------------------------------------------------------------------------------------------


def add() -> click.Command:
    @click.command("add")
    @EMAIL
    @click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True, help="What they may do.")
    @password_option("Read the password from the first line of standard input instead of asking for it.")
    @click.option("--letter", is_flag=True, is_eager=True, help="No password: a letter lets its owner choose one.")
    async def add(server: Server, email: str, role: str, password: str | None, letter: bool) -> None:
        """Make an account that is active at once."""
        account = await accounts_of(server).add(email, password, role)
        more = " A letter with a link for choosing a password is on its way." if letter else ""
        click.echo(f"{account.email} may sign in as {account.role}.{more}")

    return add


def show_all() -> click.Command:
    @click.command("list")
    async def show(server: Server) -> None:
        """Show every account, newest first, those that wait for their activation too."""
        accounts, number = accounts_of(server), 1
        while True:
            page = await accounts.all(number, AT_ONCE)
            for account in page.items:
                click.echo(line_of(account))
            if not page.has_next:
                break
            number += 1
        if not page.total:
            click.echo("There is no account yet; `mediaserver user setup-link` shows how to make the first one.")

    return show


def line_of(account: Account) -> str:
    state = "waits" if not account.active else "disabled" if account.disabled else "active"
    seen = f"{account.last_seen:%Y-%m-%d %H:%M}" if account.last_seen else "never here"
    limit = "-" if not account.has_own_limit else "unlimited" if account.stream_limit is None else account.stream_limit
    return f"{account.email:<40}  {account.role:<6}  {state:<8}  limit {limit!s:<9}  {seen}"


def activate() -> click.Command:
    @click.command("activate")
    @EMAIL
    async def activate(server: Server, email: str) -> None:
        """Let somebody in who registered and waits."""
        account = await accounts_of(server).approve((await named(server, email)).id)
        click.echo(f"{account.email} may sign in.")

    return activate


def link() -> click.Command:
    @click.command("link")
    @EMAIL
    async def link(server: Server, email: str) -> None:
        """Show a new activation link for somebody who registered and waits."""
        click.echo(await accounts_of(server).activation_link((await named(server, email)).id))

    return link


def passwd() -> click.Command:
    @click.command("passwd")
    @EMAIL
    @password_option("Read the new password from the first line of standard input instead of asking for it.")
    async def passwd(server: Server, email: str, password: str) -> None:
        """Set a new password; whoever is signed in to the account is signed out."""
        account = await named(server, email)
        await accounts_of(server).set_password(account.id, password)
        click.echo(f"{account.email} has a new password and was signed out everywhere.")

    return passwd


def role() -> click.Command:
    @click.command("role")
    @EMAIL
    @click.argument("role", type=click.Choice(ROLES))
    async def role(server: Server, email: str, role: str) -> None:
        """Make somebody a viewer or an administrator."""
        account = await accounts_of(server).set_role((await named(server, email)).id, role)
        click.echo(f"{account.email} is {account.role} now.")

    return role


def limit() -> click.Command:
    @click.command("limit")
    @EMAIL
    @click.argument("limit", callback=stream_limit, metavar="N|unlimited|default")
    async def limit(server: Server, email: str, limit: int | str) -> None:
        """Say how many films somebody may watch at once: a number, unlimited, or default."""
        account = await named(server, email)
        if limit == "default":
            await accounts_of(server).reset_stream_limit(account.id)
            click.echo(f"{account.email} has the limit that everybody has.")
        else:
            await accounts_of(server).set_stream_limit(account.id, limit if isinstance(limit, int) else None)
            click.echo(f"{account.email} has the limit {limit}.")

    return limit


def disable() -> click.Command:
    @click.command("disable")
    @EMAIL
    async def disable(server: Server, email: str) -> None:
        """Switch an account off and sign it out everywhere; nothing is deleted."""
        account = await accounts_of(server).set_disabled((await named(server, email)).id, True)
        click.echo(f"{account.email} cannot sign in any more.")

    return disable


def enable() -> click.Command:
    @click.command("enable")
    @EMAIL
    async def enable(server: Server, email: str) -> None:
        """Switch an account on again."""
        account = await accounts_of(server).set_disabled((await named(server, email)).id, False)
        click.echo(f"{account.email} can sign in again.")

    return enable


def delete() -> click.Command:
    @click.command("delete")
    @EMAIL
    @click.option("--yes", is_flag=True, help="Do not ask again.")
    async def delete(server: Server, email: str, yes: bool) -> None:
        """Delete an account and all that is its owner's, for ever."""
        account = await named(server, email)
        if not yes:
            raise MediaServerError(f"This deletes {account.email} with all that is theirs; say --yes if you mean it.")
        await accounts_of(server).delete(account.id)
        click.echo(f"{account.email} is deleted.")

    return delete


def setup_link() -> click.Command:
    @click.command("setup-link")
    async def setup_link(server: Server) -> None:
        """Show the link with which the first administrator is made, again."""
        click.echo(await accounts_of(server).setup.link())

    return setup_link


def invite() -> click.Command:
    @click.command("invite")
    @click.argument("email", default="")
    @click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True, help="What they may do.")
    async def invite(server: Server, email: str, role: str) -> None:
        """Show a link with which one person may register; with an address, mail one too."""
        click.echo(await accounts_of(server).invite(email, role))

    return invite


def rotate_keys() -> click.Command:
    @click.command("rotate-keys")
    async def rotate_keys(server: Server) -> None:
        """Sign new tokens with a new key; who is signed in stays so."""
        click.echo(f"Tokens are signed with the key {await accounts_of(server).rotate_keys()} from now on.")

    return rotate_keys
