"""Pools that give out shares of devices and count CPU and memory: the engine's promises there."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from stepping import arrived, somebody

from yunhe.compute.scheduling.engine import Engine, decide
from yunhe.compute.scheduling.events import Arrived, Ended, Event, NodeDown, NodeUp, Withdrawn
from yunhe.compute.scheduling.fitting import Claim, Free, Need, split
from yunhe.compute.scheduling.policies import FIRST_FIT, NIMBLE, PRESETS, YUNHE, Policy
from yunhe.compute.scheduling.state import (
    AwardView,
    NodeView,
    Picture,
    Piece,
    Placement,
    PoolView,
    Preemption,
    Request,
    RunningView,
)

SECOND_US = 10**6
NODES = {
    "a": (NodeView(4, 0, 2, 16_000, 6_000), NodeView(2, 1, 1, 8_000, 0)),
    "b": (NodeView(2, 2, 2, 12_000, 4_000),),
    "c": (NodeView(0, 3, 1, 20_000, 8_000),),
    "d": (NodeView(3, 4, 2),),
}
POOLS = (
    PoolView("a", "npu", 10, 0, 0, "CNY", "north", NODES["a"]),
    PoolView("b", "gpu", 4, 0, 0, "CNY", "south", NODES["b"]),
    PoolView("c", "", 0, 0, 0, "CNY", "south", NODES["c"]),
    PoolView("d", "gpu", 6, 0, 0, "CNY", "north", NODES["d"], divided=True),
)
USUAL = {
    (Need(1, 500, 2_000, 500), ()): 5,
    (Need(1, 0, 4_000, 1_000), ("gpu",)): 3,
    (Need(2, 0, 8_000, 2_000), ()): 1,
    (Need(0, 0, 3_000, 500), ()): 2,
}
SHARES = st.tuples(st.just(1), st.sampled_from([100, 250, 300, 500, 700]))
WHOLE = st.tuples(st.sampled_from([0, 0, 1, 1, 2, 3, 4, 6]), st.just(0))
requests = st.builds(
    lambda size, **rest: Request(devices=size[0], milli=size[1], **rest),
    size=st.one_of(SHARES, WHOLE),
    id=st.just(""),
    number=st.just(0),
    organisation=st.sampled_from(["x", "y", "z"]),
    chip=st.sampled_from(["npu", "gpu"]),
    wall_seconds_max=st.sampled_from([0, 600, 6_000]),
    since_us=st.just(0),
    substitutes=st.sampled_from([{}, {"gpu": 1_000, "npu": 1_000}, {"npu": 500}]),
    replicas=st.sampled_from([1, 1, 1, 2, 3]),
    fabric=st.sampled_from(["any", "domain", "node"]),
    priority=st.sampled_from([0, 0, 1]),
    preemptible=st.booleans(),
    cpu_milli=st.sampled_from([0, 1_000, 4_000, 9_000]),
    memory_mib=st.sampled_from([0, 500, 2_500]),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), requests),
        st.tuples(st.sampled_from(["end", "withdraw", "down", "up"]), st.integers(0, 50)),
    ),
    max_size=30,
)
policies = st.builds(
    lambda name, packing: replace(PRESETS[name], packing=packing),
    st.sampled_from(["yunhe", "steady", "nimble", "fifo", "first_fit", "las"]),
    st.sampled_from(["yunhe", "fgd", "best_fit", "random"]),
)


def empty(pools: tuple[PoolView, ...] = POOLS) -> dict[tuple[str, int], Free]:
    """The reference: every node, in plain Python."""
    books = {}
    for pool in pools:
        rows = [view for view in pool.nodes for _ in range(view.count)]
        for position, row in enumerate(rows):
            free = Free(row.cpu_milli or 10**9, row.memory_mib or 10**9, [1_000] * row.devices)
            books[pool.id, position] = free
    return books


class Fleet:
    """Keeps its own books beside the engine's."""

    def __init__(self, policy: Policy) -> None:
        self.engine = Engine(POOLS, policy, usual=USUAL)
        self.books = empty()
        self.now_us = 0
        self.number = 0
        self.waiting: dict[str, Request] = {}
        self.running: dict[str, Placement] = {}
        self.down: set[tuple[str, int]] = set()
        self.said: list[object] = []

    def do(self, step: tuple[str, object]) -> None:
        event = self.event(step)
        decided = self.engine.on(event, now_us=self.now_us)
        self.said += decided
        for decision in decided:
            if isinstance(decision, Placement):
                self.place(decision)
            elif isinstance(decision, Preemption):
                self.give(decision.request.id)
                self.waiting[decision.request.id] = decision.request

    def event(self, step: tuple[str, object]) -> Event:
        kind, what = step
        self.now_us += 400 * SECOND_US
        if kind == "arrive":
            return arrived(self, what)
        if kind == "end":
            name = somebody(self.running, what)
            self.give(name)
            return Ended(name)
        if kind == "withdraw":
            names = sorted(self.waiting) or ["nobody"]
            name = names[what % len(names)]
            self.waiting.pop(name, None)
            return Withdrawn(name)
        pool, node = sorted(self.books)[what % len(self.books)]
        (self.down.add if kind == "down" else self.down.discard)((pool, node))
        return NodeDown(pool, node) if kind == "down" else NodeUp(pool, node)

    def place(self, placed: Placement) -> None:
        request = placed.request
        assert self.waiting.pop(request.id)
        pool = next(pool for pool in POOLS if pool.id == placed.pool)
        assert not request.devices or pool.chip in {request.chip, *request.substitutes}
        size = max(len(self.books[placed.pool, node].devices) for node, _ in placed.nodes)
        wanted = Counter(split(request, size) * request.replicas)
        assert (
            Counter(
                Need(len(p.devices), request.milli, p.cpu_milli, p.memory_mib)
                for p in placed.pieces
            )
            == wanted
        )
        for piece in placed.pieces:
            assert (placed.pool, piece.node) not in self.down
            free = self.books[placed.pool, piece.node]
            free.take(Claim(*piece_fields(piece)))
            assert free.cpu_milli >= 0
            assert free.memory_mib >= 0
            assert min(free.devices, default=0) >= 0
        if request.fabric == "domain":
            rows = [view.domain for view in pool.nodes for _ in range(view.count)]
            assert len({rows[node] for node, _ in placed.nodes}) == 1
        self.running[request.id] = placed

    def give(self, name: str) -> None:
        placed = self.running.pop(name, None)
        for piece in () if placed is None else placed.pieces:
            self.books[placed.pool, piece.node].take(Claim(*piece_fields(piece)), times=-1)


