"""HTML as nested calls. What is not Markup is text and is escaped: addresses and names come from strangers."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mediaserver.errors import ServerError

STATIC = Path(__file__).with_name("static")
STYLE = (STATIC / "pages.css").read_text(encoding="utf-8")
ICON = "data:image/svg+xml;base64," + base64.b64encode((STATIC / "mark.svg").read_bytes()).decode()
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
EMPTY_TAGS = frozenset({"input", "meta", "link", "img", "br"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Content = str | None


def tag(element: str, /, *content: Content, **attributes: str | bool | None) -> Markup:
    """`class_` is class, `aria_label` aria-label; True is a bare attribute, False and None leave it out."""
    shown = "".join(_attribute(key, value) for key, value in attributes.items())
    if element in EMPTY_TAGS:
        return Markup(f"<{element}{shown}>")
    return Markup(f"<{element}{shown}>{joined(*content)}</{element}>")


def joined(*content: Content) -> Markup:
    return Markup("".join(part if isinstance(part, Markup) else _text(part) for part in content if part is not None))


def _text(text: str) -> str:
    return escape(text.encode("utf-8", "replace").decode())  # JSON may bring halves of letters


def _attribute(key: str, value: str | bool | None) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{_text(value)}"'


def document(title: str, *content: Content, wide: bool = False) -> str:
    head = joined(
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1, viewport-fit=cover"),
        tag("meta", name="color-scheme", content="dark light"),
        tag("meta", name="robots", content="noindex"),
        tag("title", f"{title} · Mediaserver"),
        tag("link", rel="icon", href=ICON),
        tag("style", Markup(STYLE)),
    )
    brand = tag("p", tag("img", src=ICON, alt="", width="32", height="32"), "Mediaserver", class_="brand")
    body = tag("body", tag("main", brand, *content, class_="wide" if wide else None))
    return f"<!doctype html>\n{tag('html', tag('head', head), body, lang='en')}"


class Faults:
    """What was wrong with a form: beside its fields where they are named, else above them."""

    def __init__(self, error: ServerError | None = None) -> None:
        fields = error.extra.get("fields", []) if error else []
        self._by_field: dict[str, str] = {fault["field"]: fault["problem"] for fault in fields}
        self._general = error.message if error and not fields else ""
        self._any = error is not None

    def __bool__(self) -> bool:
        return self._any

    def at(self, *names: str) -> str:
        """The problem of a field; told there, it does not stand above the form too."""
        told = [self._by_field.pop(name) for name in names if name in self._by_field]
        return " ".join(told)

    def rest(self) -> Markup | None:
        sentences = [self._general, *self._by_field.values()]
        told = " ".join(sentence for sentence in sentences if sentence)
        return tag("p", told, role="alert", class_="problem") if told else None


def field(
    name: str,
    label: str,
    faults: Faults,
    *,
    hint: str = "",
    names: tuple[str, ...] = (),
    form: str = "",
    **attributes: str | bool,
) -> Markup:
    """A labelled input; `names` are other words by which an error may call it, `form` is what it belongs to."""
    problem = faults.at(name, *names)
    own = f"{form}-{name}" if form else name
    about = [f"{own}-{part}" for part, text in (("hint", hint), ("problem", problem)) if text]
    return tag(
        "div",
        tag("label", label, for_=own),
        tag("p", hint, id=f"{own}-hint", class_="hint") if hint else None,
        tag(
            "input",
            id=own,
            name=name,
            aria_describedby=" ".join(about) or None,
            aria_invalid="true" if problem else None,
            **attributes,
        ),
        tag("p", problem, id=f"{own}-problem", class_="problem", role="alert") if problem else None,
        class_="field",
    )


def email_field(faults: Faults, typed: str = "", *, label: str = "E-mail address", focus: bool = True) -> Markup:
    return field(
        "email",
        label,
        faults,
        type="email",
        value=typed,
        autocomplete="username",
        inputmode="email",
        autocapitalize="none",
        spellcheck="false",
        maxlength="254",
        required=True,
        autofocus=focus and not typed,
    )


def new_password_field(faults: Faults, name: str = "password", label: str = "Password") -> Markup:
    return field(
        name,
        label,
        faults,
        names=("new_password",) if name == "password" else ("password",),
        hint="At least 8 characters; a few words that belong together only for you are best.",
        type="password",
        autocomplete="new-password",
        minlength="8",
        maxlength="128",
        required=True,
    )


def form(action: str, *content: Content, hidden: Mapping[str, str] | None = None, **attributes: str | bool) -> Markup:
    kept = [tag("input", type="hidden", name=name, value=value) for name, value in (hidden or {}).items() if value]
    return tag("form", *kept, *content, method="post", action=action, **attributes)


def button(text: str, *, kind: str = "main-action", **attributes: str | bool) -> Markup:
    return tag("button", text, type="submit", class_=kind, **attributes)


def link(text: str, address: str, kind: str | None = None) -> Markup:
    return tag("a", text, href=address, class_=kind)


def paragraph(*content: Content) -> Markup:
    return tag("p", *content)


__all__ = [
    "POLICY",
    "Content",
    "Faults",
    "Markup",
    "button",
    "document",
    "email_field",
    "field",
    "form",
    "joined",
    "link",
    "new_password_field",
    "paragraph",
    "tag",
]
