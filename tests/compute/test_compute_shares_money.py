"""Shares, replicas, elastic and substitute chips: what is held, charged, billed and left over."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from paper_site import PaperSite
from test_compute_asking import spec
from test_compute_budget import Scripted

from yunhe.compute import service as compute
from yunhe.compute.remote.driver import Driver
from yunhe.compute.remote.ending import GRACE_SECONDS
from yunhe.compute.scheduling import cost
from yunhe.compute.service import statements
from yunhe.compute.statements import importing
from yunhe.compute.wanted import (
    device_ms,
    share_ms,
    wall_seconds_left,
    wall_seconds_on,
)
from yunhe.kernel.clock import DAY_US, SECOND_US, iso
from yunhe.ledger import service as ledger

PRICE = 3_600  # a fen for each device-second
JANUARY = statements.period("2026-01")


class Asked(Scripted):
    """Keeps the jobs it was asked to run."""

    def __init__(self, wall_ms: int, *, verdict: str = "succeeded") -> None:
        super().__init__(verdict, wall_ms)
        self.jobs: list = []

    def run(self, job, **over):
        self.jobs.append(job)
        return super().run(job, **over)


def chips(city, **devices: int) -> dict[str, str]:
    """A pool of each chip, with an award for it; by chip its id."""
    made = {}
    for chip, count in devices.items():
        made[chip] = compute.register_pool(
            city.storage,
            key=f"pool-{chip}",
            provider=city.provider,
            site="机房",
            chip=chip,
            devices=count,
            price_minor_per_device_hour=PRICE,
            currency="CNY",
            adapter=compute.LOCAL if chip == "cpu" else compute.DEMONSTRATION,
        ).id
        compute.award(
            city.storage,
            key=f"award-{chip}",
            organisation=city.university,
            chip=chip,
            device_ms=10**12,
            expires_at_us=city.clock.now_us() + 3_000 * DAY_US,
            awarded_by=city.operator,
        )
    city.voucher(10**9)
    city.cash(10**10)
    city.approve_trial()
    return made


def ran(city, workload, wall_ms: int, *, verdict: str = "succeeded"):
    provider = Asked(wall_ms, verdict=verdict)
    ended = compute.run_next(city.storage, provider, workload=workload.id)
    assert ended is not None
    return ended, provider.jobs[-1]


def charges(city) -> list[dict]:
    with city.storage.database.read() as tx:
        return statements.export(tx, period=JANUARY).to_pylist()


def billed(city) -> bytes:
    """What an honest provider hands in for everything that ran."""
    with city.storage.database.read() as tx:
        found = [one for one in compute.workloads(tx) if one.usage is not None]
    return importing.written(
        [
            {
                "workload": each.id,
                "device_seconds": str(Decimal(each.usage.device_ms) / 1_000),
                "price_per_device_hour": "36.00",
                "currency": "CNY",
                "amount": f"{each.usage.cost_minor / 100:.2f}",
                "voucher": f"{each.usage.voucher_minor / 100:.2f}",
                "ended_at": iso(city.clock.now_us()),
            }
            for each in found
        ]
    )


def assert_three_agree(city) -> None:
    """Job log, ledger and an honest provider's statement, to the minor unit; FOCUS as well."""
    received = statements.receive(
        city.storage,
        provider=city.provider,
        period=JANUARY,
        body=billed(city),
        form="csv",
        received_by=city.operator,
    )
    matched = statements.matched(city.storage, received.id)
    assert matched.mismatches == ()
    assert matched.agreed == matched.charges
    with city.storage.database.read() as tx:
        table = statements.export(tx, period=JANUARY)
        assert statements.focus_check(table) == []
        assert ledger.replay(tx).ok
        assert ledger.holds_open(tx) == []


