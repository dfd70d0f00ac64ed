"""`/account`: what is kept about me, and for administrators, the people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, StringConstraints

from mediaserver import HTTPResponse, Request, body, query
from mediaserver.errors import Forbidden, InvalidRequest, ServerError

from . import account_forms as forms
from .page_answers import PageAnswers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mediaserver import RouteRegistry
    from mediaserver.contracts import Account, Actor

    from .markup import Markup

Text = Annotated[str, StringConstraints(max_length=4096, pattern=r"^[^\x00]*$")]  # no half letters either
PEOPLE = 50
LARGEST_ID = 2**31 - 1
LARGEST_PAGE = 10_000


class Wish(BaseModel):
    """What a button of the page asks for."""

    action: Text = ""
    page: Text = ""
    done: Text = ""
    email: Text = ""
    current_password: Text = ""
    password: Text = ""
    confirm: Text = ""
    login: Text = ""
    key: Text = ""
    user: Text = ""
    role: Text = ""
    invited: Text = ""

    def number(self, value: str, largest: int, otherwise: int) -> int:
        is_number = value.isascii() and value.isdecimal() and len(value) <= len(str(largest))
        return int(value) if is_number and 0 < int(value) <= largest else otherwise

    @property
    def user_id(self) -> int:
        """0 is nobody's."""
        return self.number(self.user, LARGEST_ID, 0)


class AccountPage(PageAnswers):
    def __init__(self, registry: RouteRegistry) -> None:
        super().__init__(registry)
        self._own: dict[str, Callable[[Actor, Wish], Awaitable[None]]] = {
            "password": self._change_password,
            "email": self._change_email,
            "sign-out": self._sign_out,
            "delete-key": self._delete_key,
        }
        self._of_others: dict[str, Callable[[Wish], Awaitable[Account | None]]] = {
            "approve": lambda wish: self._accounts.approve(wish.user_id),
            "role": lambda wish: self._accounts.set_role(wish.user_id, wish.role),
            "disable": lambda wish: self._accounts.set_disabled(wish.user_id, True),
            "enable": lambda wish: self._accounts.set_disabled(wish.user_id, False),
            "remove": lambda wish: self._accounts.delete(wish.user_id),
        }
        self._links: dict[str, Callable[[Wish], Awaitable[Markup]]] = {
            "link": self._activation_link,
            "invite": self._invite,
        }

    async def show_account(self, request: Request) -> HTTPResponse:
        actor, wish = self.signed_in(request), query(request, Wish)
        if actor is None:
            return self.ask_who("/account")
        said = [forms.done(wish.done)] if wish.done in forms.DONE else []
        return await self._page(actor, wish, *said)

    async def do_account(self, request: Request) -> HTTPResponse:
        actor, wish = self.signed_in(request), body(request, Wish)
        if actor is None:
            return self.ask_who("/account")
        try:
            if wish.action == "delete":
                return await self._delete(request, actor, wish)
            if wish.action in self._own:
                await self._own[wish.action](actor, wish)
            else:
                if not actor.is_admin:
                    raise Forbidden("Only an administrator may do this.")
                if wish.action in self._links:
                    return await self._page(actor, wish, await self._links[wish.action](wish))
                await self._do_to_others(wish)
        except ServerError as error:
            return await self._page(actor, wish, forms.failed(_sentence(error)), error=error)
        return self.go(self.to.to("/account", done=wish.action))

    async def _page(self, actor: Actor, wish: Wish, *said: Markup, error: ServerError | None = None) -> HTTPResponse:
        mine = await self._accounts.get(_owner(actor))
        logins = await self._accounts.logins(_owner(actor))
        keys = await self._accounts.api_keys.of(_owner(actor))
        page = wish.number(wish.page, LARGEST_PAGE, 1)
        people = await self._accounts.all(page, PEOPLE) if actor.is_admin else None
        content = forms.account(self.to, mine, logins, actor.login_id, keys, people, *said)
        return self.page(content, error=error)

    # ---- what can be done ------------------------------------------------------------------------------------

    async def _change_password(self, actor: Actor, wish: Wish) -> None:
        await self._accounts.change_password(_owner(actor), wish.current_password, wish.password, actor.login_id)

    async def _change_email(self, actor: Actor, wish: Wish) -> None:
        await self._accounts.prove(actor, wish.current_password or None)
        await self._accounts.request_email(_owner(actor), wish.email)

    async def _sign_out(self, actor: Actor, wish: Wish) -> None:
        await self._accounts.revoke(wish.login, _owner(actor))

    async def _delete_key(self, actor: Actor, wish: Wish) -> None:
        await self._accounts.api_keys.delete(_owner(actor), wish.number(wish.key, LARGEST_ID, 0))

    async def _delete(self, request: Request, actor: Actor, wish: Wish) -> HTTPResponse:
        if wish.confirm.strip().casefold() != actor.email.casefold():
            raise InvalidRequest(f"Nothing was deleted: type your own address, {actor.email}, to delete your account.")
        await self._accounts.prove(actor, wish.current_password or None)
        await self._accounts.delete(_owner(actor))
        answer = self.page(forms.deleted(self.to))
        self._accounts.cookies.clear(request, answer)
        return answer

    async def _do_to_others(self, wish: Wish) -> None:
        if wish.action not in self._of_others:
            raise InvalidRequest("There is no such button here.")
        await self._of_others[wish.action](wish)

    async def _activation_link(self, wish: Wish) -> Markup:
        whose = await self._accounts.get(wish.user_id)
        return forms.shown_link(await self._accounts.activation_link(wish.user_id), whose.email)

    async def _invite(self, wish: Wish) -> Markup:
        return forms.shown_link(await self._accounts.invite(wish.invited.strip()), wish.invited or "one new account")


def _owner(actor: Actor) -> int:
    """Of who signed in, who has an account; 0 is nobody's."""
    return actor.user_id or 0


def _sentence(error: ServerError) -> str:
    """What stands above the page, which has several forms."""
    return " ".join(fault["problem"] for fault in error.extra.get("fields", [])) or error.message
