"""Works in a process of its own until nothing is left: ``postgresql_worker.py URL HOME TOGETHER``.

Nobody ends a first item before so many have one; with 0 nobody waits, and claims are short.

Each item is one transfer, one custody record and the item's end, in one transaction. Whatever may
be tried again is tried again; what it was told on the way is printed, one code a line.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import func, select

from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.kernel.clock import SystemClock
from yunhe.kernel.errors import YunheError
from yunhe.ledger import service as ledger
from yunhe.ledger.domain import Entry, account_id
from yunhe.storage import leases
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.leases import Claim
from yunhe.storage.service import Storage

PAYER = account_id(owner="payer", unit="CNY", purpose="cash")
PAYEE = account_id(owner="payee", unit="CNY", purpose="cash")
PRICE = 7
TRIES_MAX = 1_000
PAUSE_SECONDS = 0.02
_pause = threading.Event()
_Result = TypeVar("_Result")


def patient(what: Callable[[], _Result]) -> _Result:
    """Do it, again and again while the error says that this helps."""
    for _ in range(TRIES_MAX):
        try:
            return what()
        except YunheError as error:
            if not error.retryable:
                raise
            sys.stdout.write(error.code + "\n")
            sys.stdout.flush()
            _pause.wait(PAUSE_SECONDS)
    raise SystemExit("gave up")


def apply(storage: Storage, held: Claim) -> None:
    """The item's effect and its end; that it was applied already is found out by its claim."""

    def once() -> None:
        with storage.database.begin() as tx:
            entries = [Entry(PAYER, PAYEE, PRICE)]
            ledger.transfer(tx, key=held.key, entries=entries, kind="payment", at_us=1)
            custody.append(tx, Record("data.source", held.key, 1, {"item": held.key}, {}))
            leases.finish(tx, held, result={})

    try:
        patient(once)
    except YunheError as error:
        if error.code != "storage.claim_lost":
            raise


def left(storage: Storage) -> int:
    """How many items are not done."""
    with storage.database.read() as tx:
        query = select(func.count()).select_from(leases.work).where(leases.work.c.state != "done")
        return tx.execute(query).scalar_one()


def meet(home: Path, together: int) -> None:
    """Wait until so many are here."""
    if together:
        (home / f"worker-{os.getpid()}").touch()
    while len(list(home.glob("worker-*"))) < together:
        _pause.wait(PAUSE_SECONDS)


def main() -> None:
    url, home, together = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if not together:  # cut off at its commit, a claim may be ours without our knowing
        leases.LEASE_SECONDS = 2
    storage = Storage(Database(url, connections=2), LocalBlobs(home / "blobs"), SystemClock())
    sequencer = custody.Sequencer(storage, custody.open_signer(home))
    done = 0
    while patient(lambda: left(storage)):
        held = patient(lambda: leases.claim(storage, ["job"]))
        if held is None:
            _pause.wait(PAUSE_SECONDS)
            continue
        if not done:
            meet(home, together)
        apply(storage, held)
        done += 1
        if done % 10 == 0:
            patient(sequencer.run_once)
    sys.stdout.write(f"done {done}\n")


if __name__ == "__main__":
    main()
