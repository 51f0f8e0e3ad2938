"""Random lives of jobs against the ledger's holds, beside a plain model; and peers that pause late.

Used by the tests and by ``benchmarks/compute/overspend.py``. The code under trial is the platform's
own: `scheduling.cost` and `scheduling.weights` say what is held and what is charged, of awards for
one chip and for several; `ledger.post_batch` decides and writes, under the keys of
`compute.admission` and `compute.settlement`. Drawn are jobs, limits, prices, rates, what providers
say and when, and everything that goes wrong on the way.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from yunhe.compute.scheduling import cost, weights
from yunhe.kernel.units import device_unit, voucher_unit
from yunhe.ledger import service as ledger
from yunhe.ledger.domain import (
    CaptureRequest,
    GrantRequest,
    HoldRequest,
    Outcome,
    RefundRequest,
    ReleaseRequest,
    Request,
    account_id,
    transfer_id,
)
from yunhe.storage.database import Database

CHIP, SEVERAL, CURRENCY, PERCENT = "ascend910b", "class:training-large", "CNY", 20
SECOND = 1_000_000
PURPOSES = ("award", "several", "voucher", "cash")
"""What holds are for; of one job either of an award for its chip or of one for several."""
UNITS = {
    "award": device_unit(CHIP),
    "several": device_unit(SEVERAL),
    "voucher": voucher_unit(CURRENCY),
    "cash": CURRENCY,
}
PAYERS = {"award": "award", "several": "award", "voucher": "voucher", "cash": "cash"}
PAYEES = {**PAYERS, "award": "delivered", "several": "delivered"}
RATES = (1, 287, 741, 1_000, 1_001, 2_503, 999_999)
"""Per thousand of the reference, by chip: awkward ones, and what cards allow at most."""
HOLD_US = 7_200 * SECOND
"""How long a hold outlives the wall time: short, so that late reports meet expired holds."""


class Crash(Exception):
    """The process dies before its commit."""


@dataclass
class Job:
    """One job as the trial follows it."""

    name: str
    firm: str
    devices: int
    wall_seconds: int
    price: int
    runs_ms: int
    rate: int = 0
    """What an hour of its chip counts in the award that pays; 0: it is for that chip."""
    held: dict[str, int] = field(default_factory=dict)
    slot: int = -1


@dataclass
class Trial:
    """Drives events until told to stop; `check` holds the ledger to the model."""

    database: Database
    seed: int
    firms: int = 24
    batch: int = 1_500

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.now_us = 1_800_000_000 * SECOND
        self.events: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.granted: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.over_minor = 0
        self.open: list[Job] = []
        self.holds: dict[str, tuple[str, int]] = {}
        self.given: dict[str, str] = {}
        self.grants: dict[str, list[tuple[str, int]]] = {}
        self.pending: list[tuple[int, int, Request]] = []
        self.requests: list[Request] = []
        self.starts: list[tuple[int, str, int, int]] = []
        self.awards: list[tuple[int, str, int]] = []
        self.number = 0
        with self.database.begin() as tx:
            for firm in (*self._firms(), "provider"):
                for purpose in PURPOSES:
                    name = (PAYEES if firm == "provider" else PAYERS)[purpose]
                    ledger.open_account(tx, owner=firm, unit=UNITS[purpose], purpose=name)
        for firm in self._firms():
            for purpose in PURPOSES:
                self._grant(firm, purpose)
        self._commit()

    def _firms(self) -> list[str]:
        return [f"firm{number}" for number in range(self.firms)]

    @property
    def total(self) -> int:
        """Events so far."""
        return sum(self.events.values())

    def run(self, until: int) -> None:  # noqa: C901 - one branch a kind of event
        """Draw events and post them in batches, until there were so many."""
        while self.total < until:
            kind = self.draw.random()
            self.now_us += self.draw.randrange(1, 40 * SECOND)
            while self.pending and self.pending[0][0] <= self.now_us:
                self._send(heapq.heappop(self.pending)[2], "late")
            if kind < 0.42 or not self.open:
                self._submit()
            elif kind < 0.80:
                self._meter(self._any())
            elif kind < 0.87:
                self._cancel(self._any())
            elif kind < 0.95:
                self._again()
            elif kind < 0.98:
                self._grant(self.draw.choice(self._firms()), self.draw.choice(PURPOSES))
            elif kind < 0.998:
                self._expire()
            else:
                self._sweep()
            if len(self.requests) >= self.batch:
                self._commit()
        while self.pending:
            self._send(heapq.heappop(self.pending)[2], "late")
        self._commit()

    def _any(self) -> Job:
        # Mostly of late: else, after a while, nearly every report would meet an expired hold.
        first = 0 if self.draw.random() < 0.1 else max(len(self.open) - 100, 0)
        return self.open[self.draw.randrange(first, len(self.open))]

    def _send(self, request: Request, event: str) -> None:
        self.events[event] += 1
        self.requests.append(request)

    def _submit(self) -> None:
        """A job comes and is placed at once, without looking whether there is anything left."""
        self.number += 1
        self.events["submit"] += 1
        draw = self.draw
        limit = draw.choice((60, 600, 3_600, 4 * 3_600))
        job = Job(
            f"workload_{self.number}",
            f"firm{draw.randrange(self.firms)}",
            draw.choice((1, 1, 2, 4, 8)),
            limit,
            draw.randrange(1_000, 6_000),
            draw.randrange(1, limit * 1_100),
        )
        if draw.random() < 0.3:
            job.rate = draw.choice(RATES)
        else:
            ran_ms = min(job.runs_ms, limit * 1_000)
            self.starts.append((self.now_us, job.firm, job.devices, ran_ms))
        job.slot = len(self.open)
        self.open.append(job)
        if draw.random() < 0.03:  # a report that overtakes the placement it is about
            self._captures(job, job.runs_ms, event="reordered")
        most_ms = cost.device_ms_max(devices=job.devices, wall_seconds_max=limit)
        amount = cost.cost(most_ms, price_minor_per_device_hour=job.price)
        parts = cost.share(amount, share_percent=PERCENT, voucher_left_minor=draw.randrange(10**6))
        wanted = (*_of_awards(job, most_ms), parts.voucher_minor, parts.cash_minor)
        for purpose, part in zip(PURPOSES, wanted, strict=True):
            if part:
                job.held[purpose] = part
                until_us = self.now_us + limit * SECOND + HOLD_US
                payer = account_id(owner=job.firm, unit=UNITS[purpose], purpose=PAYERS[purpose])
                key = f"compute:{job.name}:1:{purpose}"
                self.holds[transfer_id(key)] = payer, part
                self.requests.append(HoldRequest(key, payer, part, until_us, self.now_us, job.name))
        self.events["place"] += 1

    def _meter(self, job: Job) -> None:
        """The provider says what was used: now, late, twice; right, or far too much."""
        draw = self.draw
        said_ms = job.runs_ms if draw.random() < 0.95 else job.runs_ms * draw.randrange(2, 1_000)
        delay = draw.random()
        if delay < 0.1:
            self._captures(job, said_ms, event="meter", after_us=draw.randrange(6 * 3_600) * SECOND)
        else:
            self._captures(job, said_ms, event="meter")
        if draw.random() < 0.15:
            self._captures(job, said_ms * (1 + (draw.random() < 0.3)), event="duplicate")
        if draw.random() < 0.8:
            self._close(job)

    def _captures(self, job: Job, said_ms: int, *, event: str, after_us: int = 0) -> None:
        """What `compute.settlement` would ask for: never more than was held, whatever is said."""
        limit_ms = cost.device_ms_max(devices=job.devices, wall_seconds_max=job.wall_seconds)
        device_ms = min(said_ms * job.devices, limit_ms)
        amount = cost.cost(device_ms, price_minor_per_device_hour=job.price)
        parts = cost.share(
            amount, share_percent=PERCENT, voucher_left_minor=job.held.get("voucher", 0)
        )
        paid = (*_of_awards(job, device_ms), parts.voucher_minor, parts.cash_minor)
        due = dict(zip(PURPOSES, paid, strict=True))
        at_us = self.now_us + after_us
        for purpose in PURPOSES:
            hold = transfer_id(f"compute:{job.name}:1:{purpose}")
            payee = account_id(owner="provider", unit=UNITS[purpose], purpose=PAYEES[purpose])
            request = CaptureRequest(
                f"{hold}:capture", hold, [(payee, due[purpose])], at_us, job.name
            )
            if after_us:
                heapq.heappush(self.pending, (at_us, len(self.pending), request))
            else:
                self.requests.append(request)
        self.events[event] += 1

    def _cancel(self, job: Job) -> None:
        """Given back unpaid; a job that was settled meanwhile stays so."""
        for purpose in job.held:
            hold = transfer_id(f"compute:{job.name}:1:{purpose}")
            self.requests.append(ReleaseRequest(f"{hold}:release", hold, self.now_us))
        self.events["cancel"] += 1
        self._close(job)

    def _close(self, job: Job) -> None:
        if job.slot >= 0:
            last = self.open.pop()
            if last is not job:
                self.open[job.slot], last.slot = last, job.slot
            job.slot = -1

    def _again(self) -> None:
        """Something of this batch is asked once more, with its key."""
        if self.requests:
            for request in self.draw.sample(self.requests, min(3, len(self.requests))):
                self._send(request, "retry")

    def _grant(self, firm: str, purpose: str) -> None:
        timed = PAYERS[purpose] == "award"
        amount = self.draw.randrange(1, 60) * 3_600_000 if timed else self.draw.randrange(1, 10**6)
        self.number += 1
        account = account_id(owner=firm, unit=UNITS[purpose], purpose=PAYERS[purpose])
        key = f"grant:{self.number}"
        self.given[transfer_id(key)] = account
        if timed:
            self.grants.setdefault(account, []).append((key, amount))
        if purpose == "award":
            self.awards.append((self.now_us, firm, amount))
        self._send(GrantRequest(key, account, amount, self.now_us), "grant")

    def _expire(self) -> None:
        """An award ends: what the account still has of it goes back, held parts stay held."""
        account = self.draw.choice(sorted(self.grants))
        if self.grants[account]:
            key, amount = self.grants[account].pop(0)
            left = self.granted[account] - self.paid[account] - self.held[account]
            taken = min(amount, max(left, 0), amount - self.draw.randrange(amount))
            if taken:
                request = RefundRequest(f"{key}:lapse", transfer_id(key), taken, self.now_us)
                self._send(request, "award expires")

    def _sweep(self) -> None:
        """Holds whose time is up are given back, as the platform's duty does."""
        self._commit()
        with self.database.begin() as tx:
            due = [hold for hold in ledger.holds_open(tx) if hold.expires_at_us <= self.now_us]
            for hold in due:
                self.held[hold.account] -= hold.amount
            assert ledger.expire_holds(tx, now_us=self.now_us) == len(due)
        self.events["holds expire"] += 1

    def _commit(self) -> None:
        """One transaction for the batch; some die before it, some are asked again after it."""
        requests, self.requests = self.requests, []
        fate = self.draw.random()
        if fate < 0.1 and requests:
            try:
                with self.database.begin() as tx:
                    ledger.post_batch(tx, requests)
                    raise Crash
            except Crash:
                self.events["crash"] += 1
        for part in _parts(requests):
            with self.database.begin() as tx:
                outcomes = ledger.post_batch(tx, part)
            self._follow(part, outcomes)
            if fate > 0.9:
                with self.database.begin() as tx:
                    again = ledger.post_batch(tx, part)
                assert not any(
                    one.status == "posted" and first.status != "refused"
                    for one, first in zip(again, outcomes, strict=True)
                )
                self._follow(part, again)
                self.events["answer lost"] += 1
        self._measure()

    def _follow(self, requests: Iterable[Request], outcomes: Iterable[Outcome]) -> None:
        """The model: what was really posted, added up by account."""
        for request, outcome in zip(requests, outcomes, strict=True):
            word = outcome.status if outcome.error is None else outcome.error.code
            self.outcomes[word] += 1
            if outcome.status != "posted":
                continue
            match request:
                case GrantRequest():
                    self.granted[request.account] += request.amount
                case HoldRequest():
                    self.held[request.account] += request.amount
                case CaptureRequest() | ReleaseRequest():
                    payer, amount = self.holds[request.hold]
                    self.held[payer] -= amount
                    if isinstance(request, CaptureRequest):
                        self.paid[payer] += sum(amount for _, amount in request.payments)
                case RefundRequest():
                    self.granted[self.given[request.transfer]] -= request.amount

    def _measure(self) -> None:
        """By how much anything is spent beyond what was granted; counted, not only asserted."""
        for account, granted in self.granted.items():
            self.over_minor += max(self.paid[account] + self.held[account] - granted, 0)

    def compare(self) -> None:
        """Every account has what the model says: granted, less paid, less held."""
        with self.database.read() as tx:
            for balance in ledger.balances(tx):
                if balance.owner.startswith("firm"):
                    name = balance.account
                    assert balance.held == self.held[name], balance
                    left = self.granted[name] - self.paid[name] - self.held[name]
                    assert balance.available == left, balance


