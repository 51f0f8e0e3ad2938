"""Passes that follow a plan: nobody starves by it, two are alike, and a bad one does no harm."""

from __future__ import annotations

import builtins
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.planning import aggregating, service
from yunhe.compute.planning.aggregating import aggregated
from yunhe.compute.planning.mixing import USUAL_MAX, mixed
from yunhe.compute.scheduling import plan as planner
from yunhe.compute.scheduling.adopting import usual_needs
from yunhe.compute.scheduling.engine import Engine, decide
from yunhe.compute.scheduling.events import Arrived
from yunhe.compute.scheduling.plan import Unsolved, solve
from yunhe.compute.scheduling.plan_guide import LATE, Guide, kin_of
from yunhe.compute.scheduling.policies import FIRST_FIT, YUNHE
from yunhe.compute.scheduling.state import (
    AwardView,
    NodeView,
    Picture,
    Piece,
    Placement,
    PoolView,
    Request,
    RunningView,
    Usual,
    Wait,
)

POOLS = (
    PoolView("a", "npu", 8, 0, 100, "CNY", nodes=(NodeView(4, 0, 2),)),
    PoolView("b", "npu", 6, 0, 300, "CNY", nodes=(NodeView(2, 1, 3),)),
    PoolView("c", "gpu", 4, 0, 200, "CNY"),
)
CELLS = [(pool.chip, pool.id) for pool in POOLS]
NOW = 10**12

requests = st.builds(
    Request,
    id=st.just(""),
    number=st.just(0),
    organisation=st.sampled_from(["x", "y"]),
    chip=st.sampled_from(["npu", "gpu"]),
    devices=st.sampled_from([1, 1, 2, 3, 4, 8]),
    wall_seconds_max=st.sampled_from([60, 600]),
    since_us=st.sampled_from([0, NOW - 1, NOW]),
    substitutes=st.sampled_from([{}, {"gpu": 1_500}, {"npu": 400}]),
    sites=st.sampled_from([None, None, frozenset({"a"}), frozenset({"b", "c"})]),
    replicas=st.sampled_from([1, 1, 2]),
    milli=st.just(0),
)
guides = st.builds(
    Guide,
    st.dictionaries(st.sampled_from(CELLS), st.integers(0, 3_000_000)),
    st.dictionaries(
        st.sampled_from([kin_of("npu", {}), kin_of("gpu", {}), kin_of("npu", {"gpu": 1_500})]),
        st.dictionaries(st.sampled_from(CELLS), st.integers(0, 1_000)),
    ),
    st.integers(0, 1_000),
)


def numbered(drawn) -> tuple[Request, ...]:
    return tuple(replace(one, id=f"w{n:03}", number=n) for n, one in enumerate(drawn))


def rich() -> tuple[AwardView, ...]:
    return tuple(
        AwardView(f"{name}-{chip}", name, chip, 10**12, 10**18)
        for name in ("x", "y")
        for chip in ("npu", "gpu")
    )


def picture(queue, **over) -> Picture:
    cash = {(name, "CNY"): 10**12 for name in ("x", "y")}
    return Picture(POOLS, rich(), (), cash, tuple(queue), **over)


def placements(decisions) -> list[Placement]:
    return [each for each in decisions if isinstance(each, Placement)]


def left_free(decisions) -> dict[str, Counter[int]]:
    """Free devices by pool and node, after these placements."""
    free = {
        "a": Counter({0: 4, 1: 4}),
        "b": Counter({0: 2, 1: 2, 2: 2}),
        "c": Counter({0: 4}),
    }
    for one in placements(decisions):
        for node, devices in one.nodes:
            free[one.pool][node] -= devices
    return free


