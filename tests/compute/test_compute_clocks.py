"""Clocks that are wrong, ours and theirs: nothing in a closed month, nothing beyond what passed."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paper_site import PaperSite
from test_compute_budget import Scripted

from yunhe.compute import service as compute
from yunhe.compute import store as workloads
from yunhe.compute.remote import store as remote
from yunhe.compute.remote.driver import Driver
from yunhe.compute.remote.metering import TOLERANCE_US, passed_ms
from yunhe.compute.service import statements
from yunhe.compute.statements import store
from yunhe.compute.statements.domain import CLOSE_AFTER_US
from yunhe.custody import service as custody
from yunhe.kernel.canonical import INTEGER_MAX
from yunhe.kernel.clock import DAY_US, SECOND_US
from yunhe.kernel.errors import YunheError

HOUR = 3_600
QUICK = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SKEWS = st.one_of(
    st.integers(-2 * HOUR, 2 * HOUR),
    st.sampled_from([-40 * 86_400, -30 * HOUR, -HOUR - 1, HOUR + 1, 30 * HOUR, 40 * 86_400]),
)


class Town:
    """A city with two pools, one of them at a site on paper, and work for both."""

    def __init__(self, city) -> None:
        self.city, self.storage, self.clock = city, city.storage, city.clock
        self.site = PaperSite(city.clock)
        self.driver = Driver(city.storage, self.site)
        for adapter, chip in (("local", "cpu"), ("paper", "h20")):
            compute.register_pool(
                city.storage,
                key=adapter,
                provider=city.provider,
                site="机房",
                chip=chip,
                devices=4,
                price_minor_per_device_hour=3_600,
                currency="CNY",
                adapter=adapter,
            )
            compute.award(
                city.storage,
                key=chip,
                organisation=city.university,
                chip=chip,
                device_ms=10**9,
                expires_at_us=city.clock.now_us() + 3_650 * DAY_US,
                awarded_by=city.operator,
            )
        city.cash()

    def by_a_clock_that_is(self, seconds: int, act) -> None:
        """Let somebody act whose clock is so far ahead of everybody else's."""
        true_us = self.clock.now_us()
        self.clock._now_us = true_us + seconds * SECOND_US
        try:
            act()
        finally:
            self.clock._now_us = true_us

    def run(self) -> None:
        compute.run_next(self.storage, Scripted("succeeded", 30_000))

    def times(self, made) -> tuple[int, int | None]:
        """When it was asked for, and when it counts as over."""
        with self.storage.database.read() as tx:
            row = workloads.row(tx, made.id)
        return row["submitted_at_us"], row["ended_at_us"]

    def close(self, period: statements.Period) -> None:
        statements.close(self.storage, period=period, closed_by=self.city.operator)

    def papers(self, period: statements.Period) -> dict[str, int]:
        """What the documents of a month say in all, by kind."""
        with self.storage.database.read() as tx:
            issued = statements.documents(tx, period=period.name)
        return {each.kind: each.cost_minor for each in issued}

    def booked(self, period: statements.Period) -> int:
        """What the rows say of it now."""
        with self.storage.database.read() as tx:
            found = store.charges(tx, period=period).to_pylist()
        return sum(each["cost_minor"] for each in found)


@pytest.fixture
def town(bare_city) -> Town:
    return Town(bare_city)


def after(town: Town, period: statements.Period) -> None:
    town.clock._now_us = period.until_us + CLOSE_AFTER_US


def test_what_a_slow_worker_settles_after_the_closing_is_of_the_open_month(town) -> None:
    january = statements.period_at(town.clock.now_us())
    first = town.city.submit("first")
    town.run()
    late = town.city.submit("late")
    after(town, january)
    town.close(january)
    papers = town.papers(january)
    town.by_a_clock_that_is(-2 * HOUR, town.run)
    done = town.city.see(late)
    assert (town.city.see(first).state, done.state) == ("settled", "settled")
    assert town.papers(january) == papers
    assert town.booked(january) == papers["invoice"] == 30
    with town.storage.database.read() as tx:
        body = custody.record(tx, done.reference).body
    assert body["clock_behind_ms"] == HOUR * 1_000


