"""A small city: an operator, a provider with a pool, and a university that may use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from yunhe.compute import service as compute
from yunhe.compute.domain import Award, Pool, Voucher, Workload, WorkloadSpec
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.entry_points import find_program
from yunhe.compute.providers.local import LocalProvider
from yunhe.custody import store as custody_store
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US, ManualClock
from yunhe.ledger import service as ledger
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.schema import metadata
from yunhe.storage.service import Storage

assert custody_store  # its tables must be known before the database is made


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

    def assert_books_are_right(self) -> None:
        """The ledger replays, and what it holds is exactly what open workloads hold."""
        with self.storage.database.read() as tx:
            assert ledger.replay(tx).ok
            held: dict[str, int] = {}
            for hold in ledger.holds_open(tx):
                held[hold.unit] = held.get(hold.unit, 0) + hold.amount
            workloads = compute.workloads(tx)
            busy = sum(one.spec.devices for one in workloads if one.state in ("placed", "running"))
            assert held.get("device:cpu", 0) == sum(one.held_device_ms for one in workloads)
            money = held.get("CNY", 0) + held.get("voucher:CNY", 0)
            assert money == sum(one.held_minor for one in workloads)
            assert busy == sum(status.devices_busy for status in compute.pools(tx))
            for pool in compute.pools(tx):
                assert pool.devices_busy <= pool.pool.devices
            for award in compute.awards(tx):
                assert min(award.used_ms, award.held_ms, award.lapsed_ms, award.left_ms) >= 0
            for voucher in compute.vouchers(tx):
                assert voucher.left_minor >= 0


def found(storage: Storage, clock: ManualClock) -> City:
    now_us = clock.now_us()
    with storage.database.begin() as tx:
        named = {
            kind: identity.add_organisation(tx, key=kind, name=kind, kind=kind, at_us=now_us).id
            for kind in ("operator", "provider", "university")
        }
        member = identity.add_member(
            tx, key="op", organisation=named["operator"], name="值班员", at_us=now_us
        ).id
        identity.grant_role(tx, member=member, role="operator", at_us=now_us)
    return City(storage, clock, member, named["provider"], named["university"])


@pytest.fixture
def bare_city(storage: Storage, clock: ManualClock) -> City:
    """Organisations and an operator; no pool, no award, no money."""
    return found(storage, clock)


@pytest.fixture
def new_city(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], City]:
    """Founds a bare city on a database of its own whenever it is called."""

    def make() -> City:
        folder, clock = tmp_path_factory.mktemp("city"), ManualClock()
        database = Database.at(folder / "yunhe.db", durable=False)
        with database.begin() as tx:
            metadata.create_all(tx)
        return found(Storage(database, LocalBlobs(folder / "blobs"), clock), clock)

    return make


@pytest.fixture
def city(bare_city: City) -> City:
    """A pool of two devices at 36.00 CNY an hour, 1000 device-seconds, a voucher and cash."""
    bare_city.pool()
    bare_city.award()
    bare_city.voucher()
    bare_city.cash()
    bare_city.approve_trial()
    return bare_city


@pytest.fixture
def local(tmp_path: Path) -> LocalProvider:
    """The local provider with the trial program, isolated as this machine allows."""
    return LocalProvider(tmp_path / "work", {TRIAL: TRIAL_ENTRY_POINT})
