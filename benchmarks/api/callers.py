"""Callers on kept-alive connections, for machines without wrk; `api/load` starts them.

    python benchmarks/api/callers.py URL REQUESTS --connections 32 --seconds 5 [--tag TAG]

REQUESTS is a file with one request a line: method, path, key and, for those that send one, the body
(separated by tabs). Lines are taken in turn; every request with a body gets an Idempotency-Key of
its own. Prints one JSON object, as wrk's script does.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import time
from pathlib import Path
from urllib.parse import urlsplit

import uvloop


class Callers:
    """What all connections share."""

    def __init__(self, url: str, lines: list[list[str]], *, tag: str, until: float) -> None:
        self._address = urlsplit(url)
        self._lines = itertools.cycle(lines)
        self._numbers = itertools.count()
        self._tag, self._until = tag, until
        self.waits: list[float] = []
        self.refused = 0
        self.broken = 0

    async def call(self) -> None:
        """Ask on one connection until the time is up."""
        reader, writer = await asyncio.open_connection(self._address.hostname, self._address.port)
        try:
            while (started := time.perf_counter()) < self._until:
                writer.write(self._request(*next(self._lines)))
                head = await reader.readuntil(b"\r\n\r\n")
                at = head.index(b"content-length: ") + 16
                await reader.readexactly(int(head[at : head.index(b"\r", at)]))
                self.refused += not head.startswith(b"HTTP/1.1 2")
                self.waits.append(time.perf_counter() - started)
        except (OSError, EOFError):
            self.broken += 1
        finally:
            writer.close()

    def _request(self, method: str, path: str, key: str, body: str = "") -> bytes:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._address.netloc}\r\n"
            f"Authorization: Bearer {key}\r\n"
        )
        if body:
            head += (
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                f"Idempotency-Key: {self._tag}-{next(self._numbers)}\r\n"
            )
        return f"{head}\r\n{body}".encode()


async def ask(callers: Callers, connections: int) -> float:
    """Seconds that all connections together took."""
    started = time.perf_counter()
    await asyncio.gather(*(callers.call() for _ in range(connections)))
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("requests", type=Path)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--tag", default=str(time.time_ns()))
    asked = parser.parse_args()
    lines = [line.split("\t") for line in asked.requests.read_text().splitlines()]
    until = time.perf_counter() + asked.seconds
    callers = Callers(asked.url, lines, tag=asked.tag, until=until)
    seconds = uvloop.run(ask(callers, asked.connections))
    ranked = sorted(callers.waits)
    print(
        json.dumps(
            {
                "requests": len(ranked),
                "seconds": seconds,
                "p50_ms": statistics.median(ranked) * 1_000,
                "p99_ms": ranked[int(len(ranked) * 0.99)] * 1_000,
                "errors": callers.refused + callers.broken,
            }
        )
    )


if __name__ == "__main__":
    main()