def piece_fields(piece: Piece) -> tuple[object, ...]:
    return piece.node, piece.devices, piece.milli, piece.cpu_milli, piece.memory_mib


@given(steps, policies)
@settings(max_examples=150, deadline=None)
def test_no_node_ever_gives_more_than_it_has_and_all_of_it_comes_back(series, policy):
    fleet = Fleet(policy)
    for step in series:
        fleet.do(step)
    while fleet.running:
        fleet.do(("end", 0))
        if len(fleet.said) > 2_000:
            break
    assert fleet.books == empty()


@given(steps, st.sampled_from(["yunhe", "fgd", "best_fit", "random"]))
@settings(max_examples=60, deadline=None)
def test_nothing_waits_that_plain_python_finds_room_for(series, packing):
    fleet = Fleet(replace(FIRST_FIT, packing=packing))
    for step in series:
        fleet.do(step)
        for request in fleet.waiting.values():
            for (pool, node), free in fleet.books.items():
                view = next(one for one in POOLS if one.id == pool)
                suits = not request.devices or view.chip in {request.chip, *request.substitutes}
                if request.replicas > 1 or not suits or (pool, node) in fleet.down:
                    continue
                if len(free.devices) >= request.devices:
                    [need] = split(request, max(request.devices, 1))
                    assert free.choose(need) is None, (request, pool, node)


@given(steps, policies)
@settings(max_examples=25, deadline=None)
def test_the_same_events_give_the_same_places(series, policy):
    first, second = Fleet(policy), Fleet(policy)
    for step in series:
        first.do(step)
        second.do(step)
    assert first.said == second.said


def asked(name: str, devices: int = 1, **more: object) -> Request:
    values = {"number": int(name[1:]), "organisation": "x", "chip": "npu", "wall_seconds_max": 600}
    return Request(id=name, devices=devices, **{**values, "since_us": 0, **more})


def rack(*nodes: NodeView, **more: object) -> PoolView:
    devices = sum(node.devices * node.count for node in nodes)
    return PoolView("p", "npu", devices, 0, 0, "CNY", "s", nodes, **more)


def placed_by(engine: Engine, *events: Event, now_us: int = 0) -> list[Placement]:
    for event in events:
        engine.note(event, now_us=now_us)
    return [one for one in engine.decide(now_us=now_us) if isinstance(one, Placement)]


def test_shares_of_one_device_are_told_apart_and_come_back_one_by_one():
    engine = Engine([rack(NodeView(1), divided=True)], FIRST_FIT)
    both = placed_by(engine, *(Arrived(asked(f"r{n}", milli=500)) for n in (1, 2)))
    assert [one.pieces for one in both] == [(Piece(0, (0,), 500, 0, 0),)] * 2
    assert not placed_by(engine, Arrived(asked("r3", milli=600)))
    assert not placed_by(engine, Ended("r1"))
    assert [one.request.id for one in placed_by(engine, Ended("r2"))] == ["r3"]


def test_work_without_devices_takes_processors_and_nothing_else():
    engine = Engine([rack(NodeView(2, 0, 1, 8_000, 1_000))], FIRST_FIT)
    [first] = placed_by(engine, Arrived(asked("r1", 0, cpu_milli=5_000)))
    assert (first.nodes, first.pieces) == (((0, 0),), (Piece(0, (), 0, 5_000, 0),))
    assert not placed_by(engine, Arrived(asked("r2", 0, cpu_milli=5_000)))
    assert placed_by(engine, Arrived(asked("r3", 2, cpu_milli=3_000)))


