"""The engine's promises over any series of events that hypothesis can draw."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from stepping import arrived, somebody

from yunhe.compute.scheduling.engine import Engine, decide
from yunhe.compute.scheduling.events import Arrived, Ended, NodeDown, NodeUp, Withdrawn
from yunhe.compute.scheduling.policies import FIFO, FIRST_FIT, LAS, NIMBLE, PRESETS, YUNHE, Policy
from yunhe.compute.scheduling.state import (
    NodeView,
    Picture,
    Placement,
    PoolView,
    Preemption,
    Request,
    RunningView,
)

SECOND_US = 10**6
POOLS = (
    PoolView("a", "npu", 8, 0, 100, "CNY", "north", (NodeView(4, 0, 2),)),
    PoolView("b", "npu", 12, 0, 100, "CNY", "south", (NodeView(4, 1, 1), NodeView(4, 2, 2))),
    PoolView("c", "gpu", 6, 0, 200, "CNY", "south", (NodeView(2, 3, 3),)),
    PoolView("d", "gpu", 5, 0, 50, "CNY"),
)
NODES = {"a": 2, "b": 3, "c": 3, "d": 1}
requests = st.builds(
    Request,
    id=st.just(""),
    number=st.just(0),
    organisation=st.sampled_from(["x", "y", "z"]),
    chip=st.sampled_from(["npu", "gpu"]),
    devices=st.sampled_from([1, 1, 1, 2, 3, 4, 5, 8, 12]),
    wall_seconds_max=st.sampled_from([0, 60, 600, 6_000]),
    since_us=st.just(0),
    substitutes=st.sampled_from([{}, {}, {"gpu": 2_000}, {"npu": 500}]),
    replicas=st.sampled_from([1, 1, 1, 2, 3]),
    fabric=st.sampled_from(["any", "site", "domain", "node"]),
    sites=st.sampled_from([None, None, frozenset({"north"}), frozenset({"south", "d"})]),
    home=st.sampled_from(["", "north", "south"]),
    priority=st.sampled_from([0, 0, 0, 1]),
    preemptible=st.booleans(),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), requests),
        st.tuples(st.sampled_from(["end", "withdraw", "down", "up"]), st.integers(0, 50)),
    ),
    max_size=40,
)
policies = st.sampled_from(sorted(PRESETS)).map(PRESETS.__getitem__)


class Fleet:
    """Keeps its own books beside the engine's."""

    def __init__(self, policy: Policy) -> None:
        self.engine = Engine(POOLS, policy)
        self.now_us = 0
        self.number = 0
        self.waiting: dict[str, Request] = {}
        self.running: dict[str, Placement] = {}
        self.down: set[tuple[str, int]] = set()

    def event(self, step: tuple[str, object]) -> object:
        kind, what = step
        self.now_us += 400 * SECOND_US
        if kind == "arrive":
            return arrived(self, what)
        if kind == "end":
            name = somebody(self.running, what)
            self.running.pop(name, None)
            return Ended(name)
        if kind == "withdraw":
            name = f"r{what}"
            self.running.pop(name, None)
            self.waiting.pop(name, None)
            return Withdrawn(name)
        pool = sorted(NODES)[what % 4]
        node = what % NODES[pool]
        (self.down.discard if kind == "up" else self.down.add)((pool, node))
        return NodeUp(pool, node) if kind == "up" else NodeDown(pool, node)

    def apply(self, decisions: list) -> None:
        pushed_for: set[str] = set()
        for decision in decisions:
            name = decision.request.id
            if isinstance(decision, Preemption):
                assert decision.request.preemptible
                assert name in self.running
                assert decision.beneficiary in self.waiting
                pushed_for.add(decision.beneficiary)
                self.waiting[name] = self.running.pop(name).request
            else:
                assert name in self.waiting
                del self.waiting[name]
                pushed_for.discard(name)
                assert not self.down & {(decision.pool, node) for node, _ in decision.nodes}
                self.running[name] = decision
        assert not pushed_for, "pushed out for nobody"
        self.check()

    def check(self) -> None:
        used: Counter[tuple[str, int]] = Counter()
        for placement in self.running.values():
            asked = placement.request
            assert sum(devices for _, devices in placement.nodes) == asked.devices_all
            pool = next(pool for pool in POOLS if pool.id == placement.pool)
            assert pool.chip == placement.chip
            assert pool.chip == asked.chip or asked.substitutes.get(pool.chip)
            assert asked.sites is None or (pool.site or pool.id) in asked.sites
            if asked.fabric == "node":
                assert len({node for node, _ in placement.nodes}) <= asked.replicas
            if asked.fabric == "domain" and pool.nodes:
                domains = [view.domain for view in pool.nodes for _ in range(view.count)]
                assert len({domains[node] for node, _ in placement.nodes}) == 1
            for node, devices in placement.nodes:
                used[placement.pool, node] += devices
        for (name, node), devices in used.items():
            pool = next(pool for pool in POOLS if pool.id == name)
            sizes = [view.devices for view in pool.nodes for _ in range(view.count)]
            assert devices <= (sizes[node] if sizes else pool.devices)
        assert set(self.engine.floor.all) == set(self.running)
        assert set(self.engine.queue.waiting) | set(self.engine.aside) == set(self.waiting)


