"""Fixtures of the ledger's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ledger_desk import Desk

from yunhe.ledger import service
from yunhe.storage.service import Storage


@pytest.fixture
def desk(storage: Storage) -> Iterator[Desk]:
    with storage.database.begin() as tx:
        buyer, seller, fee = (
            service.open_account(tx, owner=owner, unit="CNY", purpose=purpose)
            for owner, purpose in (("uni", "cash"), ("holder", "cash"), ("exchange", "fee"))
        )
        service.grant(tx, key="start", account=buyer, amount=1_000, at_us=0)
        yield Desk(tx, buyer, seller, fee)
        replayed = service.replay(tx)
        assert replayed.problems == ()
        assert replayed.ok
