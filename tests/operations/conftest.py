"""Fixtures of the tests of operations; see `operation_desk`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from operation_desk import Desk

from yunhe.app import open_platform
from yunhe.settings import Settings

sys.path.insert(0, str(Path(__file__).parents[1] / "api"))  # `server_desk`: servers to test with


@pytest.fixture
def desk(tmp_path: Path, empty_database_url: str, pytestconfig: pytest.Config) -> Iterator[Desk]:
    """A platform on a new home; workers that are still at work are stopped at the end."""
    elsewhere = empty_database_url if pytestconfig.getoption("--on") == "postgresql" else ""
    settings = Settings(home=tmp_path / "home", database_url=elsewhere)
    with open_platform(settings) as platform:
        made = Desk(platform)
        yield made
        for worker in made.workers:
            worker.stop(10)
