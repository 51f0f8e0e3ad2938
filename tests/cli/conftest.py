"""A desk whose server is in the same process."""

from __future__ import annotations

from pathlib import Path

import pytest
from office import Desk


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Commands of this process, and an office that answers them."""
    return Desk(tmp_path, capsys, monkeypatch)
