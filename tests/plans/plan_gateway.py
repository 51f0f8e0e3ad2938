"""Asks a gateway of a home: the real `yunhe serve`, or one in this process."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from plan_desk import ENVIRONMENT, Desk

QUESTION = "小区门口的路灯坏了，晚上很黑。"
_OPENER = build_opener(ProxyHandler({}))  # the loopback is never behind a proxy


@dataclass(frozen=True)
class Door:
    """Where a gateway listens, and a key to it."""

    url: str
    key: str
    route: str = "hotline"

    def ask(self, *, key: str | None = None, language: str = "en") -> tuple[int, dict]:
        """Status and body of the response to a question."""
        request = Request(
            f"{self.url}/v1/routes/{self.route}/answers",
            json.dumps({"text": QUESTION}).encode(),
            {"Authorization": f"Bearer {key or self.key}", "Accept-Language": language},
        )
        return _send(request)

    def get(self, path: str) -> tuple[int, dict]:
        """Status and body of another request."""
        return _send(Request(self.url + path, headers={"Authorization": f"Bearer {self.key}"}))


def _send(request: Request) -> tuple[int, dict]:
    try:
        with _OPENER.open(request, timeout=30) as response:
            return response.status, json.load(response)
    except HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


@contextmanager
def served(desk: Desk) -> Iterator[Door]:
    """`yunhe serve` on a free port, told to stop at the end, which it must do by itself."""
    process = subprocess.Popen(
        desk.command("--json", "serve", "--port", "0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        said = json.loads(line)
        yield Door(said["url"], said["key"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=40) == 0, process.stderr.read()
    finally:
        process.kill()
        process.communicate()
