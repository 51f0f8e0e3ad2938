"""Room for several replicas: all fit or nobody goes, nobody goes in vain, nobody loses more."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.scheduling import preempting_gangs
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.policies import YIELDING
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
from yunhe.kernel.clock import SECOND_US

NOW_US = 100_000 * SECOND_US
BASE = Request("w", 0, "a", "npu", 1, 0, NOW_US)
RESTART = YIELDING.restart_us // SECOND_US


def gang(replicas: int, devices: int, *, fabric: str = "any", **over) -> Request:
    said = {"id": "gang", "number": 99, "priority": 1, **over}
    return replace(BASE, replicas=replicas, devices=devices, fabric=fabric, **said)


def runs(name: str, parts: dict[int, int], *, seconds: int = 700, **over) -> RunningView:
    said = {"preemptible": True, "devices": sum(parts.values()), **over}
    request = replace(BASE, id=name, **said)
    nodes = tuple(sorted(parts.items()))
    return RunningView(request, "p", nodes, NOW_US - seconds * SECOND_US)


def seen(running, request: Request, *, domains: list[int], size: int) -> Picture:
    """Nodes of one size, a fabric domain for each number."""
    busy = sum(view.request.devices for view in running)
    nodes = tuple(NodeView(size, domain) for domain in domains)
    pool = PoolView("p", "npu", len(domains) * size, busy, 0, "CNY", nodes=nodes)
    award = AwardView("award", "a", "npu", 10**15, 2 * NOW_US)
    return Picture((pool,), (award,), (), {}, (request,), running=tuple(running))


def asked(picture: Picture) -> tuple[list[str], Placement | None]:
    found = decide(picture, now_us=NOW_US, policy=YIELDING)
    pushed = [one for one in found if isinstance(one, Preemption)]
    assert all(one.beneficiary == "gang" for one in pushed)
    placed = [one for one in found if isinstance(one, Placement) and one.request.id == "gang"]
    return sorted(one.request.id for one in pushed), placed[0] if placed else None


# The plain reference


def free_without(running, gone, *, count: int, size: int) -> list[int]:
    free = [size] * count
    for view in running:
        if view.request.id not in gone:
            for node, devices in view.nodes:
                free[node] -= devices
    return free


def fits(request: Request, free: list[int], domains: list[int], size: int) -> bool:
    """Whether all replicas find room at once, whole nodes where one takes several."""
    realms = sorted(set(domains)) if request.fabric == "domain" else [None]
    for realm in realms:
        there = [f for f, domain in zip(free, domains, strict=True) if realm in (None, domain)]
        if request.devices > size:
            wanted = -(-request.devices // size) * request.replicas
            if sum(f == size for f in there) >= wanted:
                return True
        elif sum(f // request.devices for f in there) >= request.replicas:
            return True
    return False


def loss(view: RunningView) -> int:
    """Device-seconds: since the last save, and to start again."""
    every = view.request.checkpoint_seconds
    ran = (NOW_US - view.since_us) // SECOND_US
    return ((ran % every if every else 0) + RESTART) * view.request.devices


def every_choice(names):
    return chain.from_iterable(combinations(names, n) for n in range(len(names) + 1))


@st.composite
def _floors(draw):
    size = draw(st.integers(2, 4))
    count = draw(st.integers(2, 4))
    domains = sorted(draw(st.lists(st.integers(0, 1), min_size=count, max_size=count)))
    free, running = [size] * count, []
    for number in range(draw(st.integers(1, 8))):
        nodes = draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=2))
        parts = {n: draw(st.integers(1, free[n])) for n in sorted(nodes) if free[n]}
        if not parts:
            continue
        for node, devices in parts.items():
            free[node] -= devices
        over = draw(st.sampled_from([{}, {}, {}, {"preemptible": False}, {"priority": 1}]))
        view = runs(
            f"r{number}",
            parts,
            seconds=draw(st.sampled_from([300, 700, 1_000, 1_999])),
            checkpoint_seconds=draw(st.sampled_from([0, 60, 300, 1_000])),
            **over,
        )
        running.append(view)
    request = gang(
        draw(st.integers(2, 4)),
        draw(st.integers(1, 6)),
        fabric=draw(st.sampled_from(["any", "domain"])),
    )
    return running, request, domains, size


@settings(max_examples=150, deadline=None)
@given(_floors())
def test_a_gang_fits_after_it_nobody_goes_in_vain_and_no_other_choice_loses_less(floor) -> None:
    running, request, domains, size = floor
    pushed, placed = asked(seen(running, request, domains=domains, size=size))
    count = len(domains)

    def would_fit(gone) -> bool:
        free = free_without(running, gone, count=count, size=size)
        return fits(request, free, domains, size)

    may = {
        view.request.id: loss(view)
        for view in running
        if view.request.preemptible
        and view.request.priority < request.priority
        and NOW_US - view.since_us >= 600 * SECOND_US
    }
    enough = [some for some in every_choice(sorted(may)) if would_fit(some)]
    if not enough:
        assert (pushed, placed) == ([], None)
        return
    assert set(pushed) <= set(may)
    assert placed is not None
    free = free_without(running, pushed, count=count, size=size)
    assert all(free[node] >= devices for node, devices in placed.nodes)
    assert sum(devices for _, devices in placed.nodes) == request.devices_all
    if request.fabric == "domain":
        assert len({domains[node] for node, _ in placed.nodes}) == 1
    for name in pushed:
        assert not would_fit([other for other in pushed if other != name])
    assert sum(may[name] for name in pushed) == min(sum(may[n] for n in some) for some in enough)


@settings(max_examples=60, deadline=None)
@given(_floors())
def test_where_too_many_could_go_to_compare_all_still_nobody_goes_in_vain(floor) -> None:
    running, request, domains, size = floor
    picture = seen(running, request, domains=domains, size=size)
    best, _ = asked(picture)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preempting_gangs, "TRIED_MAX", -1)
        pushed, placed = asked(picture)
    assert bool(best) == bool(pushed)
    for name in pushed:
        free = free_without(
            running, [other for other in pushed if other != name], count=len(domains), size=size
        )
        assert not fits(request, free, domains, size)
    assert placed is not None or not pushed


# Nodes that say what processors and memory they have


def _packed(running, request: Request, *, nodes: int, size: int) -> Picture:
    pool = PoolView(
        "p", "npu", nodes * size, 0, 0, "CNY", nodes=(NodeView(size, 0, nodes, 8_000, 80_000),)
    )
    award = AwardView("award", "a", "npu", 10**15, 2 * NOW_US)
    return Picture((pool,), (award,), (), {}, (request,), running=tuple(running))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from([1_000, 2_000, 3_000]),
            st.sampled_from([700, 1_000, 1_999]),
            st.sampled_from([0, 300, 1_000]),
        ),
        min_size=1,
        max_size=7,
    ),
    st.integers(2, 4),
    st.sampled_from([2_000, 4_000, 5_000]),
)
def test_processors_count_where_nodes_have_them(rows, replicas, cpu) -> None:
    free_cpu, free_devices, running = [8_000] * 3, [4] * 3, []
    for number, (node, milli, seconds, every) in enumerate(rows):
        if free_cpu[node] < milli or not free_devices[node]:
            continue
        free_devices[node] -= 1
        free_cpu[node] -= milli
        view = runs(f"r{number}", {node: 1}, seconds=seconds, checkpoint_seconds=every)
        piece = Piece(node, (free_devices[node],), 1_000, milli, 1)
        running.append(replace(view, pieces=(piece,)))
    request = gang(replicas, 1, cpu_milli=cpu, memory_mib=1)
    pushed, placed = asked(_packed(running, request, nodes=3, size=4))

    def would_fit(gone) -> bool:
        cpus, devices = [8_000] * 3, [4] * 3
        for view in running:
            if view.request.id not in gone:
                cpus[view.nodes[0][0]] -= view.pieces[0].cpu_milli
                devices[view.nodes[0][0]] -= 1
        return sum(min(c // cpu, d) for c, d in zip(cpus, devices, strict=True)) >= replicas

    losses = {view.request.id: loss(view) for view in running}
    enough = [some for some in every_choice(sorted(losses)) if would_fit(some)]
    assert (placed is not None) == bool(enough)
    if enough:
        least = min(sum(losses[n] for n in some) for some in enough)
        assert sum(losses[name] for name in pushed) == least
        assert all(not would_fit([o for o in pushed if o != name]) for name in pushed)


def test_shares_of_devices_make_room_for_a_gang_of_shares() -> None:
    rows = [
        replace(
            runs(f"r{n}", {0: 1}, milli=500, checkpoint_seconds=every),
            pieces=(Piece(0, (n // 2,), 500, 1, 1),),
        )
        for n, every in enumerate([0, 1_000, 0, 1_000])
    ]
    request = gang(2, 1, milli=400, cpu_milli=1, memory_mib=1)
    pushed, placed = asked(_packed(rows, request, nodes=1, size=2))
    assert pushed == ["r0", "r2"]
    assert placed is not None
    assert [piece.milli for piece in placed.pieces] == [400, 400]


# Limits


def test_all_replicas_or_nobody() -> None:
    rows = [runs("may", {0: 4}), runs("stays", {1: 4}, preemptible=False)]
    picture = seen(rows, gang(2, 4), domains=[0, 0], size=4)
    assert asked(picture) == ([], None)


def test_replicas_of_one_fabric_are_not_spread_over_two() -> None:
    rows = [runs(f"r{n}", {n: 2}, checkpoint_seconds=every) for n, every in enumerate([9, 9, 0, 0])]
    wide = seen(rows, gang(2, 2, fabric="domain"), domains=[0, 1, 1, 0], size=2)
    pushed, placed = asked(wide)
    assert placed is not None
    assert {node for node, _ in placed.nodes} in ({0, 3}, {1, 2})
    assert len(pushed) == 2


def test_one_that_runs_on_two_nodes_goes_instead_of_two() -> None:
    rows = [
        runs("both", {0: 1, 1: 1}),
        runs("left", {0: 1}, checkpoint_seconds=600),
        runs("right", {1: 1}, checkpoint_seconds=600),
    ]
    assert asked(seen(rows, gang(2, 1), domains=[0, 0], size=2))[0] == ["both"]


@pytest.mark.parametrize("nodes", [64, 256])
def test_a_gang_over_many_nodes_costs_little_and_loses_the_least(nodes) -> None:
    rows = [
        runs(f"r{node:03}-{n}", {node: 1}, seconds=1_000 + node, checkpoint_seconds=900)
        for node in range(nodes)
        for n in range(8)
    ]
    picture = seen(rows, gang(16, 8), domains=[0] * nodes, size=8)
    pushed, placed = asked(picture)
    assert placed is not None
    assert pushed == [f"r{node:03}-{n}" for node in range(16) for n in range(8)]


def test_a_single_request_spares_whom_a_larger_victim_makes_needless() -> None:
    rows = [runs("small", {0: 1}), runs("large", {0: 3})]
    found = seen(rows, gang(1, 3), domains=[0], size=4)
    assert asked(found)[0] == ["large"]
