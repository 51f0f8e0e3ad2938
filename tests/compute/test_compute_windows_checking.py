"""Whether a window may be given, counted at every instant, and what is nearest where it may not."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from yunhe.compute.windows.checking import Ground, Held, InWay, Shut, families_of

POOLS = {"a": 4, "b": 3, "c": 2}
SITES = [("a", "east"), ("b", "east"), ("c", "west")]
PLACES = [frozenset("a"), frozenset("c"), frozenset("ab"), frozenset("abc")]
GROUND = Ground(POOLS, families_of(SITES), (), (), ())


def held(devices: int, begins: int, ends: int, *, who: str = "x", pools=PLACES[3]) -> Held:
    return Held((who, ""), devices, begins, ends, pools)


windows = st.builds(
    lambda devices, begins, lasts, who, pools: held(
        devices, begins, begins + lasts, who=who, pools=pools
    ),
    st.integers(1, 9),
    st.integers(0, 20),
    st.integers(1, 10),
    st.sampled_from("xyz"),
    st.sampled_from(PLACES),
)

stops = st.tuples(st.sampled_from("abc"), st.integers(0, 20), st.integers(1, 5))


def served(ground: Ground, at: int) -> bool:
    """Whether devices of their own can be found for all windows of an instant, one by one."""
    left = {
        pool: number
        for pool, number in ground.devices.items()
        if not any(s.pool == pool and s.from_us <= at < s.until_us for s in ground.shut)
    }
    for one in sorted(ground.held, key=lambda one: len(one.pools)):
        missing = one.devices if one.from_us <= at < one.until_us else 0
        for pool in sorted(one.pools & left.keys()):
            some = min(left[pool], missing)
            left[pool] -= some
            missing -= some
        if missing:
            return False
    return True


@given(st.lists(windows, max_size=6), st.lists(stops, max_size=2))
def test_what_may_be_given_can_be_served_at_every_instant_and_not_one_device_more(found, shut):
    maintained = tuple(Shut(pool, begins, begins + lasts) for pool, begins, lasts in shut)
    ground = replace(GROUND, shut=maintained)
    for one in found:
        most = ground.most(one)
        more = replace(one, devices=max(most, 0) + 1)
        then = replace(ground, held=(*ground.held, more))
        assert not all(served(then, at) for at in range(one.from_us, one.until_us))
        if most >= one.devices:
            ground = replace(ground, held=(*ground.held, one))
        assert all(served(replace(ground, shut=()), at) for at in range(40))


@given(st.lists(windows, max_size=5), windows)
def test_the_earliest_time_is_possible_and_nothing_before_it_is(found, wanted):
    ground = GROUND
    for one in found:
        if ground.most(one) >= one.devices:
            ground = replace(ground, held=(*ground.held, one))
    if ground.most(wanted) >= wanted.devices:
        return
    earliest = ground.earliest(wanted, latest_us=100)
    lasts = wanted.until_us - wanted.from_us
    possible = [
        at
        for at in range(wanted.from_us + 1, 100 - lasts + 1)
        if ground.most(replace(wanted, from_us=at, until_us=at + lasts)) >= wanted.devices
    ]
    assert earliest == (possible[0] if possible else None)


def test_work_in_the_way_counts_until_it_is_over():
    ground = replace(GROUND, in_way=(InWay(("n", ""), 3, "a", 10),))
    assert ground.most(held(1, 5, 20)) == 6
    assert ground.most(held(1, 10, 20)) == 9
    assert ground.earliest(held(9, 5, 15), latest_us=100) == 10


def test_what_a_holder_runs_counts_as_its_own_use():
    ground = replace(GROUND, in_way=(InWay(("x", "p"), 3, "a", 50),), held=(held(5, 0, 50),))
    assert ground.most(held(1, 5, 20, who="y")) == 4
    assert ground.most(held(1, 5, 20, who="x")) == 4


def test_maintenance_that_overlaps_is_named():
    ground = replace(GROUND, shut=(Shut("a", 5, 8), Shut("b", 50, 60)))
    assert [one.pool for one in ground.shut_then(held(1, 0, 10))] == ["a"]
    assert ground.most(held(1, 0, 10)) == 5
    assert ground.most(held(1, 8, 10)) == 9
