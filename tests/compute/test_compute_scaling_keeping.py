"""What follows from one look at a service: pure, for every mixture of replicas."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.reasons import Why
from yunhe.compute.scaling.domain import Need, Policy, Replica, Service
from yunhe.compute.scaling.keeping import WAITING_MAX, serving, steps
from yunhe.compute.wanted import WorkloadSpec
from yunhe.kernel.clock import SECOND_US

NOW = 1_800_000_000 * SECOND_US
POLICY = Policy(floor=1, ceiling=200, load_milli=1_000, startup_seconds=10)
SPEC = WorkloadSpec(
    key="",
    organisation="org_a",
    entry_point="answer",
    arguments={},
    inputs={},
    chip="cpu",
    devices=1,
    wall_seconds_max=600,
    cpu_seconds_max=600,
)
REPLICAS = st.lists(
    st.tuples(
        st.sampled_from(["wanted", "wanted", "leaving", "gone"]),
        st.sampled_from(
            [None, "waiting", "placed", "running", "running", "settled", "failed", "cancelled"]
        ),
        st.none() | st.integers(0, 700),
    ),
    max_size=30,
)


def service(*replicas: Replica, state="open", **over) -> Service:
    said = {
        "id": "service_a",
        "name": "a",
        "spec": SPEC,
        "policy": POLICY,
        "state": state,
        "wanted": 1,
        "needed": 1,
        "why": None,
        "member": None,
        "next_number": len(replicas) + 1,
        "failures": 0,
        "retry_at_us": 0,
        "created_at_us": NOW,
        "seen_at_us": NOW,
    }
    return Service(**{**said, **over}, replicas=replicas)


def replica(number: int, doing: str | None = "running", *, age: int | None = 60, **over) -> Replica:
    since_us = NOW - age * SECOND_US if doing == "running" and age is not None else None
    said = {"state": "wanted", "running_since_us": since_us, "workload_state": doing, **over}
    return Replica(number, f"workload_{number}", **said)


def need(wanted: int, *, needed: int = 0, silent: bool = False) -> Need:
    return Need(wanted, max(wanted, needed), 0, 0, silent)


def mixed(found) -> Service:
    made = [
        replica(number, workload, age=age, state=state)
        for number, (state, workload, age) in enumerate(found, 1)
        if (state, workload) != ("gone", None)  # the store hands out no such
    ]
    return service(*made)


@given(REPLICAS, st.integers(0, 60))
@settings(max_examples=200, deadline=None)
def test_after_one_look_as_many_are_left_as_are_wanted_or_waiting_allows(found, wanted):
    there = mixed(found)
    planned = steps(there, need(wanted), NOW)
    alive = {each.number for each in there.replicas if each.state == "wanted"}
    left = alive - set(planned.gone) - set(planned.stop)
    fresh = [each for each in planned.start if each is None]
    successors = [each for each in planned.start if each is not None]
    assert len(left) <= wanted
    assert set(successors) <= left
    waiting = sum(each.is_waiting for each in there.replicas if each.number in left)
    room = max(WAITING_MAX - waiting, 0) if planned.retry_at_us <= NOW else 0
    assert len(planned.start) <= room
    if len(planned.start) < room:
        assert len(left) + len(fresh) == wanted


@given(REPLICAS, st.integers(0, 60))
@settings(max_examples=100, deadline=None)
def test_nothing_is_stopped_that_is_over_and_nothing_begins_twice(found, wanted):
    there = mixed(found)
    planned = steps(there, need(wanted), NOW)
    assert not set(planned.stop) & set(planned.gone)
    assert len(set(planned.stop)) == len(planned.stop)
    known = {each.number for each in there.replicas if each.running_since_us is not None}
    assert not set(planned.begun) & known


@given(REPLICAS)
@settings(max_examples=100, deadline=None)
def test_a_stopped_service_ends_all_and_begins_nothing(found):
    made = mixed(found)
    there = service(*made.replicas, state="stopped")
    planned = steps(there, need(9), NOW)
    assert (planned.start, planned.wanted, planned.why) == ((), 0, None)
    rest = {each.number for each in there.replicas} - set(planned.gone)
    assert {each.number for each in there.replicas if each.number in rest} == set(planned.stop)


def test_a_pair_counts_once_and_leaves_together():
    pair = replica(1, age=560), replica(2, "placed", replaces=1)
    planned = steps(service(*pair), need(1), NOW)
    assert (planned.start, planned.stop) == ((), ())
    assert steps(service(*pair), need(2), NOW).start == (None,)
    assert set(steps(service(*pair), need(0), NOW).stop) == {1, 2}


def test_the_old_one_leaves_when_its_successor_serves():
    early = service(replica(1, age=560), replica(2, age=9, replaces=1))
    assert steps(early, need(1), NOW).stop == ()
    late = service(replica(1, age=560), replica(2, age=10, replaces=1))
    assert steps(late, need(1), NOW).stop == (1,)


def test_a_successor_outlives_an_old_one_that_ended_first():
    there = service(replica(1, "settled"), replica(2, age=3, replaces=1))
    planned = steps(there, need(1), NOW)
    assert (planned.gone, planned.start, planned.stop) == ((1,), (), ())


def test_only_so_many_wait_at_once():
    assert len(steps(service(), need(200), NOW).start) == WAITING_MAX
    waiting = [replica(number, "waiting") for number in range(1, WAITING_MAX + 1)]
    assert steps(service(*waiting), need(200), NOW).start == ()


def test_what_serves_has_run_for_as_long_as_it_takes_to_start():
    there = service(replica(1, age=9), replica(2, age=10), replica(3, "placed"))
    assert serving(there, NOW) == 1


def test_people_are_told_first_what_fails_then_what_waits_then_the_ceiling():
    poor = Why("compute.no_budget")
    there = service(replica(1, "waiting", why=poor), failures=2, next_number=9)
    over = need(200, needed=300)
    assert steps(there, over, NOW).why.code == "compute.service_failing"
    there = service(replica(1, "waiting", why=poor))
    assert steps(there, over, NOW).why == poor
    assert steps(service(replica(1)), over, NOW).why.code == "compute.service_ceiling"
    old = service(replica(1), created_at_us=0)
    assert steps(old, need(1, silent=True), NOW).why.code == "compute.service_silent"
    assert steps(service(replica(1)), need(1, silent=True), NOW).why is None
