"""A desk with the API over a fresh platform."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_desk import Desk, open_home

from yunhe.storage.service import Storage


@pytest.fixture
def desk(storage: Storage, tmp_path: Path) -> Iterator[Desk]:
    """The API, started, over an empty platform."""
    with Desk(open_home(storage, tmp_path / "home")).open() as opened:
        yield opened
