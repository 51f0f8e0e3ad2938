"""Reserved and spot prices: the lowest one is entitled to, held, captured, told and matched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statement_rows import Three
from test_compute_statements_service import JANUARY, billed, close, handed_in, ran, to_end_of
from test_compute_yielding import interrupted, may_wait, saving, stretches

from yunhe.compute import service as compute
from yunhe.compute import store
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.state import (
    AwardView,
    Picture,
    Placement,
    PoolView,
    Request,
    WindowView,
)
from yunhe.compute.scheduling.terms import Held, Left, entitled
from yunhe.compute.service import statements, supply
from yunhe.compute.statements.matching import Prices
from yunhe.compute.windows import service as windows
from yunhe.custody import service as custody
from yunhe.kernel.clock import SECOND_US

assert saving  # a fixture
NOW_US = 10**15
ONE = Request("r", 1, "org", "npu", 2, 3_600, 0)
WINDOW = WindowView("w", "org", "", "npu", 4, 0, 2**60, ("p",))


def published(city, term: str, amount: int, *, key: str = "", until_us: int | None = None):
    with city.storage.database.read() as tx:
        pool = compute.pools(tx)[0].pool.id
    return supply.set_price(
        city.storage,
        pool,
        key=key or f"{term} {amount}",
        price_minor_per_device_hour=amount,
        term=term,
        until_us=until_us,
        reason="an offer",
        by=city.operator,
    )


def term_of(city, workload) -> tuple[str, int]:
    with city.storage.database.read() as tx:
        row = store.row(tx, workload.id)
        return row["term"], row["price_held_minor"]


def test_only_what_can_be_pushed_out_is_held_and_paid_at_the_spot_price(city):
    published(city, "spot", 360)
    plain = ran(city, "plain", wall_ms=20_000)
    spot = city.submit("spot", wall=100, preemptible=True)
    assert (term_of(city, plain), term_of(city, spot)) == (("on_demand", 3_600), ("spot", 360))
    assert spot.held_minor == 10
    done = ran_now(city, spot, wall_ms=20_000)
    assert (done.usage.term, done.usage.cost_minor) == ("spot", 2)
    assert (plain.usage.term, plain.usage.cost_minor) == ("on_demand", 20)
    with city.storage.database.read() as tx:
        records = [custody.record(tx, one.reference).body["term"] for one in (plain, done)]
    assert records == ["on_demand", "spot"]
    city.assert_books_are_right()


def ran_now(city, workload, *, wall_ms: int):
    from test_compute_budget import Scripted  # noqa: PLC0415

    compute.run_next(city.storage, Scripted("succeeded", wall_ms), workload=workload.id)
    return city.see(workload)


@pytest.mark.parametrize("amount", [3_600, 9_000])
def test_a_spot_price_that_is_no_lower_changes_nothing(city, amount):
    published(city, "spot", amount)
    assert term_of(city, city.submit(preemptible=True)) == ("on_demand", 3_600)


def test_with_a_deadline_it_is_never_pushed_out_and_pays_as_everybody(city):
    published(city, "spot", 1)
    deadline_us = city.clock.now_us() + 10_000 * SECOND_US
    late = city.submit(preemptible=True, deadline_us=deadline_us, wall=100)
    assert term_of(city, late) == ("on_demand", 3_600)


def test_a_spot_price_that_rises_or_ends_does_not_reach_what_is_placed(city):
    published(city, "spot", 360, until_us=city.clock.now_us() + 60 * SECOND_US)
    early = city.submit("early", wall=50, preemptible=True)
    city.clock.advance(seconds=61)
    late = city.submit("late", wall=50, preemptible=True)
    assert (term_of(city, early), term_of(city, late)) == (("spot", 360), ("on_demand", 3_600))
    assert ran_now(city, early, wall_ms=40_000).usage.cost_minor == 4
    city.assert_books_are_right()


def test_spot_work_that_is_pushed_out_pays_what_it_used_at_its_own_price(city, saving):
    published(city, "spot", 360)
    first = may_wait(city)
    assert term_of(city, first) == ("spot", 360)
    interrupted(city, saving, first)
    [stretch] = stretches(city, first)
    assert (stretch.usage.term, stretch.why.code) == ("spot", "compute.pushed_out")
    assert stretch.usage.cost_minor == -(-stretch.usage.device_ms * 360 // 3_600_000)
    city.assert_books_are_right()


def test_invoice_match_and_focus_follow_the_term(city):
    published(city, "spot", 360)
    ran(city, "plain", wall_ms=20_000)
    spot = ran(city, "spot", wall_ms=20_000, preemptible=True)
    to_end_of(city, JANUARY)
    whole = statements.content(city.storage, close(city)[0])
    said = {
        line["id"]: (line["term"], line["price_minor_per_device_hour"]) for line in whole["lines"]
    }
    assert said[spot.id] == ("spot", 360)
    dear = statements.matched(city.storage, handed_in(city, billed(city)).id)
    told = {(each.kind, each.charge) for each in dear.mismatches}
    assert told == {("price", spot.id), ("amount", spot.id)}  # billed as if on demand
    with city.storage.database.read() as tx:
        rows = statements.export(tx, period=JANUARY)
    assert statements.focus_check(rows) == []
    usage = {r["ResourceId"]: r for r in rows.to_pylist() if r["ChargeCategory"] == "Usage"}
    assert usage[spot.id]["PricingCategory"] == "Dynamic"
    assert str(usage[spot.id]["ContractedUnitPrice"]).startswith("3.60")


def test_what_the_price_of_the_moment_is_for_each_is_shown(city):
    published(city, "spot", 360)
    published(city, "reserved", 1_800)
    with city.storage.database.read() as tx:
        (offer,) = supply.offers(tx, compute.pools(tx), now_us=city.clock.now_us())
    said = (offer.reserved_minor_per_device_hour, offer.spot_minor_per_device_hour)
    assert (offer.price_minor_per_device_hour, *said) == (3_600, 1_800, 360)


def chosen(request: Request, *pools: PoolView):
    award = AwardView("a", "org", "npu", 10**12, 2**60)
    picture = Picture(pools, (award,), (), {("org", "CNY"): 10**9}, (request,))
    (found,) = decide(picture, now_us=NOW_US)
    assert isinstance(found, Placement)
    return found.pool, found.term, found.cash_minor


def test_the_site_is_chosen_by_the_price_that_applies():
    cheap = PoolView("cheap", "npu", 8, 0, 500, "CNY")
    spot = PoolView("spot", "npu", 8, 0, 900, "CNY", spot_minor_per_device_hour=100)
    own = PoolView("own", "npu", 8, 0, 900, "CNY", reserved_minor_per_device_hour=50)
    assert chosen(ONE, cheap, spot, own) == ("cheap", "on_demand", 1_000)
    assert chosen(replace(ONE, spot=True), cheap, spot, own) == ("spot", "spot", 200)
    holder = replace(ONE, spot=True, reserved_at=frozenset({"own"}))
    assert chosen(holder, cheap, spot, own) == ("own", "reserved", 100)
    elsewhere = replace(ONE, reserved_at=frozenset({"spot"}))
    assert chosen(elsewhere, cheap, spot, own) == ("cheap", "on_demand", 1_000)


def test_equal_requests_of_different_terms_are_priced_each_by_its_own():
    spot = PoolView("p", "npu", 8, 0, 900, "CNY", spot_minor_per_device_hour=100)
    queue = (ONE, replace(ONE, id="s", number=2, spot=True), replace(ONE, id="t", number=3))
    award = AwardView("a", "org", "npu", 10**12, 2**60)
    found = decide(Picture((spot,), (award,), (), {("org", "CNY"): 10**9}, queue), now_us=NOW_US)
    said = {each.request.id: (each.term, each.cash_minor) for each in found}
    assert said == {"r": ("on_demand", 1_800), "s": ("spot", 200), "t": ("on_demand", 1_800)}


@given(
    st.lists(st.tuples(st.integers(1, 5), st.sampled_from(["org", "other"])), max_size=12),
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["reserved", "spot"])), max_size=3),
)
def test_never_more_devices_are_reserved_than_a_window_has(asked, running):
    queue = [
        Request(f"r{at}", at, who, "npu", devices, 60, 0) for at, (devices, who) in enumerate(asked)
    ]
    held = [Held("org", "", "p", devices, term) for devices, term in running]
    found = entitled(queue, Left([WINDOW], held, now_us=NOW_US))
    assert [replace(each, reserved_at=frozenset()) for each in found] == queue
    inside = [each for each in found if each.reserved_at]
    assert all(each.organisation == "org" for each in inside)
    taken = sum(one.devices for one in held if one.term == "reserved")
    assert sum(each.devices_all for each in inside) <= max(WINDOW.devices - taken, 0)


def test_a_window_that_is_over_or_of_another_chip_or_project_reserves_nothing():
    for window in (
        replace(WINDOW, until_us=NOW_US),
        replace(WINDOW, from_us=NOW_US + 1),
        replace(WINDOW, chip="gpu"),
        replace(WINDOW, project="other"),
        replace(WINDOW, devices=1),
    ):
        assert entitled([ONE], Left([window], [], now_us=NOW_US)) == (ONE,)
    assert entitled([ONE], Left([WINDOW], [], now_us=NOW_US))[0].reserved_at == {"p"}


def test_price_lists_are_held_to_the_term_of_the_charge():
    lists = Prices(
        ("pool_one", "pool_one"),
        np.array([0, 0]),
        np.array([3_600, 9]),
        ("on_demand", "spot"),
    )
    three = Three.agreeing(2)
    assert three.kinds(prices=lists) == []
    three.charges[1]["term"] = "spot"
    assert three.kinds(prices=lists) == [("metered_price", "workload_1")]
    three.charges[1]["term"] = "reserved"  # the lists say nothing of it
    assert three.kinds(prices=lists) == []


def test_a_window_s_holder_is_held_and_paid_at_the_reserved_price_up_to_its_size(city):
    published(city, "reserved", 1_800)
    before = city.submit("before", wall=100)
    windows.give(
        city.storage,
        key="w",
        award=before.awards[0],
        devices=1,
        from_us=None,
        until_us=city.clock.now_us() + 3_000 * SECOND_US,
        reason="a deadline",
        given_by=city.operator,
    )
    inside = city.submit("inside", wall=100)
    assert (term_of(city, before), term_of(city, inside)) == (
        ("on_demand", 3_600),
        ("reserved", 1_800),
    )
    assert inside.held_minor == 50
    ran_now(city, before, wall_ms=20_000)
    beyond = city.submit("beyond", wall=100)
    assert term_of(city, beyond) == ("on_demand", 3_600)
    done = ran_now(city, inside, wall_ms=20_000)
    assert (done.usage.term, done.usage.cost_minor) == ("reserved", 10)
    assert term_of(city, city.submit("again", wall=100))[0] == "reserved"
    with city.storage.database.read() as tx:
        rows = statements.export(tx, period=JANUARY).to_pylist()
    usage = [row["PricingCategory"] for row in rows if row["ChargeCategory"] == "Usage"]
    assert usage == ["Standard", "Standard"]
    city.assert_books_are_right()


def test_work_that_may_outlast_its_window_pays_as_everybody():
    window = replace(WINDOW, until_us=NOW_US + 3_600 * SECOND_US)
    assert Left([window], [], now_us=NOW_US).of(ONE) == window
    assert Left([window], [], now_us=NOW_US).of(replace(ONE, wall_seconds_max=3_601)) is None


def test_what_no_device_helps_or_what_runs_elsewhere_keeps_no_other_from_the_window():
    large = replace(ONE, id="large", devices=4, number=0)
    told = entitled([large, ONE], Left([WINDOW], [], now_us=NOW_US), helpless={"large"})
    assert [each.id for each in told if each.reserved_at] == ["r"]
    away = replace(large, sites=frozenset({"q"}))
    told = entitled([away, ONE], Left([WINDOW], [], now_us=NOW_US))
    assert [each.id for each in told if each.reserved_at] == ["r"]
    held = Left([WINDOW], [Held("org", "", "p", 3, "reserved")], now_us=NOW_US)
    assert held.of(ONE, pool="p") is None
