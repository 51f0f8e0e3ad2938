"""The home that release 0.1.0 left: a whole run on 400 generated tickets, then a new signing key.

``0002.sql`` are its rows, ``0002.home.tar.xz`` its artefacts, its throw-away key, trust file and
published checkpoints. Made with the example's own generator (``--count 400 --seed 7``) and the
hotline plan with 4,096 features and a gate of 0.05; every person and ticket in it is invented.
"""

from __future__ import annotations

import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

OLD = Path(__file__).parent / "storage" / "old"


def unpack(home: Path) -> Path:
    """That home, as 0.1.0 left it."""
    home.mkdir(mode=0o700)
    with tarfile.open(OLD / "0002.home.tar.xz") as tar:
        tar.extractall(home, filter="tar")
    with closing(sqlite3.connect(home / "yunhe.db")) as db:
        db.executescript((OLD / "0002.sql").read_text("utf-8"))
    return home
