"""What a plan is made of, and the mix that packing looks at: against plain counting."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.planning.aggregating import WEIGHT_PERMILLE, aggregated
from yunhe.compute.planning.mixing import USUAL_MAX, mixed
from yunhe.compute.reasons import Why
from yunhe.compute.scheduling.state import (
    AwardView,
    NodeView,
    Picture,
    Piece,
    PoolView,
    Request,
    RunningView,
    Usual,
)

POOLS = (
    PoolView("p", "npu", 8, 5, 100, "CNY", site="n"),
    PoolView("q", "npu", 4, 0, 60, "CNY", site="n"),
    PoolView("r", "gpu", 6, 2, 0, "CNY"),
)
REQUESTS = st.builds(
    Request,
    id=st.just(""),
    number=st.just(0),
    organisation=st.sampled_from("xyz"),
    chip=st.sampled_from(["npu", "gpu"]),
    devices=st.sampled_from([0, 1, 1, 2, 3]),
    wall_seconds_max=st.sampled_from([0, 50, 60, 600]),
    since_us=st.just(0),
    kind=st.just("k"),
    substitutes=st.sampled_from([{}, {"gpu": 700}, {"tpu": 0}]),
    sites=st.sampled_from([None, frozenset("n")]),
    replicas=st.sampled_from([1, 2]),
    milli=st.just(0),
    priority=st.integers(-3, 3),
    blocked=st.sampled_from([None, None, Why("compute.waiting_behind")]),
)


def numbered(drawn) -> list[Request]:
    return [replace(each, id=f"w{n}", number=n) for n, each in enumerate(drawn)]


def picture(queue=(), **over) -> Picture:
    return Picture(over.pop("pools", POOLS), (), (), {}, tuple(queue), **over)


def running(drawn) -> tuple[RunningView, ...]:
    return tuple(
        RunningView(replace(one, id=f"r{n}"), "pqr"[n % 3], (), 0) for n, one in enumerate(drawn)
    )


LISTS = st.lists(REQUESTS, max_size=12)


@settings(max_examples=80, deadline=None)
@given(LISTS, LISTS, st.randoms(use_true_random=False))
def test_no_device_that_is_asked_for_or_runs_is_lost_or_counted_twice(waits, runs, dice) -> None:
    queue, there = numbered(waits), running(runs)
    found = aggregated(picture(queue, running=there)).inputs
    asked: Counter[tuple[str, str, int]] = Counter()
    chips = {pool.id: pool.chip for pool in POOLS}
    for one in queue:
        if one.blocked is None:
            weight = WEIGHT_PERMILLE[max(min(one.priority, 1), -1)]
            asked[one.organisation, one.chip, weight] += one.devices_all
    for view in there:
        weight = WEIGHT_PERMILLE[max(min(view.request.priority, 1), -1)]
        at = view.request.organisation, chips[view.pool], weight
        asked[at] += view.request.devices_all
    planned: Counter[tuple[str, str, int]] = Counter()
    for each in found.demands:
        planned[each.tenant, each.chip, each.weight_permille] += each.devices
        assert each.chip in each.speeds
        assert min(each.speeds.values()) > 0
        assert each.devices_least.bit_count() == 1
        assert each.devices_least <= each.devices
    assert planned == +asked
    assert len({each.id for each in found.demands}) == len(found.demands)
    dice.shuffle(queue)
    assert aggregated(picture(queue, running=tuple(reversed(there)))).inputs == found


def test_pools_of_one_chip_at_one_site_are_one_cell_at_the_lowest_price() -> None:
    found = aggregated(picture()).inputs.supplies
    assert [(each.cell, each.devices, each.price_minor_per_device_hour) for each in found] == [
        (("gpu", "r"), 6, 0),
        (("npu", "n"), 12, 60),
    ]
    assert aggregated(picture(pools=POOLS[::-1])).inputs.supplies == found


def test_the_shortest_wall_of_a_class_stands_for_it_so_that_the_bound_holds() -> None:
    base = Request("a", 1, "x", "npu", 1, 63, 0)
    queue = [base, replace(base, id="b", wall_seconds_max=40), replace(base, id="c", number=3)]
    [one] = aggregated(picture(queue)).inputs.demands
    assert (one.devices, one.wall_seconds) == (3, 40)
    [long, short] = aggregated(
        picture([base, replace(base, id="d", wall_seconds_max=64)])
    ).inputs.demands
    assert sorted((long.wall_seconds, short.wall_seconds)) == [63, 64]


@pytest.mark.parametrize(
    ("down", "gone", "busy", "devices"),
    [((), (), 0, 8), ((0,), (), 0, 6), ((0,), (), 1, 7), ((0, 1), (), 9, 8), ((0,), (0,), 0, 8)],
)
def test_nodes_that_are_down_count_as_far_as_they_may_still_work(down, gone, busy, devices) -> None:
    nodes = (NodeView(2, 0, 4),)
    pool = PoolView("p", "npu", 8, busy, 0, "CNY", nodes=nodes, down=down, gone=gone)
    [supply] = aggregated(picture(pools=(pool,))).inputs.supplies
    assert supply.devices == devices


def test_what_runs_is_worth_its_class_less_the_price_of_its_place_and_never_below_nothing() -> None:
    one = Request("a", 1, "x", "gpu", 2, 0, 0, priority=-7)
    there = (
        RunningView(one, "p", (), 0),
        RunningView(replace(one, id="b", priority=5), "q", (), 0),
        RunningView(replace(one, id="c"), "gone", (), 0),
    )
    dear = replace(POOLS[0], price_minor_per_device_hour=10**9)
    reached = 2 * (2 * 10**6 - 60)  # "q" alone
    assert aggregated(picture(running=there, pools=(dear, *POOLS[1:]))).reached_ppm == reached
    whole = aggregated(picture(running=there)).reached_ppm
    assert whole == reached + 2 * (500 * 1_000 - 100)


@given(
    st.dictionaries(st.sampled_from("xyz"), st.integers(0, 9), min_size=1),
    st.dictionaries(st.sampled_from("kl"), st.integers(0, 9)),
)
@settings(max_examples=60, deadline=None)
def test_entitlements_are_the_weights_of_the_kind_and_then_of_ones_own(own, kinds) -> None:
    kind_of = {"x": "k", "y": "k", "z": "l"}
    queue = numbered(
        Request("", 0, name, "npu", 1, 9, 0, kind=kind_of[name]) for name in sorted(own)
    )
    weights = {(kind_of[name], name): weight for name, weight in own.items()}
    weights |= {(kind,): weight for kind, weight in kinds.items()}
    found = aggregated(picture(queue, weights=weights)).inputs.entitled
    here = {kind_of[name] for name in own}
    for name, weight in own.items():
        kind = kind_of[name]
        of_kind = Fraction(max(kinds.get(kind, 1), 1), sum(max(kinds.get(k, 1), 1) for k in here))
        among = sum(max(own[other], 1) for other in own if kind_of[other] == kind)
        assert found[name] == (18 * of_kind * max(weight, 1) / among).__floor__()
    assert sum(found.values()) <= 18


def test_budgets_add_up_by_chip_and_an_overdrawn_or_foreign_award_gives_nothing() -> None:
    awards = [
        AwardView(f"a{n}", name, chip, left, 1)
        for n, (name, chip, left) in enumerate(
            [("x", "npu", 5_999), ("x", "npu", 2_000), ("x", "gpu", -9), ("y", "npu", 9_000)]
        )
    ]
    queue = [Request("a", 1, "x", "npu", 1, 9, 0)]
    found = aggregated(replace(picture(queue), awards=tuple(awards))).inputs.budgets
    assert found == {("x", "npu"): 7, ("x", "gpu"): 0}


# The mix


@settings(max_examples=80, deadline=None)
@given(LISTS)
def test_what_is_asked_twice_as_often_never_counts_for_less(waits) -> None:
    queue = numbered(waits)
    asked: Counter[tuple[object, ...]] = Counter()
    for one in queue:
        if one.blocked is None and one.devices:
            asked[one.devices, tuple(sorted({one.chip, *one.substitutes}))] += one.replicas
    found = {(row.devices, row.chips): row.count for row in mixed(picture(queue))}
    assert set(found) == set(asked)
    assert all(count.bit_count() == 1 for count in found.values())
    for one, count in asked.items():
        for other, less in asked.items():
            if count >= less:
                assert found[one] >= found[other]
            if count >= 2 * less:
                assert found[one] > found[other]


@settings(max_examples=40, deadline=None)
@given(LISTS)
def test_a_mix_that_did_not_change_stays_the_same_to_the_letter(waits) -> None:
    queue = numbered(waits)
    mix = mixed(picture(queue))
    for _ in range(12):
        later = mixed(picture(queue), mix)
        same, mix = later == mix, later
    assert same  # so prices that were made for it hold on


def test_what_is_no_longer_asked_fades_beside_what_is_and_is_dropped_when_room_is_short() -> None:
    old = tuple(Usual(1, 0, 1_000 + n, 0, ("npu",), 1_024) for n in range(USUAL_MAX))
    now = [Request(f"w{n}", n, "x", "npu", 2, 9, 0) for n in range(3)]
    mix = mixed(picture(now), old)
    assert len(mix) == USUAL_MAX
    assert (mix[0].devices, mix[0].count) == (2, 1_024)
    assert {row.count for row in mix[1:]} == {16}  # a 64th of it each


def test_pieces_that_run_count_as_what_they_take_and_not_as_what_was_asked() -> None:
    one = Request("a", 1, "x", "gpu", 1, 9, 0, substitutes={"npu": 500}, milli=300)
    pieces = (Piece(0, (2,), 300, 5, 6), Piece(1, (0, 1), 1_000, 7, 8), Piece(2, (), 0, 9, 0))
    there = (
        RunningView(one, "p", (), 0, pieces),
        RunningView(replace(one, id="b"), "gone", (), 0, pieces),
    )
    found = {
        (row.devices, row.milli, row.cpu_milli, row.memory_mib, row.chips)
        for row in mixed(picture(running=there))
    }
    assert found == {(1, 300, 5, 6, ("npu",)), (2, 0, 7, 8, ("npu",)), (0, 0, 9, 0, ())}
