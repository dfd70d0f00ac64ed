"""What the plain pages say: one function a page, from what is known to HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from .markup import (
    Content,
    Faults,
    Markup,
    button,
    document,
    email_field,
    field,
    form,
    link,
    new_password_field,
    paragraph,
    tag,
)

if TYPE_CHECKING:
    from mediaserver import Server

    from .pages import Posted

PAGE_NAMES = {404: "There is nothing here", 403: "Not from here", 429: "Too often", 405: "Not like this"}
NO_FAULTS = Faults()
WHERE_A_LETTER_IS = {
    "console": "No mail is set up here: the link was printed where the server runs, in its terminal or log.",
    "directory": "No mail is sent from here: the letter lies where the server runs, in its mail folder.",
    "smtp": "Look into your mail; if nothing is there in a few minutes, look into the spam folder too.",
}


class Addresses:
    """Addresses of pages below the server's base path."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._base = server.settings.server.base_path

    def to(self, path: str, **query: str) -> str:
        given = {name: value for name, value in query.items() if value}
        return self._base + path + (f"?{urlencode(given)}" if given else "")

    @property
    def home(self) -> str:
        """The films, where some plugin shows them at `/`."""
        return f"{self._base}/" if self.has_films else self.to("/account")

    @property
    def has_films(self) -> bool:
        return any(route.path == "/" for route in self._server.routes)


def films(to: Addresses, kind: str | None = None) -> Markup | None:
    return link("To the films", to.home, kind) if to.has_films else None


def _titled(title: str, faults: Faults, *content: Content) -> str:
    """`faults` is asked last: by then it knows which of its sentences stand beside a field."""
    shown = f"Error: {title}" if faults else title
    return document(shown, tag("h1", title), faults.rest(), *content)


def _links(*links: Markup | None) -> Markup:
    return tag("nav", *links, class_="links", aria_label="Other ways")


# ---- signing in ----------------------------------------------------------------------------------------------


def login(to: Addresses, posted: Posted, registration: str, error: Faults = NO_FAULTS) -> str:
    password = field(
        "password", "Password", error, type="password", autocomplete="current-password", maxlength="128", required=True
    )
    fields = (email_field(error, posted.email), password)
    hidden = {"next": posted.next}
    offers = registration in ("open", "approval")
    return _titled(
        "Sign in",
        error,
        form(to.to("/login"), *fields, button("Sign in"), hidden=hidden),
        _links(
            link("I forgot my password", to.to("/reset")),
            link("Create an account", to.to("/register")) if offers else None,
        ),
    )


def sign_out(to: Addresses) -> str:
    return document("Sign out?", tag("h1", "Sign out?"), form(to.to("/logout"), button("Sign out")))


def signed_out(to: Addresses) -> str:
    return document(
        "Signed out", tag("h1", "You are signed out"), link("Sign in again", to.to("/login"), "main-action")
    )


# ---- registering ---------------------------------------------------------------------------------------------

REGISTRATION_HINTS = {
    "open": "You get a link that switches the account on.",
    "approval": "An administrator of this server lets you in; you can sign in from then on.",
    "invite": "You were invited: this link is good for one account.",
}


def register(to: Addresses, posted: Posted, registration: str, error: Faults = NO_FAULTS) -> str:
    fields = (email_field(error, posted.email), new_password_field(error))
    hint = REGISTRATION_HINTS["invite" if posted.invite else registration]
    return _titled(
        "Create an account",
        error,
        tag("p", hint, class_="quiet"),
        form(to.to("/register"), *fields, button("Create account"), hidden={"invite": posted.invite}),
        _links(link("I have an account", to.to("/login"))),
    )


def no_registration(to: Addresses, registration: str) -> str:
    if registration == "invite":
        sentence = "Accounts are by invitation here: ask whoever runs this server for a link."
    else:
        sentence = "Nobody can register here by themselves: ask whoever runs this server for an account."
    return document(
        "Registration is closed",
        tag("h1", "Registration is closed"),
        paragraph(sentence),
        _links(link("I have an account", to.to("/login"))),
    )


def registered(to: Addresses, email: str, registration: str, mail: str) -> str:
    if registration == "approval":
        title = "Almost there"
        sentences = [
            paragraph(
                "An administrator of this server was asked to let you in. After that you can sign in with ",
                tag("strong", email),
                ".",
            )
        ]
    else:
        title = "One more step"
        sentences = [
            paragraph("Open the link that was made for ", tag("strong", email), ": it switches the account on."),
            paragraph(WHERE_A_LETTER_IS[mail]),
            tag("p", "Nothing came? Register again with the same address: that makes a new link.", class_="quiet"),
        ]
    return document(title, tag("h1", title), *sentences, _links(link("Sign in", to.to("/login"))))


# ---- links of letters ----------------------------------------------------------------------------------------


def activate(to: Addresses, posted: Posted, error: Faults = NO_FAULTS) -> str:
    """A page with a button: scanners of mail open every link, and must not use it up."""
    hidden = {"uid": posted.uid, "token": posted.token}
    return _titled(
        "Switch your account on",
        error,
        form(to.to("/activate"), button("Switch on"), hidden=hidden),
        _links(link("Get a new link", to.to("/register")), link("Sign in", to.to("/login"))),
    )


