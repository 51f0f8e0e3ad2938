"""Posts until it is killed, and says on stdout what was acknowledged; run by `test_ledger_crash`.

``ledger_poster.py DATABASE THREADS STEPS FIRST…``: each thread starts at its own FIRST step.
"""

from __future__ import annotations

import sys
import threading

from yunhe.ledger.domain import (
    CaptureRequest,
    HoldRequest,
    RefundRequest,
    Request,
    account_id,
    transfer_id,
)
from yunhe.ledger.service import GroupWriter
from yunhe.storage.database import Database

PAYER = account_id(owner="payer", unit="CNY", purpose="cash")
PAYEE = account_id(owner="payee", unit="CNY", purpose="cash")
FEE = account_id(owner="payee", unit="CNY", purpose="fee")
_speaking = threading.Lock()


def step(name: str) -> list[Request]:
    """Hold 10, pay 6 and 2 and give 2 back, then refund 4 of the 8."""
    hold, capture = f"{name}/hold", f"{name}/capture"
    payments = ((PAYEE, 6), (FEE, 2))
    return [
        HoldRequest(hold, PAYER, 10, expires_at_us=1_000, at_us=1),
        CaptureRequest(capture, transfer_id(hold), payments, at_us=2),
        RefundRequest(f"{name}/refund", transfer_id(capture), 4, at_us=3),
    ]


def post(writer: GroupWriter, thread: int, first: int, steps: int) -> None:
    for number in range(first, steps):
        for request in step(f"{thread}/{number}"):
            transfer = writer.post(request).result()
            with _speaking:
                sys.stdout.write(f"{thread} {number} {transfer}\n")
                sys.stdout.flush()


def main() -> None:
    url, threads, steps, *first = sys.argv[1:]
    with GroupWriter(Database(url)) as writer:
        workers = [
            threading.Thread(target=post, args=(writer, number, int(first[number]), int(steps)))
            for number in range(int(threads))
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


if __name__ == "__main__":
    main()
