"""A city as tests use it: who acts, and shortcuts for what they do."""

from __future__ import annotations

from dataclasses import dataclass, replace

from yunhe.compute import service as compute
from yunhe.compute.domain import Award, Pool, Voucher, Workload, WorkloadSpec
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.entry_points import find_program
from yunhe.kernel.clock import DAY_US, Clock, ManualClock
from yunhe.ledger import service as ledger
from yunhe.storage.service import Storage


@dataclass(frozen=True, slots=True)
class City:
    """Who acts, and shortcuts for what they do; every method goes through the floor's face."""

    storage: Storage
    clock: ManualClock
    operator: str
    provider: str
    university: str

    def pool(self, *, devices: int = 2, price: int = 3_600, key: str = "pool") -> Pool:
        return compute.register_pool(
            self.storage,
            key=key,
            provider=self.provider,
            site="机房一",
            chip="cpu",
            devices=devices,
            price_minor_per_device_hour=price,
            currency="CNY",
        )

    def at_centre(self, clock: Clock) -> City:
        """The city on another clock, with its cash and a pool at a site of the name centre."""
        storage = Storage(self.storage.database, self.storage.blobs, clock)
        city = replace(self, storage=storage, clock=clock)
        city.cash()
        compute.register_pool(
            storage,
            key="pool",
            provider=city.provider,
            site="超算中心",
            chip="cpu",
            devices=2,
            price_minor_per_device_hour=3_600,
            currency="CNY",
            adapter="centre",
        )
        return city

    def award(self, *, seconds: int = 1_000, key: str = "award", days: int = 365) -> Award:
        return compute.award(
            self.storage,
            key=key,
            organisation=self.university,
            chip="cpu",
            device_ms=seconds * 1_000,
            expires_at_us=self.clock.now_us() + days * DAY_US,
            awarded_by=self.operator,
        )

    def voucher(self, amount: int = 10_000, *, key: str = "voucher") -> Voucher:
        return compute.issue_voucher(
            self.storage, key=key, organisation=self.university, currency="CNY", amount=amount
        )

    def cash(self, amount: int = 100_000, *, key: str = "cash") -> None:
        with self.storage.database.begin() as tx:
            account = ledger.open_account(tx, owner=self.university, unit="CNY", purpose="cash")
            ledger.grant(tx, key=key, account=account, amount=amount, at_us=self.clock.now_us())

    def spec(self, key: str = "job", *, wall: int = 100, devices: int = 1, **over) -> WorkloadSpec:
        arguments = over.pop("arguments", {"action": "copy", "word": "done"})
        return WorkloadSpec(
            **{
                "key": key,
                "organisation": self.university,
                "entry_point": TRIAL,
                "arguments": arguments,
                "inputs": {},
                "chip": "cpu",
                "devices": devices,
                "wall_seconds_max": wall,
                "cpu_seconds_max": 60,
                "memory_bytes_max": 1 << 30,
                **over,
            }
        )

    def submit(self, key: str = "job", **over) -> Workload:
        return compute.submit(self.storage, self.spec(key, **over))

    def see(self, workload: Workload) -> Workload:
        with self.storage.database.read() as tx:
            return compute.workload(tx, workload.id)

    def balance(self, owner: str, unit: str, purpose: str) -> tuple[int, int]:
        """Available and held."""
        with self.storage.database.read() as tx:
            for one in ledger.balances(tx, owner=owner):
                if (one.unit, one.purpose) == (unit, purpose):
                    return one.available, one.held
        return 0, 0

    def approve_trial(self) -> None:
        compute.approve_entry_point(
            self.storage,
            name=TRIAL,
            module=TRIAL_ENTRY_POINT.module,
            digest=find_program(TRIAL, TRIAL_ENTRY_POINT).digest,
            approved_by=self.operator,
        )

    def assert_books_are_right_for_shares(self) -> None:
        """What the ledger holds is what open workloads hold, and no pool is over-full."""
        with self.storage.database.read() as tx:
            assert ledger.replay(tx).ok
            held: dict[str, int] = {}
            for hold in ledger.holds_open(tx):
                kind = "device" if hold.unit.startswith("device:") else "money"
                held[kind] = held.get(kind, 0) + hold.amount
            workloads = compute.workloads(tx)
            assert held.get("device", 0) == sum(one.held_device_ms for one in workloads)
            assert held.get("money", 0) == sum(one.held_minor for one in workloads)
            for pool in compute.pools(tx):
                here = [one for one in workloads if one.pool == pool.pool.id and one.held_device_ms]
                load = sum(
                    one.replicas * one.spec.devices * (one.spec.devices_milli or 1_000)
                    for one in here
                )
                assert load <= pool.devices_busy * 1_000 <= pool.pool.devices * 1_000
            for award in compute.awards(tx):
                assert min(award.used_ms, award.held_ms, award.lapsed_ms, award.left_ms) >= 0
            for voucher in compute.vouchers(tx):
                assert voucher.left_minor >= 0

    def assert_books_are_right(self) -> None:
        """The ledger replays, and what it holds is exactly what open workloads hold."""
        with self.storage.database.read() as tx:
            assert ledger.replay(tx).ok
            held: dict[str, int] = {}
            for hold in ledger.holds_open(tx):
                held[hold.unit] = held.get(hold.unit, 0) + hold.amount
            workloads = compute.workloads(tx)
            occupying = [one for one in workloads if one.state in ("placed", "running")]
            whole = [one for one in occupying if not one.spec.devices_milli]
            busy = sum(one.spec.devices * (one.replicas or one.spec.replicas) for one in whole)
            assert held.get("device:cpu", 0) == sum(one.held_device_ms for one in workloads)
            money = held.get("CNY", 0) + held.get("voucher:CNY", 0)
            assert money == sum(one.held_minor for one in workloads)
            seen = sum(status.devices_busy for status in compute.pools(tx))
            assert busy <= seen <= busy + len(occupying) - len(whole)
            for pool in compute.pools(tx):
                assert pool.devices_busy <= pool.pool.devices
            for award in compute.awards(tx):
                assert min(award.used_ms, award.held_ms, award.lapsed_ms, award.left_ms) >= 0
            for voucher in compute.vouchers(tx):
                assert voucher.left_minor >= 0
