"""Random requests, and a driver that crashes the ledger at every commit point beside its model.

Used by the tests and by ``benchmarks/ledger/million.py``.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ledger_model import Model, ModelHold
from sqlalchemy import Connection, event

from yunhe.ledger import service
from yunhe.ledger.domain import (
    AMOUNT_MAX,
    CaptureRequest,
    Entry,
    GrantRequest,
    HoldRequest,
    Outcome,
    RefundRequest,
    ReleaseRequest,
    Request,
    TransferRequest,
    escrow_account,
    transfer_id,
)
from yunhe.storage.database import Database

UNITS = ("CNY", "device:cpu", "voucher:CNY", "epsilon:survey")
OWNERS = ("ann", "ben", "cui", "dan")
SECOND = 1_000_000


class Source:
    """Random requests, most of them sensible: seeded, so a failure can be replayed."""

    def __init__(self, model: Model, accounts: dict[str, list[str]], seed: int) -> None:
        self.random = random.Random(seed)
        self.model = model
        self.accounts = accounts
        self.now_us = 1_000 * SECOND
        self.count = 0
        self.past: deque[Request] = deque(maxlen=1_000)

    def next(self) -> Request:
        choice = self.random.random()
        if self.past and choice < 0.12:
            return self.again(self.random.choice(self.past))
        self.count += 1
        makers: list[tuple[Callable[[str], Request], int]] = [
            (self.grant, 4),
            (self.transfer, 5),
            (self.hold, 7),
            (self.capture, 4),
            (self.release, 2),
            (self.refund, 3),
        ]
        make = self.random.choices([m for m, _ in makers], [w for _, w in makers])[0]
        request = make(f"key-{self.count}")
        self.past.append(request)
        return request

    def again(self, request: Request) -> Request:
        """The same request later, or, now and then, another one under the same key."""
        later = replace(request, at_us=self.now_us)
        if isinstance(later, HoldRequest):
            later = replace(later, expires_at_us=self.now_us + 5 * SECOND)
        if self.random.random() < 0.8:
            return later
        if isinstance(later, ReleaseRequest):
            return GrantRequest(later.key, self.some(UNITS[0]), 1, self.now_us)
        return replace(later, memo=later.memo + "!")

    def some(self, unit: str) -> str:
        chance = self.random.random()
        if chance < 0.005:
            return "acct_unknown"
        if chance < 0.01:
            return escrow_account(unit)
        return self.random.choice(self.accounts[unit])

    def amount(self) -> int:
        if self.random.random() < 0.06:
            return 10**9  # more than anybody has, except the bank
        return self.small_amount()

    def small_amount(self) -> int:
        if self.random.random() < 0.02:
            return self.random.choice([0, -1, AMOUNT_MAX + 1])
        return self.random.choice([1, 7, 100, 999, self.random.randint(1, 20_000)])

    def unit(self) -> str:
        return self.random.choice(UNITS)

    def grant(self, key: str) -> Request:
        return GrantRequest(key, self.some(self.unit()), self.small_amount(), self.now_us)

    def transfer(self, key: str) -> Request:
        entries = []
        for _ in range(self.random.choice([0, 1, 1, 1, 2, 4, 4])):
            unit = self.unit() if self.random.random() < 0.1 else UNITS[0]
            other = unit if self.random.random() < 0.99 else self.unit()
            entries.append(Entry(self.some(unit), self.some(other), self.amount()))
        kind = self.random.choice(
            ["payment", "subsidy", "subsidy", "refund"][: 3 + (key[-1] == "7")]
        )
        return TransferRequest(key, tuple(entries), kind, self.now_us, memo="试")

    def hold(self, key: str) -> Request:
        expires = self.now_us + self.random.choice([0, 1, 3, 10, 60]) * SECOND
        return HoldRequest(key, self.some(self.unit()), self.amount(), expires, self.now_us)

    def some_hold(self) -> str:
        if self.model.open_holds and self.random.random() < 0.93:
            return self.random.choice(self.model.open_holds[-50:])
        return self.random.choice([*self.model.last_holds, "transfer_unknown"])

    def capture(self, key: str) -> Request:
        name = self.some_hold()
        hold = self.model.holds.get(name, ModelHold("", 100, 0))
        unit = self.model.units.get(hold.account, UNITS[0])
        share = self.random.choice([0, hold.amount // 3, hold.amount // 3, hold.amount])
        count = self.random.choice([0, 1, 2, 3])
        payments = tuple((self.some(unit), share) for _ in range(count))
        return CaptureRequest(key, name, payments, self.now_us)

    def release(self, key: str) -> Request:
        kind = self.random.choice(["release", "release", "expiry"])
        return ReleaseRequest(key, self.some_hold(), self.now_us, kind)  # type: ignore[arg-type]

    def refund(self, key: str) -> Request:
        known = list(self.model.refundable)[-100:]
        if not known or self.random.random() < 0.05:
            known = [*list(self.model.last_holds)[-3:], "transfer_unknown"]
        return RefundRequest(key, self.random.choice(known), self.small_amount(), self.now_us)


class SimulatedCrash(Exception):
    """The process dies here."""


@dataclass
class Tally:
    """What a run did."""

    operations: int = 0
    commits: int = 0
    crashes: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)


class Trial:
    """Drives the ledger and the model side by side and crashes the ledger at every commit point."""

    def __init__(self, database: Database, *, seed: int, batch_max: int = 16) -> None:
        self.database = database
        self.model = Model()
        self.tally = Tally()
        self.batch_max = batch_max
        accounts: dict[str, list[str]] = {unit: [] for unit in UNITS}
        with database.begin() as tx:
            for unit in UNITS:
                for owner in (*OWNERS, "bank"):
                    free = owner == "bank"
                    account = service.open_account(
                        tx, owner=owner, unit=unit, purpose="cash", overdraft=free
                    )
                    self.model.open(account, unit, overdraft=free)
                    accounts[unit].append(account)
        self.source = Source(self.model, accounts, seed)
        self.random = random.Random(seed + 1)

    def run(self, operations: int) -> None:
        """Post at least that many requests, in batches, each through every crash."""
        while self.tally.operations < operations:
            size = self.random.randint(1, self.batch_max)
            self.step([self.source.next() for _ in range(size)])
            # Mostly forwards; a clock that is set back must do no harm.
            self.source.now_us += self.random.choice([0, SECOND, SECOND, 4 * SECOND, -2 * SECOND])
            if self.random.random() < 0.1:
                self.expire()
            self.compare_balances()

    def step(self, batch: list[Request]) -> None:
        self.tally.operations += len(batch)
        self.crash(
            lambda tx: service.post_batch(tx, batch), after_statements=self.random.randint(0, 9)
        )
        self.crash(lambda tx: service.post_batch(tx, batch))
        # The commit succeeds but the answer is lost; the caller asks again with the same keys.
        for first in (True, False):
            expected = [self.model.apply(request) for request in batch]
            with self.database.begin() as tx:
                outcomes = service.post_batch(tx, batch)
            self.tally.commits += 1
            assert [said(outcome) for outcome in outcomes] == expected, batch
            for word in expected:
                if first:
                    self.tally.outcomes[word] = self.tally.outcomes.get(word, 0) + 1
            for outcome, request in zip(outcomes, batch, strict=True):
                assert outcome.key == request.key
                assert outcome.transfer in ("", transfer_id(request.key))
        self.tally.crashes += 1

    def expire(self) -> None:
        now_us = self.source.now_us
        overdue = self.model.overdue(now_us)
        self.crash(lambda tx: service.expire_holds(tx, now_us=now_us))
        with self.database.begin() as tx:
            assert service.expire_holds(tx, now_us=now_us) == len(overdue)
        for key in overdue:
            assert (
                self.model.apply(ReleaseRequest(f"expiry:{key}", key, now_us, "expiry")) == "posted"
            )
        with self.database.begin() as tx:
            assert service.expire_holds(tx, now_us=now_us) == 0

    def crash(
        self, work: Callable[[Connection], object], *, after_statements: int | None = None
    ) -> None:
        """Do the work in a transaction that dies before its commit, or already within the work."""
        self.tally.crashes += 1
        try:
            with self.database.begin() as tx:
                if after_statements is not None:
                    _die_after(tx, after_statements)
                work(tx)
                raise SimulatedCrash
        except SimulatedCrash:
            pass

    def compare_balances(self) -> None:
        with self.database.read() as tx:
            found = {b.account: b.available for b in service.balances(tx)}
            held = {b.account: b.held for b in service.balances(tx)}
        assert found == self.model.balances
        sums = dict.fromkeys(UNITS, 0)
        for account, amount in found.items():
            sums[self.model.units[account]] += amount
        assert set(sums.values()) == {0}
        expected = dict.fromkeys(found, 0)
        for key in self.model.open_holds:
            expected[self.model.holds[key].account] += self.model.holds[key].amount
        assert held == expected

    def compare_all(self) -> None:
        """Replay, and no transfer more or fewer than the model posted."""
        self.compare_balances()
        with self.database.read() as tx:
            replayed = service.replay(tx)
            open_holds = {hold.id for hold in service.holds_open(tx)}
        assert replayed.problems == ()
        assert replayed.ok
        assert replayed.transfers == len(self.model.requests)
        assert open_holds == set(self.model.open_holds)


def said(outcome: Outcome) -> str:
    """An outcome in the model's words."""
    return outcome.error.code if outcome.error is not None else outcome.status


def _die_after(tx: Connection, statements: int) -> None:
    left = statements

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise SimulatedCrash

    event.listen(tx, "before_cursor_execute", count)
