"""Access and refresh tokens: signed, short of anything secret, and checked for all that they must say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from mediaserver.errors import Unauthorized

if TYPE_CHECKING:
    from mediaserver.contracts import Clock, KeyRing

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "mediaserver"
REQUIRED = ["exp", "iat", "sub", "jti", "sid", "typ", "aud", "iss"]
LONGEST = 4096  # characters
RING = "tokens"
AHEAD_SECONDS = 60  # a clock that was set back
Kind = Literal["access", "refresh"]
INVALID = "This sign-in is not valid any more; sign in again."


@dataclass(frozen=True, slots=True)
class Claims:
    user_id: int
    login_id: str
    generation: int
    expires: float  # seconds since 1970


class TokenSigner:
    def __init__(self, keys: KeyRing, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def sign(self, kind: Kind, claims: Claims, issued: datetime) -> str:
        """The same for the same claims: who asks twice within a minute is given the same successors."""
        import jwt

        key_id, key = self._keys.current(RING)
        payload = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "typ": kind,
            "sub": str(claims.user_id),
            "sid": claims.login_id,
            "jti": f"{claims.login_id}.{claims.generation}",
            "iat": int(issued.timestamp()),
            "exp": int(claims.expires),
        }
        return jwt.encode(payload, key, ALGORITHM, headers={"kid": key_id})

    def read(self, token: str, *kinds: Kind, expired: bool = False) -> Claims:
        """Raises Unauthorized. `expired` lets tokens pass whose time is over, for signing out."""
        payload = self._verified(token)
        now = self._clock.now().timestamp()
        try:
            claims = _claims(payload)
            too_early = payload["iat"] > now + AHEAD_SECONDS
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise Unauthorized(INVALID) from error
        if payload["typ"] not in kinds or too_early or (claims.expires <= now and not expired):
            raise Unauthorized(INVALID)
        return claims

    def _verified(self, token: str) -> dict[str, Any]:
        import jwt

        if len(token) > LONGEST or not token.isascii():
            raise Unauthorized(INVALID)
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            key = self._keys.find(RING, key_id) if isinstance(key_id, str) else None
            if key is None:
                raise Unauthorized(INVALID)
            # Times are compared with our own clock, in `read`.
            options: Any = {"require": REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False}
            payload: dict[str, Any] = jwt.decode(
                token, key, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options=options
            )
        except jwt.PyJWTError as error:
            raise Unauthorized(INVALID) from error
        return payload


def _claims(payload: dict[str, Any]) -> Claims:
    login_id, _, generation = str(payload["jti"]).rpartition(".")
    if login_id != payload["sid"] or type(payload["exp"]) is not int or type(payload["iat"]) is not int:
        raise ValueError(payload)
    return Claims(int(payload["sub"]), login_id, int(generation), float(payload["exp"]))


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
