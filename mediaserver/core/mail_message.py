"""A letter as the message that is sent or filed: text and HTML, and nothing in its headers that was not meant."""

from __future__ import annotations

import re
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime, make_msgid, parseaddr
from typing import TYPE_CHECKING

from mediaserver.errors import JobFailed

if TYPE_CHECKING:
    from mediaserver.contracts import Letter

ADDRESS = re.compile(r"[^\s<>@,;:()\[\]\\\"]+@[^\s<>@,;:()\[\]\\\"]+")
LONGEST_ADDRESS = 254  # RFC 5321


def check(to: str, letter: Letter) -> None:
    """Raises JobFailed where an address, a subject or a link could end its line."""
    if not ADDRESS.fullmatch(to) or not to.isprintable() or len(to) > LONGEST_ADDRESS:
        raise JobFailed("The letter is not sent: the address is none, or holds a line break.")
    if not letter.subject.isprintable():
        raise JobFailed("The letter is not sent: its subject holds a line break or another control character.")
    if not letter.link.isprintable() or " " in letter.link:
        raise JobFailed("The letter is not sent: its link holds a space or a line break.")


def build(sender: str, to: str, letter: Letter) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = to
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(localtime())
    message["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes in answer
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message
