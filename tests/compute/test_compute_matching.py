"""Who gets which chip: the market on small cases, and the engine that deals devices out anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from test_compute_simulation_replaying import jobs_drawn
from test_compute_simulation_replaying import trace_of as drawn_trace

from yunhe.compute.scheduling.engine import Engine, decide, engine_of
from yunhe.compute.scheduling.events import Arrived, Ended, Withdrawn
from yunhe.compute.scheduling.matching import NOWHERE, assign, prices
from yunhe.compute.scheduling.outlook import EVERY
from yunhe.compute.scheduling.policies import (
    EVEN,
    FORESEEING,
    MATCHED,
    NIMBLE,
    PRESETS,
    YUNHE,
    Policy,
    preset,
)
from yunhe.compute.scheduling.rounds import Dealing, engine_class
from yunhe.compute.scheduling.state import (
    Picture,
    Placement,
    PoolView,
    Preemption,
    Request,
)
from yunhe.compute.simulation.loop import replay

HOUR = 3_600_000_000


def pool(chip: str, devices: int) -> PoolView:
    return PoolView(chip, chip, devices, 0, 0, "CNY")


def request(name: str, speeds: dict[str, int], **said: object) -> Request:
    given_: dict[str, object] = {
        "id": name,
        "number": int(name[1:]),
        "organisation": "o",
        "chip": "fast",
        "devices": 1,
        "wall_seconds_max": 0,
        "since_us": 0,
        "substitutes": speeds,
        "preemptible": True,
    }
    return Request(**(given_ | said))  # type: ignore[arg-type]


def engine(fast: int = 1, slow: int = 1, *, foreseeing: bool = False) -> Engine:
    policy = FORESEEING if foreseeing else MATCHED
    pools = [pool(chip, count) for chip, count in (("fast", fast), ("slow", slow)) if count]
    return engine_class(policy)(pools, policy)


def placed(decisions: object) -> dict[str, str]:
    assert isinstance(decisions, list)
    return {one.request.id: one.pool for one in decisions if isinstance(one, Placement)}


def array(rows: list[list[float]]) -> np.ndarray:
    return np.array(rows, np.float64)


def test_the_fast_chip_goes_to_whom_it_helps_most() -> None:
    worth = array([[1.0, 0.9], [1.0, 0.1]])
    ones = np.array([1, 1])
    assert assign(worth, ones, ones).tolist() == [1, 0]


def test_a_price_lies_between_who_is_served_and_who_goes_without() -> None:
    worth = array([[5.0], [3.0], [2.0]])
    found = prices(worth, np.array([1, 1, 1]), np.array([2]))
    assert found.tolist() == [2.5]


def test_what_is_plentiful_costs_nothing() -> None:
    worth = array([[5.0, 1.0], [3.0, 1.0]])
    assert prices(worth, np.array([1, 1]), np.array([2, 2])).tolist() == [0.0, 0.0]


def test_nobody_is_put_where_it_is_worth_nothing() -> None:
    assert assign(array([[0.0]]), np.array([1]), np.array([4])).tolist() == [NOWHERE]
    assert assign(np.zeros((0, 2)), np.zeros(0, np.int64), np.array([1, 1])).tolist() == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 8), st.lists(st.integers(0, 50), min_size=3, max_size=3)),
        max_size=25,
    ),
    st.lists(st.integers(0, 12), min_size=3, max_size=3),
)
def test_no_column_is_overfull_and_nothing_that_fits_is_left_out(
    pieces: list[tuple[int, list[int]]], room: list[int]
) -> None:
    devices = np.array([size for size, _ in pieces], np.int64)
    worth = np.array([row for _, row in pieces], np.float64).reshape(len(pieces), 3)
    chosen = assign(worth, devices, np.array(room, np.int64))
    left = np.array(room, np.int64)
    for piece, column in enumerate(chosen.tolist()):
        if column != NOWHERE:
            assert worth[piece, column] > 0
            left[column] -= devices[piece]
    assert (left >= 0).all()
    for piece in np.flatnonzero(chosen == NOWHERE).tolist():
        fits = (devices[piece] <= left) & (worth[piece] > 0)
        assert not fits.any()


@pytest.mark.parametrize("seed", range(5))
def test_an_assignment_is_worth_nearly_as_much_as_the_best_there_is(seed: int) -> None:
    drawn = np.random.default_rng(seed)
    ones = np.ones(40, np.int64)
    worth = drawn.uniform(0.1, 1.0, (40, 3))
    chosen = assign(worth, ones, np.array([10, 10, 10]))
    served = np.flatnonzero(chosen != NOWHERE)
    places = np.repeat(worth, 10, axis=1)
    rows, columns = linear_sum_assignment(-places)
    assert len(served) == 30
    assert worth[served, chosen[served]].sum() >= 0.95 * places[rows, columns].sum()


def test_only_policies_that_match_get_the_engine_that_deals() -> None:
    assert engine_class(YUNHE) is Engine
    assert engine_class(MATCHED) is Dealing
    assert {"matched", "foreseeing", "even"} <= set(PRESETS)
    assert EVEN.ageing_us < NIMBLE.ageing_us


def test_two_arrivals_are_dealt_out_by_what_they_lose_on_the_slow_chip() -> None:
    deal = engine()
    deal.note(Arrived(request("r1", {"fast": 1000, "slow": 900})), now_us=0)
    deal.note(Arrived(request("r2", {"fast": 1000, "slow": 100})), now_us=0)
    assert placed(deal.decide(now_us=0)) == {"r1": "slow", "r2": "fast"}


def test_work_moves_to_a_better_chip_when_one_becomes_free() -> None:
    deal = engine()
    deal.on(Arrived(request("r1", {"fast": 1000})), now_us=0)
    deal.on(Arrived(request("r2", {"fast": 1000, "slow": 200})), now_us=0)
    decisions = deal.on(Ended("r1"), now_us=HOUR)
    assert [type(one) for one in decisions] == [Preemption, Placement]
    assert placed(decisions) == {"r2": "fast"}
    assert deal.floor.all["r2"].request.pushed_out == 1


def test_work_that_may_not_be_pushed_out_stays() -> None:
    deal = engine()
    deal.on(Arrived(request("r1", {"fast": 1000})), now_us=0)
    deal.on(Arrived(request("r2", {"fast": 1000, "slow": 200}, preemptible=False)), now_us=0)
    assert deal.on(Ended("r1"), now_us=HOUR) == []


def test_nothing_is_pushed_out_right_after_it_started() -> None:
    deal = engine(slow=0, foreseeing=True)
    deal.on(Arrived(request("r1", {"fast": 1000}, expected_us=100 * HOUR)), now_us=0)
    short = request("r2", {"fast": 1000}, expected_us=HOUR)
    assert deal.on(Arrived(short), now_us=1_000_000) == []
    assert placed(deal.decide(now_us=HOUR)) == {"r2": "fast"}


def test_without_foresight_what_ran_for_long_makes_way_for_newcomers() -> None:
    deal = engine(slow=0)
    deal.on(Arrived(request("r1", {"fast": 1000})), now_us=0)
    decisions = deal.on(Arrived(request("r2", {"fast": 1000})), now_us=50 * HOUR)
    assert [type(one) for one in decisions] == [Preemption, Placement]
    assert placed(decisions) == {"r2": "fast"}


def test_a_higher_class_goes_first_whatever_it_is_worth() -> None:
    deal = engine(slow=0, foreseeing=True)
    deal.note(Arrived(request("r1", {"fast": 1000}, expected_us=HOUR)), now_us=0)
    urgent = request("r2", {"fast": 1000}, expected_us=90 * HOUR, priority=1)
    deal.note(Arrived(urgent), now_us=0)
    assert placed(deal.decide(now_us=0)) == {"r2": "fast"}


def test_work_done_on_a_slow_chip_counts_by_its_speed() -> None:
    deal = engine(foreseeing=True)
    one = request("r1", {"fast": 1000, "slow": 500}, expected_us=10 * HOUR)
    deal.on(Arrived(one), now_us=0)
    running = deal.floor.all["r1"]
    assert isinstance(deal, Dealing)
    assert running.spot[0] == 0
    assert deal._work_us(running, 2 * HOUR) == 2 * HOUR


@pytest.mark.parametrize("foreseeing", [False, True], ids=["blind", "foreseeing"])
def test_an_engine_never_gives_out_more_than_there_is(*, foreseeing: bool) -> None:
    deal = engine(fast=4, slow=4, foreseeing=foreseeing)
    for number in range(1, 31):
        speeds = {"fast": 1000, "slow": 100 * (number % 9 + 1)}
        arrival = request(
            f"r{number}", speeds, devices=1 + number % 4, expected_us=HOUR * (number % 5 + 1)
        )
        deal.on(Arrived(arrival), now_us=number * HOUR // 2)
        held = [0, 0]
        for running in deal.floor.all.values():
            held[running.spot[0]] += running.request.devices
        assert max(held) <= 4
        if number % 3 == 0:
            deal.on(Ended(min(deal.floor.all)), now_us=number * HOUR // 2)
    assert len(deal.queue.waiting) + len(deal.floor.all) == 20


@settings(deadline=None, max_examples=25)
@given(rows=jobs_drawn, policy=st.sampled_from(["matched", "foreseeing", "even"]))
def test_a_replay_finishes_everything_and_repeats_itself(rows, policy) -> None:
    trace = drawn_trace(rows)
    expected = trace.jobs.service_us if policy == "foreseeing" else None
    run = replay(trace, preset(policy), expected_us=expected)
    again = replay(trace, preset(policy), expected_us=expected)
    assert (run.end_us >= trace.jobs.arrive_us).all()
    assert (run.run_us >= trace.jobs.service_us).all() or len(trace.fleet.chips) > 1
    assert run.end_us.tolist() == again.end_us.tolist()


@pytest.mark.parametrize("policy", [MATCHED, FORESEEING], ids=lambda policy: policy.name)
def test_the_platform_refuses_a_policy_that_would_move_work_within_a_pass(policy: Policy) -> None:
    picture = Picture((pool("fast", 1),), (), (), {}, ())
    with pytest.raises(ValueError, match="simulator"):
        engine_of(picture, policy, now_us=0)
    with pytest.raises(ValueError, match="simulator"):
        decide(picture, policy=policy, now_us=0)
    assert type(engine_of(picture, YUNHE, now_us=0)) is Engine


pieces_drawn = st.lists(
    st.tuples(st.integers(1, 8), st.lists(st.integers(0, 50), min_size=3, max_size=3)),
    max_size=25,
)
room_drawn = st.lists(st.integers(0, 12), min_size=3, max_size=3)


def arrays(
    pieces: list[tuple[int, list[int]]], room: list[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    worth = np.array([row for _, row in pieces], np.float64).reshape(len(pieces), 3)
    return worth, np.array([size for size, _ in pieces], np.int64), np.array(room, np.int64)


@settings(max_examples=60, deadline=None)
@given(pieces_drawn, room_drawn)
def test_the_same_market_has_the_same_answer_and_its_input_stays_as_it_was(
    pieces: list[tuple[int, list[int]]], room: list[int]
) -> None:
    said = arrays(pieces, room)
    first = assign(*said)
    assert first.tolist() == assign(*said).tolist()
    assert all(
        (mine == fresh).all() for mine, fresh in zip(said, arrays(pieces, room), strict=True)
    )


@settings(max_examples=60, deadline=None)
@given(pieces_drawn, room_drawn)
def test_prices_are_never_negative_and_rise_in_proportion_to_all_worth(
    pieces: list[tuple[int, list[int]]], room: list[int]
) -> None:
    worth, devices, there = arrays(pieces, room)
    found = prices(worth, devices, there)
    assert (found >= 0).all()
    assert np.allclose(prices(4 * worth, devices, there), 4 * found)
    assert assign(4 * worth, devices, there).tolist() == assign(worth, devices, there).tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 1_000), min_size=1, max_size=30, unique=True), st.integers(1, 30))
def test_one_kind_of_chip_goes_to_the_dearest_and_the_price_parts_them(
    worths: list[int], room: int
) -> None:
    worth = np.array(worths, np.float64)[:, None]
    ones = np.ones(len(worths), np.int64)
    chosen = assign(worth, ones, np.array([room]))
    served = sorted(w for w, column in zip(worths, chosen.tolist(), strict=True) if column == 0)
    assert served == sorted(worths)[-room:]
    price = float(prices(worth, ones, np.array([room]))[0])
    assert all(w > price for w in served)
    assert sum(w > price for w in worths) == len(served)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 1_000), min_size=2, max_size=30, unique=True))
def test_more_room_never_makes_a_chip_dearer(worths: list[int]) -> None:
    worth = np.array(worths, np.float64)[:, None]
    ones = np.ones(len(worths), np.int64)
    asked = [float(prices(worth, ones, np.array([n]))[0]) for n in range(1, len(worths) + 1)]
    assert asked == sorted(asked, reverse=True)
    assert asked[-1] == 0


@pytest.mark.parametrize("seed", range(5))
def test_at_the_prices_found_hardly_anybody_envies_another(seed: int) -> None:
    drawn = np.random.default_rng(seed)
    ones, room = np.ones(60, np.int64), np.array([15, 15, 15])
    worth = drawn.uniform(0.1, 1.0, (60, 3))
    net = worth - prices(worth, ones, room)
    chosen = assign(worth, ones, room)
    served = np.flatnonzero(chosen != NOWHERE)
    envy = net[served].max(axis=1) - net[served, chosen[served]]
    assert envy.mean() <= 0.02
    assert np.quantile(envy, 0.9) <= 0.05


def test_a_gang_is_seated_where_each_of_its_devices_pays_the_price() -> None:
    devices = np.array([4, 1, 1, 1])
    dear, cheap = array([[4.8], [1.3], [1.1], [1.0]]), array([[4.0], [1.3], [1.2], [1.1]])
    assert assign(dear, devices, np.array([5])).tolist() == [0, 0, NOWHERE, NOWHERE]
    assert assign(cheap, devices, np.array([5])).tolist() == [NOWHERE, 0, 0, 0]


def test_one_kind_that_is_full_leaves_the_rest_their_second_choice() -> None:
    worth = array([[9.0, 1.0], [8.0, 4.0], [7.0, 6.0]])
    assert assign(worth, np.array([1, 1, 1]), np.array([1, 2])).tolist() == [0, 1, 1]


def test_the_engine_notes_work_that_ended_but_not_what_was_withdrawn() -> None:
    deal = engine(fast=2, slow=0)
    assert isinstance(deal, Dealing)
    deal.on(Arrived(request("r1", {"fast": 1000})), now_us=0)
    deal.on(Arrived(request("r2", {"fast": 1000})), now_us=0)
    deal.on(Ended("r1"), now_us=HOUR)
    deal.on(Ended("r1"), now_us=2 * HOUR)
    deal.on(Withdrawn("r2"), now_us=2 * HOUR)
    assert deal.outlook.ended == 1


def test_the_engine_looks_again_once_enough_has_ended() -> None:
    deal = engine(fast=40, slow=0)
    assert isinstance(deal, Dealing)
    before = deal.outlook.per_second(HOUR // 2)
    for number in range(1, 2 * EVERY + 1):
        deal.note(Arrived(request(f"r{number}", {"fast": 1000})), now_us=0)
    deal.decide(now_us=0)
    for number in range(1, EVERY + 1):
        deal.note(Ended(f"r{number}"), now_us=HOUR)
    assert deal.outlook.due
    deal.decide(now_us=HOUR)
    assert not deal.outlook.due
    assert deal.outlook.per_second(HOUR // 2) != before


def test_without_foresight_two_engines_told_the_same_decide_the_same() -> None:
    def told(unlike: int) -> list[dict[str, str]]:
        deal = engine(fast=3, slow=3)
        said = []
        for number in range(1, 25):
            speeds = {"fast": 1000, "slow": 100 + 50 * (number % 7)}
            each = request(f"r{number}", speeds, expected_us=unlike * number)
            said.append(placed(deal.on(Arrived(each), now_us=number * HOUR)))
            if number % 2:
                said.append(placed(deal.on(Ended(min(deal.floor.all)), now_us=number * HOUR)))
        return said

    assert told(1) == told(HOUR)  # predictions change nothing
