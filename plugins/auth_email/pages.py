"""Plain pages for signing in and all around it; they work without script.

A POST that succeeds leads on with 303; one that fails shows its form again, with what was typed and its honest status.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from pydantic import BaseModel

from mediaserver import HTTPResponse, Request, body, public, query
from mediaserver.errors import ServerError, Unauthorized

from . import account_page, forms
from .account_page import Text
from .clients import client_of
from .cookies import ACCESS, REFRESH
from .markup import Faults
from .page_answers import PageAnswers
from .tickets import Purpose

if TYPE_CHECKING:
    from mediaserver import RouteRegistry

LOCAL_PATH = re.compile(r"/(?![/\\])[^\\\s\x00-\x1f\x7f-\x9f]{0,1999}")  # browsers read "/\" and "/<tab>/" as "//"
PAGES = ("login", "logout", "register", "activate", "reset", "setup", "email", "device", "account")


class Posted(BaseModel):
    """What the pages ask for, in their addresses and forms."""

    email: Text = ""
    password: Text = ""
    next: str = ""  # `local` judges it
    uid: Text = ""
    token: Text = ""
    invite: Text = ""
    user_code: Text = ""
    approved: Text = ""


def register(registry: RouteRegistry) -> None:
    pages = Pages(registry)
    account = account_page.AccountPage(registry)
    for name in PAGES:
        owner, limit = (account, "content") if name == "account" else (pages, "auth")
        registry.get(f"/{name}", guard=public, limit=None)(getattr(owner, f"show_{name}"))
        registry.post(f"/{name}", guard=public, limit=limit)(getattr(owner, f"do_{name}"))
        registry.errors(f"/{name}", pages.failed)


def local(path: str) -> str:
    """`path` where it leads to this server and nowhere else, else ""."""
    return quote(path, safe="/?#[]@!$&'()*+,;=:%~", errors="replace") if LOCAL_PATH.fullmatch(path) else ""


class Pages(PageAnswers):
    # ---- signing in and out ----------------------------------------------------------------------------------

    async def show_login(self, request: Request) -> HTTPResponse:
        posted = query(request, Posted)
        posted.next = local(posted.next)
        if await self._accounts.setup.needed():
            return self.go(self.to.to("/setup"))
        if self.signed_in(request):
            return self.go(posted.next or self.to.home)
        if token := request.cookies.get(REFRESH):
            try:
                return self.let_in(request, await self._accounts.refresh(token), posted.next)
            except ServerError:
                pass  # it has ended: the form is how to go on
        return self.page(forms.login(self.to, posted, await self._accounts.registration()))

    async def do_login(self, request: Request) -> HTTPResponse:
        posted = body(request, Posted)
        posted.next = local(posted.next)
        try:
            tokens = await self._accounts.login(posted.email, posted.password, client_of(request))
        except ServerError as error:
            form = forms.login(self.to, posted, await self._accounts.registration(), Faults(error))
            return self.page(form, error=error)
        return self.let_in(request, tokens, posted.next)

    async def show_logout(self, request: Request) -> HTTPResponse:
        """For who types the address: a link of another site must sign nobody out."""
        return self.page(forms.sign_out(self.to)) if self.signed_in(request) else self.go(self.to.to("/login"))

    async def do_logout(self, request: Request) -> HTTPResponse:
        for name in (ACCESS, REFRESH):
            if token := request.cookies.get(name):
                await self._accounts.logout(token)
        answer = self.page(forms.signed_out(self.to))
        self._accounts.cookies.clear(request, answer)
        return answer

    # ---- registering -----------------------------------------------------------------------------------------

    async def show_register(self, request: Request) -> HTTPResponse:
        if await self._accounts.setup.needed():
            return self.go(self.to.to("/setup"))
        return self.page(await self._registration(query(request, Posted)))

    async def do_register(self, request: Request) -> HTTPResponse:
        posted = body(request, Posted)
        mode = await self._accounts.registration()
        try:
            await self._accounts.register(posted.email, posted.password, posted.invite)
            if posted.invite or (mode == "open" and not self._accounts.config.require_activation):
                tokens = await self._accounts.login(posted.email, posted.password, client_of(request))
                return self.let_in(request, tokens, "")
        except Unauthorized:  # an invitation shown by somebody who has an account, with another password
            return self.go(self.to.to("/login"))
        except ServerError as error:
            return self.page(await self._registration(posted, error), error=error)
        return self.page(forms.registered(self.to, posted.email, mode, self._accounts.mail_goes_to))

    async def _registration(self, posted: Posted, error: ServerError | None = None) -> str:
        mode = await self._accounts.registration()
        if mode == "closed" or (mode == "invite" and not posted.invite):
            return forms.no_registration(self.to, mode)
        return forms.register(self.to, posted, mode, Faults(error))

    # ---- links of letters ------------------------------------------------------------------------------------

    async def show_activate(self, request: Request) -> HTTPResponse:
        return self.page(forms.activate(self.to, query(request, Posted)))

    async def do_activate(self, request: Request) -> HTTPResponse:
        posted = body(request, Posted)
        try:
            ticket = await self._accounts.tickets.look(Purpose.ACTIVATE, posted.token, posted.uid)
            account = await self._accounts.activate(posted.uid, posted.token)
        except ServerError as error:
            return self.page(forms.activate(self.to, posted, Faults(error)), error=error)
        return self.page(forms.activated(self.to, account.email, again=ticket.used_at is not None))

    async def show_email(self, request: Request) -> HTTPResponse:
        return self.page(forms.confirm_email(self.to, query(request, Posted)))

    async def do_email(self, request: Request) -> HTTPResponse:
        posted = body(request, Posted)
        try:
            account = await self._accounts.confirm_email(posted.uid, posted.token)
        except ServerError as error:
            return self.page(forms.confirm_email(self.to, posted, Faults(error)), error=error)
        return self.page(forms.email_confirmed(self.to, account.email))

    async def show_reset(self, request: Request) -> HTTPResponse:
        posted = query(request, Posted)
        form = forms.choose_password if posted.token else forms.ask_for_reset
        return self.page(form(self.to, posted))

    async def do_reset(self, request: Request) -> HTTPResponse:
        posted = body(request, Posted)
        form = forms.choose_password if posted.token else forms.ask_for_reset
        try:
            if not posted.token:
                await self._accounts.request_reset(posted.email)
                return self.page(forms.reset_asked(self.to, self._accounts.mail_goes_to))
            await self._accounts.confirm_reset(posted.uid, posted.token, posted.password)
        except ServerError as error:
            return self.page(form(self.to, posted, Faults(error)), error=error)
        answer = self.page(forms.password_chosen(self.to))
        self._accounts.cookies.clear(request, answer)
        return answer

    # ---- the first administrator -----------------------------------------------------------------------------

    async def show_setup(self, request: Request) -> HTTPResponse:
        posted = query(request, Posted)
        if not await self._accounts.setup.needed():
            return self.page(forms.setup_is_done(self.to))
        if not posted.token:
            return self.page(forms.setup_needs_its_link(self._accounts.setup.command))
        return self.page(forms.setup(self.to, posted))

    async def do_setup(self, request: Request) -> HTTPResponse:
        posted = body(request, Posted)
        try:
            account = await self._accounts.setup.complete(posted.token, posted.email, posted.password)
            tokens = await self._accounts.login(account.email, posted.password, client_of(request))
        except ServerError as error:
            return self.page(forms.setup(self.to, posted, Faults(error)), error=error)
        return self.let_in(request, tokens, "")

    # ---- televisions -----------------------------------------------------------------------------------------

    async def show_device(self, request: Request) -> HTTPResponse:
        posted = query(request, Posted)
        if self.signed_in(request) is None:
            return self.go(self.to.to("/login", next=self.to.to("/device", user_code=posted.user_code)))
        return self.page(forms.ask_for_code(self.to, posted))

    async def do_device(self, request: Request) -> HTTPResponse:
        """First the code, then, with the name of what asks in sight, the approval."""
        posted, actor = body(request, Posted), self.signed_in(request)
        if actor is None:
            return self.go(self.to.to("/login", next=self.to.to("/device")))
        television = self._accounts.television
        try:
            device = await television.waiting(posted.user_code)
            if not posted.approved:
                return self.page(forms.approve_device(self.to, posted.user_code, device, actor.email))
            await television.approve(actor, posted.user_code)
        except ServerError as error:
            return self.page(forms.ask_for_code(self.to, posted, Faults(error)), error=error)
        return self.page(forms.device_approved(self.to, device))
