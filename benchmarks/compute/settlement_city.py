"""A city for `settlement.py`: the Philly jobs, with prices, firms and vouchers that are made up.

Synthesised, with a seed: which firm a job is of, which pool's price it has, which jobs were
cancelled before they ran or were lost by their provider, vouchers of 20 % and at most CNY 2 million
a firm and year, and every fault. Real: when jobs came, how long they ran, on how many devices, in
which of the 15 virtual clusters (here: providers).
"""

from __future__ import annotations

import csv
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from yunhe.compute.scheduling.cost import cost, share
from yunhe.kernel.clock import iso
from yunhe.kernel.ids import derived_id
from yunhe.kernel.units import device_unit, voucher_unit
from yunhe.ledger import service as ledger
from yunhe.ledger.domain import (
    CaptureRequest,
    Entry,
    GrantRequest,
    HoldRequest,
    Request,
    TransferRequest,
    account_id,
    transfer_id,
)
from yunhe.storage.database import Transaction

CHIPS = ("ascend910b", "a100", "br104")
FIRMS = 40
CEILING_MINOR = 200_000_000
PERCENT = 20
BATCH = 9_000
MONTH_US = 32 * 86_400 * 1_000_000


@dataclass(frozen=True)
class Job:
    """One job and what was charged for it."""

    id: str
    firm: str
    provider: str
    pool: str
    chip: str
    price: int
    devices: int
    wall_ms: int
    ended_us: int
    outcome: str
    ran: bool
    voucher_id: str
    device_ms: int = 0
    cost: int = 0
    voucher: int = 0
    cash: int = 0