# --- A share -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("milli", "wall_ms", "held", "charged"),
    [
        (250, 40_000, 25_000, 10_000),
        (1, 40_000, 100, 40),
        (1, 1, 100, 1),
        (999, 100_000, 99_900, 99_900),
        (333, 1_000, 33_300, 333),
        (333, 10, 33_300, 4),
        (500, 1_000_000, 50_000, 50_000),
    ],
)
def test_a_share_is_held_and_charged_as_that_part_of_the_time(
    bare_city, milli, wall_ms, held, charged
):
    chips(bare_city, cpu=1)
    made = bare_city.submit(devices_milli=milli, wall=100)
    assert (made.state, made.held_device_ms) == ("placed", held)
    ended, _ = ran(bare_city, made, wall_ms)
    assert ended.usage.device_ms == charged
    assert ended.usage.cost_minor == cost.cost(charged, price_minor_per_device_hour=PRICE)
    assert bare_city.balance(bare_city.provider, "device:cpu", "delivered") == (charged, 0)
    assert_three_agree(bare_city)


def test_four_quarters_fill_one_device_and_a_fifth_waits(bare_city):
    chips(bare_city, cpu=1)
    quarters = [bare_city.submit(f"q{at}", devices_milli=250) for at in range(5)]
    assert [each.state for each in quarters] == ["placed"] * 4 + ["waiting"]
    with bare_city.storage.database.read() as tx:
        (status,) = compute.pools(tx)
    assert status.devices_busy == 1
    ran(bare_city, quarters[0], 1_000)
    assert bare_city.see(quarters[4]).state == "placed"


def test_shares_that_ran_cost_together_what_the_device_did(bare_city):
    chips(bare_city, cpu=1)
    halves = [bare_city.submit(f"h{at}", devices_milli=500, wall=100) for at in range(2)]
    for each in halves:
        ran(bare_city, each, 60_000)
    assert bare_city.balance(bare_city.provider, "device:cpu", "delivered") == (60_000, 0)
    assert_three_agree(bare_city)


def test_what_a_share_had_is_what_the_export_says_in_hours(bare_city):
    chips(bare_city, cpu=1)
    ran(bare_city, bare_city.submit(devices_milli=250, wall=7_200), 3_600_000)
    rows = charges(bare_city)
    usage = [row for row in rows if row["ChargeCategory"] == "Usage"]
    assert sum(row["ConsumedQuantity"] for row in usage) == Decimal("0.25")
    assert sum(row["PricingQuantity"] for row in usage) == Decimal("0.25")
    assert sum(row["ListCost"] for row in usage) == Decimal("9")
    assert {row["x_DeviceMilliseconds"] for row in usage} == {900_000}


def test_a_share_too_dear_for_what_is_left_waits_and_one_that_fits_runs(bare_city):
    city = bare_city
    city.pool(devices=4)
    city.award(seconds=30)
    city.cash(10**6)
    first = city.submit("a", devices_milli=250, wall=100)
    second = city.submit("b", devices_milli=250, wall=100)
    third = city.submit("c", devices_milli=50, wall=100)
    assert [city.see(one).state for one in (first, second, third)] == [
        "placed",
        "waiting",
        "placed",
    ]
    with city.storage.database.read() as tx:
        (award,) = compute.awards(tx)
    assert (award.held_ms, award.left_ms) == (30_000, 0)


# --- Replicas, elastic -------------------------------------------------------------------------


def test_replicas_are_paid_for_as_many_as_ran(bare_city):
    chips(bare_city, cpu=6)
    made = bare_city.submit(devices=2, replicas=3, wall=100)
    assert made.held_device_ms == 600_000
    ended, job = ran(bare_city, made, 10_000)
    assert (job.devices, job.replicas) == (6, 3)
    assert ended.usage.device_ms == 60_000
    assert_three_agree(bare_city)


