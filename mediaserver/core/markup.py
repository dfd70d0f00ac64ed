"""Texts for clients that put them into innerHTML, into attributes, or into the scripts of attributes."""

from __future__ import annotations

import re

ALIKE = str.maketrans(
    {
        "<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
        ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
        '"': "\N{RIGHT DOUBLE QUOTATION MARK}",
        "'": "\N{RIGHT SINGLE QUOTATION MARK}",
        "`": "\N{LEFT SINGLE QUOTATION MARK}",
        "\\": "\N{FULLWIDTH REVERSE SOLIDUS}",
    }
)
REFERENCE = re.compile("&(?=[#A-Za-z])")  # where HTML could read one: &lt; or &#60


def neutral(text: str) -> str:
    """The same to the eye, and markup nowhere; an invisible word joiner keeps `&` from beginning a reference."""
    return REFERENCE.sub("&\N{WORD JOINER}", text.translate(ALIKE))
