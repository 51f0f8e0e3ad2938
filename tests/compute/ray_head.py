"""A real head node of Ray with its job server, of this test run alone: loopback, free ports.

Everything it starts carries a mark in its environment, and by that mark it is found again and
stopped: `ray stop` would stop every Ray of the machine.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from free_ports import free_ports

PYTHON = "YUNHE_TEST_RAY_PYTHON"
"""Variable that names the Python of an environment with ``ray[default]``."""
MARK = "YUNHE_TEST_RAY_MARK"
_NEEDED = ("ray", "aiohttp", "aiohttp_cors", "opencensus", "virtualenv")
_TRIES = 600
_BETWEEN_SECONDS = 0.5
_PORTS = (
    "port",
    "dashboard-port",
    "dashboard-agent-listen-port",
    "dashboard-agent-grpc-port",
    "runtime-env-agent-port",
    "ray-client-server-port",
    "metrics-export-port",
    "node-manager-port",
    "object-manager-port",
)


@dataclass(frozen=True, slots=True)
class Head:
    """One that answers."""

    address: str
    token: Path
    mark: str


def python() -> str:
    """The Python that can run a head node; empty where none can."""
    named = os.environ.get(PYTHON, "")
    if named or any(importlib.util.find_spec(name) is None for name in _NEEDED):
        return named
    return sys.executable


def missing() -> str:
    """Why there is none."""
    lacks = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    return f"no job server of Ray here: {', '.join(lacks)} missing, and {PYTHON} names no Python"


@contextmanager
def head(*, cpus: int, resources: str) -> Iterator[Head]:
    """Start one and wait until its job server answers; afterwards nothing of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="yr"))  # short: sockets have paths of 107 letters at most
    mark, token = secrets.token_hex(16), folder / "token"
    token.write_text(secrets.token_hex(32))
    token.chmod(0o600)
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    line = [
        *(python(), "-m", "ray.scripts.scripts", "start", "--head", "--block"),
        *("--node-ip-address", "127.0.0.1", "--dashboard-host", "127.0.0.1"),
        *("--include-dashboard", "true", "--disable-usage-stats"),
        *("--temp-dir", str(folder / "t"), "--num-cpus", str(cpus), "--resources", resources),
        *("--object-store-memory", str(100 << 20)),
        *("--min-worker-port", "0", "--max-worker-port", "0"),
        *(word for name, port in ports.items() for word in (f"--{name}", str(port))),
    ]
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment = {
        **kept,
        "HOME": str(folder),
        MARK: mark,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    try:
        with (folder / "said").open("wb") as said:
            started = subprocess.Popen(
                line, env=environment, stdout=said, stderr=said, start_new_session=True
            )
        try:
            address = f"http://127.0.0.1:{ports['dashboard-port']}"
            _until_answers(started, address, token.read_text(), folder / "said")
            yield Head(address, token, mark)
        finally:
            _stop(started, mark)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def alive(mark: str) -> list[int]:
    """Processes that bear the mark."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdecimal() and mark.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


def _until_answers(started: subprocess.Popen[bytes], address: str, token: str, said: Path) -> None:
    question = urllib.request.Request(
        f"{address}/api/cluster_status", headers={"authorization": f"Bearer {token}"}
    )
    for _ in range(_TRIES):
        if started.poll() is not None:
            break
        with suppress(OSError), urllib.request.urlopen(question, timeout=5) as answer:
            if b'"usageByNode": {"' in answer.read():
                return
        time.sleep(_BETWEEN_SECONDS)
    raise AssertionError(
        f"Ray's head did not come up: {said.read_text('utf-8', 'replace')[-2000:]}"
    )


def _stop(started: subprocess.Popen[bytes], mark: str) -> None:
    with suppress(ProcessLookupError):
        os.kill(started.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        started.wait(20)
    for _ in range(50):
        left = alive(mark)
        if not left:
            break
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.1)
    started.wait(5)
