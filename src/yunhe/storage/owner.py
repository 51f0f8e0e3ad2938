"""Names a process so that others can tell a dead one from a slow one."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def _started(pid: int) -> str:
    """When ``pid`` started, so that a recycled process number is not taken for the old process."""
    try:
        # Field 22 of proc(5) stat; the name before it may hold spaces, so count from its ")".
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "unknown"


@cache
def _machine() -> str:
    return f"{socket.gethostname()}/{_boot()}"


def this_process() -> str:
    """``host/boot/pid/start`` of the calling process."""
    return f"{_machine()}/{os.getpid()}/{_started(os.getpid())}"


def is_gone(owner: str) -> bool:
    """Whether the named process certainly no longer runs; False for processes of other machines."""
    machine, pid, started = owner.rsplit("/", 2)
    if machine != _machine():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return _started(int(pid)) != started


def is_here(owner: str) -> bool:
    """Whether the named process runs on this machine now; False when that can't be known."""
    return owner.rpartition("/")[0].rpartition("/")[0] == _machine() and not is_gone(owner)
