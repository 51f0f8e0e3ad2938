"""Devices dealt out anew at every event: to whom they are worth most, and never twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.scheduling.dispatching import Engine
from yunhe.compute.scheduling.events import Arrived, Ended, Event, Tick, Withdrawn
from yunhe.compute.scheduling.policies import FORESEEING, HOUR_US, MATCHED, YUNHE
from yunhe.compute.scheduling.rounds import Dealing, engine_class
from yunhe.compute.scheduling.state import Decision, Placement, PoolView, Preemption, Request

MINUTE_US = HOUR_US // 60


def pools(fast: int = 1, slow: int = 1) -> list[PoolView]:
    return [PoolView(name, name, devices, 0, 0, "CNY")
            for name, devices in (("fast", fast), ("slow", slow))]  # fmt: skip


def ask(name: str, faster: int = 2_000, **over: object) -> Request:
    """Work for the slow chip, and so much faster per thousand on the other."""
    said = {"preemptible": True, "expected_us": 10 * HOUR_US, "devices": 1, **over}
    substitutes = {"fast": faster} if faster else {}
    return Request(
        name, int(name[1:]), "x", "slow", wall_seconds_max=0, since_us=0,
        substitutes=substitutes, **said,
    )  # fmt: skip


def arrive(engine: Engine, *requests: Request, now_us: int = 0) -> dict[str, str]:
    """All of them at once; where each goes."""
    for one in requests:
        engine.note(Arrived(one), now_us=now_us)
    return placed(engine.decide(now_us=now_us))


def placed(decisions: list[Decision]) -> dict[str, str]:
    return {one.request.id: one.pool for one in decisions if isinstance(one, Placement)}


def test_only_a_policy_that_says_so_deals_out_anew() -> None:
    assert engine_class(YUNHE) is Engine
    assert engine_class(MATCHED) is engine_class(FORESEEING) is Dealing


@pytest.mark.parametrize("policy", [MATCHED, FORESEEING], ids=["matched", "foreseeing"])
@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["gains-first", "gains-last"])
def test_the_fast_chip_goes_to_whoever_gains_most_by_it(policy, order) -> None:
    gains = {1: ask("w1", 4_000), 2: ask("w2", 1_200)}
    found = arrive(Dealing(pools(), policy), *(gains[number] for number in order))
    assert found == {"w1": "fast", "w2": "slow"}


def test_work_that_cannot_run_on_a_chip_never_gets_it() -> None:
    found = arrive(Dealing(pools(fast=8), FORESEEING), *(ask(f"w{n}", 0) for n in range(3)))
    assert found == {"w0": "slow"}


def test_when_all_cannot_run_the_shortest_does_where_that_is_known() -> None:
    rows = [ask(f"w{n}", expected_us=(9 - n) * HOUR_US) for n in range(4)]
    assert set(arrive(Dealing(pools(), FORESEEING), *rows)) == {"w3", "w2"}


def test_a_higher_class_goes_first_whatever_it_gains() -> None:
    # The slow pool lost all of its devices: nothing fits there, and nothing breaks by it.
    rows = [ask("w1", 8_000), ask("w2", 1_000, priority=1)]
    engine = Dealing(pools(slow=0), FORESEEING)
    assert arrive(engine, *rows) == {"w2": "fast"}
    assert set(engine.queue.waiting) == {"w1"}


@pytest.mark.parametrize(
    ("after_us", "faster", "preemptible", "moves"),
    [
        (9 * MINUTE_US, 4_000, True, False),
        (11 * MINUTE_US, 4_000, True, True),
        (11 * MINUTE_US, 4_000, False, False),
        (11 * MINUTE_US, 1_040, True, False),
    ],
    ids=["runs too short", "moves", "may not be moved", "gains too little"],
)
def test_what_runs_moves_only_when_it_may_ran_a_while_and_gains_clearly(
    after_us, faster, preemptible, moves
) -> None:
    engine = Dealing(pools(), FORESEEING)
    blocker = ask("w1", 9_000, preemptible=False)
    assert arrive(engine, blocker)["w1"] == "fast"
    one = ask("w2", faster, preemptible=preemptible)
    assert arrive(engine, one) == {"w2": "slow"}
    engine.note(Ended("w1"), now_us=after_us)
    found = engine.decide(now_us=after_us)
    if moves:
        assert [type(each) for each in found] == [Preemption, Placement]
        assert placed(found) == {"w2": "fast"}
        assert engine.floor.all["w2"].request.pushed_out == 1
    else:
        assert found == []


def test_a_higher_class_gets_the_place_of_a_lower_one_in_the_same_pass() -> None:
    engine = Dealing(pools(slow=0), FORESEEING)
    arrive(engine, ask("w1"))
    found = engine.on(Arrived(ask("w2", priority=1)), now_us=HOUR_US)
    assert [(type(one), one.request.id) for one in found] == [
        (Preemption, "w1"),
        (Placement, "w2"),
    ]
    assert [one.beneficiary for one in found if isinstance(one, Preemption)] == ["w2"]


def test_an_engine_learns_from_what_ends_and_not_from_what_is_withdrawn() -> None:
    engine = Dealing(pools(), MATCHED)
    arrive(engine, ask("w1"), ask("w2"), ask("w3"))
    engine.on(Withdrawn("w1"), now_us=HOUR_US)
    assert engine.outlook.ended == 0
    engine.on(Ended("w2"), now_us=2 * HOUR_US)
    engine.on(Ended("w2"), now_us=2 * HOUR_US)  # a report that comes twice
    engine.on(Ended("nobody"), now_us=2 * HOUR_US)
    assert engine.outlook.ended == 1


ASKS = st.builds(
    ask,
    st.just("w0"),
    st.sampled_from([0, 500, 1_000, 1_500, 4_000]),
    devices=st.sampled_from([1, 1, 1, 2, 4]),
    preemptible=st.sampled_from([True, True, False]),
    priority=st.sampled_from([0, 0, 1]),
    expected_us=st.integers(1, 20 * HOUR_US),
)
STEPS = st.lists(
    st.tuples(st.integers(0, 3 * HOUR_US), st.one_of(ASKS, st.integers(0, 12), st.none())),
    max_size=20,
)


def run(policy, steps) -> tuple[Dealing, list[list[Decision]]]:
    """Replays arrivals, ends (of the number named) and ticks; checks the room after each."""
    engine, now_us, found = Dealing(pools(3, 5), policy), 0, []
    where: dict[str, tuple[str, int]] = {}
    for number, (after_us, what) in enumerate(steps):
        now_us += after_us
        event: Event = Tick()
        if isinstance(what, Request):
            event = Arrived(replace(what, id=f"w{number}", number=number))
        elif what is not None:
            event = Ended(f"w{what}")
            if f"w{what}" not in engine.queue.waiting:
                where.pop(f"w{what}", None)
        found.append(engine.on(event, now_us=now_us))
        for each in found[-1]:
            if isinstance(each, Preemption):
                assert each.request.preemptible
                assert where.pop(each.request.id)[0] == each.pool
            elif isinstance(each, Placement):
                assert each.request.id not in where
                where[each.request.id] = each.pool, each.request.devices_all
        for pool, most in (("fast", 3), ("slow", 5)):
            assert sum(devices for at, devices in where.values() if at == pool) <= most
        assert set(engine.floor.all) == set(where)
        assert not set(where) & set(engine.queue.waiting)
    return engine, found


@pytest.mark.parametrize("policy", [MATCHED, FORESEEING], ids=["matched", "foreseeing"])
@settings(max_examples=50, deadline=None)
@given(STEPS)
def test_no_device_is_dealt_out_twice_and_the_same_events_give_the_same(policy, steps) -> None:
    engine, found = run(policy, steps)
    assert run(policy, steps)[1] == found
    for name, request in engine.queue.waiting.items():  # who waits would not fit beside the rest
        free = [
            sum(group.free) >= request.devices
            for number, group in enumerate(engine.estate.groups)
            if engine.shape(request).fits >> number & 1
        ]
        assert not any(free), name


def crowded(policy=FORESEEING) -> Dealing:
    """Six fast devices held by work that gains much there, and slow ones for all of it."""
    engine = Dealing(pools(6, 8), policy)
    rows = [ask(f"w{n}", 4_000, expected_us=400 * HOUR_US) for n in range(6)]
    assert set(arrive(engine, *rows).values()) == {"fast"}
    return engine


def waits_until(engine: Dealing, name: str, *, first_us: int, every_us: int, most: int) -> int:
    """After how many looks the request runs; more than `most`: never."""
    for number in range(most):
        decisions = engine.on(Tick(), now_us=first_us + number * every_us)
        if name in placed(decisions):
            return number
    return most + 1


def only_fast(name: str, **over: object) -> Request:
    """Work that the fast chip alone can run."""
    since_us = over.pop("since_us", 0)
    return replace(ask(name, 0, **over), chip="fast", since_us=since_us)


def test_work_that_only_one_chip_can_run_does_not_wait_for_ever_behind_what_could_move() -> None:
    engine = crowded()
    gang = only_fast("w9", devices=6, expected_us=6 * HOUR_US, since_us=HOUR_US)
    assert arrive(engine, gang, now_us=HOUR_US) == {}
    looks = waits_until(engine, "w9", first_us=HOUR_US, every_us=HOUR_US, most=48)
    assert 2 <= looks <= 24
    assert all(one.spot[0] == 1 for name, one in engine.floor.all.items() if name != "w9")


def test_long_work_waits_longer_than_short_work_before_others_move_for_it() -> None:
    found = []
    for hours in (2, 20):
        engine = crowded()
        gang = only_fast("w9", devices=6, expected_us=hours * HOUR_US, since_us=HOUR_US)
        arrive(engine, gang, now_us=HOUR_US)
        looks = waits_until(engine, "w9", first_us=HOUR_US, every_us=HOUR_US, most=200)
        found.append(looks)
    assert found[0] < found[1] <= 200


def test_what_was_waited_before_being_pushed_out_counts_afterwards_too() -> None:
    engine = Dealing(pools(1, 0), FORESEEING)
    arrive(engine, only_fast("w1", expected_us=100 * HOUR_US, priority=1, preemptible=False))
    assert arrive(engine, only_fast("w2")) == {}
    engine.on(Ended("w1"), now_us=5 * HOUR_US)
    running = engine.floor.all["w2"]
    assert engine._had_waited_us(running.request, running, 6 * HOUR_US) == 5 * HOUR_US
    arrive(engine, only_fast("w3", priority=1, since_us=7 * HOUR_US), now_us=7 * HOUR_US)
    again = engine.queue.waiting["w2"]
    assert again.pushed_out == 1
    assert engine._had_waited_us(again, None, 9 * HOUR_US) == 7 * HOUR_US
    engine.on(Withdrawn("w2"), now_us=9 * HOUR_US)
    assert engine._waited_us == {}


class Forgetful(Dealing):
    """Works out anew at every event what waiting work is worth."""

    def _worths(self, request, shape, one, now_us):  # type: ignore[no-untyped-def]
        self._waits.clear()
        return super()._worths(request, shape, one, now_us)


@pytest.mark.parametrize("policy", [MATCHED, FORESEEING], ids=["matched", "foreseeing"])
@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_remembering_what_waiting_work_is_worth_changes_no_decision(policy, steps) -> None:
    engines = Dealing(pools(3, 5), policy), Forgetful(pools(3, 5), policy)
    now_us = 0
    for number, (after_us, what) in enumerate(steps * 2):
        now_us += after_us
        event: Event = Tick()
        if isinstance(what, Request):
            event = Arrived(replace(what, id=f"w{number}", number=number))
        elif what is not None:
            event = Ended(f"w{what}")
        kept, fresh = (engine.on(event, now_us=now_us) for engine in engines)
        assert kept == fresh
    assert set(engines[0]._waits) <= set(engines[0].queue.waiting) | set(engines[0].floor.all)
