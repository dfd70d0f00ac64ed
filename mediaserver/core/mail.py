"""Letters: queued as what they are about, written and sent by a worker, tried again for a day."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from mediaserver.core.listening import address as here
from mediaserver.core.registry import HealthCheck, JobKind
from mediaserver.core.statuses import told
from mediaserver.errors import JobHindered
from mediaserver.models import JobRecord, JobState

if TYPE_CHECKING:
    from mediaserver.contracts import Letter, Transaction
    from mediaserver.core.config import Loaded
    from mediaserver.core.jobs import JobRecords
    from mediaserver.core.registry import Contributions
    from mediaserver.core.worker import RunningJob

KIND = "mail"
ATTEMPTS = 100  # by the back-off of jobs: 2 s, 15 s, 1 min, 5 min, then every 15 min; a day
KEPT_SECONDS = 7 * 86400.0  # then a letter that was given up is forgotten, and with it the address
OWN_PAGES = {"activation": "/activate", "password_reset": "/reset"}


class Postbox:
    """Implements `mediaserver.contracts.Mail`."""

    def __init__(self, jobs: JobRecords, contributions: Contributions, loaded: Loaded) -> None:
        self._jobs = jobs
        self._contributions = contributions
        self._loaded = loaded
        self._settings = loaded.settings.mail
        contributions.jobs[KIND] = JobKind(KIND, "core", self._deliver, queue="mail", attempts=ATTEMPTS, kept=False)
        contributions.checks[KIND] = HealthCheck(KIND, "core", self._check)

    async def send(self, template: str, to: str, about: str = "", *, tx: Transaction | None = None) -> None:
        """Raises LookupError for a template that no plugin has registered."""
        if template not in self._contributions.letters:
            raise LookupError(f"No plugin writes the letter {template}.")
        letter = {"template": template, "to": to, "about": about}
        key = hashlib.sha256(json.dumps(letter).encode()).hexdigest()  # hashed, for keys are shown and logged
        await self._jobs.enqueue(KIND, f"{KIND}:{key}", letter, wanted_for=KEPT_SECONDS, tx=tx)

    def link(self, page: str, **query: str) -> str:
        """Raises ValueError for a page that is none."""
        address = self._address(page)
        if not query:
            return address
        return f"{address}{'&' if '?' in address else '?'}{urlencode(query, quote_via=quote)}"

    def _address(self, page: str) -> str:
        frontend = self._loaded.settings.frontend
        if frontend.base_url and page in OWN_PAGES:
            path = frontend.activation_path if page == "activation" else frontend.password_reset_path
            return frontend.base_url + path
        path = OWN_PAGES.get(page, page)
        if not path.startswith("/"):
            raise ValueError(f"{page} is no page: say {', '.join(OWN_PAGES)} or a path that begins with a slash.")
        server = self._loaded.settings.server
        root = server.public_url.rstrip("/") if server.public_url else self._where_it_runs()
        return (root if root.endswith(server.base_path) else root + server.base_path) + path

    def _where_it_runs(self) -> str:
        """Of the `serve` of this data folder, which may have been told another port; else what the settings say."""
        section = self._loaded.settings.server
        return str(told(self._loaded.data / "run", "serve").get("address") or here(section.host, section.port))

    # ---- in a worker ---------------------------------------------------------------------------------------

    async def _deliver(self, job: RunningJob) -> None:
        template, to = job.args["template"], job.args["to"]
        kind = self._contributions.letters.get(template)
        if kind is None:
            raise JobHindered(f"No plugin writes the letter {template}; switch on the one that did.")
        letter = await kind.compose(to, job.args["about"])
        if letter is not None:
            await self._hand_over(to, letter)

    async def _hand_over(self, to: str, letter: Letter) -> None:
        """What a backend needs is loaded with the first letter: an idle worker goes without."""
        from mediaserver.core import mail_local, mail_message, mail_smtp

        mail_message.check(to, letter)
        if self._settings.backend == "console":
            mail_local.show(to, letter)
            return
        message = mail_message.build(self._settings.sender, to, letter)
        if self._settings.backend == "directory":
            await mail_local.keep(self._loaded.path(self._settings.directory, ("mail", "directory")), message)
        else:
            await mail_smtp.send(self._settings.smtp, message, to)

    # ---- for the operator ----------------------------------------------------------------------------------

    async def _check(self) -> str | None:
        findings = []
        if waiting := await self._stuck(JobState.DUE, JobState.RUNNING):
            count = _count(waiting, "waits", "wait")
            findings.append(f"{count} since {waiting[0].created_at:%Y-%m-%d %H:%M} UTC, because: {waiting[-1].error}")
        if lost := await self._stuck(JobState.FAILED):
            findings.append(f"{_count(lost, 'was', 'were')} given up, the last because: {lost[-1].error}")
        if self._settings.backend == "smtp" and not self._is_public():
            findings.append(f"Links in letters lead to {self.link('/')}; set server.public_url.")
        return " ".join(findings) or None

    def _is_public(self) -> bool:
        settings = self._loaded.settings
        return bool(settings.frontend.base_url or settings.server.public_url)

    @staticmethod
    async def _stuck(*states: JobState) -> list[Any]:
        return await JobRecord.filter(kind=KIND, state__in=states).exclude(error="").order_by("created_at", "id")


def _count(letters: list[Any], one: str, many: str) -> str:
    return f"1 letter {one}" if len(letters) == 1 else f"{len(letters)} letters {many}"
