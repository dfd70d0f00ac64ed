"""A browser without script: it shows pages, fills their forms and sends them as they say."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

    from mediaserver.testing import RunningApp


@dataclass
class Form:
    action: str
    method: str
    button: str = ""
    fields: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """What a page shows: its text, its forms, its links, and what stands beside each field."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.status = answer.status_code
        self.headers = answer.headers
        self.source = answer.text
        self.title = ""
        self.text = ""
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self.alerts: list[str] = []
        self.code: list[str] = []
        self.inputs: dict[str, dict[str, str | None]] = {}
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "form":
            self.forms.append(Form(known["action"] or "", known["method"] or ""))
        if tag == "input":
            name = known.get("name") or ""
            self.inputs[name] = known
            if self.forms and name:
                self.forms[-1].fields[name] = known.get("value") or ""
        if known.get("role") == "alert":
            self.alerts.append("")
        if tag not in ("input", "meta", "link", "img", "br"):
            self._open.append((tag, known))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag, f"the markup is not well-formed at </{tag}>"

    def handle_data(self, data: str) -> None:
        names = [name for name, _ in self._open]
        if "style" in names:
            return
        if "title" in names:
            self.title += data
            return
        self.text += data
        if "code" in names:
            self.code.append(data)
        if "button" in names:
            self.forms[-1].button += data
        if any(known.get("role") == "alert" for _, known in self._open):
            self.alerts[-1] += data
        if "a" in names:
            [known] = [known for name, known in self._open if name == "a"]
            self.links[data] = known["href"] or ""

    def form(self, button: str) -> Form:
        [found] = [form for form in self.forms if form.button == button]
        return found


class Browser:
    def __init__(self, app: RunningApp) -> None:
        self.app = app
        self.origin = ""

    async def answer(self, method: str, path: str, **options: object) -> httpx.Response:
        await self.app.start()
        return await self.app.request(method, path, **options)

    async def open(self, path: str) -> Page:
        answer = await self.answer("GET", path)
        while answer.status_code == 303:
            answer = await self.answer("GET", answer.headers["location"])
        assert answer.headers["content-type"].startswith("text/html")
        return Page(answer)

    async def send(self, form: Form, **typed: str) -> httpx.Response:
        """Without following where it leads."""
        assert form.method == "post"
        unknown = set(typed) - set(form.fields)
        assert not unknown, f"the form has no {unknown}"
        await self.app.start()
        origin = str((await self.app.get("/health")).request.url.copy_with(path="/")).rstrip("/")
        headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
        return await self.answer("POST", form.action, data=form.fields | typed, headers=headers)

    async def submit(self, page: Page, button: str, **typed: str) -> Page:
        answer = await self.send(page.form(button), **typed)
        if answer.status_code == 303:
            return await self.open(answer.headers["location"])
        return Page(answer)
