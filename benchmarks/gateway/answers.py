"""Gateway: answers a second and CPU-ms each, durable groups against one commit per answer."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import yunhe.custody.store
import yunhe.identity.store
import yunhe.models.store  # noqa: F401 (declares the tables)
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.identity import service as identity
from yunhe.kernel.canonical import Json, canonical_bytes, sha256
from yunhe.kernel.clock import DAY_US, SystemClock
from yunhe.kernel.progress import Silent
from yunhe.models import serve
from yunhe.models import service as models
from yunhe.models.answers import Grouping
from yunhe.models.gateway import Limits
from yunhe.models.training.fitting import Rows, Settings, fit
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.schema import metadata
from yunhe.storage.service import Storage

ROUTE = "bench"
WAYS = {
    "durable groups": Grouping(),
    "one commit per answer": Grouping(linger_seconds=0, group_max=1),
}
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figures:
    """One round."""

    per_second: float
    cpu_ms: float
    p50_ms: float
    p99_ms: float


def storage_at(home: Path) -> Storage:
    return Storage(Database.at(home / "yunhe.db"), LocalBlobs(home / "blobs"), SystemClock())


def prepare(home: Path) -> str:
    """A platform with one deployed classifier; returns a caller's key."""
    storage = storage_at(home)
    with storage.database.begin() as tx:
        metadata.create_all(tx)
    chosen = random.Random(1)
    letters = [chr(0x4E00 + 7 * n) for n in range(600)]
    labels = [f"部门{chosen.randrange(12)}" for _ in range(3_000)]
    texts = [label + "".join(chosen.choices(letters, k=30)) for label in labels]
    rows = Rows(texts, labels, [str(n) for n in range(len(texts))])
    fitted = fit(rows, Settings(), Silent())
    model = storage.blobs.put(fitted.classifier.to_bytes()).digest
    train = sha256(b"train")
    claims = canonical_bytes({"model_digest": model, "train_digest": train})
    manifest, card = storage.blobs.put(claims).digest, storage.blobs.put(b"{}").digest
    split = append(storage, "evaluation.split", {"train_digest": train})
    used: dict[str, Json] = {"input_digests": [train], "output_digests": [model]}
    usage = append(storage, "compute.usage", used, input=split)
    made = models.register(
        storage,
        key="bench",
        name="bench",
        model_digest=model,
        manifest_digest=manifest,
        card_digest=card,
        train_digest=train,
        usage_reference=usage,
        split_reference=split,
        owner="org_bench",
    )
    now_us = storage.clock.now_us()
    released: dict[str, Json] = {"model_digest": model, "valid_until_us": now_us + DAY_US}
    release = append(storage, "governance.release", released, model=made.reference)
    with storage.database.begin() as tx:
        models.approve(
            tx,
            version=made.id,
            certificate=release,
            valid_until_us=now_us + DAY_US,
            at_us=now_us,
        )
        org = identity.add_organisation(tx, key="o", name="o", kind="company", at_us=now_us)
        member = identity.add_member(tx, key="m", organisation=org.id, name="m", at_us=now_us)
        identity.grant_role(tx, member=member.id, role="caller", at_us=now_us)
        key = identity.issue_key(tx, member=member.id, expires_at_us=None, at_us=now_us)
    models.deploy(storage, key="bench", version=made.id, route=ROUTE)
    return key.secret


def append(storage: Storage, kind: str, body: dict[str, Json], **links: str) -> str:
    record = Record(kind, "bench", storage.clock.now_us(), body, links)
    with storage.database.begin() as tx:
        return custody.append(tx, record)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def caller(url: str, secret: str, left: list[int], waits: list[float]) -> None:
    """Ask on one kept-alive connection until nothing is left to ask."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    while left[0] > 0:
        left[0] -= 1
        body = json.dumps({"text": f"小区门口路灯不亮，请尽快处理第{left[0]}次"}).encode()
        head = (
            f"POST /v1/routes/{ROUTE}/answers HTTP/1.1\r\nHost: bench\r\n"
            f"Authorization: Bearer {secret}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        started = time.perf_counter()
        writer.write(head.encode() + body)
        said = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in said.split(b"\r\n", 1)[0]:
            raise SystemExit(said.decode())
        length = next(
            int(line.partition(b":")[2])
            for line in said.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        await reader.readexactly(length)
        waits.append((time.perf_counter() - started) * 1_000)
    writer.close()
    await writer.wait_closed()


async def load(url: str, secret: str, *, callers: int, questions: int) -> tuple[float, list[float]]:
    left, waits = [questions], list[float]()
    started = time.perf_counter()
    await asyncio.gather(*(caller(url, secret, left, waits) for _ in range(callers)))
    return time.perf_counter() - started, waits


def measure(home: Path, secret: str, way: str, *, callers: int, questions: int) -> Figures:
    command = [sys.executable, __file__, "--serve", str(home), "--way", way]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            url = (server.stdout.readline() if server.stdout else "").strip()
            asyncio.run(load(url, secret, callers=callers, questions=50))  # loads the weights
            before = cpu_seconds(server.pid)
            seconds, waits = asyncio.run(load(url, secret, callers=callers, questions=questions))
            used = cpu_seconds(server.pid) - before
        finally:
            server.terminate()
    ranked = sorted(waits)
    return Figures(
        len(waits) / seconds,
        used * 1_000 / len(waits),
        statistics.median(ranked),
        ranked[int(len(ranked) * 0.99)],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=1_500, help="per round")
    parser.add_argument("--rounds", type=int, default=2, help="rounds of each way, in turn")
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--way", default="durable groups", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        limits = Limits(grouping=WAYS[chosen.way])
        serve.run(storage_at(chosen.serve), limits=limits, ready=lambda u: print(u, flush=True))
        return
    started = time.process_time()
    names = ("numpy", "sqlalchemy", "uvicorn")
    print(
        f"{platform.platform()}, {os.cpu_count()} processors, Python {platform.python_version()}, "
    )
    print(", ".join(f"{name} {version(name)}" for name in names))
    print("load and server share this machine; one fsync per commit; SQLite WAL, synchronous=FULL")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        secret = prepare(Path(folder))
        row = "{:>7}  {:<22} {:>10} {:>11} {:>8} {:>8}"
        print(row.format("callers", "way", "answers/s", "CPU-ms each", "p50 ms", "p99 ms"))
        for callers in chosen.callers:
            best: dict[str, Figures] = {}
            for _ in range(chosen.rounds):
                for way in WAYS:
                    found = measure(
                        Path(folder), secret, way, callers=callers, questions=chosen.questions
                    )
                    if way not in best or found.per_second > best[way].per_second:
                        best[way] = found
            for way, f in best.items():
                figures = (f"{f.per_second:.0f}", f"{f.cpu_ms:.2f}", f"{f.p50_ms:.1f}")
                print(row.format(callers, way, *figures, f"{f.p99_ms:.1f}"))
            ours, peer = best.values()
            print(
                f"         ratio {ours.per_second / peer.per_second:.1f} × answers/s, "
                f"{peer.cpu_ms / ours.cpu_ms:.1f} × less CPU"
            )
        total = chosen.questions * chosen.rounds * len(WAYS) * len(chosen.callers)
        print(f"{total} answers; CPU-seconds of the load: {time.process_time() - started:.1f}")


if __name__ == "__main__":
    main()
