"""A buyer's process killed with SIGKILL, and the same orders again: each is charged once."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from yunhe.exchange import service as exchange
from yunhe.ledger import service as ledger

ORDERS = 5
BUYER = """
import sys
from pathlib import Path
from yunhe.exchange import service as exchange
from yunhe.kernel.clock import ManualClock
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.service import Storage
folder, url, listing, buyer, member, orders, pause = sys.argv[1:]
said = 0
def say(what):
    global said
    said += 1
    print(what, flush=True)
    if said == int(pause):
        sys.stdin.read()  # a slow killer still finds the process alive
storage = Storage(Database(url), LocalBlobs(Path(folder) / "blobs"), ManualClock())
for number in range(int(orders)):
    wanted = dict(key=str(number), listing=listing, buyer=buyer, member=member)
    placed = exchange.order(storage, **wanted)
    say("placed")
    grant = exchange.settle(storage, order=placed.id)
    say("settled")
    exchange.open_dataset(
        storage, grant=grant.id, organisation=buyer, purpose="model-training", key="once"
    )
    say("opened")
"""


def start(market, listing, *, pause: int) -> subprocess.Popen[str]:
    folder, url = market.storage.blobs.root.parent, market.storage.database.url
    buyer = [market.university, market.buyer]
    arguments = [str(folder), url, listing.id, *buyer, str(ORDERS), str(pause)]
    return subprocess.Popen(
        [sys.executable, "-c", BUYER, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("lines", [1, 2, 3, 8])
def test_killed_after_any_step_and_run_again_each_order_is_charged_once(market, lines) -> None:
    """The kill lands somewhere in the step after the one that was last announced."""
    listing = market.list(price_minor=1_000)
    with start(market, listing, pause=lines + 4) as process:
        for _ in range(lines):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.stdout.read()
    assert process.returncode == -signal.SIGKILL
    market.check_books()
    with start(market, listing, pause=0) as process:
        said = process.stdout.read().split()
    assert process.returncode == 0
    assert said == ["placed", "settled", "opened"] * ORDERS
    assert market.cash(market.university) == (300_000 - ORDERS * 1_000, 0)
    assert market.cash(market.holder) == (ORDERS * 1_000, 0)
    with market.storage.database.read() as tx:
        grants = exchange.grants(tx)
        assert ledger.holds_open(tx) == []
        assert [order.state for order in exchange.orders(tx)] == ["settled"] * ORDERS
        assert [len(exchange.accesses(tx, grant.id)) for grant in grants] == [1] * ORDERS
    market.check_books()