@dataclass
class City:
    """Everything that was made up, and the jobs."""

    seed: int
    jobs: list[Job] = field(default_factory=list)
    pools: dict[str, dict[str, object]] = field(default_factory=dict)
    vouchers: dict[tuple[str, int], str] = field(default_factory=dict)
    capped: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, trace: Path, *, seed: int, limit: int | None) -> City:
        """The city of a trace, or of its first jobs."""
        city, draw = cls(seed), random.Random(seed)
        weights = [1 / (rank + 1) ** 1.3 for rank in range(FIRMS)]
        left: dict[tuple[str, int], int] = defaultdict(lambda: CEILING_MINOR)
        with trace.open(newline="") as source:
            rows = list(csv.DictReader(source))[:limit]
        ended = []
        for number, row in enumerate(rows):
            began = datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC)
            wall_ms = round(float(row["duration"]) * 1_000)
            at_us = int(began.timestamp()) * 1_000_000 + wall_ms * 1_000
            firm = f"org_firm{draw.choices(range(FIRMS), weights)[0]:02}"
            pool = city._pool(row["cluster"], draw.randrange(len(CHIPS)))
            fate = draw.random()
            ended.append((at_us, number, firm, pool, wall_ms, int(row["num_gpus"]), fate))
        for at_us, number, firm, pool, wall_ms, devices, fate in sorted(ended):
            year = datetime.fromtimestamp(at_us // 1_000_000, UTC).year
            job = city._job(number, firm, pool, wall_ms, devices, at_us, fate)
            key = (firm, year)
            city.vouchers.setdefault(key, derived_id("voucher", firm, str(year)))
            job = replace(job, voucher_id=city.vouchers[key])
            if job.ran:
                device_ms = wall_ms * devices
                amount = cost(device_ms, price_minor_per_device_hour=job.price)
                parts = share(amount, share_percent=PERCENT, voucher_left_minor=left[key])
                left[key] -= parts.voucher_minor
                if parts.voucher_minor < amount * PERCENT // 100:
                    city.capped.add(firm)
                job = replace(
                    job,
                    device_ms=device_ms,
                    cost=amount,
                    voucher=parts.voucher_minor,
                    cash=parts.cash_minor,
                )
            city.jobs.append(job)
        return city

    def _pool(self, cluster: str, chip: int) -> str:
        pool = derived_id("pool", cluster, CHIPS[chip])
        if pool not in self.pools:
            draw = random.Random(f"{self.seed}/{cluster}/{chip}")
            self.pools[pool] = {
                "id": pool,
                "provider": f"org_{cluster}",
                "site": cluster,
                "adapter": "local",
                "chip": CHIPS[chip],
                "devices": 560,
                "price_minor_per_device_hour": draw.randrange(2_000, 6_000),
                "currency": "CNY",
                "created_at_us": 0,
            }
        return pool

    def _job(
        self, number: int, firm: str, pool: str, wall_ms: int, devices: int, at_us: int, fate: float
    ) -> Job:
        said = self.pools[pool]
        lost = 0.03 < fate <= 0.04  # by its provider, so it is never paid
        ran = fate > 0.02 and not lost
        outcome = "cancelled" if fate <= 0.03 else "failed" if fate <= 0.10 else "settled"
        return Job(
            id=derived_id("workload", firm, str(number)),
            firm=firm,
            provider=str(said["provider"]),
            pool=pool,
            chip=str(said["chip"]),
            price=int(str(said["price_minor_per_device_hour"])),
            devices=devices,
            wall_ms=wall_ms,
            ended_us=at_us,
            outcome=outcome,
            ran=ran,
            voucher_id="",
        )

    def funds(self) -> Iterator[GrantRequest]:
        """More of everything than is used: overspending is the other benchmark's subject."""
        firms = sorted({job.firm for job in self.jobs})
        for firm in firms:
            cash = account_id(owner=firm, unit="CNY", purpose="cash")
            yield GrantRequest(f"cash/{firm}", cash, 2**52, 0)
            for chip in CHIPS:
                award = account_id(owner=firm, unit=device_unit(chip), purpose="award")
                yield GrantRequest(f"award/{firm}/{chip}", award, 2**52, 0)
        for (firm, _), name in self.vouchers.items():
            account = account_id(owner=firm, unit=voucher_unit("CNY"), purpose="voucher")
            yield GrantRequest(f"voucher/{name}", account, CEILING_MINOR, 0)

    def open_accounts(self, tx: Transaction) -> None:
        """Every account, of firms and providers."""
        for purposes, owners in (
            (("award", "voucher", "cash"), {job.firm for job in self.jobs}),
            (("delivered", "voucher", "cash"), {str(p["provider"]) for p in self.pools.values()}),
        ):
            for owner in sorted(owners):
                for purpose in purposes:
                    for unit in _units(purpose):
                        ledger.open_account(tx, owner=owner, unit=unit, purpose=purpose)


def _units(purpose: str) -> list[str]:
    if purpose in ("award", "delivered"):
        return [device_unit(chip) for chip in CHIPS]
    return [voucher_unit("CNY") if purpose == "voucher" else "CNY"]


PARTS = (("award", "delivered"), ("voucher", "voucher"), ("cash", "cash"))


def payments(job: Job, fault: str = "") -> Iterator[Request]:
    """Holds and captures of one job, under the keys the platform uses; or a wrong capture."""
    paid = {"award": job.device_ms, "voucher": job.voucher, "cash": job.cash}
    units = {"award": device_unit(job.chip), "voucher": voucher_unit("CNY"), "cash": "CNY"}
    began_us = job.ended_us - job.wall_ms * 1_000
    until_us = job.ended_us + 60 * 86_400 * 1_000_000
    for purpose, payee in PARTS:
        amount = paid[purpose]
        if not amount or fault == "not_captured":
            continue
        owner = account_id(owner=job.firm, unit=units[purpose], purpose=purpose)
        # Held for twice the time it took, and what is not used goes back; of a voucher its part.
        key, held = f"compute:{job.id}:1:{purpose}", amount * (1 if purpose == "voucher" else 2)
        yield HoldRequest(key, owner, held, until_us, began_us, job.id)
        wrong = {"award": "captured_quantity", "voucher": "captured_voucher"}.get(purpose)
        if fault == (wrong or "captured_amount"):
            amount -= 1
        who = (
            "org_elsewhere" if fault == "captured_elsewhere" and purpose == "cash" else job.provider
        )
        to = account_id(owner=who, unit=units[purpose], purpose=payee)
        at_us = job.ended_us + (MONTH_US if fault == "captured_late" else 0)
        hold = transfer_id(key)
        yield CaptureRequest(f"{hold}:capture", hold, [(to, amount)], at_us, job.id)
    if fault in ("captured_twice", "captured_unbillable", "captured_unknown"):
        memo = job.id if fault != "captured_unknown" else derived_id("workload", "no", job.id)
        cash = account_id(owner=job.firm, unit="CNY", purpose="cash")
        to = account_id(owner=job.provider, unit="CNY", purpose="cash")
        entry = Entry(cash, to, max(job.cash, 1))
        yield TransferRequest(f"again/{job.id}", (entry,), "payment", job.ended_us, memo)


def row(job: Job, number: int, fault: str = "") -> dict[str, object]:
    """The job in the job log; or with what a faulty meter would have written."""
    amount, voucher, cash = job.cost, job.voucher, job.cash
    if fault == "metered_cost":
        amount, cash = amount + 700, cash + 700
    if fault == "metered_split":
        cash += 1
    if fault == "metered_share":
        voucher, cash = amount // 2, amount - amount // 2
    usage = {
        "device_ms": job.device_ms,
        "wall_ms": job.wall_ms,
        "cpu_ms": job.wall_ms if number % 11 else 0,
        "memory_bytes_peak": 0,
        "isolation": "none",
        "code_digest": "",
        "cost_minor": amount,
        "voucher_minor": voucher,
        "cash_minor": cash,
        "currency": "CNY",
    }
    return {
        "number": number + 1,
        "id": job.id,
        "organisation": job.firm,
        "entry_point": "philly",
        "chip": job.chip,
        "devices": job.devices,
        "wall_seconds_max": 1,
        "spec": "{}",
        "spec_digest": "",
        "state": job.outcome,
        "blocked": 0,
        "cancel_asked": int(job.outcome == "cancelled"),
        "submitted_at_us": job.ended_us - job.wall_ms * 1_000,
        "pool": job.pool,
        "voucher": job.voucher_id,
        "placements": 1,
        "attempts": 1,
        "provider_failures": 0,
        "held_voucher_minor": 0,
        "held_cash_minor": 0,
        "used_voucher_minor": voucher if job.ran else 0,
        "usage": json.dumps(usage) if job.ran else None,
        "ended_at_us": job.ended_us,
    }


def line(job: Job) -> dict[str, str]:
    """The line an honest provider writes, by its own arithmetic: exact fractions, rounded up."""
    return {
        "workload": job.id,
        "pool": job.pool,
        "device_seconds": f"{job.device_ms // 1000}.{job.device_ms % 1000:03}",
        "price_per_device_hour": money(job.price),
        "currency": "CNY",
        "amount": money(-(-job.device_ms * job.price // 3_600_000)),
        "voucher": money(job.voucher),
        "ended_at": iso(job.ended_us),
    }


def money(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02}"


def billed(job: Job, fault: str, providers: list[str]) -> list[tuple[str, dict[str, str]]]:
    """Lines a provider hands in for a job, with the provider; wrong ones where a fault says so."""
    said, who = line(job), job.provider
    if fault == "not_billed":
        return []
    if fault == "unknown_job":
        return [(who, said), (who, {**said, "workload": said["workload"][:-4] + "zzzz"})]
    if fault == "wrong_provider":
        return [(who, said), (providers[(providers.index(who) + 1) % len(providers)], said)]
    if fault == "billed_twice":
        return [(who, said), (who, said)]
    if fault in ("after_cancellation", "not_billable"):
        return [(who, said | longer(job, 3_600_000))]
    return [(who, said | spoilt(job, fault))] if job.ran else []


def longer(job: Job, by_ms: int) -> dict[str, str]:
    """A quantity that is too large, and the amount that follows from it."""
    device_ms = job.device_ms + by_ms
    return {
        "device_seconds": f"{device_ms // 1000}.{device_ms % 1000:03}",
        "amount": money(-(-device_ms * job.price // 3_600_000)),
    }


def spoilt(job: Job, fault: str) -> dict[str, str]:
    """What is wrong in a line with this fault; nothing where the fault is elsewhere."""
    dearer = job.price + 100
    return {
        "outside_period": {"ended_at": iso(job.ended_us - MONTH_US)},
        "wrong_pool": {"pool": "pool_elsewhere"},
        "wrong_currency": {"currency": "USD"},
        "quantity": longer(job, 60_000 * job.devices),
        "price": {
            "price_per_device_hour": money(dearer),
            "amount": money(-(-job.device_ms * dearer // 3_600_000)),
        },
        "rounding": {"amount": money(job.cost - 1)},
        "amount": {"amount": money(job.cost + 5_000)},
        "voucher_share": {"voucher": money(job.cost // 2)},
        "voucher": {"voucher": money(job.voucher - 2)},
    }.get(fault, {})
