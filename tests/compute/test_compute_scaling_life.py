"""A service as it lives: replicas come and go with load, wall limits, budget and accidents."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import pytest
from live_desk import eventually, on_the_real_clock, provider_of

from yunhe.compute import service as compute
from yunhe.compute import store as rows_of
from yunhe.compute.scaling import service as scaling
from yunhe.compute.scaling import store
from yunhe.compute.scaling.domain import Policy, Sample
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Conflict, Exhausted, Invalid, NotFound, Unavailable
from yunhe.kernel.ids import derived_id
from yunhe.ledger import service as ledger
from yunhe.storage.database import Database
from yunhe.storage.service import Storage

POLICY = Policy(floor=1, ceiling=4, load_milli=1_000, startup_seconds=10, cooldown_seconds=60)


class Office:
    """A service of the city's, and what happens to it."""

    def __init__(self, city, policy=POLICY, **over):
        self.city, self.storage, self.told = city, city.storage, 0
        self.spec = city.spec("", **{"wall": 600, "devices": 1, **over})
        self.made = scaling.create(
            self.storage, key="s", name="hotline", spec=self.spec, policy=policy
        )

    def see(self):
        with self.storage.database.read() as tx:
            return scaling.find(tx, self.made.id)

    def report(self, per_second: int, *, seconds: int = 60, **over):
        now_us = self.city.clock.now_us()
        self.told += 1
        from_us = now_us - seconds * SECOND_US
        sample = Sample(f"r{self.told}", "", from_us, now_us, per_second * seconds, **over)
        return scaling.report(self.storage, self.made.id, sample)

    def attend(self, seconds: int = 0):
        if seconds:
            self.city.clock.advance(seconds=seconds)
        scaling.attend(self.storage)
        return self.see()

    def runs(self, *numbers: int):
        """Replicas with those numbers run, as a worker would write it."""
        with self.storage.database.begin() as tx:
            for each in self.see().replicas:
                if each.number in numbers:
                    rows_of.change(tx, each.workload, state="running")
        return self.attend()

    def ends(self, number: int, state: str = "failed"):
        [each] = [one for one in self.see().replicas if one.number == number]
        with self.storage.database.begin() as tx:
            rows_of.change(tx, each.workload, state=state)

    def numbers(self):
        return [each.number for each in self.see().replicas if each.state == "wanted"]

    def states(self):
        """Of all workloads there are."""
        with self.storage.database.read() as tx:
            return Counter(each.state for each in compute.workloads(tx))


@pytest.fixture
def office(city):
    city.pool(key="more", devices=10)
    city.award(key="more", seconds=100_000)
    city.cash(10_000_000, key="more")
    return Office(city)


@contextmanager
def refused(kind, code):
    with pytest.raises(kind) as told:
        yield told
    assert told.value.code == code


def test_the_floor_is_there_at_once_and_held_for(office):
    [only] = office.see().replicas
    assert (only.number, only.workload_state) == (1, "placed")
    with office.storage.database.read() as tx:
        made = compute.workload(tx, only.workload)
    assert made.spec.key == f"service:{office.made.id}:1"
    assert made.spec.kind == "inference"
    assert made.held_device_ms == 600_000
    office.city.assert_books_are_right()


def test_it_grows_with_load_up_to_the_ceiling_and_says_so(office):
    office.report(3)
    assert office.attend().wanted == 3
    assert office.states() == {"placed": 3}
    assert office.see().why is None
    office.city.clock.advance(seconds=60)
    office.report(9)
    found = office.attend()
    assert (found.wanted, found.needed, len(found.replicas)) == (4, 9, 4)
    assert found.why.code == "compute.service_ceiling"
    assert dict(found.why.params) == {"needed": 9, "ceiling": 4}
    assert "9" in found.why.message("en")
    assert "上限" in found.why.message("zh")


def test_it_shrinks_after_the_cool_down_the_newest_first_and_never_below_the_floor(office):
    office.report(4)
    office.attend()
    for _ in range(3):
        office.city.clock.advance(seconds=60)
        office.report(0)
        office.attend()
    assert office.numbers() == [1]
    assert office.states() == {"placed": 1, "cancelled": 3}
    office.attend(4_000)
    assert office.numbers() == [1]
    office.city.assert_books_are_right()