@pytest.mark.parametrize(("free", "replicas"), [(5, 5), (3, 3), (2, 2), (10, 8)])
def test_an_elastic_one_is_paid_for_the_replicas_it_got(bare_city, free, replicas):
    chips(bare_city, cpu=free)
    made = bare_city.submit(replicas=8, replicas_min=2, wall=100)
    assert (made.state, made.replicas) == ("placed", replicas)
    assert made.held_device_ms == replicas * 100_000
    ended, job = ran(bare_city, made, 5_000)
    assert (job.devices, job.replicas) == (replicas, replicas)
    assert ended.usage.device_ms == replicas * 5_000
    assert_three_agree(bare_city)


def test_replicas_of_a_share_lie_wherever_there_is_room_and_cost_their_shares(bare_city):
    chips(bare_city, cpu=2)
    made = bare_city.submit(devices_milli=400, replicas=4, wall=100)
    assert (made.state, made.held_device_ms) == ("placed", 160_000)
    ended, _ = ran(bare_city, made, 10_000)
    assert ended.usage.device_ms == 16_000
    assert_three_agree(bare_city)


# --- Other chips, other speeds -------------------------------------------------------------------


@pytest.mark.parametrize(("speed", "wall"), [(500, 200), (2_000, 50), (333, 301), (1, 100_000)])
def test_on_another_chip_its_time_is_held_allowed_and_paid_in_that_chips_own(
    bare_city, speed, wall
):
    chips(bare_city, v100=1)
    made = bare_city.submit(chip="k80", substitutes={"v100": speed}, wall=100)
    assert (made.state, made.held_device_ms) == ("placed", wall * 1_000)
    ended, job = ran(bare_city, made, wall * 1_000 + 900)
    assert (job.chip, job.wall_seconds_max) == ("v100", wall)
    assert ended.usage.device_ms == wall * 1_000  # what came after the limit is the provider's
    assert bare_city.balance(bare_city.provider, "device:v100", "delivered") == (wall * 1_000, 0)
    assert_three_agree(bare_city)


def test_a_hold_lasts_for_the_whole_run_on_a_slow_chip(bare_city):
    """It started late, on a chip that takes thirty times as long."""
    chips(bare_city, v100=1)
    made = bare_city.submit(chip="k80", substitutes={"v100": 34}, wall=86_400)
    bare_city.clock.advance(seconds=45 * 86_400)  # the hold would end in the middle
    provider = Asked(29 * 86_400 * 1_000)
    first = compute.run_next(bare_city.storage, provider, workload=made.id)
    ended = first or compute.run_next(bare_city.storage, provider, workload=made.id)
    assert ended is not None
    assert ended.state == "settled"
    assert ended.usage.device_ms == 29 * 86_400 * 1_000
    with bare_city.storage.database.read() as tx:
        last = compute.workload(tx, made.id)
        assert ledger.replay(tx).ok
        assert ledger.holds_open(tx) == []
    assert last.held_device_ms == 0


# --- By a deadline -------------------------------------------------------------------------------


def deadline(city, seconds: int) -> int:
    return city.clock.now_us() + seconds * SECOND_US


def test_a_runner_that_comes_late_gives_it_only_what_is_left(bare_city):
    chips(bare_city, cpu=1)
    made = bare_city.submit(wall=100, deadline_us=deadline(bare_city, 130))
    bare_city.clock.advance(seconds=70)
    ended, job = ran(bare_city, made, 60_000)
    assert job.wall_seconds_max == 60
    assert ended.usage.device_ms == 60_000


def test_a_runner_in_time_gives_it_all(bare_city):
    chips(bare_city, cpu=1)
    made = bare_city.submit(wall=100, deadline_us=deadline(bare_city, 130))
    bare_city.clock.advance(seconds=30)
    assert ran(bare_city, made, 1)[1].wall_seconds_max == 100


