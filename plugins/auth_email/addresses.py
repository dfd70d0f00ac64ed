"""E-mail addresses: one form for each, so that A@x and a@x are one account, and none that only looks like another."""

from __future__ import annotations

import re
import unicodedata

from mediaserver.errors import InvalidRequest

LONGEST = 254  # characters, RFC 5321
ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f-\x9f]{1,64}@[^\W_](?:[\w.-]{0,251}[^\W_])?")


def normalised(address: str, field: str = "email") -> str:
    """Raises InvalidRequest that names `field`."""
    plain = address.strip().lower()
    alike = unicodedata.normalize("NFKC", plain) != plain or not plain.isprintable()
    if alike or len(plain) > LONGEST or not ADDRESS.fullmatch(plain) or ".." in plain:
        problem = "This is not an e-mail address."
        raise InvalidRequest(problem, fields=[{"field": field, "problem": problem}])
    return plain