def fits(request: Request, free: dict[str, Counter[int]]) -> bool:
    """Whether some pool has room for it on its nodes, by the plainest count."""
    for pool in POOLS:
        speeds = {request.chip: 1_000, **request.substitutes}
        if pool.chip not in speeds or (request.sites and pool.id not in request.sites):
            continue
        size = pool.nodes[0].devices if pool.nodes else pool.devices
        if request.devices <= size:
            room = sum(left // request.devices for left in free[pool.id].values())
        else:
            whole = sum(left == size for left in free[pool.id].values())
            room = whole // -(-request.devices // size)
        if room >= request.replicas:
            return True
    return False


@given(st.lists(requests, max_size=14), guides)
@settings(max_examples=120, deadline=None)
def test_a_guide_never_leaves_a_request_waiting_beside_devices_that_would_do(drawn, guide) -> None:
    seen = picture(numbered(drawn), guide=guide)
    decisions = decide(seen, now_us=NOW, policy=FIRST_FIT)  # keeps nothing free for anybody
    free = left_free(decisions)
    assert all(left >= 0 for nodes in free.values() for left in nodes.values())
    assert not any(fits(one.request, free) for one in decisions if isinstance(one, Wait))


@given(requests, guides)
@settings(max_examples=120, deadline=None)
def test_whatever_a_guide_says_one_alone_is_placed_wherever_it_would_be_without(one, guide) -> None:
    alone = numbered([one])
    guided = placements(decide(picture(alone, guide=guide), now_us=NOW))
    free = placements(decide(picture(alone), now_us=NOW))
    assert len(guided) == len(free)


@given(st.lists(requests, max_size=10), guides, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_same_guide_and_picture_give_the_same_decisions_in_any_order(
    drawn, guide, dice
) -> None:
    queue = list(numbered(drawn))
    first = decide(picture(queue, guide=guide), now_us=NOW)
    dice.shuffle(queue)
    assert decide(picture(queue, guide=guide), now_us=NOW) == first


@given(guides, st.sampled_from(CELLS), st.integers(1, 4_000), st.integers(0, 10**6))
def test_a_level_grows_with_what_is_lost_and_only_real_losses_are_late(
    guide, cell, speed, price
) -> None:
    kin = kin_of("npu", {})
    value = guide.value(cell, speed=speed, price_minor=price)
    assert value <= min(speed, 1_000) * 1_000
    level = guide.level(kin, cell, value=value, best=max(value, 0))
    assert (level == LATE) == (value < -2_000)
    worse = guide.level(kin, cell, value=value - 100_000, best=max(value, 0))
    assert worse >= level


def test_a_guide_for_other_chips_and_pools_changes_nothing() -> None:
    queue = numbered(
        [
            Request("", 0, "x", "npu", devices, 60, 0)
            for devices in (1, 2, 4)
        ]
    )  # fmt: skip
    strange = Guide({("tpu", "z"): 10**9}, {kin_of("tpu", {}): {("tpu", "z"): 1_000}}, 0)
    assert decide(picture(queue, guide=strange), now_us=NOW) == decide(picture(queue), now_us=NOW)


def test_places_that_others_need_more_are_left_to_them_and_taken_when_nobody_comes() -> None:
    both = Request("both", 0, "x", "npu", 4, 60, NOW, {"gpu": 1_000})
    both = replace(both, blocked=None, substitutes={"gpu": 1_000})
    only = Request("only", 1, "y", "gpu", 4, 60, NOW)
    dear = Guide({("gpu", "c"): 1_500_000})
    placed = {
        one.request.id: one.pool
        for one in placements(decide(picture((both, only), guide=dear), now_us=NOW))
    }
    assert placed["only"] == "c"
    assert placed["both"] in {"a", "b"}
    small = replace(both, sites=frozenset({"c"}))
    [alone] = placements(decide(picture((small,), guide=dear), now_us=NOW))
    assert alone.pool == "c"


# What the solver says


def asked(*queue: Request, **over) -> aggregating.Aggregated:
    return aggregated(picture(queue, **over))


@given(st.lists(requests, min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_two_plans_of_the_same_platform_and_their_guides_are_equal(drawn) -> None:
    queue = numbered(drawn)
    made = [
        service.planned(asked(*some), at_us=1, every_seconds=1)
        for some in (queue, tuple(reversed(queue)))
    ]
    assert replace(made[0][0], cpu_us=0) == replace(made[1][0], cpu_us=0)
    assert made[0][1] == made[1][1]


def test_a_solver_that_is_not_there_makes_a_plan_that_failed(monkeypatch) -> None:
    seen = asked(*numbered([Request("", 0, "x", "npu", 1, 60, 0)]))
    right = builtins.__import__

    def without(name, *rest, **more):
        if name.startswith("scipy"):
            raise ImportError(name)
        return right(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    made, guide = service.planned(seen, at_us=1, every_seconds=1)
    assert (made.state, made.reason, guide) == ("failed", "solver_missing", None)


def test_a_solver_that_takes_too_long_is_stopped_and_makes_no_plan(monkeypatch) -> None:
    given_options = []

    def slow(*_, options, **__):
        given_options.append(options)
        return type("Answer", (), {"status": 1})()

    monkeypatch.setattr("scipy.optimize.linprog", slow)
    with pytest.raises(Unsolved) as caught:
        solve(asked(*numbered([Request("", 0, "x", "npu", 1, 60, 0)])).inputs)
    assert str(caught.value) == "solver_1"
    assert given_options == [{"time_limit": float(planner.SOLVER_SECONDS_MAX)}]


def test_a_plan_over_more_pairs_than_are_allowed_is_not_even_begun(monkeypatch) -> None:
    monkeypatch.setattr(planner, "PAIRS_MAX", 1)
    with pytest.raises(Unsolved) as caught:
        solve(asked(*numbered([Request("", 0, "x", "npu", 1, 60, 0)])).inputs)
    assert str(caught.value) == "too_large"


@given(
    st.lists(requests, min_size=1, max_size=8),
    st.dictionaries(
        st.sampled_from([("",), ("", "x"), ("", "y"), ("nothing",)]), st.integers(-5, 10**9)
    ),
)
def test_entitlements_go_by_weight_and_never_exceed_what_there_is(drawn, weights) -> None:
    inputs = asked(*numbered(drawn), weights=weights).inputs
    devices = sum(each.devices for each in inputs.supplies)
    assert sum(inputs.entitled.values()) <= devices
    assert all(least >= 0 for least in inputs.entitled.values())
    if len(inputs.entitled) == 2:
        share = {name: max(weights.get(("", name), 1), 1) for name in ("x", "y")}
        heavier = max(share, key=lambda name: share[name])
        assert inputs.entitled[heavier] == max(inputs.entitled.values())


def test_a_kind_and_an_organisation_that_weigh_more_are_owed_more() -> None:
    queue = [
        Request(f"w{n}", n, name, "npu", 1, 60, 0, kind=kind)
        for n, (name, kind) in enumerate((("x", "sme"), ("y", "university"), ("z", "university")))
    ]
    equal = asked(*queue).inputs.entitled
    assert equal == {"x": 9, "y": 4, "z": 4}  # of 18, by kind first as the fair share does
    weights = {("sme",): 1, ("university",): 5, ("university", "z"): 4}
    assert asked(*queue, weights=weights).inputs.entitled == {"x": 3, "y": 3, "z": 12}


def test_nodes_that_are_down_are_planned_only_as_far_as_they_may_be_at_work() -> None:
    pools = (replace(POOLS[0], down=(0,)), *POOLS[1:])
    [request] = numbered([Request("", 0, "x", "npu", 1, 60, 0)])

    def supply(pools) -> dict[str, int]:
        found = aggregated(replace(picture((request,)), pools=pools))
        return {each.site: each.devices for each in found.inputs.supplies}

    assert supply(pools)["a"] == 4
    assert supply((replace(pools[0], devices_busy=3), *pools[1:]))["a"] == 7
    gone = replace(POOLS[0], devices=4, down=(0,), gone=(0,))
    assert supply((gone, *pools[1:]))["a"] == 4


# What is usual


def test_the_mix_is_what_waits_and_runs_and_half_of_it_what_was() -> None:
    waiting = [Request(f"w{n}", n, "x", "npu", 1, 60, 0, milli=500) for n in range(3)]
    waiting.append(Request("big", 9, "x", "npu", 4, 60, 0, substitutes={"gpu": 900}))
    running = (
        RunningView(Request("r", 8, "x", "npu", 1, 60, 0), "a", ((0, 1),), 0,
                    (Piece(0, (1,), 1_000, 2_000, 64),)),
    )  # fmt: skip
    mix = mixed(picture(waiting, running=running))
    said = {(u.devices, u.milli, u.cpu_milli, u.memory_mib, u.chips): u.count for u in mix}
    assert said == {
        (1, 500, 0, 0, ("npu",)): 1_024,
        (4, 0, 0, 0, ("gpu", "npu")): 256,
        (1, 0, 2_000, 64, ("npu",)): 256,
    }
    assert mixed(picture(waiting, running=running), mix) == mixed(
        picture(waiting, running=running), mixed(picture(waiting, running=running), mix)
    )
    later = mixed(picture([]), mix)
    assert {u.devices for u in later} == {1, 4}  # nothing new says nothing against what was
    assert mixed(picture([])) == ()


@given(st.lists(requests, max_size=20), st.randoms(use_true_random=False))
def test_the_mix_does_not_depend_on_any_order_and_is_bounded(drawn, dice) -> None:
    queue = list(numbered(drawn))
    first = mixed(picture(queue))
    dice.shuffle(queue)
    assert mixed(picture(queue)) == first
    many = [
        Request(f"m{n}", n, "x", "npu", 1, 60, 0, cpu_milli=n + 1) for n in range(USUAL_MAX + 9)
    ]
    assert len(mixed(picture(many))) == USUAL_MAX
    assert all(row.count > 0 for row in mixed(picture(many)))


def test_a_platform_packs_with_the_mix_as_the_simulator_does() -> None:
    pools = (
        PoolView("p", "npu", 8, 0, 0, "CNY", nodes=(NodeView(4, 0, 2, 32_000, 65_536),)),
    )  # fmt: skip
    usual = (
        Usual(1, 500, 2_000, 1_024, ("npu",), 512),
        Usual(4, 0, 8_000, 8_192, ("npu",), 256),
        Usual(0, 0, 4_000, 4_096, (), 128),
    )
    queue = tuple(
        Request(f"w{n}", n, "x", "npu", 1, 60, 0, milli=500, cpu_milli=2_000, memory_mib=1_024)
        for n in range(6)
    )
    seen = replace(picture(queue, usual=usual), pools=pools)
    decided = placements(decide(seen, now_us=NOW))
    assert len(decided) == 6
    engine = Engine(pools, YUNHE, usual=usual_needs(seen))
    for one in queue:
        engine.note(Arrived(one), now_us=NOW)
    simulated = placements(engine.decide(now_us=NOW))
    assert [one.pieces for one in decided] == [one.pieces for one in simulated]


def test_work_is_placed_even_where_no_prices_can_be_made(monkeypatch) -> None:
    def fails(*_: object):
        raise ArithmeticError("no solution")

    monkeypatch.setattr("yunhe.compute.scheduling.packed._prices", fails)
    pools = (PoolView("p", "npu", 2, 0, 0, "CNY", divided=True),)
    queue = (Request("w", 0, "x", "npu", 1, 60, 0, milli=250),)
    usual = (Usual(1, 250, 0, 0, (), 4),)
    [placed] = placements(decide(replace(picture(queue, usual=usual), pools=pools), now_us=NOW))
    assert placed.pieces[0].milli == 250
