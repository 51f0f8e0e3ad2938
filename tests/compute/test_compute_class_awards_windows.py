"""Awards for several chips beside the rest: guaranteed windows, classes in the queue, figures."""

from __future__ import annotations

import pytest
from test_compute_applications_classes import apply, publish
from test_compute_budget import Scripted
from test_compute_class_awards import CLASS, Vendors

from yunhe.compute import service as compute
from yunhe.compute.service import statements, windows
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US, SECOND_US
from yunhe.kernel.errors import Invalid
from yunhe.ledger import service as ledger


@pytest.fixture
def vendors(bare_city) -> Vendors:
    made = Vendors(bare_city)
    bare_city.cash()
    bare_city.approve_trial()
    made.publish()
    return made


@pytest.fixture
def trainer(vendors) -> str:
    with vendors.storage.database.begin() as tx:
        member = identity.add_member(
            tx, key="t", organisation=vendors.city.university, name="员工", at_us=0
        ).id
        identity.grant_role(tx, member=member, role="trainer", at_us=0)
    return member


def given(world, award: str, *, by: str, **place):
    return windows.give(
        world.storage,
        key="w",
        award=award,
        devices=1,
        from_us=None,
        until_us=world.clock.now_us() + 3_600 * SECOND_US,
        reason="a trial",
        given_by=by,
        **place,
    )


def test_a_window_is_of_the_pool_that_is_named_and_its_holder_works_there_under_the_class(vendors):
    pool = vendors.pool("h100", devices=1)
    award = vendors.award()
    window = given(vendors, award.id, by=vendors.city.operator, pool=pool.id)
    assert window.chip == "h100"
    made = vendors.submit("one", "h100")
    assert (made.state, vendors.status().held_ms) == ("placed", 250_300)
    with vendors.storage.database.read() as tx:
        shown = windows.window(tx, window.id, now_us=vendors.clock.now_us())
    assert (shown.state, shown.used) == ("active", 1)


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ({}, "compute.window_several"),
        ({"site": "机房 h100"}, "compute.window_several"),
        ({"pool": "pool_none"}, "compute.window_nowhere"),
    ],
    ids=["anywhere", "site", "unknown"],
)
def test_a_window_of_a_class_needs_a_pool_of_it(vendors, place, code):
    vendors.pool("h100")
    award = vendors.award()
    with pytest.raises(Invalid) as refused:
        given(vendors, award.id, by=vendors.city.operator, **place)
    assert [each.code for each in refused.value.findings] == [code]


def test_a_pool_whose_chip_has_no_rate_is_not_guaranteed_under_the_class(vendors):
    pool = vendors.pool("mlu590")  # of the class, but nobody said what it counts
    award = vendors.award()
    assert "mlu590" in award.accepts.chips
    with pytest.raises(Invalid) as refused:
        given(vendors, award.id, by=vendors.city.operator, pool=pool.id)
    assert [each.code for each in refused.value.findings] == ["compute.window_nowhere"]


def test_a_window_of_an_application_for_a_class_is_of_the_pool_too(desk):
    publish(desk)
    pool = compute.register_pool(
        desk.storage,
        key="h100",
        provider=desk.provider,
        site="机房",
        chip="h100",
        devices=2,
        price_minor_per_device_hour=0,
        currency="CNY",
        adapter="demonstration",
    )
    made = apply(desk, hours=100)
    assert given(desk, made.id, by=desk.chiefs[0], pool=pool.id).chip == "h100"


def class_award(vendors, most: str | None) -> None:
    compute.award(
        vendors.storage,
        key=f"award-{most}",
        organisation=vendors.city.university,
        chip=CLASS,
        device_ms=10**9,
        expires_at_us=vendors.clock.now_us() + DAY_US,
        awarded_by=vendors.city.operator,
        priority_max=most,
    )


def refused(vendors, member: str, priority: str, *, kind: str = "training") -> str:
    key = f"{priority}-{kind}-{vendors.clock.now_us()}"
    spec = vendors.city.spec(key, chip="h100", kind=kind, priority=priority)
    try:
        compute.submit(vendors.storage, spec, member=member)
    except Invalid as error:
        return next(each.code for each in error.findings if each.where == "priority")
    return ""


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (None, ["", "compute.priority_reserved"]),
        ("low", ["compute.priority_award", "compute.priority_award"]),
        ("high", ["", ""]),
    ],
    ids=["unsaid", "low", "high"],
)
def test_an_award_for_a_class_says_how_urgent_work_may_be_as_one_for_a_chip_does(
    vendors, trainer, most, expected
):
    vendors.pool("h100")
    class_award(vendors, most)
    assert [refused(vendors, trainer, each) for each in ("usual", "high")] == expected


def test_an_award_that_could_not_pay_for_the_work_says_nothing_of_how_urgent_it_is(
    vendors, trainer
):
    vendors.pool("h100")
    class_award(vendors, "high")
    assert refused(vendors, trainer, "high", kind="batch") == "compute.priority_reserved"
    assert refused(vendors, trainer, "high") == ""


def test_figures_of_use_are_of_the_chips_it_ran_on_in_their_own_time(vendors):
    vendors.pool("h100")
    vendors.pool("ascend910b")
    vendors.award()
    vendors.award("h100", seconds=100, key="own")
    vendors.ran("own", "h100", wall_ms=10_000)  # under the award for the very chip
    vendors.ran("one", "h100", wall_ms=30_000)
    vendors.ran("two", "ascend910b", wall_ms=20_000)
    vendors.ran("none", "ascend910b", wall_ms=0)
    with vendors.storage.database.read() as tx:
        assert statements.used_by_chip(tx) == [("ascend910b", 20_000), ("h100", 40_000)]


def test_a_voucher_pays_its_part_of_the_price_of_raw_time_beside_an_award_for_a_class(vendors):
    vendors.pool("h100", price=7_200)
    vendors.award()
    percent = vendors.city.voucher(1_000).share_percent
    placed = vendors.submit("one", "h100")  # 100 s of it cost 200 at most
    assert placed.held_minor == 200
    compute.run_next(vendors.storage, Scripted("succeeded", 30_001))
    usage = vendors.city.see(placed).usage
    part = 61 * percent // 100
    assert (usage.cost_minor, usage.voucher_minor, usage.cash_minor) == (61, part, 61 - part)
    assert usage.drawn_ms == 75_093
    fixed = statements.correct(
        vendors.storage,
        key="half",
        workload=placed.id,
        device_ms=15_000,
        reason="a trial",
        corrected_by=vendors.city.operator,
    )
    left = 30 * percent // 100
    assert (fixed.cost_minor, fixed.voucher_minor) == (-31, left - part)
    assert fixed.drawn_ms == -37_548
    with vendors.storage.database.read() as tx:
        assert ledger.replay(tx).ok
