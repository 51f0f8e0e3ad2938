"""Many callers at once: ``python crowd.py HOST PORT COUNT KEY PATH``; prints what they were told.

Every caller connects first; when all are connected, all ask at the same moment, and each waits for
its answer. One JSON object: how often each status came, what else happened, and how long it took.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections import Counter

PATIENCE_SECONDS = 60
CONNECTING_AT_ONCE = 500


async def call(
    host: str, port: int, request: bytes, *, gate: asyncio.Event, door: asyncio.Semaphore
) -> str:
    try:
        async with door, asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        return f"connecting: {type(error).__name__}"
    await gate.wait()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            writer.write(request)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            status = head.split(b" ", 2)[1].decode()
            retry = b"\r\nretry-after: " in head.lower()
            length = next(
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            )
            await reader.readexactly(length)
            return f"{status} retry" if retry else status
    except TimeoutError:
        return "hung"
    except (OSError, asyncio.IncompleteReadError) as error:
        return f"cut: {type(error).__name__}"
    finally:
        writer.close()


async def main(host: str, port: int, count: int, key: str, path: str) -> dict[str, object]:
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {key}\r\n\r\n"
    ).encode()
    gate, door = asyncio.Event(), asyncio.Semaphore(CONNECTING_AT_ONCE)
    calls = [
        asyncio.create_task(call(host, port, request, gate=gate, door=door)) for _ in range(count)
    ]
    await asyncio.sleep(0)
    for _ in range(CONNECTING_AT_ONCE):  # all permits free again: everybody is connected
        await door.acquire()
    started = time.perf_counter()
    gate.set()
    told = Counter(await asyncio.gather(*calls))
    return {"told": dict(told), "seconds": round(time.perf_counter() - started, 2)}


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    given = sys.argv[1:]
    found = asyncio.run(main(given[0], int(given[1]), int(given[2]), given[3], given[4]))
    sys.stdout.write(json.dumps(found))
