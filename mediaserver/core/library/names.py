"""What a path says about its film: the names that Jellyfin, Plex and Kodi users are used to."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mediaserver.contracts import Metadata

__all__ = ["Named", "from_path", "slugify"]

LONGEST = 500  # characters of a title
EXTRA_FOLDERS = frozenset(
    [
        "behind the scenes",
        "deleted scenes",
        "interviews",
        "scenes",
        "samples",
        "shorts",
        "featurettes",
        "clips",
        "other",
        "extras",
        "trailers",
    ]
)
# As Jellyfin has it: most of these words end names of films too, `The Big Short`, `My.holiday.clip`.
EXTRA_SUFFIX = re.compile(
    r"(?:[-_. ](?:trailer|sample)|"
    r"-(?:scene|clip|interview|behindthescenes|deleted|deletedscene|featurette|short|other|extra))$",
    re.IGNORECASE,
)
IDS = re.compile(r"[\[{(]\s*(?:(?:imdb|tmdb|tvdb|anidb)(?:id)?[-=]|edition-)[^\]})]*[\]})]", re.IGNORECASE)
EDITION = re.compile(r"\{edition-([^}]*)\}", re.IGNORECASE)
YEAR = re.compile(r"^(?P<title>.*?\S)[ ._]*[(\[](?P<year>(?:18|19|20|21)\d\d)[)\]][ ._]*(?P<rest>.*)$")
PART = re.compile(
    r"^(?P<title>.*?\S)[ ._-]*(?:\b|(?<=[ ._-]))(?:cd|dvd|part|pt|disc|disk)[ ._-]?(?P<number>\d{1,2})$", re.IGNORECASE
)
SEASON_EPISODE = re.compile(
    r"(?:^|[^a-z0-9])s(?P<season>\d{1,4})[ ._-]?e(?P<episode>\d{1,4})"
    r"(?:(?:-?e|-)(?P<last>\d{1,4})(?![a-z0-9]))*(?![a-z0-9])",
    re.IGNORECASE,
)
CROSS = re.compile(r"(?:^|[^a-z0-9])(?P<season>\d{1,2})x(?P<episode>\d{2,3})(?![a-z0-9])", re.IGNORECASE)
DATED = re.compile(r"(?:^|[^0-9])(?P<y>(?:19|20)\d\d)[-._](?P<m>0[1-9]|1[0-2])[-._](?P<d>0[1-9]|[12]\d|3[01])(?![0-9])")
SEASON_FOLDER = re.compile(r"^(?:season|series|staffel|saison|temporada|s)[ ._-]?(?P<season>\d{1,4})$", re.IGNORECASE)
SPECIALS = frozenset({"specials", "special"})
IN_SEASON = re.compile(
    r"^(?:e|ep|episode|folge)?[ ._-]?(?P<episode>\d{1,3})(?![0-9p])(?:[ ._-]+(?P<title>.*))?$", re.IGNORECASE
)
RELEASE = re.compile(
    r"[ ._\[(-](?:480[pi]|576[pi]|720p|1080[pi]|2160p|4k|uhd|x26[45]|h[. ]?26[45]|hevc|xvid|divx|blu-?ray|b[dr]rip|"
    r"web-?(?:dl|rip)|hdtv|dvdrip|hdr|remux|proper|repack)(?![a-z0-9])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Named:
    """`metadata` as the path tells it; `folder` is the one whose films belong together.

    `stem` is the whole name, for a film that shares the short one with another.
    """

    metadata: Metadata
    folder: str
    stem: str


def from_path(path: str) -> Named:
    """`path` lies inside a library folder, as database text."""
    *folders, name = path.split("/")
    stem = _plain(name.rpartition(".")[0] or name)
    extra = bool(folders) and folders[-1].casefold() in EXTRA_FOLDERS
    if extra:
        folders = folders[:-1]
    suffix = EXTRA_SUFFIX.search(stem)
    if extra or (suffix and suffix.start() > 0):
        return _extra(stem, folders, suffix)
    metadata = _episode(stem, [_plain(folder) for folder in folders]) or _movie(stem, folders)
    return Named(metadata, "/".join(folders), _shown(stem))


def _extra(stem: str, folders: list[str], suffix: re.Match[str] | None) -> Named:
    """An extra belongs to the film of its folder, or to the one its own name begins with."""
    label = stem[: suffix.start()] if suffix else stem
    kind = suffix[0][1:].lower() if suffix else ""
    named = (
        _plain(folders[-1])
        if folders and YEAR.match(_plain(folders[-1]))
        else label
        if suffix
        else _plain((folders or [label])[-1])
    )
    title, year = _title_and_year(named)
    shown = _tidy(f"{_spaced(label)} {kind}" if kind and label != named else kind or _spaced(label))
    return Named(
        Metadata(title=title, kind="movie", year=year, role="extra", label=shown[:200], position=0),
        "/".join(folders),
        _shown(stem),
    )


def _movie(stem: str, folders: list[str]) -> Metadata:
    folder = _plain(folders[-1]) if folders else ""
    edition = EDITION.search(stem)
    bare = _tidy(IDS.sub(" ", stem))
    folder_bare = _tidy(IDS.sub(" ", folder))
    label = _tidy(edition[1]) if edition else ""
    role, position = "version", 0
    if folder_bare and bare.startswith(f"{folder_bare} - "):
        label, bare = bare[len(folder_bare) + 3 :], folder_bare
    elif (part := PART.match(bare)) and _has_letters(part["title"]):
        role, position, bare = "part", int(part["number"]), part["title"]
    title, year = _title_and_year(bare)
    if year is None and folder_bare and (named := YEAR.match(folder_bare)) and _same(title, named["title"]):
        title, year = _title_and_year(folder_bare)
    return Metadata(title=title, kind="movie", year=year, role=role, label=_tidy(label)[:200], position=position)


def _episode(stem: str, folders: list[str]) -> Metadata | None:
    season_folder = _season_of(folders[-1]) if folders else None
    above = folders[:-1] if season_folder is not None else folders
    found = SEASON_EPISODE.search(stem) or CROSS.search(stem)
    if found:
        season, episode = int(found["season"]), int(found["episode"])
        rest = stem[found.end() :]
    elif (dated := DATED.search(stem)) and (season_folder is not None or _is_dated_series(stem, dated, above)):
        found = dated
        season, episode = int(dated["y"]), int(dated["m"]) * 100 + int(dated["d"])
        rest = stem[dated.end() :] or f"{dated['y']}-{dated['m']}-{dated['d']}"
    elif season_folder is not None and (numbered := IN_SEASON.match(stem)):
        found, season, episode, rest = numbered, season_folder, int(numbered["episode"]), numbered["title"] or ""
    else:
        return None
    before = _spaced(stem[: found.start()]) if found.start() else ""
    series = (
        above[-1] if above and (season_folder is not None or not before) else before or (above[-1] if above else "")
    )
    name, year = _title_and_year(series or "Unknown series")
    title = _tidy(_spaced(RELEASE.split(rest)[0]).strip(" -_.")) or f"Episode {episode}"
    return Metadata(
        title=title[:LONGEST], kind="episode", year=year, series=name, season=season, episode=episode,
        role="version", label="", position=0,
    )  # fmt: skip


def _is_dated_series(stem: str, dated: re.Match[str], above: list[str]) -> bool:
    """`Show 2024-03-01` in a folder `Show`: a home video that is named by its date alone is no episode."""
    before = _spaced(stem[: dated.start() + 1]).strip(" -_.(")
    return bool(before and above and _same(before, YEAR.sub(r"\g<title>", above[-1])))


def _season_of(folder: str) -> int | None:
    if folder.casefold() in SPECIALS:
        return 0
    found = SEASON_FOLDER.match(folder)
    return int(found["season"]) if found else None


def _title_and_year(name: str) -> tuple[str, int | None]:
    bare = _tidy(IDS.sub(" ", name))
    if found := YEAR.match(bare):
        title = _spaced(found["title"])
        return (title or bare)[:LONGEST], int(found["year"])
    if RELEASE.search(bare):
        return _guessed(bare)
    return _shown(bare), None


def _shown(name: str) -> str:
    return (_spaced(name) or name or "Untitled")[:LONGEST]


def _guessed(name: str) -> tuple[str, int | None]:
    """What guessit makes of the name of a release; it is asked for title and year only, never what kind it is."""
    from guessit import guessit

    try:
        guess = guessit(name, {"type": "movie"})
    except Exception:  # noqa: BLE001 - a foreign parser of strangers' names: our own answer stands
        guess = {}
    title, year = guess.get("title"), guess.get("year")
    plain = title if isinstance(title, str) and title.strip() else _spaced(RELEASE.split(name)[0]) or name
    return _tidy(plain)[:LONGEST], year if isinstance(year, int) else None


def _plain(text: str) -> str:
    """No control characters, no invisible marks, no bytes that are no text."""
    return _tidy("".join(char if char.isprintable() and not "\uf780" <= char <= "\uf7ff" else " " for char in text))


def _spaced(text: str) -> str:
    """Dots and underscores stand for spaces where there are no spaces."""
    if " " not in text.strip(" "):
        text = re.sub(r"[._]+", " ", text)
    return _tidy(text).strip(" -_.")


def _tidy(text: str) -> str:
    return " ".join(text.split())


def _same(one: str, other: str) -> bool:
    return _spaced(one).casefold() == _spaced(other).casefold()


def _has_letters(text: str) -> bool:
    return any(char.isalpha() for char in text)


def slugify(text: str) -> str:
    """Lower case, ASCII where that says something, else the letters themselves; never empty, at most 120 characters."""
    import unicodedata

    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(char for char in plain if not unicodedata.combining(char)).casefold()
    return re.sub(r"[\W_]+", "-", plain).strip("-")[:120].strip("-") or "title"
