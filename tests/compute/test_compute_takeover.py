"""Cancelled, interrupted, late and doubled runs: whoever holds the claim decides, once."""

from __future__ import annotations

import threading
from pathlib import Path
from threading import Barrier, Thread

import pytest

from yunhe.compute import pulse, runner
from yunhe.compute import service as compute
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.local import LocalProvider
from yunhe.ledger import service as ledger
from yunhe.storage import leases


class Then:
    """Does something once, when the job first tells how far it is."""

    def __init__(self, action) -> None:
        self._action = action
        self.done = False

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        if not self.done:
            self.done = True
            self._action()


def test_cancelling_a_running_workload_stops_it_and_pays_what_it_used(
    city, local, monkeypatch
) -> None:
    monkeypatch.setattr(pulse, "LOOK_SECONDS", 0.02)
    workload = city.submit(arguments={"action": "endure"})
    seen: list[str] = []

    def cancel() -> None:
        seen.append(compute.cancel(city.storage, workload.id).state)

    cancelled = compute.run_next(city.storage, local, progress=Then(cancel))
    assert seen == ["running"]
    assert (cancelled.state, cancelled.held_minor) == ("cancelled", 0)
    assert 1 <= cancelled.usage.device_ms < 10_000
    assert cancelled.usage.cost_minor >= 1
    city.assert_books_are_right()


def test_a_cancelled_workload_whose_runner_died_is_closed_unpaid_by_the_next(
    city, local, monkeypatch
) -> None:
    workload = city.submit()
    claim = leases.claim(city.storage, ["compute.run.local"])
    assert claim is not None
    with city.storage.database.begin() as tx:
        runner.start(tx, claim, now_us=city.clock.now_us())
    compute.cancel(city.storage, workload.id)
    assert city.see(workload).state == "running"
    monkeypatch.setattr(leases, "is_gone", lambda owner: True)
    assert compute.run_next(city.storage, local) is None
    assert city.see(workload).state == "cancelled"
    assert city.balance(city.university, "device:cpu", "award") == (1_000_000, 0)
    city.assert_books_are_right()


def test_a_placement_that_was_cancelled_is_passed_over(city, local) -> None:
    compute.cancel(city.storage, city.submit("gone").id)
    kept = city.submit("kept")
    assert compute.run_next(city.storage, local).id == kept.id
    assert compute.run_next(city.storage, local) is None


def test_what_a_late_worker_brings_after_another_took_over_is_not_kept(
    city, local, tmp_path: Path
) -> None:
    workload = city.submit(inputs={"data": city.storage.blobs.put(b"data").digest})
    second = LocalProvider(tmp_path / "second", {TRIAL: TRIAL_ENTRY_POINT})
    taken: list[str] = []

    def take_over() -> None:
        city.clock.advance(seconds=leases.LEASE_SECONDS + 1)
        taken.append(compute.run_next(city.storage, second).state)

    late = compute.run_next(city.storage, local, progress=Then(take_over))
    assert taken == ["settled"]
    assert late == city.see(workload)
    assert late.attempts == 2
    with city.storage.database.read() as tx:
        paid = [line for line in ledger.entries_of(tx, city.provider) if line.unit == "CNY"]
    assert [line.amount for line in paid] == [late.usage.cash_minor]
    city.assert_books_are_right()


def test_a_worker_that_lost_its_claim_is_told_to_stop(city, local, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(pulse, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(pulse, "LOOKS_PER_BEAT", 1)
    workload = city.submit(arguments={"action": "endure"})
    second = LocalProvider(tmp_path / "second", {TRIAL: TRIAL_ENTRY_POINT})
    taken: list[str] = []
    heartbeat, gate = leases.heartbeat, threading.Lock()

    def beat(storage, held) -> None:
        with gate:  # never between the end of the lease and the take-over
            heartbeat(storage, held)

    monkeypatch.setattr(leases, "heartbeat", beat)

    def take_over() -> None:
        compute.cancel(city.storage, workload.id)  # else the second would never end
        with gate:
            city.clock.advance(seconds=leases.LEASE_SECONDS + 1)
            assert compute.run_next(city.storage, second) is None
        taken.append(city.see(workload).state)

    late = compute.run_next(city.storage, local, progress=Then(take_over))
    assert taken == ["cancelled"]
    assert (late.state, late.usage) == ("cancelled", None)
    city.assert_books_are_right()


def test_a_long_job_keeps_its_claim_alive(city, local, monkeypatch) -> None:
    monkeypatch.setattr(pulse, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(pulse, "LOOKS_PER_BEAT", 1)
    workload = city.submit(arguments={"action": "endure"})

    class Watch:
        """Lets ten times the lease pass while the job runs, then cancels it."""

        def step(self, what: str, *, done: int, total: int | None = None) -> None:
            for _ in range(20):
                city.clock.advance(seconds=leases.LEASE_SECONDS / 2)
                before = leases.claim(city.storage, ["compute.run.local"])
                assert before is None
                self._beat()
            compute.cancel(city.storage, workload.id)

        def _beat(self) -> None:
            """Wait until the pulse has renewed the lease for the present time."""
            until_us = city.clock.now_us() + leases.LEASE_SECONDS * 10**6
            while True:
                with city.storage.database.read() as tx:
                    row = tx.execute(leases.work.select()).one()
                if row.lease_until_us >= until_us:
                    return

    assert compute.run_next(city.storage, local, progress=Watch()).state == "cancelled"
    city.assert_books_are_right()


def test_ctrl_c_gives_the_workload_back_at_once(city, local, tmp_path: Path) -> None:
    workload = city.submit(arguments={"action": "endure"})

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compute.run_next(city.storage, local, progress=Then(interrupt))
    assert city.see(workload).state == "placed"
    assert list((tmp_path / "work").iterdir()) == []
    assert leases.claim(city.storage, ["compute.run.local"]) is not None
    city.assert_books_are_right()


def test_holds_that_would_expire_during_the_run_are_taken_anew(city, local) -> None:
    workload = city.submit()
    city.clock.advance(seconds=60 * 86_400)
    settled = compute.run_next(city.storage, local, workload=workload.id)
    assert settled.state == "settled"
    city.assert_books_are_right()


def test_holds_that_the_ledger_has_expired_meanwhile_are_taken_anew(city, local) -> None:
    workload = city.submit()
    city.clock.advance(seconds=90 * 86_400)
    with city.storage.database.begin() as tx:
        assert ledger.expire_holds(tx, now_us=city.clock.now_us()) == 3
    assert compute.run_next(city.storage, local, workload=workload.id).state == "settled"
    city.assert_books_are_right()


def test_a_workload_placed_so_long_ago_that_its_award_expired_waits_again(city, local) -> None:
    workload = city.submit()
    city.clock.advance(seconds=366 * 86_400)
    assert compute.run_next(city.storage, local, workload=workload.id) is None
    waiting = city.see(workload)
    assert (waiting.state, waiting.why.code) == ("waiting", "compute.waiting_award_expired")
    city.assert_books_are_right()


def test_of_two_runners_at_once_exactly_one_runs_the_workload(city, tmp_path: Path) -> None:
    city.submit()
    start, results = Barrier(2), []

    def race(name: str) -> None:
        provider = LocalProvider(tmp_path / name, {TRIAL: TRIAL_ENTRY_POINT})
        start.wait()
        results.append(compute.run_next(city.storage, provider))

    racers = [Thread(target=race, args=(name,)) for name in ("one", "two")]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    (settled,) = [result for result in results if result is not None]
    assert (settled.state, settled.attempts) == ("settled", 1)
    city.assert_books_are_right()
