"""Letters handed to a mail server, and what its answers mean for the next attempt."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from email.utils import parseaddr
from typing import TYPE_CHECKING

import aiosmtplib

from mediaserver.errors import JobFailed, JobHindered

if TYPE_CHECKING:
    from email.message import EmailMessage

    from mediaserver.core.settings import SmtpSection
    from mediaserver.errors import MediaServerError

STEP_SECONDS = 20.0
LETTER_SECONDS = 90.0  # for all steps together: a server that crawls must not hold up the queue
LEAVE_SECONDS = 2.0
PERMANENT = 500
LONGEST_REPLY = 300


async def send(section: SmtpSection, message: EmailMessage, to: str) -> None:
    """Raises JobFailed where the server refuses this letter for good, JobHindered where waiting or mending helps."""
    sender = parseaddr(str(message["From"]))[1]
    client = _client(section, sender.rpartition("@")[2])
    try:
        async with asyncio.timeout(LETTER_SECONDS):
            await client.connect()
            await client.send_message(message, sender=sender, recipients=[to])
    except (aiosmtplib.SMTPException, OSError) as error:
        raise _explained(error, section, to) from error
    else:
        await _take_leave(client)
    finally:
        client.close()


def _client(section: SmtpSection, domain: str) -> aiosmtplib.SMTP:
    """Certificates are verified; SSL_CERT_FILE in the environment names those of an authority of one's own."""
    return aiosmtplib.SMTP(
        hostname=section.host,
        port=section.port,
        username=section.username,
        password=section.password,
        timeout=STEP_SECONDS,
        use_tls=section.tls == "tls",
        start_tls=section.tls == "starttls",
        local_hostname=domain,
    )


async def _take_leave(client: aiosmtplib.SMTP) -> None:
    """The letter is accepted: whatever happens now, it must not be sent a second time."""
    with suppress(aiosmtplib.SMTPException, OSError):
        await client.quit(timeout=LEAVE_SECONDS)


def _explained(error: Exception, section: SmtpSection, to: str) -> MediaServerError:
    """A refusal is final where it is about the letter or whom it goes to; anything else the operator can mend."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        error = error.recipients[0]
    server = f"The mail server {section.host}:{section.port}"
    if isinstance(error, aiosmtplib.SMTPNotSupported) and not to.isascii():
        return JobFailed(f"{server} knows only addresses of plain letters; this one has others.")
    if not isinstance(error, aiosmtplib.SMTPResponseException):
        reason = str(error.__cause__ or error) or type(error).__name__  # the library wraps what the system says
        return JobHindered(f"{server} cannot be used ({_plain(reason, to)}).")
    reply = f"{error.code} {_plain(error.message, to)}"
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return JobHindered(f"{server} does not take mail.smtp.username and mail.smtp.password ({reply}).")
    about_letter = isinstance(error, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError)
    if about_letter and error.code >= PERMANENT:
        return JobFailed(f"{server} refused the letter ({reply}).")
    return JobHindered(f"{server} takes no letter now ({reply}).")


def _plain(reply: str, to: str) -> str:
    """One line without the address: this is shown to operators and logged."""
    line = " ".join(reply.split())[:LONGEST_REPLY]
    return re.sub(re.escape(to), "…", line, flags=re.IGNORECASE).rstrip(".")