@pytest.mark.parametrize("late", [130, 131, 100_000])
def test_what_no_runner_took_before_its_deadline_fails_unpaid(bare_city, late):
    chips(bare_city, cpu=1)
    made = bare_city.submit(wall=100, deadline_us=deadline(bare_city, 130))
    bare_city.clock.advance(seconds=late)
    assert compute.run_next(bare_city.storage, Asked(1), workload=made.id) is None
    ended = bare_city.see(made)
    assert (ended.state, ended.why.code) == ("failed", "compute.failed_deadline")
    assert (ended.usage, ended.held_minor, ended.held_device_ms) == (None, 0, 0)
    bare_city.assert_books_are_right()


@given(
    wall=st.integers(1, 10**6),
    speed=st.integers(1, 5_000),
    now=st.integers(0, 10**7),
    due=st.integers(1, 10**7),
)
def test_what_is_left_until_a_deadline_is_never_more_than_its_limit_or_the_time(
    wall, speed, now, due
):
    asked = spec(wall_seconds_max=wall, substitutes={"other": speed}, deadline_us=due * SECOND_US)
    for chip in ("cpu", "other"):
        left = wall_seconds_left(asked, chip, now_us=now * SECOND_US)
        assert left == min(wall_seconds_on(asked, chip), due - now)
        free = replace(asked, deadline_us=0)
        assert wall_seconds_left(free, chip, now_us=now * SECOND_US) == wall_seconds_on(free, chip)


# --- Far away ------------------------------------------------------------------------------------


@pytest.fixture
def far(bare_city):
    compute.register_pool(
        bare_city.storage,
        key="far",
        provider=bare_city.provider,
        site="远方",
        chip="cpu",
        devices=4,
        price_minor_per_device_hour=PRICE,
        currency="CNY",
        adapter="paper",
    )
    bare_city.award(seconds=100_000)
    bare_city.cash()
    return bare_city


def gone_through(far, *, seconds: int, **over):
    """A workload at a distant site that ran for so long; as it ended."""
    site = PaperSite(far.clock)
    driver = Driver(far.storage, site)
    made = far.submit(**over)
    driver.once()
    (job,) = site.reports
    site.begin(job)
    driver.once()
    far.clock.advance(seconds=seconds)
    site.end(job, seconds=seconds)
    for _ in range(3):
        driver.once()
    return far.see(made)


@pytest.mark.parametrize(
    ("milli", "seconds", "charged"), [(250, 30, 7_500), (1, 30, 30), (999, 99, 98_901)]
)
def test_a_distant_site_that_reports_whole_devices_is_paid_the_share(far, milli, seconds, charged):
    ended = gone_through(far, seconds=seconds, devices_milli=milli, wall=100)
    assert ended.state == "settled"
    assert ended.usage.device_ms == charged
    assert ended.usage.wall_ms == seconds * 1_000
    with far.storage.database.read() as tx:
        (award,) = compute.awards(tx)
    assert award.used_ms == charged
    far.assert_books_are_right()


def test_whole_devices_at_a_distant_site_cost_what_they_did(far):
    ended = gone_through(far, seconds=30, devices=2, wall=100)
    assert (ended.usage.device_ms, ended.usage.wall_ms) == (60_000, 30_000)


def test_no_share_is_charged_beyond_its_hold_however_long_the_site_says(far):
    ended = gone_through(far, seconds=110, devices_milli=250, wall=100)
    assert ended.usage.device_ms == 25_000


def late(far, site, driver, *, seconds: int) -> None:
    """It runs for so long and is looked at twice."""
    (job,) = site.reports
    site.begin(job)
    driver.once()
    far.clock.advance(seconds=seconds)
    driver.once()
    driver.once()


def test_a_distant_run_on_a_slow_chip_is_not_stopped_at_the_fast_chips_limit(far):
    site = PaperSite(far.clock)
    driver = Driver(far.storage, site)
    made = far.submit(chip="k80", substitutes={"cpu": 100}, wall=100)
    driver.once()
    assert next(iter(site.jobs.values())).wall_seconds_max == 1_000
    late(far, site, driver, seconds=100 + GRACE_SECONDS + 1)
    assert far.see(made).state == "running"
    far.clock.advance(seconds=1_000)
    driver.once()
    driver.once()
    assert far.see(made).why.code == "compute.failed_wall"