def test_a_node_for_the_head_is_kept_free_and_lent_to_short_work_meanwhile():
    engine = Engine([rack(NodeView(2, 0, 1, 8_000))], YUNHE)
    assert placed_by(engine, Arrived(asked("r1", 1, cpu_milli=6_000, wall_seconds_max=6_000)))
    assert not placed_by(engine, Arrived(asked("r2", 2, cpu_milli=6_000)))
    long = asked("r3", 1, cpu_milli=1_000, wall_seconds_max=60_000)
    assert not placed_by(engine, Arrived(long), now_us=SECOND_US)
    [short] = placed_by(
        engine, Arrived(asked("r4", 1, cpu_milli=1_000, wall_seconds_max=60)), now_us=SECOND_US
    )
    assert short.request.id == "r4"
    done = placed_by(engine, Ended("r1"), Ended("r4"), now_us=2 * SECOND_US)
    assert done[0].request.id == "r2"


def test_whoever_is_pushed_out_for_processors_is_the_one_that_loses_least():
    engine = Engine([rack(NodeView(4, 0, 1, 8_000))], replace(NIMBLE, ageing_us=0))
    for number, start in ((1, 0), (2, 3_600)):
        one = asked(f"r{number}", cpu_milli=4_000, preemptible=True, wall_seconds_max=0)
        assert placed_by(engine, Arrived(one), now_us=start * SECOND_US)
    later = 4 * 3_600 * SECOND_US
    urgent = asked("r3", cpu_milli=4_000, priority=1)
    decided = engine.on(Arrived(urgent), now_us=later)
    assert [type(one) for one in decided] == [Preemption, Placement]
    assert decided[1].pieces == (Piece(0, decided[1].pieces[0].devices, 1_000, 4_000, 0),)


def test_a_gang_on_nodes_with_processors_takes_them_node_by_node_or_not_at_all():
    engine = Engine([rack(NodeView(4, 0, 2, 8_000))], FIRST_FIT)
    assert not placed_by(engine, Arrived(asked("r1", 2, replicas=3, cpu_milli=4_001)))
    [gang] = placed_by(engine, Arrived(asked("r2", 2, replicas=3, cpu_milli=4_000)))
    assert sorted(len(piece.devices) for piece in gang.pieces) == [2, 2, 2]
    assert {piece.node for piece in gang.pieces} == {0, 1}
    [wide] = placed_by(engine, Withdrawn("r2"), Arrived(asked("r3", 6, cpu_milli=6_000)))
    assert sorted((p.devices, p.cpu_milli) for p in wide.pieces) == [
        ((0, 1), 2_000), ((0, 1, 2, 3), 4_000),
    ]  # fmt: skip


def test_shares_are_placed_on_a_platform_beside_what_runs_in_a_pool_without_nodes():
    pool = PoolView("p", "npu", 2, 1, 0, "CNY")
    runs = replace(asked("r1"), milli=400)
    held = (Piece(0, (1,), 400, 0, 0),)
    picture = Picture(
        pools=(pool,),
        awards=(AwardView("w", "x", "npu", 10**12, 2**60),),
        vouchers=(),
        cash={},
        queue=(asked("r2", milli=600), asked("r3")),
        running=(RunningView(runs, "p", (), 0, held),),
    )
    decided = decide(picture, now_us=0)
    places = [one for one in decided if isinstance(one, Placement)]
    assert [(one.request.id, one.pieces[0].devices) for one in places] == [
        ("r2", (1,)),
        ("r3", (0,)),
    ]
    assert places[0].draws[0].device_ms == 600 * 600  # six tenths of a device for its wall time


def test_what_runs_where_less_is_left_than_it_takes_is_never_counted_twice():
    pool = rack(NodeView(2, 0, 2, 4_000), down=(1,))
    more = asked("r1", 2, cpu_milli=9_000)
    view = RunningView(more, "p", (), 0, (Piece(0, (0, 1), 1_000, 9_000, 0),))
    gone = RunningView(asked("r2", 2), "p", ((7, 2),), 0)
    engine = Engine([pool], FIRST_FIT)
    engine.start(view, now_us=0)
    engine.start(gone, now_us=0)
    assert not placed_by(engine, Arrived(asked("r3", cpu_milli=100)))
    assert placed_by(engine, Ended("r1"))


def test_nodes_that_are_down_from_the_start_take_nothing_until_they_are_back():
    for counted in (0, 8_000):
        engine = Engine([rack(NodeView(1, 0, 2, counted), down=(0,))], FIRST_FIT)
        here = placed_by(engine, *(Arrived(asked(f"r{n}")) for n in (1, 2)))
        assert [one.nodes for one in here] == [((1, 1),)]
        assert [one.nodes for one in placed_by(engine, NodeUp("p", 0))] == [((0, 1),)]
