"""What every test may ask for: storage on a real file, and a clock that moves when told."""

from __future__ import annotations

from pathlib import Path

import pytest

from yunhe.kernel.clock import ManualClock
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.schema import metadata
from yunhe.storage.service import Storage


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at 2026-01-01T00:00:00Z until advanced."""
    return ManualClock()


@pytest.fixture
def storage(tmp_path: Path, clock: ManualClock) -> Storage:
    """An empty platform in a temporary folder: SQLite in a real file, blobs beside it."""
    database = Database.at(tmp_path / "yunhe.db")
    with database.begin() as tx:
        metadata.create_all(tx)
    return Storage(database, LocalBlobs(tmp_path / "blobs"), clock)