def test_a_correction_by_a_slow_clock_is_of_the_open_month_too(town) -> None:
    january = statements.period_at(town.clock.now_us())
    done = town.city.submit("first")
    town.run()
    after(town, january)
    town.close(january)

    def correct() -> None:
        statements.correct(
            town.storage,
            workload=done.id,
            key="c",
            device_ms=10_000,
            reason="少用",
            corrected_by=town.city.operator,
        )

    town.by_a_clock_that_is(-3 * HOUR, correct)
    assert town.booked(january) == 30
    assert town.booked(statements.period_at(january.until_us)) == -20


@QUICK
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["job", "close", "days"]), SKEWS, st.integers(1, 40)), max_size=14
    )
)
def test_no_skew_of_any_worker_changes_a_month_that_is_closed(new_city, steps) -> None:
    town = Town(new_city())
    town.city.submit("zero")
    town.run()
    month, closed = statements.period_at(town.clock.now_us()), {}
    for number, (what, skew, days) in enumerate(steps):
        try:
            if what == "days":
                town.clock.advance(seconds=days * 86_400)
            elif what == "close":
                town.by_a_clock_that_is(skew, partial(town.close, month))
                closed[month] = town.papers(month)
                month = statements.period_at(month.until_us)
            else:
                made = town.city.submit(f"job-{number}")
                town.by_a_clock_that_is(skew, town.run)
                submitted_us, ended_us = town.times(made)
                assert ended_us is None or ended_us >= submitted_us
        except YunheError:
            continue
    for each, papers in closed.items():
        assert town.papers(each) == papers
        assert town.booked(each) == papers.get("invoice", 0)
    town.city.assert_books_are_right()


@QUICK
@given(
    began=SKEWS,
    ended=SKEWS,
    ran=st.integers(0, 90),
    claimed=st.one_of(st.integers(0, 90), st.integers(0, 10**7)),
    tells=st.booleans(),
)
def test_whatever_a_sites_clock_says_no_more_is_paid_than_passed_here(
    new_city, began, ended, ran, claimed, tells
) -> None:
    town = Town(new_city())
    town.site.tells_time, town.site.ahead_seconds = tells, began
    made = town.city.submit(chip="h20")
    town.driver.once()
    town.site.begin(f"{made.id}-1")
    town.driver.once()
    since_us = town.clock.now_us()
    town.clock.advance(seconds=ran)
    town.site.ahead_seconds = ended  # somebody set it meanwhile
    town.site.end(f"{made.id}-1", seconds=claimed)
    town.driver.once()
    town.clock.advance(seconds=700)  # usage that nobody believes is waited for so long
    town.driver.once()
    done = town.city.see(made)
    assert done.state == "settled"
    assert done.usage.device_ms <= ran * 1_000 + TOLERANCE_US // 1_000
    assert since_us <= town.times(made)[1] <= town.clock.now_us()
    with town.storage.database.read() as tx:
        found = {judged.finding for _, judged in remote.findings(tx)}
    too_long = claimed * SECOND_US > ran * SECOND_US + TOLERANCE_US
    assert bool(found) >= too_long  # what is too long is never taken without a word
    town.city.assert_books_are_right()


def test_a_longer_stretch_than_passed_here_is_paid_up_to_that_and_told(town) -> None:
    town.site.tells_time = False  # so that five minutes are forgiven at either end
    made = town.city.submit(chip="h20")
    town.driver.once()
    town.site.begin(f"{made.id}-1")
    town.clock.advance(seconds=10)
    town.site.end(f"{made.id}-1", seconds=90)
    town.driver.once()
    assert town.city.see(made).usage.device_ms == 10_000 + TOLERANCE_US // 1_000
    with town.storage.database.read() as tx:
        [(_, judged)] = remote.findings(tx)
    assert (judged.finding, judged.counts) == ("compute.usage_clock", True)


@pytest.mark.parametrize(
    ("since_us", "until_us", "expected"),
    [(0, 0, 10_000), (0, SECOND_US, 12_000), (5, 4, INTEGER_MAX), (0, 1, 10_001)],
)
def test_the_bound_forgives_whole_seconds_and_nothing_is_known_of_a_clock_set_back(
    since_us, until_us, expected
) -> None:
    assert passed_ms(2, since_us=since_us, until_us=until_us) == expected
