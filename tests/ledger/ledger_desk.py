"""What the tests of single commands work with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from yunhe.kernel.errors import YunheError
from yunhe.kernel.language import LANGUAGES
from yunhe.ledger import service
from yunhe.ledger.domain import Entry
from yunhe.storage.database import Transaction


@contextmanager
def refused(kind: type[YunheError], code: str, *findings: tuple[str, str]) -> Iterator[None]:
    """The block is refused with this error, which explains itself whole in both languages."""
    with pytest.raises(kind) as caught:
        yield
    assert caught.value.code == code
    assert [(f.where, f.code) for f in caught.value.findings] == list(findings)
    for language in LANGUAGES:
        said = caught.value.message(language)
        assert "ledger." not in said
        assert "{" not in said
        assert len(said.splitlines()) == 2 + len(findings)


@dataclass
class Desk:
    """A buyer with 1,000, a seller, and a fee account, all in CNY, in one open transaction."""

    tx: Transaction
    buyer: str
    seller: str
    fee: str

    def has(self, account: str) -> tuple[int, int]:
        balance = service.balance(self.tx, account)
        return balance.available, balance.held

    def pay(self, amount: int, *, key: str = "pay") -> str:
        entries = [Entry(self.buyer, self.seller, amount)]
        return service.transfer(self.tx, key=key, entries=entries, kind="payment", at_us=1)

    def hold(self, amount: int, *, key: str = "hold", expires_at_us: int = 100) -> str:
        return service.hold(
            self.tx,
            key=key,
            account=self.buyer,
            amount=amount,
            expires_at_us=expires_at_us,
            at_us=1,
        )

    def capture(self, hold: str, *payments: tuple[str, int], key: str = "cap", at: int = 2) -> str:
        return service.capture(self.tx, key=key, hold=hold, payments=payments, at_us=at)

    def refund(self, transfer: str, amount: int, *, key: str = "refund") -> str:
        return service.refund(self.tx, key=key, transfer=transfer, amount=amount, at_us=5)