def activated(to: Addresses, email: str, *, again: bool) -> str:
    title = "Your account is on already" if again else "Your account is on"
    return document(
        title,
        tag("h1", title),
        paragraph("Sign in as ", tag("strong", email), " with the password you chose."),
        link("Sign in", to.to("/login"), "main-action"),
    )


def confirm_email(to: Addresses, posted: Posted, error: Faults = NO_FAULTS) -> str:
    hidden = {"uid": posted.uid, "token": posted.token}
    return _titled(
        "Use this address from now on",
        error,
        form(to.to("/email"), button("Confirm the address"), hidden=hidden),
        _links(link("Your account", to.to("/account"))),
    )


def email_confirmed(to: Addresses, email: str) -> str:
    return document(
        "Address confirmed",
        tag("h1", "Address confirmed"),
        paragraph("From now on you sign in as ", tag("strong", email), "."),
        films(to, "main-action"),
    )


def ask_for_reset(to: Addresses, posted: Posted, error: Faults = NO_FAULTS) -> str:
    typed = email_field(error, posted.email)
    return _titled(
        "Choose a new password",
        error,
        tag("p", "Say who you are; you get a link for choosing a new one.", class_="quiet"),
        form(to.to("/reset"), typed, button("Get a link")),
        _links(link("Sign in", to.to("/login"))),
    )


def reset_asked(to: Addresses, mail: str) -> str:
    return document(
        "A link, if there is such an account",
        tag("h1", "One more step"),
        paragraph("If there is an account with this address, a link was made for it. It is good for half an hour."),
        paragraph(WHERE_A_LETTER_IS[mail]),
        _links(link("Sign in", to.to("/login"))),
    )


def choose_password(to: Addresses, posted: Posted, error: Faults = NO_FAULTS) -> str:
    chosen = new_password_field(error, label="New password")
    hidden = {"uid": posted.uid, "token": posted.token}
    return _titled(
        "Choose a new password",
        error,
        tag("p", "Wherever you are signed in now, you will be signed out.", class_="quiet"),
        form(to.to("/reset"), chosen, button("Save the password"), hidden=hidden),
        _links(link("Get a new link", to.to("/reset"))),
    )


def password_chosen(to: Addresses) -> str:
    return document(
        "Password saved",
        tag("h1", "Your new password is saved"),
        link("Sign in", to.to("/login"), "main-action"),
    )


# ---- the first administrator ---------------------------------------------------------------------------------


def setup(to: Addresses, posted: Posted, error: Faults = NO_FAULTS) -> str:
    fields = (email_field(error, posted.email), new_password_field(error))
    return _titled(
        "Make the first administrator",
        error,
        tag("p", "This account may do everything: let others in, see every file, repeat jobs.", class_="quiet"),
        form(to.to("/setup"), *fields, button("Make it mine"), hidden={"token": posted.token}),
    )


def setup_needs_its_link(command: str) -> str:
    return document(
        "Almost ready",
        tag("h1", "Almost ready: who runs this server?"),
        paragraph(
            "Open the set-up link. It was printed where the server runs, when it started; there the first "
            "administrator chooses a password."
        ),
        tag("p", "It is not in sight any more? In the server's folder, this prints it again:", class_="quiet"),
        tag("pre", tag("code", command)),
    )


def setup_is_done(to: Addresses) -> str:
    return document(
        "Set up already",
        tag("h1", "This server has an administrator"),
        paragraph("The set-up link was used. Sign in, or ask the administrator for an account."),
        link("Sign in", to.to("/login"), "main-action"),
    )


# ---- televisions ---------------------------------------------------------------------------------------------


def ask_for_code(to: Addresses, posted: Posted, error: Faults = NO_FAULTS) -> str:
    code = field(
        "user_code",
        "Code",
        error,
        hint="The television shows it.",
        class_="code",
        value=posted.user_code,
        autocomplete="off",
        autocapitalize="characters",
        spellcheck="false",
        maxlength="20",
        required=True,
        autofocus=True,
    )
    return _titled(
        "Sign in a television",
        error,
        form(to.to("/device"), code, button("Go on")),
        _links(films(to)),
    )


def approve_device(to: Addresses, code: str, device: str, email: str) -> str:
    return document(
        "Sign in this device?",
        tag("h1", "Sign in this device?"),
        paragraph(tag("strong", device or "A device without a name"), " asks to watch as ", tag("strong", email), "."),
        tag("p", "Go on only if it stands before you and shows the code ", tag("strong", code), ".", class_="quiet"),
        form(to.to("/device"), button("Sign it in"), hidden={"user_code": code, "approved": "yes"}),
        _links(link("No, go back", to.to("/device"))),
    )


def device_approved(to: Addresses, device: str) -> str:
    return document(
        "Signed in",
        tag("h1", f"{device or 'The device'} is signed in"),
        paragraph("It goes on by itself in a few seconds. Under your account you can sign it out again."),
        _links(link("Your account", to.to("/account")), films(to)),
    )


# ---- errors --------------------------------------------------------------------------------------------------


def failed(to: Addresses, status: int, sentence: str) -> str:
    title = PAGE_NAMES.get(status, "That did not work")
    return document(
        title,
        tag("h1", title),
        tag("p", sentence, role="alert", class_="problem"),
        _links(films(to)),
    )
