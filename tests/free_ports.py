"""Ports of loopback for servers that must be told theirs before they start.

Port 0 is better wherever a server takes it and says what it got. A number that the system chose and
that was given back goes to whoever asks next: to another test process's server, or to any outgoing
connection. These lie below what the system gives away by itself, each test process draws from a
share of its own, and none is drawn twice.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_FIRST, _USUAL_END = 10_000, 32_768
_GIVEN_AWAY = Path("/proc/sys/net/ipv4/ip_local_port_range")


def _share() -> list[int]:
    """This test process's share, in a random order: other runs may be on this machine."""
    end = int(_GIVEN_AWAY.read_text().split()[0]) if _GIVEN_AWAY.exists() else _USUAL_END
    if end < _FIRST + 2_000:  # the system gives away nearly all
        end = _USUAL_END
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    numbers = range(_FIRST + worker, end, workers)
    return random.SystemRandom().sample(numbers, len(numbers))


def _nobody_listens(number: int) -> bool:
    with suppress(OSError), socket.create_server(("127.0.0.1", number)):
        return True
    return False


def _free() -> Iterator[int]:
    return (number for number in _share() if _nobody_listens(number))


_left = _free()


def free_port() -> int:
    """A port on which nobody listens; nobody else in this run is given it."""
    return next(_left)


def free_ports(count: int) -> list[int]:
    """So many of them."""
    return [free_port() for _ in range(count)]
