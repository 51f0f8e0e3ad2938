"""Edits, reorders and deletions of a receipt and of the log's rows: how many go unnoticed.

    python benchmarks/custody/tamper.py [--receipt 100000] [--rows 2000] [--seed 1]

Receipt: one byte changed, removed or put in; entries and proof hashes exchanged or removed. Rows:
one value of the log's tables changed, or a row removed, in a copy within a transaction that is
undone; the audit has to see it. The alternative is what logs without a tree do, a hash over each
record alone: it sees changed content, and is run beside the audit on the same row edits.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cryptography
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

# The chain is the one the tests break link by link.
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "custody"))
from custody_log import Log, make_log

from yunhe.custody import service as custody
from yunhe.custody import store
from yunhe.storage.service import Storage

UNWATCHED = {("custody_leaf", "position"), ("custody_log", "id")}  # they say nothing


def edit_bytes(data: bytes, chosen: random.Random) -> bytes:
    place, kind = chosen.randrange(len(data)), chosen.randrange(3)
    if kind == 0:
        return data[:place] + bytes([data[place] ^ chosen.randrange(1, 256)]) + data[place + 1 :]
    if kind == 1:
        return data[:place] + data[place + 1 :]
    return data[:place] + bytes([chosen.randrange(256)]) + data[place:]


def edit_parts(receipt: dict, chosen: random.Random) -> bytes:
    changed = copy.deepcopy(receipt)
    entries = changed["entries"]
    one, other = chosen.sample(sorted(entries), 2)
    kind = chosen.randrange(4)
    if kind == 0:
        del entries[one]
    elif kind == 1:
        entries[one], entries[other] = entries[other], entries[one]
    else:
        proof = entries[one]["proof"]
        first, second = chosen.sample(range(len(proof)), 2)
        if kind == 2:
            proof[first], proof[second] = proof[second], proof[first]
        else:
            del proof[first]
    return custody.receipt_bytes(changed)


def tamper_receipt(log: Log, reference: str, *, edits: int, chosen: random.Random) -> int:
    receipt, trust = log.receipt(reference), log.trust()
    issued, missed, done = custody.receipt_bytes(receipt), 0, 0
    started, cpu = time.perf_counter(), time.process_time()
    while done < edits:
        wrong = edit_parts(receipt, chosen) if done % 10 == 0 else edit_bytes(issued, chosen)
        if wrong != issued:
            done += 1
            missed += custody.verify(wrong, trust).ok
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(f"receipt   {done:9,} edits, {missed} unnoticed, {done / took:,.0f}/s, {cpu:.1f} CPU-s")
    return missed


class OpenDatabase:
    """Lets the audit read within a transaction that is open, and be undone with it."""

    def __init__(self, tx: store.Transaction) -> None:
        self._tx = tx

    @contextmanager
    def read(self) -> Iterator[store.Transaction]:
        """The open transaction."""
        yield self._tx


def record_hashes(tx: store.Transaction) -> str:
    """What a log without a tree keeps: a plain hash of each record."""
    leaf = store.leaf.c
    rows = tx.execute(select(leaf.kind, leaf.subject, leaf.at_us, leaf.body, leaf.links))
    return " ".join(sorted(hashlib.sha256(repr(tuple(row)).encode()).hexdigest() for row in rows))


def tamper_rows(log: Log, *, edits: int, chosen: random.Random) -> int:
    tables = (store.leaf, store.node, store.checkpoint, store.log)
    cells = []
    with log.storage.database.read() as tx:
        plain = record_hashes(tx)
        for table in tables:
            [key] = table.primary_key.columns
            for row in tx.execute(select(table)).mappings():
                cells += [
                    (table, key, row[key], name, value)
                    for name, value in row.items()
                    if value is not None and (table.name, name) not in UNWATCHED
                ]
    missed = missed_plain = done = 0
    started, cpu = time.perf_counter(), time.process_time()
    while done < edits:
        table, key, at, name, value = chosen.choice(cells)
        with log.storage.database.begin() as tx:
            try:
                if done % 4 == 0:
                    tx.execute(table.delete().where(key == at))
                else:
                    tx.execute(update(table).where(key == at).values({name: other(value, chosen)}))
            except IntegrityError:
                tx.rollback()
                continue
            storage = Storage(OpenDatabase(tx), log.storage.blobs, log.clock)
            missed += custody.audit(storage, log.trust()).ok
            missed_plain += record_hashes(tx) == plain
            done += 1
            tx.rollback()
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(f"rows      {done:9,} edits, {missed} unnoticed, {done / took:,.0f}/s, {cpu:.1f} CPU-s")
    print(f"          the same edits, hashes of single records: {missed_plain:,} unnoticed")
    return missed


def other(value: object, chosen: random.Random) -> object:
    if isinstance(value, int):
        return value + chosen.choice([-1, 1])
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ chosen.randrange(1, 256)])
    place = chosen.randrange(len(str(value)))
    letters = [chr(code) for code in range(32, 127) if chr(code) != str(value)[place]]
    return str(value)[:place] + chosen.choice(letters) + str(value)[place + 1 :]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--receipt", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"cryptography {cryptography.__version__}, seed {asked.seed}")
    chosen = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        log = make_log(Path(folder))
        log.append_plain(*(f"before{number}" for number in range(17)))
        known = log.chain()
        log.append_plain(*(f"after{number}" for number in range(9)))
        log.sequencer.run_once()
        missed = tamper_receipt(log, known["answer"], edits=asked.receipt, chosen=chosen)
        missed += tamper_rows(log, edits=asked.rows, chosen=chosen)
    if missed:
        raise SystemExit(f"{missed} edits went unnoticed")


if __name__ == "__main__":
    main()
