"""A Kubernetes site (a fake) whose devices a real Prometheus tells of, from an exporter of ours.

The exporter writes DCGM's names and labels; it was never held against a real device.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

from yunhe.kernel.clock import SECOND_US, SystemClock

FETCH = build_opener(ProxyHandler({}))
METRIC = "DCGM_FI_DEV_GPU_UTIL"


class Shifted:
    """The real time, and what a test adds to it; far in the past, so that there is room."""

    def __init__(self, *, ahead_seconds: int) -> None:
        self._real, self.ahead_us = SystemClock(), ahead_seconds * SECOND_US

    def now_us(self) -> int:
        return self._real.now_us() + self.ahead_us


OPERATOR = {"pod": "dcgm-exporter-x7", "namespace": "gpu-operator"}
"""Labels that an operator's ServiceMonitor puts on, in the place of the exporter's own."""


@dataclass
class Exporter:
    """What it says of each pod's device, with the instant it is of."""

    percent: dict[str, str] = field(default_factory=dict)
    at_us: int = 0

    def text(self) -> bytes:
        lines = [f"# TYPE {METRIC} gauge"]
        for number, (pod, said) in enumerate(sorted(self.percent.items())):
            labels = f'gpu="{number}",UUID="GPU-{number}",pod="{pod}",namespace="yunhe"'
            lines.append(f'{METRIC}{{{labels},container="main"}} {said} {self.at_us // 1_000}')
        beat = f'{METRIC}{{gpu="9",UUID="GPU-9",pod="somebody-elses",namespace="other"}} 50'
        return "\n".join([*lines, f"{beat} {self.at_us // 1_000}", ""]).encode()


@contextmanager
def exporting() -> Iterator[tuple[Exporter, str]]:
    """An exporter and its address."""
    made = Exporter()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = made.text()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            with suppress(OSError):  # it asked for too long
                self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made, f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def known_since(server: str, at_us: int) -> bool:
    """Whether it has what the exporter said of that instant."""
    asked = {"query": f'timestamp({METRIC}{{UUID="GPU-9"}})', "time": at_us / SECOND_US}
    try:
        with FETCH.open(f"{server}/api/v1/query?{urlencode(asked)}") as response:
            result = json.load(response)["data"]["result"]
    except OSError:
        return False
    return any(float(one["value"][1]) >= at_us // 1_000 / 1_000 for one in result)