def test_what_waits_goes_before_what_runs(office):
    office.report(4)
    office.attend()
    office.runs(2, 3, 4)
    scaling.change(office.storage, office.made.id, {"ceiling": 3})
    assert office.numbers() == [2, 3, 4]  # 1 was only placed
    scaling.change(office.storage, office.made.id, {"ceiling": 2})
    assert office.numbers() == [2, 3]


def test_without_budget_it_stays_at_what_it_can_pay_and_says_so(bare_city):
    bare_city.pool(devices=20)
    bare_city.award(seconds=1_500)
    bare_city.cash()
    bare_city.approve_trial()
    office = Office(bare_city)
    office.report(4)
    found = office.attend()
    assert found.wanted == 4
    assert office.states() == {"placed": 2, "waiting": 2}  # 2 × 600 of 1,500 seconds
    assert found.replicas[-1].workload_state == "waiting"
    found = office.attend()
    assert found.why == found.replicas[-1].why
    assert found.why.changes
    bare_city.assert_books_are_right()
    for _ in range(5):
        found = office.attend(1)
    assert office.states() == {"placed": 2, "waiting": 2}
    bare_city.award(seconds=1_500, key="second")
    compute.reconsider(office.storage)
    assert office.attend().why is None
    assert office.states() == {"placed": 4}


def test_a_replica_near_its_wall_limit_gets_a_successor_and_stays_until_that_serves(office):
    office.runs(1)
    office.attend(500)
    assert office.numbers() == [1]
    office.attend(30)  # 600 - 60 - 15 = 525 s after it began
    assert office.numbers() == [1, 2]
    assert office.see().replicas[1].replaces == 1
    office.runs(2)
    assert office.numbers() == [1, 2]
    office.attend(9)
    assert office.numbers() == [1, 2]
    office.attend(1)
    assert office.numbers() == [2]
    with office.storage.database.read() as tx:
        [old] = [each for each in scaling.find(tx, office.made.id).replicas if each.number == 1]
        assert rows_of.row(tx, old.workload)["cancel_asked"] == 1


def test_a_lost_replica_is_replaced_at_once_and_one_that_never_serves_less_and_less_often(office):
    office.runs(1)
    office.attend(20)
    office.ends(1)
    assert office.attend().why is None
    assert office.numbers() == [2]
    for failures, pause in ((1, 2), (2, 4), (3, 8)):
        [number] = office.numbers()
        office.runs(number)
        office.ends(number, "settled")
        found = office.attend()
        assert (office.numbers(), found.failures) == ([], failures)
        assert found.why.code == "compute.service_failing"
        office.attend(pause - 1)
        assert office.numbers() == []
        office.attend(1)
        assert office.numbers() == [number + 1]
    office.runs(5)
    found = office.attend(10)
    assert (found.failures, found.why) == (0, None)


def test_a_replica_that_somebody_cancelled_comes_again(office):
    [only] = office.see().replicas
    compute.cancel(office.storage, only.workload)
    office.attend()
    assert office.numbers() == [2]
    assert office.see().failures == 0


def test_stopping_ends_all_and_gives_the_holds_back(office):
    office.report(3)
    office.attend()
    stopped = scaling.stop(office.storage, office.made.id)
    assert (stopped.state, stopped.wanted) == ("stopped", 0)
    assert office.states() == {"cancelled": 3}
    office.attend()
    assert office.see().replicas == ()
    assert scaling.stop(office.storage, office.made.id).state == "stopped"
    with office.storage.database.read() as tx:
        assert ledger.holds_open(tx) == []
        assert store.to_attend(tx, after="", gone_since_us=0, limit=9) == []
    with refused(Conflict, "compute.service_stopped"):
        office.report(1)
    with refused(Conflict, "compute.service_stopped"):
        scaling.change(office.storage, office.made.id, {"ceiling": 9})


