"""Workloads run by a worker: stopped, killed, given up; paid once or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from operation_desk import until
from test_operations_processes import process  # noqa: F401 (a fixture)

from yunhe.compute import service as compute
from yunhe.compute.domain import WorkloadSpec
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.entry_points import find_program
from yunhe.compute.providers.local import LocalProvider
from yunhe.compute.runner import PROVIDER_FAILURES_MAX
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Unavailable
from yunhe.ledger import service as ledger


@pytest.fixture
def city(desk):
    """A pool of one device, and a university with 1000 device-seconds and money."""
    return City(desk)


class City:
    def __init__(self, desk) -> None:
        self.desk, self.storage = desk, desk.storage
        _, operator = desk.people("office", "operator", "operator")
        provider, _ = desk.people("centre", "provider")
        self.university, _ = desk.people("uni", "university")
        compute.register_pool(
            self.storage,
            key="pool",
            provider=provider,
            site="机房一",
            chip="cpu",
            devices=1,
            price_minor_per_device_hour=3_600,
            currency="CNY",
        )
        compute.award(
            self.storage,
            key="award",
            organisation=self.university,
            chip="cpu",
            device_ms=1_000_000,
            expires_at_us=self.storage.clock.now_us() + 365 * DAY_US,
            awarded_by=operator,
        )
        with self.storage.database.begin() as tx:
            cash = ledger.open_account(tx, owner=self.university, unit="CNY", purpose="cash")
            now_us = self.storage.clock.now_us()
            ledger.grant(tx, key="cash", account=cash, amount=100_000, at_us=now_us)
        compute.approve_entry_point(
            self.storage,
            name=TRIAL,
            module=TRIAL_ENTRY_POINT.module,
            digest=find_program(TRIAL, TRIAL_ENTRY_POINT).digest,
            approved_by=operator,
        )

    def submit(self, action: str = "copy", key: str = "job"):
        return compute.submit(
            self.storage,
            WorkloadSpec(
                key=key,
                organisation=self.university,
                entry_point=TRIAL,
                arguments={"action": action, "word": "done"},
                inputs={},
                chip="cpu",
                devices=1,
                wall_seconds_max=100,
                cpu_seconds_max=60,
            ),
        )

    def see(self, workload):
        with self.storage.database.read() as tx:
            return compute.workload(tx, workload.id)

    def paid(self) -> int:
        """Device milliseconds the award has lost for good."""
        with self.storage.database.read() as tx:
            assert ledger.replay(tx).ok
            [award] = compute.awards(tx)
            return award.used_ms

    def provider(self, folder: Path) -> LocalProvider:
        return LocalProvider(folder, {TRIAL: TRIAL_ENTRY_POINT})


def test_a_worker_runs_what_was_placed_and_it_is_paid(desk, city, tmp_path):
    workload = city.submit()
    desk.started({}, provider=city.provider(tmp_path / "w"))
    until(lambda: city.see(workload).state == "settled", "the settlement")
    assert city.paid() == city.see(workload).usage.device_ms > 0


def test_a_workload_that_runs_when_the_worker_stops_is_placed_again_unpaid(desk, city, tmp_path):
    workload = city.submit("endure")
    first = desk.started({}, provider=city.provider(tmp_path / "w"))
    until((tmp_path / "w" / workload.id / "job.json").exists, "the job's beginning")
    assert first.stop(15)
    back = city.see(workload)
    assert (back.state, back.attempts) == ("placed", 1)
    assert back.held_device_ms > 0
    assert city.paid() == 0
    assert not (tmp_path / "w" / workload.id).exists()  # its process and folder are gone
    # Another one takes it up, and only what that one uses is paid.
    desk.started({}, provider=city.provider(tmp_path / "w2"))
    until(lambda: city.see(workload).attempts == 2, "the second attempt")
    until((tmp_path / "w2" / workload.id / "job.json").exists, "its beginning")
    compute.cancel(city.storage, workload.id)
    until(lambda: city.see(workload).state == "cancelled", "the cancelling")
    assert city.paid() == city.see(workload).usage.device_ms > 0


def test_a_workload_whose_worker_is_killed_is_run_again_and_paid_once(
    desk,
    city,
    tmp_path,
    process,  # noqa: F811
):
    workload = city.submit("endure")
    doomed = process("trial")
    until(lambda: city.see(workload).state == "running", "its beginning")
    doomed.kill()
    desk.started({}, provider=city.provider(tmp_path / "w2"))
    until(lambda: city.see(workload).attempts == 2, "the second attempt")
    until((tmp_path / "w2" / workload.id / "job.json").exists, "its beginning")
    compute.cancel(city.storage, workload.id)
    until(lambda: city.see(workload).state == "cancelled", "the cancelling")
    assert city.paid() == city.see(workload).usage.device_ms > 0


def test_a_workload_that_kills_every_worker_is_given_up_unpaid(desk, city, tmp_path, monkeypatch):
    workload = city.submit("endure")
    provider = city.provider(tmp_path / "w")

    class Gone(Exception):
        pass

    def vanishes(*_, **__):
        raise Gone

    monkeypatch.setattr(provider, "run", vanishes)
    monkeypatch.setattr("yunhe.compute.runner._hand_back", lambda *_: None)
    monkeypatch.setattr("yunhe.storage.leases.is_gone", lambda owner: True)
    for _ in range(PROVIDER_FAILURES_MAX):
        with pytest.raises(Gone):
            compute.run_next(city.storage, provider)
    assert compute.run_next(city.storage, provider) is None
    ended = city.see(workload)
    assert (ended.state, ended.why.code) == ("failed", "compute.runners_lost")
    assert (ended.held_device_ms, city.paid()) == (0, 0)


def test_a_provider_that_fails_is_left_alone_for_a_while(desk, city, tmp_path, monkeypatch):
    city.submit()
    provider = city.provider(tmp_path / "w")
    calls = []

    def full(*_, **__):
        calls.append(1)
        raise Unavailable("storage.disk_full", where="-", free_bytes=0)

    monkeypatch.setattr(provider, "run", full)
    made = desk.worker({}, provider=provider)
    for _ in range(20):
        made.run_once()
    assert len(calls) == 1