def _of_awards(job: Job, device_ms: int) -> tuple[int, int]:
    """Of an award for its chip, or of one for several by the rate that was pinned."""
    return (0, weights.units(device_ms, job.rate)) if job.rate else (device_ms, 0)


def _parts(requests: list[Request]) -> Iterator[list[Request]]:
    for start in range(0, len(requests), 9_000):
        yield requests[start : start + 9_000]


def reactive(
    starts: Iterable[tuple[int, str, int, int]],
    awards: Iterable[tuple[int, str, int]],
    *,
    every_seconds: int,
) -> tuple[int, int, int]:
    """What peers do: jobs run while the last report leaves something; a report every so often.

    The same jobs and awards, without holds: an award that is used up is noticed at the next report,
    and only then are its jobs stopped and no more let in. Returns device-milliseconds beyond the
    awards, how often one was overrun, and device-milliseconds run in all. Reports are exact and
    never late here, and what was overrun is set off against the next award: kinder than life.
    """
    over = times = ran = 0
    firms = sorted({firm for _, firm, *_ in starts})
    for firm in firms:
        mine = [(at, 1, devices, runs) for at, name, devices, runs in starts if name == firm]
        mine += [(at, 0, amount, 0) for at, name, amount in awards if name == firm]
        found = _one(sorted(mine), every_us=every_seconds * SECOND)
        over, times, ran = over + found[0], times + found[1], ran + found[2]
    return over, times, ran


