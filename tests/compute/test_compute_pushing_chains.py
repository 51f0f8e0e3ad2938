"""Who was pushed out may push in turn: down in rank only, once each, and never for the platform."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.passes.pushing import wanted
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.policies import EVEN, NIMBLE, YIELDING, Policy
from yunhe.compute.scheduling.queues import level_of
from yunhe.compute.scheduling.running import Running
from yunhe.compute.scheduling.state import (
    AwardView,
    Picture,
    Placement,
    PoolView,
    Preemption,
    Request,
    RunningView,
    Wait,
)
from yunhe.kernel.clock import SECOND_US

NOW_US = 1_000_000 * SECOND_US
HOUR = 3_600
POLICIES = {"yielding": YIELDING, "nimble": NIMBLE, "even": EVEN}
BASE = Request("w", 0, "o", "cpu", 1, 600, 0)


def runs(
    name: str, *, priority: int = 0, ran: int = HOUR, had: int = 0, saves: int = 0, **over
) -> RunningView:
    since_us = NOW_US - ran * SECOND_US
    request = replace(
        BASE,
        id=name,
        number=int(name[1:]),
        since_us=since_us,  # it never waited
        wall_seconds_max=100 * HOUR,
        priority=priority,
        preemptible=True,
        checkpoint_seconds=saves,
        attained_us=had * SECOND_US,
        **over,
    )
    return RunningView(request, "pool", ((0, request.devices),), since_us)


def picture(running: list[RunningView], waits: list[Request], *, devices: int) -> Picture:
    busy = sum(view.request.devices for view in running)
    awards = tuple(AwardView(f"a-{o}", o, "cpu", 10**15, NOW_US * 2) for o in "abco")
    pool = PoolView("pool", "cpu", devices, busy, 0, "CNY")
    return Picture((pool,), awards, (), {}, tuple(waits), running=tuple(running))


@st.composite
def pictures(draw, *, devices_most: int = 4):
    running, busy = [], 0
    for number in range(draw(st.integers(1, 8))):
        devices = draw(st.integers(1, devices_most))
        if busy + devices > 8:
            break
        busy += devices
        running.append(
            runs(
                f"r{number}",
                priority=draw(st.integers(-1, 1)),
                ran=draw(st.integers(0, 4)) * 500,
                had=draw(st.integers(0, 6)) * HOUR * 2,
                saves=draw(st.sampled_from([0, 60, 3_600])),
                organisation=draw(st.sampled_from("ab")),
                devices=devices,
            )
        )
    waits = [
        replace(
            BASE,
            id=f"w{number}",
            number=100 + number,
            organisation=draw(st.sampled_from("abc")),
            devices=draw(st.integers(1, devices_most)),
            priority=draw(st.integers(-1, 1)),
            preemptible=draw(st.booleans()),
            since_us=NOW_US - draw(st.sampled_from([0, HOUR])) * SECOND_US,
        )
        for number in range(draw(st.integers(1, 4)))
    ]
    return picture(running, waits, devices=max(busy, 1))


def chains(seen: Picture, policy: Policy) -> tuple[list[Preemption], dict[str, Request]]:
    """Who is pushed out, in order; and every request by its name."""
    views = {view.request.id: view.request for view in seen.running}
    views |= {each.id: each for each in seen.queue}
    found = decide(seen, now_us=NOW_US, policy=policy)
    return [each for each in found if isinstance(each, Preemption)], views


def level(seen: Picture, name: str, policy: Policy) -> int:
    """What of its time so far counts against it; of what runs, with its run until now."""
    for view in seen.running:
        if view.request.id == name:
            had_us = view.request.attained_us
            had_us += (NOW_US - view.since_us) * view.request.devices_all
            return level_of(policy, had_us) if policy.levels_us else 0
    return 0


@pytest.mark.parametrize("policy", list(POLICIES.values()), ids=list(POLICIES))
@settings(deadline=None, max_examples=150)
@given(seen=pictures())
def test_nobody_is_pushed_out_twice_in_a_pass_nor_what_was_placed_in_it(seen, policy) -> None:
    placed: set[str] = set()
    pushed: Counter[str] = Counter()
    for each in decide(seen, now_us=NOW_US, policy=policy):
        if isinstance(each, Placement):
            placed.add(each.request.id)
        elif isinstance(each, Preemption):
            assert each.request.id not in placed
            pushed[each.request.id] += 1
    assert set(pushed.values()) <= {1}


@pytest.mark.parametrize("policy", list(POLICIES.values()), ids=list(POLICIES))
@settings(deadline=None, max_examples=150)
@given(seen=pictures())
def test_a_link_of_a_chain_leads_down_in_rank(seen, policy) -> None:
    found, views = chains(seen, policy)
    out: set[str] = set()
    for each in found:
        by, of = views[each.beneficiary], each.request
        if each.beneficiary in out:  # pushed out itself, in this very pass
            ours, theirs = (level(seen, one.id, policy) for one in (by, of))
            assert by.priority > of.priority or ours < theirs
        assert by.priority >= of.priority
        out.add(of.id)


@settings(deadline=None, max_examples=150)
@given(seen=pictures(devices_most=1))
def test_a_first_link_loses_no_more_than_the_last_that_it_could_have_pushed_itself(seen) -> None:
    """So two links lose at most twice what the direct choice would."""
    found, _ = chains(seen, NIMBLE)
    by_name = {view.request.id: view for view in seen.running}
    pushed_by = {each.request.id: each.beneficiary for each in found}
    for each in found:
        if each.beneficiary in pushed_by:
            first = by_name[each.beneficiary]
            assert loss_us(first) <= loss_us(by_name[each.request.id])


def loss_us(view: RunningView) -> int:
    there = Running(view.request, None, (0, ()), view.since_us, 0)
    return there.loss_us(NOW_US, NIMBLE.restart_us)


def example() -> Picture:
    """The high one pushes the usual one, which loses least; that one then pushes the low one."""
    running = [runs("r1", saves=60), runs("r2", priority=-1, ran=HOUR - 1, saves=HOUR)]
    high = replace(BASE, id="w9", number=9, priority=1, since_us=NOW_US)
    return picture(running, [high], devices=2)


def test_a_chain_loses_its_first_link_more_than_the_direct_choice_and_no_more() -> None:
    found, _ = chains(example(), YIELDING)
    assert [(each.request.id, each.beneficiary) for each in found] == [("r1", "w9"), ("r2", "r1")]
    first, last = (loss_us(view) for view in example().running)
    assert first <= last
    assert first + last <= 2 * last


def test_a_platforms_pass_asks_only_for_those_who_waited_when_it_began() -> None:
    """There the chain ends with its first link, which is the cheapest."""
    seen = example()
    decisions = [Wait(each, None) for each in seen.queue]
    found = wanted(seen, decisions, served=(), now_us=NOW_US)
    assert [(each.request.id, each.beneficiary) for each in found] == [("r1", "w9")]


@settings(deadline=None, max_examples=150)
@given(seen=pictures())
def test_nobody_on_a_platform_is_pushed_out_for_one_that_still_runs(seen) -> None:
    running = {view.request.id for view in seen.running}
    decisions = [Wait(each, None) for each in seen.queue]
    for each in wanted(seen, decisions, served=(), now_us=NOW_US):
        assert each.beneficiary not in running
