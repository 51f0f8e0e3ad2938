"""Jobs at a distant provider: found again after any crash, paid once, never on its bare word."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paper_site import Killed, PaperSite, broken

from yunhe.compute import service as compute
from yunhe.compute.providers.remote import Report, UsageEvent
from yunhe.compute.reasons import Why
from yunhe.compute.remote import metering, service
from yunhe.compute.remote.driver import MISSING_SECONDS, Driver
from yunhe.compute.remote.ending import GRACE_SECONDS, METER_SECONDS_MAX, TRIES_MAX
from yunhe.compute.runner import PROVIDER_FAILURES_MAX
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import NotAllowed, NotFound, Unavailable, YunheError
from yunhe.storage import leases


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
def site(far) -> PaperSite:
    return PaperSite(far.clock)


@pytest.fixture
def driver(far, site) -> Driver:
    return Driver(far.storage, site)


def only(site: PaperSite) -> str:
    (job,) = site.reports
    return job


def finished(far, driver, site, *, passes: int = 6):
    """Pass after pass, a second apart, whatever goes wrong on the way."""
    for _ in range(passes):
        far.clock.advance(seconds=70)
        try:
            driver.once()
        except (Killed, YunheError):
            site.before = site.after = lambda _: None


def test_a_job_is_handed_over_watched_settled_and_forgotten(far, site, driver) -> None:
    site.outputs = {"word": far.storage.blobs.put(b"done").digest}
    submitted = far.submit(devices=2)
    assert driver.once()
    queued = far.see(submitted)
    assert (queued.state, queued.why.code) == ("running", "compute.remote_queued")
    site.begin(only(site))
    far.clock.advance(seconds=10)
    driver.once()
    assert far.see(submitted).why is None
    site.end(only(site), seconds=10)
    far.clock.advance(seconds=1)
    driver.once()
    settled = far.see(submitted)
    assert (settled.state, settled.usage.device_ms, settled.usage.cost_minor) == (
        "settled",
        20_000,
        20,
    )
    assert settled.outputs == site.outputs
    log = far.storage.blobs.read(settled.log).decode()
    assert f"stdout of {submitted.id}-1" in log
    assert site.forgotten == [f"{submitted.id}-1"]
    assert site.calls["submit"] == 1
    assert not driver.once()
    far.assert_books_are_right()


def test_a_thousand_jobs_are_asked_about_in_one_question(far, site, driver) -> None:
    for number in range(4):
        far.submit(f"job-{number}")
    driver.once()
    before = site.calls["status"]
    driver.once()
    assert site.calls["status"] == before + 1
    assert len(site.reports) == 4


CALLS = ("submit", "status", "cancel", "meter", "collect", "logs", "forget", "capacity")


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", [name for name in CALLS if name != "cancel"])
def test_a_driver_killed_in_any_call_is_followed_by_one_that_finds_the_same_job(
    far, site, driver, call, moment
) -> None:
    def kill(name: str) -> None:
        if name == call:
            raise Killed

    submitted = far.submit()
    setattr(site, moment, kill)
    finished(far, driver, site, passes=2)
    if site.reports:
        site.begin(only(site))
        driver.once()
        site.end(only(site), seconds=10)
    setattr(site, moment, kill)
    finished(far, driver, site)
    settled = far.see(submitted)
    assert (settled.state, settled.usage.device_ms) == ("settled", 10_000)
    assert (settled.attempts, len(site.jobs)) == (1, 1)
    far.assert_books_are_right()


def test_a_cancel_is_asked_once_and_what_was_used_is_paid(far, site, driver) -> None:
    submitted = far.submit()
    driver.once()
    site.begin(only(site))
    driver.once()
    compute.cancel(far.storage, submitted.id)
    compute.cancel(far.storage, submitted.id)
    far.clock.advance(seconds=10)
    driver.once()
    driver.once()
    ended = far.see(submitted)
    assert (ended.state, ended.usage.device_ms) == ("cancelled", 10_000)
    assert site.cancelled == {f"{submitted.id}-1": 1}
    far.assert_books_are_right()


def test_cancelled_while_it_waits_at_the_provider_costs_nothing(far, site, driver) -> None:
    submitted = far.submit()
    driver.once()
    compute.cancel(far.storage, submitted.id)
    driver.once()
    ended = far.see(submitted)
    assert (ended.state, ended.usage, ended.held_device_ms) == ("cancelled", None, 0)
    far.assert_books_are_right()


def test_cancelled_between_hand_over_and_its_receipt_never_runs(far, site, driver) -> None:
    site.after = lambda name: (_ for _ in ()).throw(Killed) if name == "submit" else None
    submitted = far.submit()
    with pytest.raises(Killed):
        driver.once()
    site.after = lambda _: None
    compute.cancel(far.storage, submitted.id)
    finished(far, driver, site, passes=2)
    assert far.see(submitted).state == "cancelled"
    assert site.reports[only(site)].phase == "stopped"


def test_cancelled_before_the_provider_ever_heard_of_it(far, site, driver) -> None:
    site.before = broken
    submitted = far.submit()
    with pytest.raises(Unavailable):
        driver.once()
    site.before = lambda _: None
    compute.cancel(far.storage, submitted.id)
    finished(far, driver, site, passes=3)
    assert far.see(submitted).state == "cancelled"
    assert site.reports == {}


def test_a_provider_that_cannot_be_reached_loses_nothing(far, site, driver) -> None:
    submitted = far.submit()
    driver.once()
    site.begin(only(site))
    site.before = broken
    for _ in range(10):
        far.clock.advance(seconds=1_000)
        with pytest.raises(Unavailable):
            driver.once()
    with far.storage.database.read() as tx:
        view = service.site(tx, "paper")
    assert (view.failures, view.error) == (10, "compute.remote_unreachable")
    site.before = lambda _: None
    site.end(only(site), seconds=10)
    driver.once()
    assert far.see(submitted).state == "settled"
    with far.storage.database.read() as tx:
        view = service.site(tx, "paper")
    assert (view.failures, view.error) == (0, None)


def test_a_job_that_is_never_taken_is_placed_anew_and_at_last_given_up(far, site, driver) -> None:
    def refuse(name: str) -> None:
        if name == "submit":
            broken(name)

    site.before = refuse
    submitted = far.submit()
    for _ in range(TRIES_MAX * PROVIDER_FAILURES_MAX + PROVIDER_FAILURES_MAX):
        far.clock.advance(seconds=100)
        try:
            driver.once()
        except Unavailable:
            continue
    ended = far.see(submitted)
    assert (ended.state, ended.attempts) == ("failed", PROVIDER_FAILURES_MAX)
    assert ended.why.code == "compute.remote_unreachable"
    assert ended.usage is None
    far.assert_books_are_right()


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (
            NotAllowed("compute.entry_point_not_approved", name="x", module="x", digest="x"),
            "waiting",
        ),
        (NotAllowed("compute.remote_refused", site="paper", reason="no"), "failed"),
    ],
)
def test_what_a_provider_will_never_take_is_told_and_unpaid(
    far, site, driver, error, state
) -> None:
    def refuse(name: str) -> None:
        if name == "submit":
            raise error

    site.before = refuse
    submitted = far.submit()
    driver.once()
    ended = far.see(submitted)
    assert (ended.state, ended.why.code, ended.held_device_ms) == (state, error.code, 0)


def test_a_job_the_provider_lost_is_placed_anew_under_another_id_and_unpaid(
    far, site, driver
) -> None:
    submitted = far.submit()
    driver.once()
    site.begin(only(site))
    driver.once()
    site.end(only(site), "lost", seconds=50)
    far.clock.advance(seconds=60)
    driver.once()
    driver.once()
    assert set(site.jobs) == {f"{submitted.id}-1", f"{submitted.id}-2"}
    far.clock.advance(seconds=10)
    site.end(f"{submitted.id}-2", seconds=10)
    driver.once()
    settled = far.see(submitted)
    assert (settled.state, settled.usage.device_ms, settled.attempts) == ("settled", 10_000, 2)
    far.assert_books_are_right()


def test_a_job_the_provider_forgot_is_lost_only_after_a_while(far, site, driver) -> None:
    submitted = far.submit()
    driver.once()
    kept = site.reports.pop(f"{submitted.id}-1")
    driver.once()
    far.clock.advance(seconds=MISSING_SECONDS - 10)
    driver.once()
    assert far.see(submitted).state == "running"
    site.reports[kept.job] = kept
    driver.once()
    site.reports.clear()
    driver.once()
    far.clock.advance(seconds=MISSING_SECONDS + 1)
    driver.once()
    driver.once()
    assert f"{submitted.id}-2" in site.jobs
    assert site.cancelled[f"{submitted.id}-1"] == 1


def test_a_job_that_runs_past_its_wall_time_is_stopped_from_here(far, site, driver) -> None:
    submitted = far.submit(wall=100)
    driver.once()
    site.begin(only(site))
    driver.once()
    far.clock.advance(seconds=100 + GRACE_SECONDS + 1)
    driver.once()
    driver.once()
    ended = far.see(submitted)
    assert (ended.state, ended.why.code) == ("failed", "compute.failed_wall")


def test_reports_that_come_late_twice_and_in_any_order_change_nothing(far, site, driver) -> None:
    submitted = far.submit()
    driver.once()
    job = only(site)
    site.begin(job)
    driver.once()
    far.clock.advance(seconds=10)
    site.end(job, seconds=10)
    site.extra = [Report(job, "running"), Report(job, "queued"), Report(job, "succeeded")]
    driver.once()
    assert far.see(submitted).state == "settled"
    site.extra.append(Report(job, "lost"))
    finished(far, driver, site, passes=2)
    assert far.see(submitted).state == "settled"
    assert far.see(submitted).usage.device_ms == 10_000


def test_of_a_job_the_provider_started_over_only_the_last_run_is_paid(far, site, driver) -> None:
    submitted = far.submit()
    driver.once()
    job = only(site)
    now_us = site.now_us()
    far.clock.advance(seconds=40)
    site.events.append(site.event(job, now_us, now_us + 20 * SECOND_US))
    site.reports[job] = Report(job, "succeeded", run=1)
    site.events.append(site.event(job, now_us + 25 * SECOND_US, now_us + 30 * SECOND_US, run=1))
    driver.once()
    assert far.see(submitted).usage.device_ms == 5_000


def test_usage_is_waited_for_and_at_last_settled_without(far, site, driver) -> None:
    submitted = far.submit()
    driver.once()
    site.begin(only(site))
    driver.once()
    site.end(only(site), meter=False)
    driver.once()
    assert far.see(submitted).state == "running"
    far.clock.advance(seconds=METER_SECONDS_MAX)
    driver.once()
    ended = far.see(submitted)
    assert (ended.state, ended.usage.device_ms, ended.usage.cost_minor) == ("settled", 0, 0)
    far.assert_books_are_right()


def test_usage_on_a_clock_that_is_days_off_is_measured_rightly(far, site, driver) -> None:
    site.ahead_seconds = -3 * 86_400
    submitted = far.submit()
    driver.once()
    site.begin(only(site))
    driver.once()
    far.clock.advance(seconds=30)
    site.end(only(site), seconds=30)
    driver.once()
    assert far.see(submitted).usage.device_ms == 30_000
    with far.storage.database.read() as tx:
        ahead = service.site(tx, "paper").skew.ahead_us
        assert service.findings(tx) == []
    assert abs(ahead + 3 * 86_400 * SECOND_US) <= SECOND_US


LIES = {
    "compute.usage_negative": {"end_us": -50 * SECOND_US},
    "compute.usage_future": {"end_us": 5_000 * SECOND_US},
    "compute.usage_early": {"start_us": -90_000 * SECOND_US},
    "compute.usage_devices": {"devices": 400},
}


@pytest.mark.parametrize("code", LIES)
def test_usage_that_cannot_be_true_is_refused_and_kept(far, site, driver, code) -> None:
    submitted = far.submit()
    driver.once()
    job = only(site)
    far.clock.advance(seconds=100)
    start_us = site.now_us() - 20 * SECOND_US
    honest = site.event(job, start_us, start_us + 10 * SECOND_US)
    shift = {
        name: value if name == "devices" else start_us + value for name, value in LIES[code].items()
    }
    site.events = [replace(honest, id="lie", **shift)]
    site.reports[job] = Report(job, "succeeded")
    driver.once()
    settled = far.see(submitted)
    assert (settled.state, settled.usage.device_ms) == ("settled", 0)
    with far.storage.database.read() as tx:
        ((adapter, judged),) = service.findings(tx)
    assert (adapter, judged.finding, judged.counts, judged.event.id) == (
        "paper",
        code,
        False,
        "lie",
    )
    far.assert_books_are_right()


def test_doubled_changed_overlapping_and_foreign_usage_is_found_and_charged_once(
    far, site, driver
) -> None:
    submitted = far.submit()
    driver.once()
    job = only(site)
    far.clock.advance(seconds=100)
    start_us = site.now_us() - 60 * SECOND_US
    honest = site.event(job, start_us, start_us + 10 * SECOND_US)
    changed = replace(honest, end_us=honest.end_us + 30 * SECOND_US)
    twin = replace(honest, id="twin", start_us=start_us + SECOND_US)
    foreign = replace(honest, id="foreign", job="somebody-1")
    huge = replace(honest, id="huge", end_us=10**40)
    site.events = [honest, honest, changed, twin, foreign, huge]
    site.reports[job] = Report(job, "succeeded")
    driver.once()
    assert far.see(submitted).usage.device_ms == 10_000
    with far.storage.database.read() as tx:
        found = sorted(judged.finding for _, judged in service.findings(tx))
    assert found == [
        "compute.usage_changed",
        "compute.usage_future",
        "compute.usage_overlapping",
        "compute.usage_unknown",
    ]


def test_no_usage_is_charged_beyond_what_was_held(far, site, driver) -> None:
    submitted = far.submit(wall=20)
    driver.once()
    site.begin(only(site))
    far.clock.advance(seconds=100)
    site.end(only(site), seconds=100)
    driver.once()
    assert far.see(submitted).usage.device_ms == 20_000
    with far.storage.database.read() as tx:
        ((_, judged),) = service.findings(tx)
    assert judged.finding == "compute.usage_capped"
    far.assert_books_are_right()


def test_two_drivers_never_have_one_site_at_once(far, site, driver) -> None:
    far.submit()
    seen: list[bool] = []
    site.before = lambda name: seen.append(Driver(far.storage, site).once()) if not seen else None
    driver.once()
    assert seen == [False]
    assert site.calls["submit"] == 1


def test_what_a_driver_applies_after_it_lost_the_site_is_refused(far, site, driver) -> None:
    submitted = far.submit()

    def steal(name: str) -> None:
        if name == "submit":
            far.clock.advance(seconds=leases.LEASE_SECONDS + 1)
            assert leases.claim(far.storage, ["compute.drive"]) is not None

    site.after = steal
    driver.once()
    with far.storage.database.read() as tx:
        assert not any(one.outputs for one in compute.workloads(tx))
    site.after = lambda _: None
    far.clock.advance(seconds=leases.LEASE_SECONDS + 1)
    driver.once()
    assert site.calls["submit"] == 2
    assert list(site.jobs) == [f"{submitted.id}-1"]


def test_why_a_job_waits_at_the_provider_is_shown_and_follows_it(far, site, driver) -> None:
    submitted = far.submit()
    driver.once()
    job = only(site)
    site.reports[job] = Report(job, "queued", why=Why("compute.remote_reason", (("reason", "A"),)))
    driver.once()
    assert far.see(submitted).why.params == (("reason", "A"),)


def test_logs_are_read_by_offset_while_it_runs_and_not_after(far, site, driver) -> None:
    submitted = far.submit()
    with pytest.raises(NotFound):
        service.live_log(far.storage, site, submitted.id, "stdout", offset=0)
    driver.once()
    whole = service.live_log(far.storage, site, submitted.id, "stdout", offset=0)
    assert service.live_log(far.storage, site, submitted.id, "stdout", offset=7) == whole[7:]
    site.end(only(site))
    finished(far, driver, site, passes=1)
    with pytest.raises(NotFound):
        service.live_log(far.storage, site, submitted.id, "stdout", offset=0)


def test_what_a_site_has_is_known_to_whoever_asks(far, site, driver) -> None:
    with far.storage.database.read() as tx:
        assert service.site(tx, "paper") is None
    driver.once()
    with far.storage.database.read() as tx:
        view = service.site(tx, "paper")
    assert view.capacity.devices("cpu") == 2
    assert [node.state for node in view.capacity.nodes] == ["up", "down"]


moments = st.integers(-100, 100)
events = st.lists(
    st.builds(
        UsageEvent,
        id=st.sampled_from("abcdef"),
        job=st.just("j"),
        start_us=moments,
        end_us=moments,
        devices=st.integers(-1, 3),
        run=st.integers(0, 1),
    ),
    max_size=12,
)


@given(events, st.randoms(use_true_random=False), st.integers(1, 12))
def test_what_counts_never_overlaps_whatever_comes_in_whatever_pieces(said, random, size) -> None:
    window = metering.Window(0, 10**9, metering.Skew(), devices=2, device_ms_max=10**9)
    known: list[metering.Judged] = []
    pieces = [said[start : start + size] for start in range(0, len(said), size)] * 2
    random.shuffle(pieces)
    for piece in pieces:
        known += metering.judge(piece, known, window)
    counted = sorted(
        (one.event for one in known if one.counts), key=lambda e: (e.start_us, e.end_us)
    )
    assert all(a.end_us <= b.start_us for a, b in pairwise(counted))
    assert len({event.id for event in counted}) == len(counted)
    assert metering.judge(said, known, window) == ()