def _one(  # noqa: C901 - one loop over what happens
    events: list[tuple[int, int, int, int]], *, every_us: int
) -> tuple[int, int, int]:
    """One firm; device-microseconds inside. Only reports that can matter are looked at."""
    award = used = over = times = rate = 0
    ends: list[tuple[int, int]] = []
    now = told = events[0][0] if events else 0
    paused = False

    def advance(to: int) -> None:
        nonlocal now, used, rate
        while ends and ends[0][0] <= to:
            end, devices = heapq.heappop(ends)
            used += rate * (end - now)
            now, rate = end, rate - devices
        used += rate * (to - now)
        now = to

    def report(at: int) -> None:
        nonlocal told, paused, rate, over, times
        advance(at)
        told = at
        if used >= award and rate:
            over += max(used - award, 0)
            times += used > award
            ends.clear()
            rate = 0
        paused = used >= award

    for at, kind, amount, runs_ms in events:
        while ends and told + every_us <= at:
            report(told + every_us)
        if told + every_us <= at:
            told += (at - told) // every_us * every_us
            paused = used >= award
        advance(at)
        if kind == 0:
            # What was run beyond the award before is taken from the new one.
            award = award + amount * 1_000
            paused = paused and used >= award
        elif not paused:
            heapq.heappush(ends, (at + runs_ms * 1_000, amount))
            rate += amount
    while ends:
        report(told + every_us)
    return over // 1_000, times, used // 1_000
