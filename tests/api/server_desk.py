"""A server on a free port, callers that speak raw HTTP, and processes of `yunhe up`."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from yunhe.api import server
from yunhe.api.connections import Bounds
from yunhe.app import Platform, open_platform
from yunhe.identity import service as identity
from yunhe.settings import Settings

ENVIRONMENT = {
    **{k: v for k, v in os.environ.items() if not k.startswith(("YUNHE_", "NOTIFY", "WATCHDOG"))},
    "LC_ALL": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
}


def eventually(check: Callable[[], object], *, seconds: float = 90.0) -> object:
    """What ``check`` returns once it is true; ``seconds`` is far more than anything takes."""
    until = time.monotonic() + seconds
    while True:
        found = check()
        if found or time.monotonic() > until:
            assert found, f"not within {seconds} s"
            return found
        time.sleep(0.01)


@contextmanager
def opened(home: Path, **settings: object) -> Iterator[Platform]:
    with open_platform(Settings(home=home, **settings)) as platform:
        yield platform


@contextmanager
def serving(
    home: Path,
    *,
    parts: tuple[server.Part, ...] = ("gateway",),
    bounds: Bounds | None = None,
    **settings: object,
) -> Iterator[server.Running]:
    """A server in threads of this process, so that its insides can be looked at."""
    with opened(home, **settings) as platform:
        running = server.start(platform, parts=parts, host="127.0.0.1", port=0, bounds=bounds)
        try:
            yield running
        finally:
            running.stop(5.0)


def new_key(platform: Platform, *, kind: str = "operator", role: str = "operator", **more) -> str:
    """The secret of a fresh key of a fresh member."""
    now_us = platform.storage.clock.now_us()
    with platform.storage.database.begin() as tx:
        place = identity.add_organisation(tx, key=kind, name=kind, kind=kind, at_us=now_us)
        member = identity.add_member(
            tx, key=f"{kind}-{role}", organisation=place.id, name="desk", at_us=now_us
        )
        identity.grant_role(tx, member=member.id, role=role, at_us=now_us)
        given = {"expires_at_us": None, **more}
        return identity.issue_key(tx, member=member.id, at_us=now_us, **given).secret


class Caller:
    """One raw connection."""

    def __init__(self, url: str, *, seconds: float = 20.0) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self.host = f"{host}:{port}"
        self.socket = socket.create_connection((host, int(port)), timeout=seconds)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, said: str) -> None:
        self.socket.sendall(said.encode())

    def ask(self, path: str, *, method: str = "GET", headers: str = "", body: str = "") -> None:
        self.send(f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\n{headers}\r\n{body}")

    def until_closed(self) -> bytes:
        """Everything that comes until the server ends the connection."""
        heard = b""
        while part := self.socket.recv(65_536):
            heard += part
        return heard

    def head(self) -> bytes:
        """Everything up to the end of one answer's head."""
        heard = b""
        while b"\r\n\r\n" not in heard:
            part = self.socket.recv(1)
            assert part, heard
            heard += part
        return heard


def status_of(heard: bytes) -> int:
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", heard)
    assert found, heard[:200]
    return int(found[1])


def body_of(heard: bytes) -> dict[str, object]:
    return json.loads(heard.partition(b"\r\n\r\n")[2])


class Process:
    """`yunhe up` as people start it."""

    def __init__(
        self, home: Path, *arguments: str, program: tuple[str, ...] = ("-m", "yunhe"), **environment
    ) -> None:
        home.parent.mkdir(parents=True, exist_ok=True)
        self.log = home.parent / f"{home.name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *program, "--json", "--home", str(home), "up", *arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                env={**ENVIRONMENT, **environment},
                text=True,
            )
        self.said: dict[str, object] = {}

    def started(self) -> Process:
        """Wait for its line; a line that is no start shows what went wrong."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log.read_text("utf-8")[-3_000:]
        self.said = json.loads(line)
        assert "url" in self.said, line
        return self

    @property
    def url(self) -> str:
        return str(self.said["url"])

    def end(self, number: int = signal.SIGTERM, *, seconds: float = 60.0) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=seconds)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
