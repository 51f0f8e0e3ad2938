"""One odd job, word or number at a site never holds up the others, and nobody pays for it twice."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from paper_site import Killed, PaperSite, broken, nothing

from yunhe.compute import service as compute
from yunhe.compute.providers.remote import Capacity, Node, Report, Seen
from yunhe.compute.remote import driver as driving
from yunhe.compute.remote import ending, service, store
from yunhe.compute.remote.driver import ASKED_MAX, CAPACITY_SECONDS, MISSING_SECONDS, Driver
from yunhe.compute.remote.ending import RETRY_SECONDS_MAX, TRIES_MAX, retry_us
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import NotAllowed, NotFound, Unavailable, YunheError
from yunhe.operations.sites import POLL_SECONDS, REST_SECONDS_MAX, SiteLoop
from yunhe.settings import Settings


@dataclass
class Awkward(PaperSite):
    """Fails in one call for one job only."""

    call: str = ""
    job: str = ""
    error: YunheError = field(
        default_factory=lambda: Unavailable("compute.remote_unreachable", site="paper", reason="x")
    )
    tried: Counter[str] = field(default_factory=Counter)

    def _for(self, call: str, job: str) -> None:
        if (call, job) == (self.call, self.job):
            self.tried[call] += 1
            raise self.error

    def submit(self, job, *, blobs) -> str:
        self._for("submit", job.id)
        return super().submit(job, blobs=blobs)

    def forget(self, job: str) -> None:
        self._for("forget", job)
        super().forget(job)

    def cancel(self, job: str) -> None:
        self._for("cancel", job)
        super().cancel(job)

    def collect(self, job, *, blobs, succeeded):
        self._for("collect", job.id)
        return super().collect(job, blobs=blobs, succeeded=succeeded)

    def logs(self, job: str, stream, *, offset: int) -> bytes:
        self._for("logs", job)
        return super().logs(job, stream, offset=offset)


@pytest.fixture
def far(bare_city):
    """A city whose only pool is at the paper site."""
    city = bare_city
    compute.register_pool(
        city.storage,
        key="far",
        provider=city.provider,
        site="远方",
        chip="cpu",
        devices=4,
        price_minor_per_device_hour=3_600,
        currency="CNY",
        adapter="paper",
    )
    city.award(seconds=100_000)
    city.cash()
    return city


@pytest.fixture
def site(far) -> Awkward:
    return Awkward(far.clock)


@pytest.fixture
def driver(far, site) -> Driver:
    return Driver(far.storage, site)


def passes(far, driver, count: int, *, seconds: int = 1) -> None:
    """Passes some time apart, whatever they raise."""
    for _ in range(count):
        far.clock.advance(seconds=seconds)
        try:
            driver.once()
        except (Killed, YunheError):
            continue


def two_running(far, site, driver):
    """Two jobs that run; the first is the awkward one."""
    bad, good = far.submit("bad"), far.submit("good")
    driver.once()
    for job in list(site.reports):
        site.begin(job)
    driver.once()
    site.job = f"{bad.id}-1"
    return bad, good


def test_a_job_that_cannot_be_cancelled_does_not_keep_others_from_their_end(
    far, site, driver
) -> None:
    bad, good = two_running(far, site, driver)
    site.call = "cancel"
    compute.cancel(far.storage, bad.id)
    site.end(f"{good.id}-1", seconds=1)
    passes(far, driver, 4)
    assert far.see(good).state == "settled"
    assert far.see(bad).state == "running"
    assert site.tried["cancel"] == 1  # it rests
    passes(far, driver, 1, seconds=RETRY_SECONDS_MAX)
    assert site.tried["cancel"] == 2
    site.call = ""
    passes(far, driver, 3, seconds=RETRY_SECONDS_MAX)
    assert far.see(bad).state == "cancelled"
    assert site.cancelled == {f"{bad.id}-1": 1}
    far.assert_books_are_right()


def test_what_a_site_forbids_of_one_job_keeps_no_other_and_is_seen(far, site, driver) -> None:
    site.error = NotAllowed("compute.remote_refused", site="paper", reason="Forbidden")
    bad, good = two_running(far, site, driver)
    site.call = "cancel"
    compute.cancel(far.storage, bad.id)
    site.end(f"{good.id}-1", seconds=1)
    passes(far, driver, 1)
    with far.storage.database.read() as tx:
        assert service.site(tx, "paper").error == "compute.remote_refused"
    passes(far, driver, 3)
    assert far.see(good).state == "settled"
    site.call = "forget"
    passes(far, driver, 1, seconds=RETRY_SECONDS_MAX)
    third = far.submit("third")
    passes(far, driver, 3)
    site.begin(f"{third.id}-1")
    site.end(f"{third.id}-1", seconds=1)
    passes(far, driver, 4)
    assert (far.see(bad).state, far.see(third).state) == ("cancelled", "settled")
    assert (site.tried["forget"], f"{third.id}-1" in site.forgotten) == (1, True)
    site.call = ""
    passes(far, driver, 1, seconds=RETRY_SECONDS_MAX)
    assert site.forgotten.count(f"{bad.id}-1") == 1
    far.assert_books_are_right()


class Pushed(Awkward):
    """Can have work save itself, unless nobody reaches it."""

    pushes = 0

    def push_out(self, job: str, *, grace_seconds: int) -> None:
        self._enter("push_out")
        self.pushes += 1

    def capacity(self) -> Capacity:
        return Capacity((Node("n1", "cpu", 4, 4, "up"),))


def test_a_site_that_hears_late_that_work_is_to_save_itself_gives_it_its_whole_time(far):
    site = Pushed(far.clock)
    driver = Driver(far.storage, site)
    driver.once()
    first = far.submit("long", devices=4, wall=7_200, preemptible=True)
    driver.once()
    site.begin(f"{first.id}-1")
    driver.once()
    far.clock.advance(seconds=11 * 60)
    far.submit("urgent", devices=4, priority="high")
    site.before = broken
    passes(far, driver, 6, seconds=RETRY_SECONDS_MAX)
    site.before = nothing
    passes(far, driver, 1, seconds=RETRY_SECONDS_MAX)
    passes(far, driver, 5, seconds=16)
    assert (site.pushes, site.cancelled[f"{first.id}-1"]) == (1, 0)
    passes(far, driver, 2, seconds=16)
    assert (site.pushes, site.cancelled[f"{first.id}-1"]) == (1, 1)


def test_one_cancelled_before_it_was_taken_does_not_keep_others_from_being_taken(
    far, site, driver
) -> None:
    bad = far.submit("bad")
    site.before = lambda name: broken(name) if name == "submit" else None
    passes(far, driver, 1)
    site.before = lambda _: None
    site.call, site.job = "cancel", f"{bad.id}-1"
    compute.cancel(far.storage, bad.id)
    good = far.submit("good")
    passes(far, driver, 4, seconds=3)
    assert f"{good.id}-1" in site.reports
    site.call = ""
    passes(far, driver, 3, seconds=RETRY_SECONDS_MAX + 1)
    assert far.see(bad).state == "cancelled"
    assert f"{bad.id}-1" not in site.reports


@pytest.mark.parametrize("call", ["collect", "logs"])
@pytest.mark.parametrize(
    "error",
    [
        NotFound("compute.entry_point_unknown", name="x", module="-"),
        Unavailable("compute.remote_unreachable", site="paper", reason="x"),
    ],
)
def test_what_one_job_left_and_cannot_be_had_does_not_keep_others_from_being_paid(
    far, site, driver, call, error
) -> None:
    bad, good = two_running(far, site, driver)
    site.call, site.error = call, error
    for one in (bad, good):
        site.end(f"{one.id}-1", seconds=1)
    passes(far, driver, 2)
    assert far.see(good).state == "settled"
    assert far.see(bad).state == "running"
    passes(far, driver, TRIES_MAX + 2, seconds=RETRY_SECONDS_MAX + 1)
    assert site.tried[call] == TRIES_MAX
    again = far.see(bad)
    assert again.usage is None
    assert again.attempts == 2  # placed anew, unpaid
    far.assert_books_are_right()


@pytest.mark.parametrize("run", [10**40, 2**31, 2**63])
def test_a_count_of_runs_that_no_column_holds_is_cut_to_one_that_it_does(
    far, site, driver, run
) -> None:
    wanted = far.submit()
    driver.once()
    (job,) = site.reports
    site.reports[job] = Report(job, "running", run=run)
    driver.once()
    with far.storage.database.read() as tx:
        assert store.job(tx, job)["run"] == 2**31 - 1
    compute.cancel(far.storage, wanted.id)
    site.reports[job] = Report(job, "stopped", run=run)
    passes(far, driver, 2)
    passes(far, driver, 2, seconds=ending.METER_SECONDS_MAX)
    assert far.see(wanted).state == "cancelled"
    far.assert_books_are_right()


def test_numbers_of_usage_that_no_column_holds_are_kept_as_far_as_it_does(
    far, site, driver
) -> None:
    wanted = far.submit()
    driver.once()
    (job,) = site.reports
    site.begin(job)
    driver.once()
    start_us = site.now_us()
    far.clock.advance(seconds=10)
    site.end(job, seconds=10)
    honest = site.events[0]
    site.events += [
        replace(honest, id="z-devices", devices=2**40),
        replace(honest, id="z-run", run=10**30),
        replace(honest, id="z-start", start_us=-(10**30)),
        replace(honest, id="z-end", start_us=start_us, end_us=10**30),
        replace(honest, id="z-negative", devices=-(2**40)),
    ]
    passes(far, driver, 2)
    assert far.see(wanted).usage.device_ms == 10_000
    with far.storage.database.read() as tx:
        found = {judged.event.id: judged for _, judged in service.findings(tx)}
    assert found["z-devices"].event.devices == store.COUNT_MAX
    assert found["z-negative"].event.devices == -store.COUNT_MAX
    assert not any(one.counts for one in found.values())
    assert set(found) == {"z-devices", "z-run", "z-start", "z-end", "z-negative"}


def test_no_honest_site_is_accused_because_it_started_a_job_over(far, site, driver) -> None:
    """Two runs of 80 s each under a limit of 100 s: the first is the site's own loss."""
    wanted = far.submit(wall=100)
    driver.once()
    (job,) = site.reports
    start_us = site.now_us()
    far.clock.advance(seconds=200)
    site.events = [
        site.event(job, start_us, start_us + 80 * SECOND_US),
        site.event(job, start_us + 90 * SECOND_US, start_us + 170 * SECOND_US, run=1),
    ]
    site.reports[job] = Report(job, "succeeded", run=1)
    passes(far, driver, 2)
    settled = far.see(wanted)
    assert (settled.state, settled.usage.device_ms) == ("settled", 80_000)
    with far.storage.database.read() as tx:
        assert service.findings(tx) == []


