"""What every test of the guarded client may ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from outbound_servers import Authority, Server, make_authority, serving


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers on free loopback ports; stops them at the end."""
    yield from serving()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A certificate authority of the test's own."""
    return make_authority(tmp_path)