def test_the_same_key_is_the_same_service_and_another_request_under_it_is_refused(office):
    def again(**over):
        said = {"key": "s", "name": "hotline", "spec": office.spec, "policy": POLICY, **over}
        return scaling.create(office.storage, **said)

    assert again().id == office.made.id
    scaling.change(office.storage, office.made.id, {"ceiling": 9})
    assert again().policy.ceiling == 9
    for over in ({"name": "x"}, {"policy": replace(POLICY, floor=0)},
                 {"spec": replace(office.spec, devices=2)}):  # fmt: skip
        with refused(Conflict, "compute.service_differs"):
            again(**over)
    assert office.states() == {"placed": 1}


def test_what_is_wrong_with_a_service_is_told_all_at_once(city):
    policy = Policy(floor=3, ceiling=2, latency_ms=100, unloaded_ms=200, startup_seconds=90)
    spec = city.spec("", wall=100, chip="no such", replicas=3, replicas_min=1)
    with refused(Invalid, "compute.service_invalid") as told:
        scaling.create(city.storage, key="", name="", spec=spec, policy=policy)
    assert {finding.code for finding in told.value.findings} >= {
        "compute.key_invalid",
        "compute.text_invalid",
        "compute.service_ceiling_low",
        "compute.service_time_missing",
        "compute.service_target_unreachable",
        "compute.service_wall_short",
        "compute.service_elastic",
    }
    for bad in (replace(POLICY, ceiling=10**9), replace(POLICY, percentile=100),
                replace(POLICY, floor=-1), Policy(0, 2)):  # fmt: skip
        with refused(Invalid, "compute.service_invalid"):
            scaling.create(city.storage, key="s", name="s", spec=city.spec(""), policy=bad)
    with city.storage.database.read() as tx:
        assert scaling.listed(tx) == []
        with refused(NotFound, "compute.service_unknown"):
            scaling.find(tx, "service_none")


def test_an_organisation_has_only_so_many_services(office, monkeypatch):
    monkeypatch.setattr(scaling, "SERVICES_MAX", 1)
    with refused(Exhausted, "compute.services_too_many"):
        scaling.create(office.storage, key="t", name="t", spec=office.spec, policy=POLICY)


def test_a_report_counts_once_in_whatever_order_it_comes(office):
    now_us = office.city.clock.now_us()
    first = Sample("a", "", now_us - 20 * SECOND_US, now_us - 10 * SECOND_US, 20)
    second = Sample("b", "", now_us - 10 * SECOND_US, now_us, 30)

    def told(sample):
        return scaling.report(office.storage, office.made.id, sample)

    assert [told(second), told(first), told(first), told(second)] == [
        "counted",
        "counted",
        "known",
        "known",
    ]
    with refused(Conflict, "compute.load_differs"):
        told(replace(first, requests=21))
    with refused(Conflict, "compute.load_overlaps"):
        told(replace(first, id="c"))
    assert told(replace(first, id="c", source="other")) == "counted"
    old_us = now_us - 901 * SECOND_US
    assert told(Sample("old", "", old_us - SECOND_US, old_us, 10**6)) == "late"
    with office.storage.database.read() as tx:
        need = scaling.need_of(tx, office.see(), now_us=now_us)
    assert need.needed == 5  # 50 requests in 20 s and 20 in 10 s of the other source


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"requests": -1}, "compute.amount_invalid"),
        ({"queue": -5}, "compute.amount_invalid"),
        ({"tokens": 10**12}, "compute.amount_invalid"),
        ({"latency_ms": -1}, "compute.amount_invalid"),
        ({"service_ms": 10**9}, "compute.amount_invalid"),
        ({"until_us": 3_600 * SECOND_US}, "compute.load_future"),
        ({"from_us": -10_000 * SECOND_US}, "compute.load_window"),
        ({"from_us": SECOND_US}, "compute.load_window"),
        ({"id": "two words"}, "compute.word_invalid"),
        ({"source": "\x1b[2J"}, "compute.word_invalid"),
    ],
    ids=str,
)
def test_a_report_that_cannot_be_is_refused(office, over, code):
    now_us = office.city.clock.now_us()
    said = {"id": "a", "source": "", "from_us": -10 * SECOND_US, "until_us": 0, "requests": 1}
    said |= over
    said |= {name: now_us + said[name] for name in ("from_us", "until_us")}
    with refused(Invalid, "compute.load_invalid") as told:
        scaling.report(office.storage, office.made.id, Sample(**said))
    assert code in {finding.code for finding in told.value.findings}


