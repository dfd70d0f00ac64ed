"""Languages as files name them, told as tags of RFC 5646 and by their names."""

from __future__ import annotations

import re
from typing import Any

TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z]{4})?(?:[-_](?:[A-Za-z]{2}|419))?")
UNSAID = frozenset({"und", "mis", "mul", "zxx"})
LATIN_AMERICA = "419"


def language_tag(told: str) -> str:
    """`de` for de, deu, ger or DE; `pt-BR` for pt_br; "" for what names no language."""
    found = _read(told)
    if found is None:
        return ""
    language, region = found
    parts = [language.alpha2 if _has_alpha2(language) else language.alpha3]
    if language.script is not None:
        parts.append(language.script.code)
    return "-".join([*parts, *region])


def is_common(told: str) -> bool:
    """Whether it has a code of two letters: `the`, `car` and `men` are languages, too, and words more often."""
    found = _read(told)
    return found is not None and _has_alpha2(found[0])


def language_name(tag: str) -> str:
    """In English, `Portuguese (Brazil)` say; the tag itself where nobody knows more."""
    found = _read(tag)
    if found is None:
        return tag
    language, region = found
    if language.country is not None:
        return f"{language.name} ({language.country.name.title()})"
    if region:
        return f"{language.name} (Latin America)"
    return f"{language.name} ({language.script.name})" if language.script is not None else str(language.name)


def _read(told: str) -> tuple[Any, list[str]] | None:
    """The language, and its region as the tag has it."""
    if not TAG.fullmatch(told) or told.lower() in UNSAID:
        return None
    from babelfish import Language
    from babelfish.exceptions import Error

    first, *more = told.replace("_", "-").split("-")
    script = next((part.title() for part in more if len(part) == 4), None)  # noqa: PLR2004 - ISO 15924
    region = next((part.upper() for part in more if len(part) != 4), None)  # noqa: PLR2004
    country = None if region == LATIN_AMERICA else region
    for read in (Language.fromalpha2, Language, Language.fromalpha3b, Language.fromalpha3t):
        try:
            known = read(first.lower())
            return Language(known.alpha3, country, script), [region] if region else []
        except (Error, ValueError, KeyError):
            continue
    return None


def _has_alpha2(language: Any) -> bool:
    from babelfish.exceptions import Error

    try:
        return bool(language.alpha2)
    except Error:
        return False
