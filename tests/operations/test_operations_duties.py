from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operation_desk import PATIENCE, until

from yunhe.compute import service as compute
from yunhe.kernel.clock import SECOND_US, ManualClock
from yunhe.kernel.errors import Unavailable
from yunhe.operations import store
from yunhe.operations.duties import LEASE_SECONDS, Duties, Duty, is_due, standing
from yunhe.operations.store import Due
from yunhe.storage import owner


class Counted:
    """A duty that counts how often it is done."""

    def __init__(self, every_seconds: float = 60.0, name: str = "count") -> None:
        self.calls = 0
        self.duty = Duty(name, every_seconds, self)

    def __call__(self) -> None:
        self.calls += 1


def row(storage, name="count") -> Due:
    with storage.database.read() as tx:
        [found] = [due for due in store.all_duties(tx) if due.name == name]
    return found


def test_a_duty_is_done_at_once_and_then_when_its_time_has_come(storage):
    counted = Counted()
    duties = Duties(storage, [counted.duty])
    assert duties.run_due() == ["count"]
    assert duties.run_due() == []
    storage.clock.advance(seconds=59)
    assert duties.run_due() == []
    storage.clock.advance(seconds=1)
    assert duties.run_due() == ["count"]
    assert counted.calls == 2


def test_of_many_workers_one_acts(storage):
    counted = Counted()
    workers = [Duties(storage, [counted.duty]) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        done = [name for part in pool.map(lambda each: each.run_due(), workers) for name in part]
    assert done == ["count"]
    assert counted.calls == 1


def test_while_one_acts_nobody_else_does(storage):
    begun, end = threading.Event(), threading.Event()
    slow = Duty("count", 0.0, lambda: begun.set() or end.wait(PATIENCE))
    busy = threading.Thread(target=Duties(storage, [slow]).run_due)
    busy.start()
    assert begun.wait(PATIENCE)
    counted = Counted(every_seconds=0.0)
    others = Duties(storage, [counted.duty])
    assert others.run_due() == []
    end.set()
    busy.join()
    assert others.run_due() == ["count"]


def test_a_clock_set_forward_makes_a_duty_due_once_and_not_as_often_as_was_missed(storage):
    counted = Counted()
    duties = Duties(storage, [counted.duty])
    duties.run_due()
    storage.clock.advance(seconds=10 * 365 * 86_400)
    assert [duties.run_due() for _ in range(3)] == [["count"], [], []]


@pytest.mark.parametrize("back", [30, 61, 3_600, 365 * 86_400])
def test_a_clock_set_back_keeps_no_duty_from_being_done_for_long(storage, back):
    counted = Counted()
    duties = Duties(storage, [counted.duty])
    duties.run_due()
    storage.clock.advance(seconds=-back)
    waited = 0
    while not duties.run_due():
        storage.clock.advance(seconds=1)
        waited += 1
        assert waited <= 2 * 60
    assert duties.run_due() == []


def taken_by(storage, name: str, who: str) -> None:
    with storage.database.begin() as tx:
        store.add_duties(tx, [name])
        due = next(each for each in store.all_duties(tx) if each.name == name)
        until_us = storage.clock.now_us() + LEASE_SECONDS * SECOND_US
        assert store.take(tx, due, lease_until_us=until_us)
        tx.execute(store.duties.update().values(owner=who))


def test_a_duty_whose_worker_is_gone_is_free_at_once(storage):
    machine = owner.this_process().rsplit("/", 2)[0]
    taken_by(storage, "count", f"{machine}/999999999/1")
    assert Duties(storage, [Counted().duty]).run_due() == ["count"]


def test_a_duty_of_another_machine_is_free_when_its_lease_has_run_out(storage):
    taken_by(storage, "count", "elsewhere/boot/1/1")
    duties = Duties(storage, [Counted().duty])
    assert duties.run_due() == []
    storage.clock.advance(seconds=LEASE_SECONDS)
    assert duties.run_due() == ["count"]


def test_a_lease_that_a_clock_set_back_would_stretch_for_a_year_counts_as_run_out(storage):
    taken_by(storage, "count", "elsewhere/boot/1/1")
    storage.clock.advance(seconds=-365 * 86_400)
    assert Duties(storage, [Counted().duty]).run_due() == ["count"]


def test_one_who_comes_back_late_lets_go_of_nothing_that_others_took_since(storage):
    taken_by(storage, "count", "elsewhere/boot/1/1")
    late = row(storage)
    storage.clock.advance(seconds=LEASE_SECONDS)
    Duties(storage, [Counted().duty]).run_due()
    before = row(storage)
    with storage.database.begin() as tx:
        assert not store.release(tx, late, next_due_at_us=0, ended_at_us=0, problem="")
        assert not store.renew(tx, late, lease_until_us=0)
    assert row(storage) == before


def test_one_that_fails_is_noted_and_the_others_are_done(storage):
    def away() -> None:
        raise Unavailable("storage.server_away")

    def broken() -> None:
        raise ZeroDivisionError

    counted = Counted(name="z")
    duties = Duties(storage, [Duty("a", 60, away), Duty("b", 60, broken), counted.duty])
    assert duties.run_due() == ["a", "b", "z"]
    assert row(storage, "a").problem == "storage.server_away"
    assert row(storage, "b").problem == "fault: ZeroDivisionError"
    assert (row(storage, "z").problem, counted.calls) == ("", 1)
    assert duties.run_due() == []  # and not again before its time


@given(
    moves=st.lists(
        st.one_of(st.just(0), st.integers(-100_000, 100_000)), min_size=30, max_size=120
    ),
    every=st.integers(1, 20),
)
@settings(max_examples=100, deadline=None)
def test_however_the_clock_jumps_no_duty_is_starved_or_stormed(moves, every):
    """A second passes between two looks; ``moves``: by how much the clock is set besides."""
    now, row_ = 10**12, Due("d", 0, 0, None, None, None, "", 0)
    done_at = []
    for second, move in enumerate(moves):
        now += (1 + move) * SECOND_US
        if is_due(row_, now_us=now, every_seconds=every):
            done_at.append(second)
            row_ = Due("d", now + every * SECOND_US, 0, None, None, None, "", 0)
    gaps = [b - a for a, b in zip([0, *done_at], [*done_at, len(moves) - 1], strict=True)]
    assert max(gaps) <= 2 * every + 1 + every * sum(move != 0 for move in moves)
    assert len(done_at) <= 1 + len(moves) / every + sum(move != 0 for move in moves)


def test_the_standing_duties_of_a_new_platform_all_go_well(desk):
    duties = Duties(desk.storage, standing(desk.platform))
    done = duties.run_due()
    assert sorted(done) == sorted(duty.name for duty in standing(desk.platform))
    with desk.storage.database.read() as tx:
        assert {due.name: due.problem for due in store.all_duties(tx) if due.problem} == {}


def test_pools_of_sites_that_the_file_does_not_name_are_closed_and_no_others(desk, tmp_path):
    provider, _ = desk.people("centre", "provider")
    asked = {"provider": provider, "chip": "cpu", "devices": 1, "currency": "CNY"}
    pools = {
        compute.register_pool(
            desk.storage, key=name, site=name, adapter=name, price_minor_per_device_hour=1, **asked
        ).id: name
        for name in ("local", "kept", "gone")
    }
    file = tmp_path / "sites.toml"
    file.write_text(f'[kept]\nkind = "agent"\norganisation = "{provider}"\n')
    clock = ManualClock()
    platform = replace(
        desk.platform,
        storage=replace(desk.storage, clock=clock),
        settings=desk.platform.settings.model_copy(update={"sites_file": file}),
    )
    [duty] = [each for each in standing(platform) if each.name == "compute.sites"]
    duty.work()
    clock.advance(seconds=200)
    duty.work()
    with desk.storage.database.read() as tx:
        offers = compute.supply.offers(tx, compute.pools(tx), now_us=clock.now_us())
    stands = {pools[each.status.pool.id]: each.standing.state for each in offers}
    assert stands == {"local": "open", "kept": "open", "gone": "down"}


def test_a_worker_does_what_is_due_beside_its_work(desk):
    counted = Counted(every_seconds=0.0)
    worker = desk.started({}, duties=(counted.duty,))
    until(lambda: counted.calls >= 3, "the duty")
    assert worker.stop(10)
    stood = counted.calls
    assert not until_changes(lambda: counted.calls, stood)


def until_changes(value, known) -> bool:
    return any(value() != known for _ in range(100))


def test_two_workers_whose_clocks_jump_do_each_duty_once_a_turn(desk):
    counted = Counted(every_seconds=3_600.0)
    for _ in range(2):
        desk.started({}, duties=(counted.duty,))
    until(lambda: counted.calls, "the duty")
    until(lambda: row(desk.storage).ended_at_us, "its end")
    assert counted.calls == 1
