"""What guaranteed windows promise, whatever else is asked for, over passes as production has them.

Work runs to the last second of its wall limit, pushed-out work takes all the time it may, and
windows overlap in every way that was possible when they were given.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from windows_stage import HOLDER, Stage

from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.state import Picture
from yunhe.compute.simulation.recording import digest_of, plain, revived
from yunhe.compute.windows.checking import Ground, Held, families_of
from yunhe.kernel.clock import SECOND_US

SIZES = [4, 10, (4,), (4, 4), (2, 2, 2), (8, 4), (1, 1, 1)]
HOLDERS = ("holder-1", "holder-2")
OTHERS = ("north", "south", "west")


def devices(sizes) -> int:
    return sizes if isinstance(sizes, int) else sum(sizes)


def fits(stage: Stage, one) -> bool:
    """Whether it may be given, beside those that were."""
    ground = Ground(
        devices={pool: devices(sizes) for pool, sizes in stage.sizes.items()},
        families=families_of([(pool, "site") for pool in stage.sizes]),
        held=tuple(held(each) for each in stage.windows if each is not one),
        in_way=(),
        shut=(),
    )
    return ground.most(held(one)) >= one.devices


def held(one) -> Held:
    who = one.organisation, one.project
    return Held(who, one.devices, one.from_us, one.until_us, frozenset(one.pools))


@st.composite
def stages(draw) -> Stage:
    sizes = {pool: draw(st.sampled_from(SIZES)) for pool in "abc"[: draw(st.integers(1, 3))]}
    stage = Stage(sizes, cpus=draw(st.sampled_from([0, 0, 1])))
    for _ in range(draw(st.integers(1, 3))):
        begins = draw(st.integers(0, 200))
        ends = begins + draw(st.integers(1, 150))
        pools = draw(st.sampled_from([None, *([pool] for pool in sizes)]))
        holder = draw(st.sampled_from(HOLDERS))
        one = stage.window(draw(st.integers(1, 6)), begins, ends, holder=holder, pools=pools)
        if not fits(stage, one):
            stage.windows.pop()
    return stage


def ask(draw, stage: Stage) -> None:
    who = draw(st.sampled_from([*OTHERS, *HOLDERS]))
    wall = draw(st.sampled_from([5, 20, 60, 150, 1_000]))
    preemptible = draw(st.booleans())
    priority = draw(st.sampled_from([0, 0, 1, -1]))
    if who in HOLDERS:
        stage.ask(who, 1, wall, preemptible=preemptible, priority=priority)
        return
    replicas = draw(st.sampled_from([1, 1, 2]))
    size = draw(st.sampled_from([1, 1, 2, 4, 8]))
    more = {"preemptible": preemptible, "priority": priority, "replicas": replicas}
    stage.ask(who, size, wall, **more)


def families(stage: Stage):
    return {*((pool,) for pool in stage.sizes), tuple(sorted(stage.sizes))}


def active(stage: Stage, pools):
    now_us = stage.now * SECOND_US
    return [
        one
        for one in stage.windows
        if one.from_us <= now_us < one.until_us and set(one.pools) <= set(pools)
    ]


def firm(stage: Stage, pools) -> dict[str, int]:
    """Devices nobody could be asked to give up, by owner."""
    found: dict[str, int] = {}
    for name, view in stage.running.items():
        if view.pool in pools and not view.request.preemptible and name not in stage.asked:
            owner = view.request.organisation
            found[owner] = found.get(owner, 0) + view.request.devices_all
    return found


def assert_kept(stage: Stage) -> None:
    """Everywhere, what is promised and what cannot be pushed out fit together."""
    for pools in sorted(families(stage)):
        promised: dict[str, int] = {}
        for one in active(stage, pools):
            promised[one.organisation] = promised.get(one.organisation, 0) + one.devices
        taken = firm(stage, pools)
        others = sum(load for owner, load in taken.items() if owner not in promised)
        own = sum(max(load, taken.get(owner, 0)) for owner, load in promised.items())
        assert others + own <= sum(devices(stage.sizes[pool]) for pool in pools)


def assert_nobody_entitled_waits(stage: Stage) -> None:
    """But for those who were asked to make room and have not yet."""
    if stage.asked:
        return
    now_us = stage.now * SECOND_US
    for request in stage.queue.values():
        own = [
            one
            for one in stage.windows
            if one.organisation == request.organisation and one.from_us <= now_us < one.until_us
        ]
        ends_us = now_us + request.wall_seconds_max * SECOND_US
        if len(own) != 1 or ends_us > own[0].until_us:
            continue
        used = sum(
            view.request.devices_all
            for view in stage.running.values()
            if view.request.organisation == request.organisation and view.pool in own[0].pools
        )
        assert used + request.devices_all > own[0].devices


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_inside_a_window_its_holder_never_waits_for_what_others_started_since(data):
    stage = data.draw(stages())
    for _ in range(12):
        for _ in range(data.draw(st.integers(0, 4))):
            ask(data.draw, stage)
        stage.look()
        assert_kept(stage)
        stage.to(stage.now + data.draw(st.integers(1, 40)))
        stage.look()  # one pass serves what another made room for
        assert_kept(stage)
        assert_nobody_entitled_waits(stage)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_picture_with_windows_is_decided_alike_after_it_was_written_down(data):
    stage = data.draw(stages())
    for _ in range(6):
        ask(data.draw, stage)
    stage.to(data.draw(st.integers(0, 150)))
    for _ in range(3):
        ask(data.draw, stage)
    picture, now_us = stage.picture(), stage.now * SECOND_US
    again = revived(Picture, json.loads(json.dumps(plain(picture))))
    assert again.windows == picture.windows
    expected = digest_of(decide(picture, now_us=now_us))
    assert digest_of(decide(again, now_us=now_us)) == expected


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_windows_of_another_chip_or_gone_by_change_nothing(data):
    stage = data.draw(stages())
    windows, stage.windows = stage.windows, []
    for _ in range(8):
        ask(data.draw, stage)
    plain_ones = stage.picture()
    stage.windows = windows
    now_us = 400 * SECOND_US
    seen = stage.picture()
    assert digest_of(decide(seen, now_us=now_us)) == digest_of(decide(plain_ones, now_us=now_us))


@pytest.mark.parametrize("sizes", [32, (8, 8, 8, 8)], ids=["flat", "nodes"])
def test_only_as_much_is_kept_as_is_needed(sizes):
    stage = Stage({"a": sizes})
    stage.window(16, 100, 200)
    for _ in range(4):
        stage.ask("north", 8, 500)
    stage.look()
    assert stage.used("north") == 16
    assert {why.code for why in stage.whys.values()} == {"compute.waiting_guarantee"}
    assert {why.shorter_wall_seconds for why in stage.whys.values()} == {100}


def test_only_those_are_pushed_out_who_must_be():
    stage = Stage({"a": (8, 8, 8)})
    stage.window(8, 100, 200)
    lent = [stage.ask("north", 4, 1_000, preemptible=True) for _ in range(6)]
    stage.look()
    assert set(lent) == set(stage.running)
    stage.to(100)
    assert stage.asked == {}
    own = stage.ask(HOLDER, 8, 50)
    stage.look()
    assert sorted(stage.asked.values()) == [own, own]
    [node] = {stage.running[name].nodes[0][0] for name in stage.asked}
    stage.to(140)
    assert stage.running[own].nodes == ((node, 8),)
    assert len(stage.pushed) == 2


def test_a_gang_of_the_holder_pushes_out_over_several_nodes():
    stage = Stage({"a": (8, 8, 8)})
    stage.window(16, 100, 300)
    for _ in range(3):
        stage.ask("north", 8, 1_000, preemptible=True)
    stage.look()
    stage.to(100)
    own = stage.ask(HOLDER, 8, 100, replicas=2)
    stage.look()
    assert len(stage.asked) == 2
    stage.to(135)
    assert own in stage.running


def test_what_could_not_stay_pushes_nobody_out():
    stage = Stage({"a": (8,)})
    stage.window(8, 100, 200)
    stage.ask("north", 8, 1_000, preemptible=True)
    stage.look()
    stage.to(50)
    stage.ask("south", 8, 1_000, priority=1)
    stage.look()
    assert stage.asked == {}


def test_a_holders_own_work_under_a_window_is_not_pushed_out():
    stage = Stage({"a": (8,)})
    stage.window(8, 10, 2_000)
    stage.to(10)
    own = stage.ask(HOLDER, 8, 1_500, preemptible=True)
    stage.look()
    stage.to(1_000)
    stage.ask("south", 8, 100, priority=1)
    stage.look()
    assert own in stage.running
    assert stage.asked == {}


def test_the_holder_goes_on_where_a_node_broke():
    stage = Stage({"a": (8, 8, 8)})
    stage.window(16, 10, 200)
    stage.to(10)
    stage.down["a"] = (0,)
    own = [stage.ask(HOLDER, 8, 100), stage.ask(HOLDER, 8, 100), stage.ask(HOLDER, 8, 100)]
    stage.look()
    assert own[:2] == sorted(stage.running)
    assert stage.whys[own[2]].code == "compute.waiting_window_used"
    stage.down["a"] = (0, 1, 2)
    stage.queue.clear()
    stage.running.clear()
    late = stage.ask(HOLDER, 8, 100)
    stage.look()
    assert stage.whys[late].code.startswith("compute.waiting_")


def test_shares_of_devices_are_guaranteed_too():
    stage = Stage({"a": (2, 2)}, cpus=1)
    stage.window(2, 10, 500)
    for _ in range(8):
        stage.ask("north", 1, 1_000, milli=500)
    stage.look()
    assert len(stage.running) == 4
    stage.to(10)
    own = [stage.ask(HOLDER, 1, 100, milli=500) for _ in range(4)]
    stage.look()
    assert set(own) <= set(stage.running)
