"""From an answer's id to its verified whole chain, in a log of 100,000 answers.

    python benchmarks/custody/chain.py [--answers 100000] [--samples 2000] [--folder FOLDER]

Builds a log whose answers rest on one chain of 14 records back to the raw data, on a real SQLite
file with ``synchronous=FULL``. Then, for random answers: look the answer up by its id, make its
receipt, write it as bytes, and verify those bytes with the stand-alone verifier. The alternative is
a log that stores leaves only and computes each proof from them; it is written here from RFC 6962
without any of the floor's code, and must give the same root and the same proofs.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import platform
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cryptography
import sqlalchemy

# The chain is the one the tests break link by link.
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "custody"))
from custody_chain import START_US, build, digest
from custody_log import Log, make_log

from yunhe.custody import service as custody
from yunhe.custody.domain import Record

GROUP = 500  # answers per transaction
SIGNED = 10_000  # answers per checkpoint


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 over leaf hashes, level by level; an odd end is carried up unpaired."""
    level = list(leaves)
    while len(level) > 1:
        paired = [
            hashlib.sha256(b"\x01" + level[at] + level[at + 1]).digest()
            for at in range(0, len(level) - 1, 2)
        ]
        level = paired + level[len(paired) * 2 :]
    return level[0]


def naive_proof(leaves: Sequence[bytes], index: int) -> list[str]:
    """The inclusion proof of one leaf, from all leaves."""
    proof, level = [], list(leaves)
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            proof.append(level[sibling].hex())
        paired = [
            hashlib.sha256(b"\x01" + level[at] + level[at + 1]).digest()
            for at in range(0, len(level) - 1, 2)
        ]
        level = paired + level[len(paired) * 2 :]
        index >>= 1
    return proof


def fill(log: Log, answers: int) -> list[str]:
    """Write the chain and the answers; returns their references. Prints the rate."""
    with log.storage.database.begin() as tx:
        known = build(lambda record: custody.append(tx, record))
    references, signing = [], 0.0
    started, cpu = time.perf_counter(), time.process_time()
    for first in range(0, answers, GROUP):
        records = [
            Record(
                "serving.answer",
                f"answer_{number:08d}",
                START_US + number,
                {
                    "model_digest": digest("model"),
                    "tenant": digest("tenant"),
                    "request_commitment": digest(f"request {number}"),
                    "response_commitment": digest(f"response {number}"),
                    "device_us": 900,
                },
                {"deployment": known["deployment"]},
            )
            for number in range(first, min(first + GROUP, answers))
        ]
        with log.storage.database.begin() as tx:
            references += custody.append_new(tx, records)
        if (first + GROUP) % SIGNED == 0 or first + GROUP >= answers:
            before = time.perf_counter()
            log.sequencer.run_once()
            signing += time.perf_counter() - before
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(f"appended       {answers / (took - signing):10,.0f} records/s, {GROUP} per transaction")
    print(f"sequenced      {answers / signing:10,.0f} leaves/s, {SIGNED} per checkpoint")
    print(f"both           {took:10.1f} s, {cpu:.1f} CPU-s")
    return references


def measure(log: Log, answers: int, samples: int) -> list[float]:
    """Milliseconds from id to verdict for random answers. Prints what a receipt weighs."""
    trust, chosen = log.trust(), random.Random(1)
    times, sizes, cpu = [], [], time.process_time()
    for _ in range(samples):
        subject = f"answer_{chosen.randrange(answers):08d}"
        started = time.perf_counter()
        with log.storage.database.read() as tx:
            reference = custody.reference(tx, "serving.answer", subject)
        if reference is None:
            raise SystemExit(f"{subject} is missing")
        issued = custody.receipt_bytes(custody.receipt(log.storage, reference))
        verdict = custody.verify(issued, trust)
        times.append((time.perf_counter() - started) * 1_000)
        sizes.append(len(issued))
        if not verdict.ok or len(verdict.links) != 15:
            raise SystemExit(f"{subject} is not proved: {verdict}")
    cpu = time.process_time() - cpu
    print(f"receipt        {statistics.median(sizes):10,.0f} bytes, {len(verdict.links)} records")
    print(f"CPU            {cpu / samples * 1_000:10.2f} ms per answer")
    return times


def compare(log: Log, references: Sequence[str], samples: int) -> float:
    """Hold root and proofs against the naive tree; its milliseconds per proof."""
    with log.storage.database.read() as tx:
        rows = tx.exec_driver_sql("SELECT reference FROM custody_leaf ORDER BY leaf_index")
        leaves = [bytes(row[0]) for row in rows]
    receipt = log.receipt(references[0])
    root = custody.verify(receipt, log.trust())
    checkpoint = receipt["checkpoint"].split("\n")
    if not root.ok or base64.b64decode(checkpoint[2]) != naive_root(leaves):
        raise SystemExit("the roots differ")
    times, lengths = [], []
    chosen = random.Random(2)
    for _ in range(samples):
        reference = chosen.choice(references)
        started = time.perf_counter()
        naive = naive_proof(leaves, leaves.index(bytes.fromhex(reference)))
        times.append((time.perf_counter() - started) * 1_000)
        if log.receipt(reference)["entries"][reference]["proof"] != naive:
            raise SystemExit("the proofs differ")
        lengths.append(len(naive))
    print(f"naive tree     same root, same {samples} proofs of {max(lengths)} hashes")
    return statistics.median(times)


def main() -> None:
    """Fill, measure, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--answers", type=int, default=100_000)
    parser.add_argument("--samples", type=int, default=2_000)
    parser.add_argument("--folder", type=Path, default=None)
    asked = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(
        f"SQLite {sqlite3.sqlite_version}, SQLAlchemy {sqlalchemy.__version__}, "
        f"cryptography {cryptography.__version__}"
    )
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        log = make_log(Path(folder))
        references = fill(log, asked.answers)
        size = (Path(folder) / "yunhe.db").stat().st_size
        print(f"database       {size / asked.answers:10,.0f} bytes per record")
        measure(log, asked.answers, 50)  # warm
        times = sorted(measure(log, asked.answers, asked.samples))
        naive = compare(log, references, 20)
        started = time.perf_counter()
        found = custody.audit(log.storage, log.trust())
        took = time.perf_counter() - started
        if not found.ok:
            raise SystemExit(f"the audit found {found.problems}")
        print(f"audit          {found.leaves / took:10,.0f} leaves/s, {took:.1f} s in all")
    at = {percent: times[min(len(times) - 1, len(times) * percent // 100)] for percent in (50, 99)}
    print(
        f"\nid to verified chain, ours      p50 {at[50]:.1f} ms   p99 {at[99]:.1f} ms   goal 50 ms"
    )
    print(f"one proof of 15, naive tree     p50 {naive:.1f} ms   ratio {naive / at[50]:.0f} x")


if __name__ == "__main__":
    main()