def test_a_service_that_nobody_reports_about_says_so(office):
    office.report(3)
    office.attend(181)
    assert office.attend().why.code == "compute.service_silent"
    office.report(3)
    assert office.attend().why is None


def test_only_so_many_sources_report(office, monkeypatch):
    monkeypatch.setattr(scaling, "SOURCES_MAX", 1)
    office.report(1)
    now_us = office.city.clock.now_us()
    with refused(Exhausted, "compute.load_sources"):
        sample = Sample("x", "other", now_us - SECOND_US, now_us, 1)
        scaling.report(office.storage, office.made.id, sample)


def test_old_reports_and_replicas_are_forgotten(office):
    office.report(3)
    office.attend()
    office.attend(4_000)
    office.attend()
    assert scaling.forget(office.storage) == 0
    office.city.clock.advance(seconds=40 * 86_400)
    assert scaling.forget(office.storage) == 1 + 2
    with office.storage.database.read() as tx:
        assert store.history(tx, office.made.id, since_us=0) == []


class Killed(BaseException):
    """The process is gone."""


class Mortal(Database):
    """Does not survive a commit: ``before`` it is undone, ``after`` nothing follows."""

    fate = ("never", 0)
    begun = 0

    @contextmanager
    def _transaction(self, turn):
        with super()._transaction(turn) as tx:
            yield tx
            self.begun += turn != "read"
            if turn != "read" and self.fate == ("before", self.begun):
                raise Killed
        if turn != "read" and self.fate == ("after", self.begun):
            raise Killed


@pytest.mark.parametrize("number", range(1, 7))
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_duty_killed_at_any_commit_is_made_good_by_the_next_one(office, when, number):
    office.report(3)
    database = Mortal(office.storage.database.url)
    database.fate = (when, number)
    dying = Storage(database, office.storage.blobs, office.storage.clock)
    try:
        scaling.attend(dying)
    except Killed:
        pass
    else:
        assert number > 3  # one that writes down what is wanted, and one for each of two replicas
    finally:
        database.close()
    scaling.attend(office.storage)
    assert office.states() == {"placed": 3}
    assert office.numbers() == [1, 2, 3]
    office.city.assert_books_are_right()
    assert scaling.attend(office.storage) == 0