@given(policies, steps)
@settings(max_examples=150, deadline=None)
def test_no_node_ever_holds_more_than_it_has_and_nothing_is_lost_or_doubled(policy, steps) -> None:
    fleet = Fleet(policy)
    for step in steps:
        fleet.apply(fleet.engine.on(fleet.event(step), now_us=fleet.now_us))


@given(st.sampled_from([YUNHE, LAS, NIMBLE]), steps)
@settings(max_examples=100, deadline=None)
def test_when_all_ends_and_nothing_comes_everything_that_could_ever_run_runs(policy, steps) -> None:
    fleet = Fleet(policy)
    for step in steps:
        fleet.apply(fleet.engine.on(fleet.event(step), now_us=fleet.now_us))
    for pool, node in sorted(fleet.down):
        fleet.now_us += SECOND_US
        fleet.down.discard((pool, node))
        fleet.apply(fleet.engine.on(NodeUp(pool, node), now_us=fleet.now_us))
    for _ in range(200):
        if not fleet.running:
            break
        fleet.now_us += 86_400 * SECOND_US
        name = min(fleet.running)
        del fleet.running[name]
        fleet.apply(fleet.engine.on(Ended(name), now_us=fleet.now_us))
    assert not fleet.running
    assert set(fleet.waiting) == set(fleet.engine.aside)
    for request in fleet.engine.aside.values():
        assert not fleet.engine.shape(request).fits


@given(
    st.sampled_from(
        [FIFO, FIRST_FIT, Policy("shared", shared=True, half_life_us=0, overtaking="always")]
    ),
    steps,
)
@settings(max_examples=100, deadline=None)
def test_an_engine_that_kept_its_state_decides_as_one_that_was_built_afresh(policy, steps) -> None:
    fleet = Fleet(policy)
    for step in steps:
        busy = sum(one.request.devices_all for one in fleet.running.values() if one.pool == "d")
        flat = replace(POOLS[-1], devices_busy=busy)  # a pool without nodes says what is busy
        fresh = Engine((*POOLS[:-1], flat), policy)
        for placement in fleet.running.values():
            view = RunningView(placement.request, placement.pool, placement.nodes, 0)
            fresh.start(view, now_us=fleet.now_us)
        for pool, node in sorted(fleet.down):
            fresh.note(NodeDown(pool, node), now_us=fleet.now_us)
        for request in reversed(fleet.waiting.values()):
            fresh.note(Arrived(request), now_us=fleet.now_us)
        event = fleet.event(step)
        kept = fleet.engine.on(event, now_us=fleet.now_us)
        assert fresh.on(event, now_us=fleet.now_us) == kept
        fleet.apply(kept)


@given(
    st.lists(requests, max_size=12),
    st.randoms(use_true_random=False),
    policies.filter(lambda policy: not policy.matched),
)
@settings(max_examples=100, deadline=None)
def test_the_order_in_which_a_picture_lists_things_decides_nothing(asked, random, policy) -> None:
    queue = [replace(one, id=f"r{n}", number=n) for n, one in enumerate(asked)]
    shown = Picture(POOLS, (), (), {}, tuple(queue))
    first = decide(shown, now_us=10**12, policy=policy)
    other = replace(
        shown,
        queue=tuple(random.sample(queue, len(queue))),
        pools=tuple(random.sample(POOLS, len(POOLS))),
    )
    assert decide(other, now_us=10**12, policy=policy) == first
    assert sorted(one.request.id for one in first) == sorted(one.id for one in queue)
