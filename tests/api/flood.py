"""One tenant's flood of submissions and another's few: ``python flood.py`` with a plan on stdin.

The plan, one JSON object: host, port, body, keys of the flood, count, connections, again (each
so-many-th request is sent twice), the other's key and how many it sends beforehand. Prints one
JSON object: what the flood was told, the ids it got, how long the other waited for each answer
before and during the flood, and how many of the flood's answers came before each of those.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections import Counter

PATIENCE_SECONDS = 120


class Line:
    """One connection that is kept."""

    def __init__(self, plan: dict, key: str) -> None:
        self._plan, self._key = plan, key
        self._ends = None

    async def submit(self, name: str) -> tuple[int, str, bool, dict]:
        """Status, code, whether it says when to come back, and the body of the answer."""
        body = json.dumps(self._plan["body"]).encode()
        head = (
            f"POST /v1/workloads HTTP/1.1\r\nHost: {self._plan['host']}:{self._plan['port']}\r\n"
            f"Authorization: Bearer {self._key}\r\nIdempotency-Key: {name}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        if self._ends is None:
            self._ends = await asyncio.open_connection(self._plan["host"], self._plan["port"])
        reader, writer = self._ends
        writer.write(head + body)
        await writer.drain()
        said = (await reader.readuntil(b"\r\n\r\n")).lower()
        lines = said.split(b"\r\n")
        length = next(int(each[15:]) for each in lines if each.startswith(b"content-length:"))
        told = json.loads(await reader.readexactly(length))
        if b"connection: close" in lines:
            writer.close()
            self._ends = None
        status = int(said.split(b" ", 2)[1])
        return status, told.get("code", ""), b"\r\nretry-after: " in said, told


async def flood(plan: dict, told: Counter, ids: dict[str, str]) -> None:
    numbers = itertools.count()

    async def one(key: str) -> None:
        line = Line(plan, key)
        for number in numbers:
            if number >= plan["count"]:
                return
            name = f"flood-{number}"
            for _ in range(2 if number % plan["again"] == 0 else 1):
                status, code, retry, body = await line.submit(name)
                told[f"{status} {code}{' retry' if retry else ''}".strip()] += 1
                if status == 201 and ids.setdefault(name, body["id"]) != body["id"]:
                    told["another id"] += 1

    keys = itertools.cycle(plan["keys"])
    await asyncio.gather(*(one(next(keys)) for _ in range(plan["connections"])))


async def other(
    plan: dict, name: str, told: Counter, *, stop: asyncio.Event, most: int
) -> tuple[list[float], list[int]]:
    line, waited, overtaken = Line(plan, plan["other"]), [], []
    while len(waited) < most and not stop.is_set():
        began, before = time.perf_counter(), told.total()
        status, code, _, _ = await line.submit(f"{name}-{len(waited)}")
        if status != 201:
            raise SystemExit(f"the other tenant was told {status} {code}")
        waited.append(time.perf_counter() - began)
        overtaken.append(told.total() - before)
        await asyncio.sleep(0.05)
    return waited, overtaken


async def main(plan: dict) -> dict[str, object]:
    told: Counter[str] = Counter()
    ids: dict[str, str] = {}
    over = asyncio.Event()
    async with asyncio.timeout(PATIENCE_SECONDS * 10):
        before, _ = await other(plan, "calm", told, stop=over, most=plan["calm"])
        began = time.perf_counter()
        waiting = asyncio.create_task(other(plan, "storm", told, stop=over, most=plan["storm"]))
        await flood(plan, told, ids)
        seconds = time.perf_counter() - began
        over.set()
        during, overtaken = await waiting
    return {
        "told": told,
        "ids": ids,
        "calm": before,
        "storm": during,
        "overtaken": overtaken,
        "seconds": seconds,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main(json.load(sys.stdin)))))