def test_a_distant_run_is_stopped_at_its_deadline(far):
    site = PaperSite(far.clock)
    driver = Driver(far.storage, site)
    made = far.submit(wall=100, deadline_us=deadline(far, 150))
    driver.once()
    far.clock.advance(seconds=80)  # so long it waits over there
    late(far, site, driver, seconds=69)
    assert far.see(made).state == "running"
    far.clock.advance(seconds=1)
    driver.once()
    driver.once()
    assert far.see(made).state == "failed"


def test_a_distant_site_that_is_handed_it_late_hears_of_less_time(far):
    site = PaperSite(far.clock)
    made = far.submit(wall=100, deadline_us=deadline(far, 150))
    far.clock.advance(seconds=90)
    Driver(far.storage, site).once()
    assert next(iter(site.jobs.values())).wall_seconds_max == 60
    assert far.see(made).state == "running"


# --- Whatever is asked ---------------------------------------------------------------------------

_asked = st.fixed_dictionaries(
    {
        "devices": st.integers(1, 3),
        "devices_milli": st.sampled_from([0, 0, 1, 250, 333, 500, 999]),
        "replicas": st.integers(1, 4),
        "elastic": st.booleans(),
        "chip": st.sampled_from(["cpu", "h100", "k80"]),
        "substitutes": st.dictionaries(
            st.sampled_from(["cpu", "h100"]), st.sampled_from([5, 333, 1_000, 2_500]), max_size=2
        ),
        "wall": st.integers(1, 10_000),
    }
)
_events = st.lists(
    st.tuples(_asked, st.integers(1, 10**7), st.sampled_from(["succeeded", "failed", "stopped"])),
    min_size=1,
    max_size=6,
)


def meant(said: dict) -> dict:
    """As the floor takes it: what cannot be together is left out."""
    asked = dict(said)
    if asked["devices_milli"]:
        asked["devices"] = 1
    asked["replicas_min"] = 1 if asked.pop("elastic") else 0
    asked["substitutes"] = {
        chip: speed for chip, speed in asked["substitutes"].items() if chip != asked["chip"]
    }
    if asked["chip"] == "k80" and not asked["substitutes"]:
        asked["chip"] = "cpu"
    return asked


@settings(
    max_examples=10,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(_events)
def test_whatever_is_asked_nothing_is_charged_beyond_its_hold_and_the_books_agree(new_city, events):
    city = new_city()
    chips(city, cpu=12, h100=12)
    made = [
        (city.submit(f"w{at}", **meant(said)), wall_ms, verdict)
        for at, (said, wall_ms, verdict) in enumerate(events)
    ]
    city.assert_books_are_right_for_shares()
    delivered = {"cpu": 0, "h100": 0}
    left = list(made)
    while left:
        placed = [each for each in left if city.see(each[0]).state == "placed"]
        assert placed, "nothing runs, and yet something waits"
        workload, wall_ms, verdict = placed[0]
        left.remove(placed[0])
        before = city.see(workload)
        ended, job = ran(city, workload, wall_ms, verdict=verdict)
        used = ended.usage
        occupied = device_ms(before.spec, wall_ms=wall_ms, replicas=before.replicas)
        assert used.device_ms == min(occupied, before.held_device_ms)
        most = share_ms(before.spec, job.wall_seconds_max * 1_000 * job.devices)
        assert before.held_device_ms == most
        assert used.cost_minor <= before.held_minor
        assert used.cost_minor == used.voucher_minor + used.cash_minor
        delivered[job.chip] += used.device_ms
        city.assert_books_are_right_for_shares()
    for chip, amount in delivered.items():
        assert city.balance(city.provider, f"device:{chip}", "delivered") == (amount, 0)
    assert_three_agree(city)