def test_two_duties_at_once_do_nothing_twice(office):
    office.report(4)
    begin, faults = threading.Barrier(2), []

    def work():
        begin.wait()
        try:
            scaling.attend(office.storage)
        except Exception as error:
            faults.append(error)
            raise

    both = [threading.Thread(target=work) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert faults == []
    assert office.states() == {"placed": 4}
    assert office.numbers() == [1, 2, 3, 4]


def test_a_replica_submitted_after_it_was_given_up_is_stopped(office, monkeypatch):
    """Somebody else shrinks the service between writing a replica down and submitting it."""
    submit = compute.submit

    def slow(storage, spec, **over):
        if spec.key.endswith(":2"):
            monkeypatch.undo()
            scaling.stop(storage, office.made.id)
        return submit(storage, spec, **over)

    monkeypatch.setattr(compute, "submit", slow)
    office.report(2)
    office.attend()
    office.attend()
    assert set(office.states()) == {"cancelled"}


def test_a_replica_that_a_killed_process_left_behind_is_stopped(office):
    spec = replace(office.see().spec, key=f"service:{office.made.id}:2")
    office.report(2)
    office.attend()
    scaling.change(office.storage, office.made.id, {"ceiling": 1})
    office.attend()
    with office.storage.database.begin() as tx:
        left = rows_of.row(tx, _workload(office, spec))
        assert left["state"] == "cancelled"
        rows_of.change(tx, left["id"], state="running")
    office.attend()
    with office.storage.database.read() as tx:
        assert rows_of.row(tx, left["id"])["cancel_asked"] == 1


def _workload(office, spec):
    return derived_id("workload", spec.organisation, spec.key)


def test_what_is_refused_when_submitted_is_told_and_tried_again(office, monkeypatch):
    def no(*_, **__):
        raise Invalid("compute.spec_invalid", findings=[])

    monkeypatch.setattr(compute, "submit", no)
    office.report(2)
    found = office.attend()
    assert (found.failures, found.why.code) == (1, "compute.spec_invalid")
    monkeypatch.undo()
    office.attend(2)
    assert office.numbers() == [1, 3]


def test_while_it_is_refused_the_very_reason_stays_and_each_try_waits_longer(office, monkeypatch):
    tries = []

    def no(_storage, spec, **_over):
        tries.append(spec.key)
        raise Invalid("compute.spec_invalid", findings=[])

    monkeypatch.setattr(compute, "submit", no)
    office.report(4)  # three more at once, and one try
    found = office.attend()
    for failures, pause in ((1, 2), (2, 4), (3, 8)):
        assert len(tries) == found.failures == failures
        found = office.attend(pause - 1)
        assert (len(tries), found.why.code) == (failures, "compute.spec_invalid")
        found = office.attend(1)
    monkeypatch.undo()
    office.attend(16)
    found = office.attend()
    assert office.states() == {"placed": 4}
    assert found.why.code == "compute.service_failing"  # until one of them serves


@pytest.mark.parametrize("error", [Conflict("storage.busy"), Unavailable("storage.disk_full")])
def test_a_locked_database_is_no_failure_of_the_service(office, monkeypatch, error):
    def no(*_, **__):
        raise error

    monkeypatch.setattr(compute, "submit", no)
    office.report(2)
    with refused(type(error), error.code):
        scaling.attend(office.storage)
    found = office.see()
    assert (found.failures, found.retry_at_us, found.why) == (0, 0, None)
    monkeypatch.undo()
    office.attend()
    assert office.states() == {"placed": 2}
    assert office.numbers() == [1, 2]


@pytest.mark.parametrize(
    "error", [Unavailable("storage.disk_full"), NotFound("compute.none"), KeyError("odd")]
)
@pytest.mark.parametrize("where", ["find", "need_of", "_write"])
def test_one_service_that_cannot_be_looked_after_keeps_no_other_waiting(
    office, monkeypatch, caplog, where, error
):
    other = scaling.create(office.storage, key="t", name="t", spec=office.spec, policy=POLICY)
    first, last = sorted([office.made.id, other.id])
    office.report(3)
    sample = Sample("o", "", *_minute(office), 180)
    scaling.report(office.storage, other.id, sample)
    real = getattr(scaling, where)

    def fails(tx, asked, *rest, **over):
        if first in (asked, getattr(asked, "id", None)):
            raise error
        return real(tx, asked, *rest, **over)

    monkeypatch.setattr(scaling, where, fails)
    with pytest.raises(type(error)):
        scaling.attend(office.storage)
    monkeypatch.undo()
    with office.storage.database.read() as tx:
        assert len(scaling.find(tx, last).replicas) == 3
        assert len(scaling.find(tx, first).replicas) == 1
    assert first in caplog.text
    scaling.attend(office.storage)
    assert office.states() == {"placed": 6}


def test_what_keeps_a_new_replica_from_being_submitted_does_not_keep_an_old_one_paid(
    office, monkeypatch
):
    office.runs(1)
    office.attend(530)
    office.runs(2)

    def odd(*_, **__):
        raise KeyError("odd")

    office.city.clock.advance(seconds=10)
    office.report(3, seconds=30)
    monkeypatch.setattr(compute, "submit", odd)
    with pytest.raises(KeyError):
        scaling.attend(office.storage)
    with office.storage.database.read() as tx:
        [old] = [each for each in scaling.find(tx, office.made.id).replicas if each.number == 1]
        assert rows_of.row(tx, old.workload)["cancel_asked"] == 1


def test_a_stopped_service_is_looked_after_while_something_of_it_was_submitted_too_late(
    office, monkeypatch
):
    """Stopped while a replica was being submitted, by a process that was killed right after."""
    submit = compute.submit

    def late(storage, spec, **over):
        monkeypatch.undo()
        scaling.stop(storage, office.made.id)
        submit(storage, spec, **over)
        raise Killed

    monkeypatch.setattr(compute, "submit", late)
    office.report(2)
    with pytest.raises(Killed):
        scaling.attend(office.storage)
    assert office.states() == {"cancelled": 1, "placed": 1}
    office.attend(3_000)
    assert office.states() == {"cancelled": 2}
    office.attend()
    with office.storage.database.read() as tx:
        assert store.to_attend(tx, after="", gone_since_us=0, limit=9) == []
    office.city.assert_books_are_right()


def test_short_reports_about_the_same_time_are_refused_like_long_ones(office):
    now_us = office.city.clock.now_us()

    def told(name, begin, end):
        at = now_us - round(begin * SECOND_US), now_us - round(end * SECOND_US)
        return scaling.report(office.storage, office.made.id, Sample(name, "", *at, 1))

    assert told("a", 5, 4) == "counted"
    for begin, end in ((5, 4), (4.5, 3.5), (5.5, 4.5), (8, 3)):
        with refused(Conflict, "compute.load_overlaps"):
            told("b", begin, end)
    assert told("b", 4.2, 3.2) == "counted"  # clocks and rounding
    assert told("c", 6, 5) == "counted"


def test_hostile_numbers_do_not_keep_a_service_from_being_looked_after(office):
    scaling.change(office.storage, office.made.id, {"latency_ms": 2, "service_ms": 3_600_000,
                                                    "variability_percent": 2_000})  # fmt: skip
    now_us = office.city.clock.now_us()
    for place in range(5):
        sample = Sample("h", f"s{place}", now_us - SECOND_US, now_us, 10**9, 10**9, 10**9,
                        3_600_000, 3_600_000)  # fmt: skip
        scaling.report(office.storage, office.made.id, replace(sample, id=f"h{place}"))
    found = office.attend()
    assert (found.wanted, found.needed) == (4, 1_000_000)  # a column that holds 32 bits holds it
    assert found.why.code == "compute.service_ceiling"


def test_a_cool_down_is_no_longer_than_reports_are_kept(office):
    with refused(Invalid, "compute.service_invalid"):
        scaling.change(office.storage, office.made.id, {"cooldown_seconds": 3_601})
    scaling.change(office.storage, office.made.id, {"cooldown_seconds": 3_600})
    office.report(4)
    office.attend()
    office.city.clock.advance(seconds=3_500)
    scaling.forget(office.storage)
    assert office.attend().wanted == 4


def _minute(office):
    now_us = office.city.clock.now_us()
    return now_us - 60 * SECOND_US, now_us


@pytest.mark.slow
def test_a_service_lives_on_the_real_local_provider(city, tmp_path):
    """Two replicas run side by side, one is killed and replaced, then all is stopped and paid."""
    town = on_the_real_clock(city)
    policy = Policy(floor=2, ceiling=2, startup_seconds=0)
    office = Office(town, policy, entry_point="talker", arguments={"say": ["hello"]}, wall=120)
    provider, stopping = provider_of(tmp_path), threading.Event()

    def work():
        while not stopping.wait(0.05):
            compute.run_next(town.storage, provider)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for each in workers:
        each.start()
    try:

        def serving(count):
            scaling.attend(town.storage)
            found = office.see()
            now_us = town.clock.now_us()
            return found if scaling.serving(found, now_us) == count else None

        found = eventually(lambda: serving(2), "two replicas")
        compute.cancel(town.storage, found.replicas[0].workload)
        eventually(lambda: serving(2) if 3 in office.numbers() else serving(9), "the third")
        scaling.stop(town.storage, office.made.id)
        eventually(lambda: set(office.states()) == {"cancelled"}, "the end")
    finally:
        stopping.set()
        for each in workers:
            each.join()
    assert office.states() == {"cancelled": 3}
    town.assert_books_are_right()
