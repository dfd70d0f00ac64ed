"""Why a file is not taken, in the words of the person who dropped it."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from mediaserver.errors import MediaServerError

__all__ = ["ENCRYPTED", "NO_FILM", "ProbeFailed", "unopened", "unread"]


class ProbeFailed(MediaServerError):
    """A file is no film we can play; `reason` is one sentence for the person who dropped it."""

    @property
    def reason(self) -> str:
        return str(self)


NO_FILM = {  # (has cover art, has sound)
    (True, True): "This file holds sound and a cover picture, but no film.",
    (False, True): "This file holds only sound, no film.",
    (True, False): "This file is a still picture, not a film.",
    (False, False): "There is no film in this file.",
}
ENCRYPTED = "This file is encrypted (DRM), so it cannot be played."
PLAYLISTS = {"hls", "applehttp", "dash", "concat", "sdp", "rtsp", "imf", "concatf"}
SOUND = {"mp3", "flac", "wav", "aac", "ac3", "eac3", "dts", "ape", "w64", "caf", "aiff", "amr", "tta", "wv", "au"}


def unopened(path: Path, error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "This is a symbolic link, so it is not opened; put the file itself into the library."
    if error.errno == errno.ENOENT:
        return "This file is gone."
    if error.errno == errno.EACCES:
        return f"The server may not read this file; allow it (chmod a+r {path.name!r})."
    return f"This file cannot be opened ({error.strerror})."


def unread(stderr: str) -> str:
    """The sentence for what ffprobe said when it gave up."""
    kind = re.search(r"\[(\S+) @ [^]]*\] Format not on whitelist", stderr)
    if kind:
        return _unwelcome(set(kind[1].split(",")))
    codec = re.search(r"Codec \((\S+)\) not on whitelist", stderr)
    if codec:
        return (
            f"This file uses the codec {codec[1]}, which is not read here; convert it, for example to H.264 with AAC."
        )
    if "exceeds specified max pixel count" in stderr:
        return "The picture of this file has more than 40 million pixels; convert it to 4K or less."
    if "max_streams" in stderr:
        return "This file has more than 64 tracks; keep only those you need."
    if "moov atom not found" in stderr:
        return "The index of this file is missing: it is damaged or its copy is incomplete; copy it again."
    return "There is no film in this file: it is damaged, or it is not a video."


def _unwelcome(names: set[str]) -> str:
    if names & PLAYLISTS:
        return "This is a playlist that points to other files, not a film."
    if names & SOUND:
        return NO_FILM[(False, True)]
    if names & {"gif", "image2", "apng", "ico"} or any(name.endswith("_pipe") for name in names):
        return NO_FILM[(True, False)]
    return f"The format {', '.join(sorted(names))} is not read here; convert it to mp4 or mkv."
