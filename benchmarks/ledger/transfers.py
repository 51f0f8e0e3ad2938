"""Durable four-posting transfers a second: one commit each, batched, and through the group writer.

    python benchmarks/ledger/transfers.py [--transfers 20000] [--rounds 3] [--folder FOLDER]

Every transfer has four entries (buyer to seller, fee, tax and fund), goes through all checks and
tables, and is durable before it counts: SQLite in WAL mode with ``synchronous=FULL`` on a real
file, and PostgreSQL with ``fsync`` and ``synchronous_commit`` on, over a socket of this machine.
The alternative is what a ledger without batches does: one commit per transfer. After each round the
whole ledger is replayed. CPU-seconds are this process's; a server's own are not in them.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy

from yunhe.ledger import service
from yunhe.ledger.domain import Entry, TransferRequest
from yunhe.ledger.service import GroupWriter
from yunhe.storage.database import Database
from yunhe.storage.schema import metadata

BUYERS, SELLERS, BATCH, THREADS, WRITERS = 200, 50, 500, 64, 8


Make = Callable[[], Database]


class Market:
    """A fresh ledger with funded buyers, and numbered orders between its accounts."""

    def __init__(self, make: Make) -> None:
        self.database = make()
        with self.database.begin() as tx:
            metadata.create_all(tx)

            def account(owner: str, purpose: str = "cash") -> str:
                return service.open_account(tx, owner=owner, unit="CNY", purpose=purpose)

            self.buyers = [account(f"buyer-{n}") for n in range(BUYERS)]
            self.sellers = [account(f"seller-{n}") for n in range(SELLERS)]
            self.house = [account("exchange", purpose) for purpose in ("fee", "tax", "fund")]
            for buyer in self.buyers:
                service.grant(tx, key=f"top-up:{buyer}", account=buyer, amount=10**12, at_us=0)

    def order(self, number: int) -> TransferRequest:
        """The numbered order: 1,000 split four ways."""
        buyer, seller = self.buyers[number % BUYERS], self.sellers[number % SELLERS]
        fee, tax, fund = self.house
        entries = (
            Entry(buyer, seller, 900),
            Entry(buyer, fee, 50),
            Entry(buyer, tax, 40),
            Entry(buyer, fund, 10),
        )
        return TransferRequest(f"order:{number}", entries, "order", number)

    def check(self, transfers: int) -> None:
        """Replay everything, stop with what was found, close the database."""
        with self.database.read() as tx:
            replayed = service.replay(tx)
        if not replayed.ok or replayed.transfers != transfers + BUYERS:
            raise SystemExit(f"replay found {replayed}")
        self.database.close()


def one_commit_each(market: Market, transfers: int) -> None:
    for number in range(transfers):
        with market.database.begin() as tx:
            service.post_batch(tx, [market.order(number)])[0].result()


def batched(market: Market, transfers: int) -> None:
    for start in range(0, transfers, BATCH):
        requests = [market.order(n) for n in range(start, min(start + BATCH, transfers))]
        with market.database.begin() as tx:
            for outcome in service.post_batch(tx, requests):
                outcome.result()


def group_writer_threads(market: Market, transfers: int) -> None:
    with GroupWriter(market.database) as writer, ThreadPoolExecutor(THREADS) as pool:
        for outcome in pool.map(lambda n: writer.post(market.order(n)), range(transfers)):
            outcome.result()


def many_writers(market: Market, transfers: int) -> None:
    """Threads that commit for themselves, as many processes would."""

    def one(number: int) -> None:
        with market.database.begin() as tx:
            service.post_batch(tx, [market.order(number)])[0].result()

    with ThreadPoolExecutor(WRITERS) as pool:
        for _ in pool.map(one, range(transfers)):
            pass


def group_writer_futures(market: Market, transfers: int) -> None:
    with GroupWriter(market.database) as writer:
        futures = [writer.submit(market.order(number)) for number in range(transfers)]
        for future in futures:
            future.result().result()


def flushes_per_second(folder: Path) -> float:
    """How often this disk makes 8 KiB durable: the ceiling for one commit each."""
    with tempfile.NamedTemporaryFile(dir=folder) as handle:
        started = time.perf_counter()
        for _ in range(500):
            handle.write(b"x" * 8192)
            handle.flush()
            os.fsync(handle.fileno())
        return 500 / (time.perf_counter() - started)


def measure(work: Callable[[Market, int], None], make: Make, transfers: int) -> tuple[float, float]:
    """Rate and CPU-seconds per 1,000 transfers."""
    market = Market(make)
    started, cpu = time.perf_counter(), time.process_time()
    work(market, transfers)
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    market.check(transfers)
    return transfers / wall, cpu / transfers * 1000


def on_sqlite(folder: Path) -> Make:
    """New databases in files of the folder."""
    return lambda: Database.at(Path(tempfile.mkdtemp(dir=folder)) / "ledger.db")


@contextmanager
def on_postgresql(folder: Path) -> Iterator[tuple[str, Make] | None]:
    """The version of a server of our own on that disk, and new databases there; None: no server."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pgserver.postgres_server import PostgresServer  # noqa: PLC0415 (not everywhere)
        import psycopg  # noqa: PLC0415
    except ImportError as error:
        print(f"PostgreSQL left out: {error}\n")
        yield None
        return
    place = Path(tempfile.mkdtemp(prefix="pg-", dir=folder))
    place.chmod(0o755)
    server = PostgresServer(place, cleanup_mode="delete")
    made: list[str] = []

    def execute(statement: str) -> str:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            found = connection.execute(statement.encode())
            return str((found.fetchone() or [""])[0]) if found.description else ""

    def make() -> Database:
        name = f"ledger_{len(made)}"
        made.append(name)
        execute(f"CREATE DATABASE {name}")
        return Database(server.get_uri(name), connections=WRITERS + 2)

    durable = [execute(f"SHOW {name}") for name in ("fsync", "synchronous_commit")]
    if durable != ["on", "on"]:
        raise SystemExit(f"this server is not durable: {durable}")
    try:
        yield execute("SHOW server_version"), make
    finally:
        server.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transfers", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("build"), help="a real disk")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, Callable[[Market, int], None], int]] = [
        ("one commit per transfer", one_commit_each, asked.transfers // 10),
        (f"one commit each, {WRITERS} threads", many_writers, asked.transfers // 10),
        (f"batches of {BATCH}", batched, asked.transfers),
        (f"group writer, {THREADS} threads that wait", group_writer_threads, asked.transfers),
        ("group writer, one thread with futures", group_writer_futures, asked.transfers),
    ]
    rates: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="bench-ledger-", dir=asked.folder) as name,
        on_postgresql(Path(name)) as server,
    ):
        folder = Path(name).resolve()
        places = {f"SQLite {sqlite3.sqlite_version}": on_sqlite(folder)}
        if server is not None:
            places[f"PostgreSQL {server[0]}"] = server[1]
        flushes = flushes_per_second(folder)
        for _ in range(asked.rounds):
            for what, work, transfers in rows:
                for place, make in places.items():
                    rates.setdefault((what, place), []).append(measure(work, make, transfers))
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}, SQLAlchemy {sqlalchemy.__version__}; "
        f"this disk: {flushes:,.0f} flushes of 8 KiB a second"
    )
    print(f"durable transfers of four entries, median of {asked.rounds} rounds (least – most)")
    for place in places:
        report(place, {what: rates[what, place] for what, _, _ in rows})


def report(place: str, rates: Mapping[str, list[tuple[float, float]]]) -> None:
    """One database's table; ratios are to its own first row."""
    print(f"\n{place:40} {'transfers/s':>12} {'':>17} {'ratio':>6} {'CPU-s per 1,000':>16}")
    alone = statistics.median(rate for rate, _ in next(iter(rates.values())))
    for what, measured in rates.items():
        found = [rate for rate, _ in measured]
        rate, spread = statistics.median(found), f"({min(found):,.0f} – {max(found):,.0f})"
        cpu = statistics.median(cpu for _, cpu in measured)
        print(f"{what:40} {rate:12,.0f} {spread:>17} {rate / alone:5.1f}x {cpu:16.2f}")


if __name__ == "__main__":
    main()
