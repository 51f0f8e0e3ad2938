"""What every custody test may ask for: an empty log."""

from __future__ import annotations

from pathlib import Path

import pytest
from custody_log import Log, open_log

from yunhe.kernel.clock import ManualClock
from yunhe.storage.service import Storage


@pytest.fixture
def log(storage: Storage, clock: ManualClock, tmp_path: Path) -> Log:
    """An empty log, its key in a temporary home."""
    return open_log(storage, clock, tmp_path / "home")
