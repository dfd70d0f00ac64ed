"""Lines of an `.ignore` file as git reads them, each decided in a time that no line can make long.

pathspec makes a regular expression of a line, in which every `*` may try every length again: thirteen of them against
a long name took for ever. What stands between two stars of one name, or between two `**` of a path, has one length, so
the first place where it fits serves as well as any later one: there nothing is tried again (`(?>…)`), as in `fnmatch`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, AnyStr

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.base import GitIgnorePatternError
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["read_lines"]

ANY_FOLDERS = "(?:/.+)?"  # what pathspec makes of `**` within a path
ANY_FOLDERS_FIRST = "^(?:.+/)?"
STAR, ONE_LETTER = "[^/]*", "[^/]"


class _Line(GitIgnoreSpecPattern):
    """One that says nothing git understands, "!" say, decides nothing."""

    __slots__ = ()

    @classmethod
    def pattern_to_regex(cls, pattern: AnyStr) -> tuple[AnyStr | None, bool | None]:
        try:
            regex, include = super().pattern_to_regex(pattern)
            if isinstance(regex, str):
                regex = patient(regex)
                re.compile(regex)
        except (GitIgnorePatternError, re.error):
            return None, None
        return regex, include


def read_lines(lines: Iterable[str]) -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines(lines, _Line, backend="simple")  # others know no `(?>…)`


def patient(regex: str) -> str:
    """The same regular expression of pathspec's, which tries nothing twice."""
    *runs, last = [_stars_once(run) for run in regex.split(ANY_FOLDERS)]
    if not runs:
        return last
    first, *others = runs
    if first.startswith(ANY_FOLDERS_FIRST):
        first = f"^(?>(?:.+?/)??{first.removeprefix(ANY_FOLDERS_FIRST)}(?=/))"
    return "".join([first, *(f"(?>(?:/.+?)??{run}(?=/))" for run in others), ANY_FOLDERS, last])


def _stars_once(run: str) -> str:
    """The last star of a name has to reach its end; those before it stop where what follows them fits first."""
    start, *parts = run.split(STAR)
    done = [start]
    for number, part in enumerate(parts, 1):
        is_last_of_name = number == len(parts) or "/" in part.replace(ONE_LETTER, "")
        done.append(f"{STAR}{part}" if is_last_of_name else f"(?>{STAR}?{part})")
    return "".join(done)
