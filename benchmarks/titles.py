"""A library of many titles without their films, for the benchmarks of lists."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

VIDEO = """INSERT INTO core_video (id, fingerprint, full_hash, size, duration, probe, online, created_at)
    SELECT ?, ?, NULL, size, duration, probe, 1, created_at FROM core_video ORDER BY id LIMIT 1"""
TITLE = """INSERT INTO core_title (id, kind, title, slug, year, published, created_at)
    SELECT ?, 'movie', ?, ?, 2024, 1, created_at FROM core_title ORDER BY id LIMIT 1"""
LINK = "INSERT INTO core_title_video (title_id, video_id, role, label, position) VALUES (?, ?, 'version', '', 0)"
NEWS = "INSERT INTO core_change (kind, payload, at) VALUES ('title_added', ?, ?)"


def add_titles(database: Path, count: int) -> None:
    """`count` films that look like the first one there is."""
    numbers = range(10_000, 10_000 + count)
    with sqlite3.connect(database, timeout=30) as db:
        db.executemany(VIDEO, ((number, f"bench-{number}") for number in numbers))
        db.executemany(TITLE, ((number, f"Film {number}", f"film-{number}") for number in numbers))
        db.executemany(LINK, ((number, number) for number in numbers))
        db.execute(NEWS, (f'{{"title_id": {numbers[-1]}}}', time.time()))
    db.close()
