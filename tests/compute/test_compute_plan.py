"""The slow plan: right by our own arithmetic, and what the dispatcher gains by it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.scheduling.engine import Engine, decide
from yunhe.compute.scheduling.events import Arrived, Ended
from yunhe.compute.scheduling.plan import (
    PAIRS_MAX,
    SHORT_PPM,
    Demand,
    Inputs,
    Plan,
    Supply,
    Unsolved,
    entitled,
    pairs,
    solve,
)
from yunhe.compute.scheduling.plan_audit import audit, bound
from yunhe.compute.scheduling.plan_guide import LATE, Guide, guide_of, kin_of
from yunhe.compute.scheduling.policies import YUNHE, preset
from yunhe.compute.scheduling.state import NodeView, Picture, Placement, PoolView, Request

NOW_US = 10**13
PROMISED = 0.98


def supply(chip="npu", site="s", devices=10, price=0) -> Supply:
    return Supply(chip, site, devices, price)


def demand(name="d", devices=10, chip="npu", tenant="", **over) -> Demand:
    speeds = {chip: 1_000} | over.pop("also", {})
    return Demand(name, tenant, chip, devices, speeds, **over)


def given_to(plan: Plan, name: str) -> dict[str, int]:
    return {each.chip: each.devices_micro for each in plan.amounts if each.demand == name}


def test_flexible_work_leaves_room_for_work_that_can_go_nowhere_else() -> None:
    inputs = Inputs(
        (supply("npu"), supply("gpu")), (demand("free", also={"gpu": 900}), demand("bound"))
    )
    plan = solve(inputs)
    assert given_to(plan, "bound") == {"npu": 10_000_000}
    assert given_to(plan, "free") == {"gpu": 10_000_000}
    found = audit(plan, inputs)
    assert found.sound
    assert found.objective_ppm == found.bound_ppm == 19_000_000
    assert plan.prices_ppm["npu", "s"] > plan.prices_ppm["gpu", "s"]


def test_a_faster_chip_counts_as_much_as_the_one_asked_for() -> None:
    inputs = Inputs((supply("h"),), (demand("a", chip="a", also={"h": 2_000}),))
    assert audit(solve(inputs), inputs).objective_ppm == 10_000_000


def test_of_equal_places_the_cheaper_is_taken_and_what_costs_more_than_it_is_worth_is_not() -> None:
    inputs = Inputs(
        (
            supply(site="dear", price=900),
            supply(site="cheap", price=100),
            supply(site="x", price=1_001),
        ),
        (demand(devices=30),),
        price_ppm_per_minor=1_000,
    )
    plan = solve(inputs)
    assert {each.site for each in plan.amounts} == {"dear", "cheap"}
    assert audit(plan, inputs).objective_ppm == 10 * (900_000 + 100_000)


def test_sites_sizes_and_speeds_of_nothing_are_no_places() -> None:
    inputs = Inputs(
        (supply(site="a"), supply(site="b", devices=3), supply("gpu", "b")),
        (
            demand("kept", sites=frozenset({"b"}), devices_least=4, also={"gpu": 0}),
            demand("none", devices=0, sites=frozenset()),
        ),
    )
    assert not list(pairs(inputs))
    plan = solve(inputs)
    assert plan.amounts == ()
    assert audit(plan, inputs).sound


def test_an_entitlement_comes_before_weight_and_a_shortfall_is_told() -> None:
    inputs = Inputs(
        (supply(),),
        (demand("a", 10, tenant="rich", weight_permille=5_000), demand("b", 20, tenant="poor")),
        entitled={"rich": 4, "poor": 6},
    )
    plan = solve(inputs)
    assert given_to(plan, "b") == {"npu": 6_000_000}
    assert plan.short_micro == {}
    assert audit(plan, inputs).sound
    much = replace(inputs, entitled={"rich": 8, "poor": 6, "absent": 9})
    short = solve(much)
    assert sum(short.short_micro.values()) == 4_000_000
    assert audit(short, much).sound
    assert entitled(much) == {"poor": 6, "rich": 8}


def test_a_budget_bounds_what_a_tenant_gets_of_a_chip() -> None:
    inputs = Inputs(
        (supply(), supply("gpu")),
        (demand("a", 10, tenant="t", wall_seconds=100, also={"gpu": 500}), demand("b", 4)),
        budgets={("t", "npu"): 350, ("t", "gpu"): 200},
    )
    plan = solve(inputs)
    assert given_to(plan, "a") == {"npu": 3_500_000, "gpu": 2_000_000}
    assert audit(plan, inputs).sound
    nothing = replace(inputs, budgets={("t", "npu"): -5, ("t", "gpu"): 0})
    assert given_to(solve(nothing), "a") == {}
    assert audit(solve(nothing), nothing).sound


@pytest.mark.parametrize(
    ("fault", "change"),
    [
        ("cell", {"devices_micro": 11_000_000}),
        ("class", {"devices_micro": 11_000_000}),
        ("impossible", {"chip": "gpu"}),
        ("impossible", {"demand": "nobody"}),
        ("impossible", {"devices_micro": -1}),
        ("gap", {"devices_micro": 9_000_000}),
    ],
)
def test_the_audit_finds_what_was_changed_in_a_plan(fault, change) -> None:
    inputs = Inputs((supply(),), (demand(),))
    plan = solve(inputs)
    [amount] = plan.amounts
    found = audit(replace(plan, amounts=(amount._replace(**change),)), inputs)
    assert fault in {flaw.fault for flaw in found.flaws}


def test_the_audit_finds_prices_that_prove_nothing_and_shortfalls_that_are_hidden() -> None:
    inputs = Inputs((supply(),), (demand(tenant="t"),), {"t": 4}, {("t", "npu"): 100})
    plan = solve(inputs)
    for change in (
        {"prices_ppm": {("npu", "s"): -1}},
        {"floors_ppm": {"t": SHORT_PPM + 1}},
        {"floors_ppm": {"other": 1}},
        {"budget_prices": {("t", "npu"): -1}},
        {"budget_prices": {("u", "npu"): 1}},
    ):
        assert "price" in {flaw.fault for flaw in audit(replace(plan, **change), inputs).flaws}
    hidden = audit(replace(plan, amounts=()), inputs)
    assert "entitlement" in {flaw.fault for flaw in hidden.flaws}
    spent = replace(inputs, demands=(demand(tenant="t", wall_seconds=100),))
    assert "budget" in {flaw.fault for flaw in audit(plan, spent).flaws}


def test_what_is_too_large_is_not_planned() -> None:
    many = tuple(supply(site=f"s{number}") for number in range(501))
    demands = tuple(demand(f"d{number}") for number in range(PAIRS_MAX // 500))
    with pytest.raises(Unsolved):
        solve(Inputs(many, demands))


CHIPS = ("a", "b", "c")


@st.composite
def any_inputs(draw) -> Inputs:
    small = st.integers(0, 12)
    supplies = tuple(
        Supply(chip, site, draw(small), draw(st.integers(0, 2_000)))
        for chip in CHIPS
        for site in ("x", "y")
    )
    demands = tuple(
        Demand(
            str(number),
            draw(st.sampled_from(("", "t", "u"))),
            draw(st.sampled_from(CHIPS)),
            draw(small),
            {chip: draw(st.integers(0, 2_000)) for chip in draw(st.sets(st.sampled_from(CHIPS)))},
            draw(st.sampled_from((None, frozenset({"x"}), frozenset({"y"})))),
            draw(st.integers(1, 4)),
            draw(st.sampled_from((500, 1_000, 2_000))),
            draw(st.sampled_from((0, 7, 3_600))),
        )
        for number in range(draw(st.integers(0, 6)))
    )
    entitled_to = {name: draw(small) for name in draw(st.sets(st.sampled_from("tu")))}
    budgets = {(name, "a"): draw(st.integers(-1, 9_999)) for name in entitled_to}
    return Inputs(supplies, demands, entitled_to, budgets, draw(st.sampled_from((0, 1, 300))))


@settings(max_examples=120, deadline=None)
@given(any_inputs(), st.data())
def test_every_plan_holds_and_is_the_best_and_any_prices_give_a_bound(inputs, data) -> None:
    plan = solve(inputs)
    found = audit(plan, inputs)
    assert found.flaws == ()
    prices = {
        each.cell: data.draw(st.integers(0, 2_000_000), label=str(each.cell))
        for each in inputs.supplies
    }
    assert bound(replace(plan, prices_ppm=prices), inputs) >= found.objective_ppm


def pool(chip: str, devices: int, price: int = 0) -> PoolView:
    nodes = (NodeView(1, 0, devices),)
    return PoolView(chip, chip, devices, 0, price, "CNY", chip, nodes)


def request(number: int, chip: str = "npu", **over) -> Request:
    return Request(
        id=f"r{number:03}",
        number=number,
        organisation=f"o{number % 3}",
        chip=chip,
        devices=1,
        wall_seconds_max=60,
        since_us=NOW_US,
        **over,
    )


def served(
    pools: list[PoolView], requests: list[Request], guide: Guide | None, *, always: bool = True
) -> int:
    policy = preset("yunhe", overtaking="always") if always else YUNHE
    engine = Engine(pools, policy, guide=guide)
    for each in requests:
        engine.note(Arrived(each), now_us=NOW_US)
    return sum(
        min(({each.request.chip: 1_000} | dict(each.request.substitutes))[each.chip], 1_000)
        for each in engine.decide(now_us=NOW_US)
        if isinstance(each, Placement)
    )


def planned(pools: list[PoolView], requests: list[Request]) -> tuple[Guide, int]:
    classes: dict[tuple[object, ...], list[Request]] = {}
    for each in requests:
        classes.setdefault(kin_of(each.chip, each.substitutes), []).append(each)
    inputs = Inputs(
        tuple(Supply(each.chip, each.site, each.devices) for each in pools),
        tuple(
            demand(str(number), len(rows), rows[0].chip, also=dict(rows[0].substitutes))
            for number, rows in enumerate(classes.values())
        ),
    )
    plan = solve(inputs)
    found = audit(plan, inputs)
    assert found.sound
    return guide_of(plan, inputs), found.bound_ppm


@pytest.mark.parametrize("always", [True, False], ids=["always", "reserved"])
@pytest.mark.parametrize("many", [10, 30])
def test_a_guided_dispatcher_reaches_the_optimum_where_an_unguided_one_does_not(
    many, always
) -> None:
    # The chip that all of them ask for is the cheapest, so flexible work takes it first.
    pools = [pool("npu", 10, 100), pool("gpu", 10, 300)]
    requests = [request(n, substitutes={"gpu": 950} if n % 2 else {}) for n in range(2 * many)]
    requests.sort(key=lambda each: not each.substitutes)
    requests = [replace(each, number=number) for number, each in enumerate(requests)]
    guide, optimum = planned(pools, requests)
    assert served(pools, requests, guide, always=always) * 1_000 >= PROMISED * optimum
    if many == 10:
        assert served(pools, requests, None, always=always) * 1_000 < PROMISED * optimum


def test_work_leaves_a_chip_to_others_but_takes_it_when_nobody_wants_it() -> None:
    pools = [pool("npu", 2)]
    guide = Guide({("npu", "npu"): 900_000})
    slow = request(0, "gpu", substitutes={"npu": 500})
    assert served(pools, [slow], guide) == 500
    assert served(pools, [slow, request(1), request(2)], guide) == 2_000
    assert served(pools, [slow, request(1), request(2)], None) == 1_500


def test_who_waited_for_its_patience_leaves_nothing_to_others() -> None:
    engine = Engine([pool("npu", 1)], YUNHE, guide=Guide({("npu", "npu"): 900_000}))
    old = replace(request(0, "gpu", substitutes={"npu": 500}), since_us=NOW_US - YUNHE.patience_us)
    for each in (old, request(1)):
        engine.note(Arrived(each), now_us=NOW_US)
    assert [each.request.id for each in engine.decide(now_us=NOW_US)] == ["r000"]


def test_what_left_a_chip_to_others_has_it_when_they_are_done() -> None:
    engine = Engine([pool("npu", 1)], YUNHE, guide=Guide({("npu", "npu"): 900_000}))
    for each in (request(0, "gpu", substitutes={"npu": 500}), request(1)):
        engine.note(Arrived(each), now_us=NOW_US)
    assert [each.request.id for each in engine.decide(now_us=NOW_US)] == ["r001"]
    placed = engine.on(Ended("r001"), now_us=NOW_US)
    assert [each.request.id for each in placed] == ["r000"]


def test_a_guide_that_knows_none_of_the_pools_changes_nothing() -> None:
    pools = [pool("npu", 3, 5), pool("gpu", 3, 4)]
    requests = [request(n, substitutes={"gpu": 900} if n % 2 else {}) for n in range(9)]
    picture = Picture(tuple(pools), (), (), {}, tuple(requests))
    strange = replace(picture, guide=Guide({("x", "y"): 5}, {kin_of("x", {}): {("x", "y"): 9}}))
    plain, guided = decide(picture, now_us=NOW_US), decide(strange, now_us=NOW_US)
    assert {each.request.id for each in plain} == {each.request.id for each in guided}
    assert served(pools, requests, strange.guide) == served(pools, requests, None)


@given(st.integers(-(10**7), 10**6), st.integers(0, 10**6), st.integers(0, 1_000))
def test_levels_are_few_and_a_better_place_is_never_behind_a_worse_one(value, more, part) -> None:
    kin, cell = kin_of("npu", {}), ("npu", "s")
    guide = Guide({}, {kin: {cell: part}})
    best = 10**6
    worse = guide.level(kin, cell, value=value, best=best)
    better = guide.level(kin, cell, value=min(value + more, best), best=best)
    assert 0 <= better <= worse <= LATE
