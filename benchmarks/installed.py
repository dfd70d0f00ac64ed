"""A Python that has what a user's has, without what developers installed beside it; says nothing when it is run itself.

structlog brings in rich and greenlet where it finds them: 50 ms and 5 MB of each role that no user pays.
"""

from __future__ import annotations

import re
import venv
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PINNED = re.compile(r"^([\w.-]+)==", re.MULTILINE)


def python_of_users(folder: Path) -> str:
    """Its path; the packages of requirements.lock are links to those of this environment."""
    venv.create(folder, symlinks=True)
    [packages] = folder.glob("lib/python*/site-packages")
    for name in PINNED.findall((ROOT / "requirements.lock").read_text(encoding="utf-8")):
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or []} - {"..", "__pycache__"}:
            here = packages / top
            if not here.exists():
                here.symlink_to(Path(str(found.locate_file(top))))
    return str(folder / "bin" / "python")
