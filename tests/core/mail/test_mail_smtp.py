"""A mail server is spoken to in secret, by its true name, and with the right password."""

from __future__ import annotations

import base64
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.smtp import AuthResult

from tests.core.mail.mail_house import ADA, Desk, smtp, standing

if TYPE_CHECKING:
    from tests.core.mail.mail_house import House


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """Of 127.0.0.1, signed by itself."""
    folder = tmp_path_factory.mktemp("certificate")
    file, key = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=desk"
    given = [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(file)]
    subprocess.run(given, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return file, context


def only_ada_knows(_server: Any, _session: Any, _envelope: Any, _mechanism: str, told: Any) -> AuthResult:
    return AuthResult(success=(told.login, told.password) == (b"films", b"[right"), handled=False)


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_letter_travels_encrypted_with_a_login(
    house: House, certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch, tls: str
) -> None:
    file, context = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    desk = Desk()
    options: dict[str, Any] = {"authenticator": only_ada_knows, "auth_require_tls": tls == "starttls"}
    options |= {"tls_context": context, "require_starttls": True} if tls == "starttls" else {"tls": context}
    settings = smtp(0, tls=tls, username="films", password="[right")
    async with standing(desk, **options) as settings["mail"]["smtp"]["port"], house(**settings) as post, post.working():
        await post.send()
        await desk.arrival()
    assert (desk.encrypted, desk.authenticated) == ([True], [True])


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_certificate_nobody_vouches_for_gets_no_letter(
    house: House, certificate: tuple[Path, ssl.SSLContext], tls: str
) -> None:
    desk, context = Desk(), certificate[1]
    options: dict[str, Any] = {"tls": context} if tls == "tls" else {"tls_context": context}
    async with standing(desk, **options) as port, house(**smtp(port, tls=tls)) as post, post.working():
        await post.send()
        assert "certificate verify failed" in await post.until_told()
    assert not desk.recipients


async def test_a_server_without_starttls_gets_no_letter_and_no_password(house: House) -> None:
    desk, settings = Desk(), smtp(0, tls="starttls", username="films", password="[right")
    options: dict[str, Any] = {"authenticator": only_ada_knows, "auth_require_tls": False}
    async with standing(desk, **options) as settings["mail"]["smtp"]["port"], house(**settings) as post, post.working():
        await post.send()
        assert "STARTTLS" in await post.until_told()
    assert not desk.recipients


async def test_a_wrong_password_waits_for_the_right_one_and_is_told_nowhere(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    desk, settings = Desk(), smtp(0, username="films", password="wr0ng")
    options: dict[str, Any] = {"authenticator": only_ada_knows, "auth_require_tls": False}
    async with standing(desk, **options) as settings["mail"]["smtp"]["port"], house(**settings) as post, post.working():
        await post.send()
        reason = await post.until_told()
    assert "does not take mail.smtp.username and mail.smtp.password (535" in reason
    out = capsys.readouterr().out
    assert reason in out
    assert not any(secret in reason + out for secret in ("wr0ng", base64.b64encode(b"wr0ng").decode(), ADA))
