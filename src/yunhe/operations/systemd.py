"""Tells systemd how the service is: sd_notify(3) without a library; nothing where it is not asked.

Source: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

_log = logging.getLogger(__name__)


def notify(state: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send ``state`` (e.g. ``READY=1``) to the manager; False when there is none to hear it."""
    place = environment.get("NOTIFY_SOCKET", "")
    if not place.startswith(("/", "@")):
        return False
    address = "\0" + place[1:] if place.startswith("@") else place
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.connect(address)
            sender.sendall(state.encode())
    except OSError as error:  # the service is well even if its manager does not listen
        _log.warning("systemd was not told %s: %s", state.partition("=")[0], error.strerror)
        return False
    return True


def watchdog_seconds(environment: Mapping[str, str] = os.environ) -> float | None:
    """How often systemd wants to hear from us: half of its patience; None when it does not ask."""
    pid, patience = environment.get("WATCHDOG_PID", ""), environment.get("WATCHDOG_USEC", "")
    if not patience.isdigit() or int(patience) == 0 or pid not in ("", str(os.getpid())):
        return None
    return int(patience) / 2_000_000
