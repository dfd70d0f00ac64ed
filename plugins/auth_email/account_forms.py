"""What `/account` says: to everybody about themselves, to administrators about the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .forms import Addresses, films
from .markup import (
    Faults,
    Markup,
    button,
    document,
    email_field,
    field,
    form,
    joined,
    link,
    new_password_field,
    paragraph,
    tag,
)

if TYPE_CHECKING:
    from datetime import datetime

    from mediaserver.contracts import Account, Login, Page

    from .models import ApiKey

ROLES = {"viewer": "Viewer", "admin": "Administrator"}
DONE = {
    "password": "Your new password is saved; all other devices were signed out.",
    "email": "A link was made for the new address; it counts once you have opened it.",
    "sign-out": "That device was signed out.",
    "delete-key": "The API key is deleted; what used it is shut out.",
    "approve": "They are let in, and can sign in now.",
    "role": "The role was changed.",
    "disable": "The account is switched off, and signed out everywhere.",
    "enable": "The account is switched on again.",
    "remove": "The account is deleted.",
}


def account(
    to: Addresses,
    mine: Account,
    logins: list[Login],
    current: str | None,
    keys: list[ApiKey],
    people: Page[Account] | None,
    *said: Markup,
) -> str:
    head = tag("div", tag("h1", "Your account"), films(to), class_="top")
    return document(
        "Your account",
        head,
        *said,
        _about_me(to, mine),
        _people(to, mine, people) if people else None,
        _logins(to, logins, current),
        _keys(to, keys) if keys else None,
        _password(to, mine),
        _address(to),
        _deletion(to, mine),
        wide=True,
    )


def done(key: str) -> Markup:
    return tag("p", DONE[key], class_="notice", role="status")


def failed(sentence: str) -> Markup:
    return tag("p", sentence, class_="problem", role="alert")


def shown_link(address: str, whose: str) -> Markup:
    """To be copied by hand: there is no script here, and a click marks all of it."""
    label = tag("p", "Link for ", tag("strong", whose), ": copy it and send it to them yourself.")
    return tag("div", label, tag("pre", tag("code", address)), class_="notice", role="status")


def deleted(to: Addresses) -> str:
    return document(
        "Account deleted",
        tag("h1", "Your account is deleted"),
        paragraph("All that was kept about you here is gone."),
        link("Sign in with another account", to.to("/login"), "other-action"),
    )


# ---- me ------------------------------------------------------------------------------------------------------


def _about_me(to: Addresses, mine: Account) -> Markup:
    who = tag(
        "p", "You are signed in as ", tag("strong", mine.email), ", ", ROLES.get(mine.role, mine.role).lower(), "."
    )
    television = link("Sign in a television", to.to("/device"), "other-action")
    out = form(to.to("/logout"), button("Sign out", kind="other-action"))
    return tag("section", who, tag("div", out, television, class_="links"), aria_label="You")


def _logins(to: Addresses, logins: list[Login], current: str | None) -> Markup:
    rows = [_login(to, login, is_current=login.id == current) for login in logins]
    return _section("Where you are signed in", tag("ul", *rows, class_="rows"))


def _login(to: Addresses, login: Login, *, is_current: bool) -> Markup:
    name = login.name or "A device without a name"
    facts = f"{login.address} · last used {_when(login.last_used)}"
    out = _act(to, "sign-out", "Sign out", f"{name}, {facts}", login=login.id)
    return _row(name, facts, tag("span", "this device", class_="quiet") if is_current else out)


def _keys(to: Addresses, keys: list[ApiKey]) -> Markup:
    return _section("API keys", tag("ul", *(_key(to, key) for key in keys), class_="rows"))


def _key(to: Addresses, key: ApiKey) -> Markup:
    used = f"last used {_when(key.last_used)}" if key.last_used else "never used"
    facts = f"{key.prefix}… · {', '.join(key.scopes)} · {used}"
    return _row(key.name, facts, _act(to, "delete-key", "Delete", f"{key.name}, {key.prefix}", key=str(key.id)))


def _password(to: Addresses, mine: Account) -> Markup:
    current = _current_password("password", required=True)
    chosen = new_password_field(Faults(), label="New password")
    whose = tag("input", type="hidden", autocomplete="username", value=mine.email)  # for password managers
    hidden = {"action": "password"}
    return _section(
        "Password",
        form(to.to("/account"), whose, current, chosen, button("Change password", kind="other-action"), hidden=hidden),
    )


def _address(to: Addresses) -> Markup:
    chosen = email_field(Faults(), label="New e-mail address", focus=False)
    act = button("Change address", kind="other-action")
    proof = _current_password("email")
    return _section("E-mail address", form(to.to("/account"), chosen, proof, act, hidden={"action": "email"}))


def _current_password(form: str, *, required: bool = False) -> Markup:
    hint = "" if required else "Not needed within ten minutes after you signed in."
    return field(
        "current_password", "Current password", Faults(), hint=hint, form=form, type="password",
        autocomplete="current-password", required=required,
    )  # fmt: skip


def _deletion(to: Addresses, mine: Account) -> Markup:
    sentence = f"All that is kept about you is deleted, for ever. Type {mine.email} to go on."
    typed = field(
        "confirm", "Your address", Faults(), hint=sentence, autocomplete="off", autocapitalize="none", required=True
    )
    sure = form(
        to.to("/account"),
        typed,
        _current_password("delete"),
        button("Delete my account", kind="other-action danger"),
        hidden={"action": "delete"},
    )
    return tag("section", tag("details", tag("summary", "Delete my account"), sure))


# ---- the others ----------------------------------------------------------------------------------------------


def _people(to: Addresses, mine: Account, people: Page[Account]) -> Markup:
    waiting = [_waiting(to, one) for one in people.items if not one.active]
    let_in = [_person(to, one, is_me=one.id == mine.id) for one in people.items if one.active]
    return joined(
        _section("Waiting to be let in", tag("ul", *waiting, class_="rows")) if waiting else None,
        _section("People", tag("ul", *let_in, class_="rows"), _pages(to, people), _invitation(to)),
    )


def _waiting(to: Addresses, one: Account) -> Markup:
    return _row(
        one.email,
        f"registered {_when(one.created_at)}",
        _act(to, "approve", "Let in", one.email, user=str(one.id)),
        _act(to, "link", "Show link", one.email, user=str(one.id)),
        _act(to, "remove", "Delete", one.email, user=str(one.id)),
    )


def _person(to: Addresses, one: Account, *, is_me: bool) -> Markup:
    seen = f"last seen {_when(one.last_seen)}" if one.last_seen else "was never here"
    state = "switched off" if one.disabled else seen
    facts = f"{ROLES.get(one.role, one.role)} · {state}"
    if is_me:
        return _row(one.email, facts, tag("span", "you", class_="quiet"))
    other, words = ("viewer", "Make viewer") if one.role == "admin" else ("admin", "Make administrator")
    switch = ("enable", "Switch on") if one.disabled else ("disable", "Switch off")
    return _row(
        one.email,
        facts,
        _act(to, "role", words, one.email, user=str(one.id), role=other),
        _act(to, *switch, one.email, user=str(one.id)),
    )


def _invitation(to: Addresses) -> Markup:
    address = field(
        "invited",
        "Invite by e-mail (or nobody in particular)",
        Faults(),
        type="email",
        autocomplete="off",
        maxlength="254",
    )
    act = button("Make a link", kind="other-action")
    return form(to.to("/account"), address, act, hidden={"action": "invite"}, class_="row")


def _pages(to: Addresses, people: Page[Account]) -> Markup | None:
    if people.total <= people.limit:
        return None
    before = link("Newer", to.to("/account", page=str(people.page - 1))) if people.page > 1 else None
    after = link("Older", to.to("/account", page=str(people.page + 1))) if people.has_next else None
    return tag("nav", before, after, class_="links", aria_label="More people")


# ---- pieces --------------------------------------------------------------------------------------------------


def _section(title: str, *content: Markup | None) -> Markup:
    return tag("section", tag("h2", title), *content)


def _row(what: str, facts: str, *doing: Markup) -> Markup:
    words = tag("div", tag("strong", what), tag("span", facts, class_="quiet"), class_="what")
    return tag("li", words, tag("div", *doing, class_="doing"))


def _act(to: Addresses, action: str, words: str, whom: str, **hidden: str) -> Markup:
    """A button that is a form; who hears the page is told whom it is about."""
    spoken = button(joined(words, tag("span", f" ({whom})", class_="visually-hidden")), kind="other-action")
    return form(to.to("/account"), spoken, hidden={"action": action, **hidden})


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