@pytest.mark.parametrize("count", [ASKED_MAX - 1, ASKED_MAX, ASKED_MAX + 1, 2 * ASKED_MAX + 1])
def test_no_question_names_more_jobs_than_may_be_and_none_is_left_out(
    far, site, driver, monkeypatch, count
) -> None:
    named: list[int] = []

    def status(jobs) -> Seen:
        named.append(len(jobs))
        return Seen(())

    monkeypatch.setattr(site, "status", status)
    rows = [({"id": f"w-{n}", "phase": "queued"}, None) for n in range(count)]
    monkeypatch.setattr(driver, "_open", lambda: rows)
    claim = take(far)
    with driving.Pulse(far.storage, claim, cancelled=lambda: False) as pulse:
        driver._poll(claim, pulse)
    assert sum(named) == count
    assert max(named) <= ASKED_MAX
    assert len(named) == -(-count // ASKED_MAX)


def take(far):
    """The lease of the site, as a driver has it."""
    leases = driving.leases
    with far.storage.database.begin_shared() as tx:
        leases.enqueue(tx, kind=driving.KIND, key="paper", payload={}, at_us=0)
    claim = leases.claim(far.storage, [driving.KIND], key="paper")
    assert claim is not None
    return claim


def test_a_clock_of_ours_that_is_set_back_makes_no_job_missing(far, site, driver) -> None:
    wanted = far.submit()
    driver.once()
    (job,) = site.reports
    del site.reports[job]
    driver.once()
    with far.storage.database.begin() as tx:
        ahead_us = far.clock.now_us() + 10 * MISSING_SECONDS * SECOND_US
        store.change_job(tx, job, missing_since_us=ahead_us)
    far.clock.advance(seconds=1)
    driver.once()
    with far.storage.database.read() as tx:
        assert store.job(tx, job)["missing_since_us"] == far.clock.now_us()
    assert far.see(wanted).state == "running"


@pytest.mark.parametrize(("after", "state"), [(MISSING_SECONDS - 1, 1), (MISSING_SECONDS, 0)])
def test_missing_is_missing_from_the_very_second_on(far, site, driver, after, state) -> None:
    far.submit()
    driver.once()
    (job,) = site.reports
    del site.reports[job]
    driver.once()
    far.clock.advance(seconds=after)
    driver.once()
    with far.storage.database.read() as tx:
        assert store.job(tx, job)["open"] == state


def test_a_report_of_an_older_run_never_brings_a_job_back(far, site, driver) -> None:
    far.submit()
    driver.once()
    (job,) = site.reports
    site.reports[job] = Report(job, "running", run=2)
    driver.once()
    for older in (
        Report(job, "succeeded", run=1),
        Report(job, "queued", run=2),
        Report(job, "lost"),
    ):
        site.reports[job] = older
        far.clock.advance(seconds=1)
        driver.once()
        with far.storage.database.read() as tx:
            row = store.job(tx, job)
        assert (row["phase"], row["run"]) == ("running", 2)


def test_of_several_reports_in_one_answer_the_newest_counts_in_any_order(far, site, driver) -> None:
    far.submit()
    driver.once()
    (job,) = site.reports
    told = [Report(job, phase, run=run) for run in (0, 1) for phase in ("queued", "running")]
    for order in (told, told[::-1]):
        site.extra = order
        driver.once()
        with far.storage.database.read() as tx:
            row = store.job(tx, job)
        assert (row["phase"], row["run"]) == ("running", 1)


def test_what_is_said_of_others_jobs_changes_nothing(far, site, driver) -> None:
    wanted = far.submit()
    driver.once()
    site.extra = [Report("somebody-1", "lost"), Report("", "succeeded")]
    driver.once()
    assert far.see(wanted).state == "running"
    with far.storage.database.read() as tx:
        assert store.job(tx, "somebody-1") is None


def test_a_job_that_is_over_is_never_opened_again(far, site, driver) -> None:
    wanted = far.submit()
    driver.once()
    (job,) = site.reports
    site.begin(job)
    driver.once()
    far.clock.advance(seconds=10)
    site.end(job, seconds=10)
    passes(far, driver, 2)
    paid = far.see(wanted)
    with far.storage.database.begin() as tx:
        driving.note(tx, [Report(job, "running", run=9)], asked=[job], now_us=far.clock.now_us())
        driving.note(tx, [], asked=[job], now_us=far.clock.now_us())
    passes(far, driver, 3, seconds=MISSING_SECONDS)
    assert far.see(wanted) == paid
    far.assert_books_are_right()


def test_rests_double_up_to_a_minute_and_never_end() -> None:
    rests = [retry_us(failures) // SECOND_US for failures in range(1, 9)]
    assert rests == [2, 4, 8, 16, 32, 60, 60, 60]
    assert retry_us(10**6) == RETRY_SECONDS_MAX * SECOND_US


def test_capacity_is_asked_for_once_a_minute(far, site, driver) -> None:
    driver.once()
    assert site.calls["capacity"] == 1
    far.clock.advance(seconds=CAPACITY_SECONDS - 1)
    driver.once()
    assert site.calls["capacity"] == 1
    far.clock.advance(seconds=1)
    driver.once()
    assert site.calls["capacity"] == 2


def test_a_site_without_any_node_is_known_to_have_none(far, site, driver, monkeypatch) -> None:
    monkeypatch.setattr(site, "capacity", lambda: Capacity(()))
    driver.once()
    with far.storage.database.read() as tx:
        view = service.site(tx, "paper")
    assert view.capacity == Capacity(())
    assert view.capacity_at_us == far.clock.now_us()


def test_only_devices_that_are_up_count() -> None:
    nodes = [Node(f"n{n}", chip, 8, 0, state) for n, (chip, state) in enumerate(
        [("a", "up"), ("a", "drained"), ("a", "down"), ("b", "up")])]  # fmt: skip
    assert [Capacity(tuple(nodes)).devices(chip) for chip in ("a", "b", "c")] == [8, 8, 0]


def loop_of(storage, site, stopping=None) -> SiteLoop:
    class Platform:
        vault = None

    Platform.storage, Platform.settings = storage, Settings(home=Path("unused"))
    return SiteLoop(Platform, site, stopping or threading.Event())


def test_a_fault_of_ours_at_one_site_does_not_end_its_thread(storage, clock, caplog) -> None:
    site = PaperSite(clock)

    def fault(_: str) -> None:
        raise ZeroDivisionError("secret words of a program")

    site.before = fault
    loop = loop_of(storage, site)
    with caplog.at_level(logging.CRITICAL):
        assert loop.once() == REST_SECONDS_MAX
    site.before = lambda _: None
    assert loop.once() == POLL_SECONDS


def test_a_site_told_to_stop_ends_after_the_step_it_is_in(storage, clock) -> None:
    stopping = threading.Event()
    site = PaperSite(clock)
    site.before = lambda _: stopping.set()
    loop_of(storage, site, stopping).run()
    assert site.calls == {"capacity": 1}
    loop_of(storage, site, stopping).run()
    assert site.calls == {"capacity": 1}


def test_a_log_of_another_site_or_of_nothing_is_not_there(far, site, driver) -> None:
    wanted = far.submit()
    driver.once()
    other = PaperSite(far.clock, adapter="elsewhere")
    for remote, workload in ((other, wanted.id), (site, "nobody")):
        with pytest.raises(NotFound):
            service.live_log(far.storage, remote, workload, "stdout", offset=0)


def test_a_workload_driven_twice_at_once_is_handed_over_once(far, site, driver) -> None:
    """A pass inside a pass, at every call of it: the second finds the site taken."""
    wanted = far.submit()
    inside: list[bool] = []

    def again(_: str) -> None:
        site.before = lambda _: None
        inside.append(Driver(far.storage, site).once())
        site.before = again

    site.before = again
    passes(far, driver, 2)
    assert inside
    assert not any(inside)
    assert site.calls["submit"] == 1
    assert list(site.jobs) == [f"{wanted.id}-1"]
