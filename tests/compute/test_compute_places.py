"""Where exactly there is room: devices of nodes, shares of them, and decisions that came late."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute import service as compute
from yunhe.compute import store as rows_of
from yunhe.compute.domain import Pool
from yunhe.compute.passes import store as passes
from yunhe.compute.passes import whole
from yunhe.compute.passes.domain import QUEUE_MAX, Passed
from yunhe.compute.picture import picture_of
from yunhe.compute.places import Occupancy, places_of, places_text, shared
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.fitting import WHOLE
from yunhe.compute.scheduling.policies import Policy
from yunhe.compute.scheduling.state import AwardView, Picture, Piece, Placement, Request
from yunhe.compute.service import supply
from yunhe.compute.supply.domain import Node
from yunhe.ledger import service as ledger

TWO = (supply.NodeRow(2, 2),)


def node(position: int, devices: int = 4, *, state: str = "open", cpu: int = 0) -> Node:
    return Node("p", position, devices, cpu, 0, 0, state, "", "", 0)


def placed(
    *nodes: tuple[int, int], pieces: tuple[Piece, ...] = (), devices: int = 0, milli: int = 0
) -> Placement:
    count = devices or sum(number for _, number in nodes) or 1
    request = Request("w", 1, "x", "cpu", count, 60, 0, milli=milli)
    return Placement(request, "p", (), None, 0, 0, "CNY", "cpu", nodes, pieces)


def piece(at: int, *devices: int, milli: int = WHOLE, cpu: int = 0) -> Piece:
    return Piece(at, devices, milli, cpu, 0)


# What is free


def test_a_node_takes_what_it_has_and_no_more() -> None:
    room = Occupancy(0, [node(0), node(1, 2)])
    assert room.take(placed((0, 4)))
    assert not room.take(placed((0, 1)))
    assert room.take(placed((1, 1)))
    assert not room.take(placed((1, 2)))
    assert (room.free(), room.room(1), room.room(2)) == (1, 1, 0)


def test_what_was_refused_takes_nothing() -> None:
    room = Occupancy(0, [node(0), node(1)])
    assert not room.take(placed((0, 3), (1, 5)))
    assert room.free() == 8
    assert not room.take(placed(pieces=(piece(0, 1), piece(1, 9))))
    assert room.free() == 8
    assert room.take(placed((0, 4), (1, 4)))


@pytest.mark.parametrize("state", ["draining", "down", "gone"])
def test_a_node_that_is_not_open_takes_nothing_new(state) -> None:
    room = Occupancy(0, [node(0, state=state), node(1)])
    assert not room.take(placed((0, 1)))
    assert not room.take(placed(pieces=(piece(0, 0),)))
    assert not room.take(placed((1, 1), (0, 1)))
    assert room.free() == 4
    assert room.take(placed((1, 1)))


def test_a_node_that_nobody_knows_takes_nothing() -> None:
    room = Occupancy(0, [node(0)])
    assert not room.take(placed((7, 1)))
    assert not room.take(placed(pieces=(piece(7, 0),)))
    flat = Occupancy(4)
    assert not flat.take(placed((1, 1)))
    assert flat.take(placed((0, 4)))


def test_shares_of_a_device_add_up_to_the_whole_of_it_and_each_device_counts_once() -> None:
    room = Occupancy(2)
    halves = [placed(pieces=(piece(0, 0, milli=400),), milli=400) for _ in range(3)]
    assert [room.take(each) for each in halves] == [True, True, False]
    assert room.free() == 1
    assert not room.take(placed(pieces=(piece(0, 0),)))
    assert room.take(placed(pieces=(piece(0, 1),)))
    assert room.free() == 0
    assert room.take(placed(pieces=(piece(0, 0, milli=200),), milli=200))


def test_devices_that_nobody_named_are_not_given_out_by_name() -> None:
    room = Occupancy(0, [node(0, 2)])
    room.runs(places_text(placed((0, 1))), devices=1)
    assert room.take(placed(pieces=(piece(0, 1),)))
    assert not room.take(placed(pieces=(piece(0, 0, milli=1),), milli=1))


def test_work_that_nobody_can_place_takes_from_the_pool_as_a_whole() -> None:
    room = Occupancy(0, [node(0), node(1)])
    room.runs(None, devices=5)
    room.runs(places_text(placed((9, 1))), devices=1)  # its node is gone
    assert room.free() == 2
    assert not room.take(placed((0, 3)))
    assert room.take(placed((0, 2)))
    assert room.room(1) == 0


def test_processors_of_a_node_count_where_it_says_what_it_has() -> None:
    room = Occupancy(0, [node(0, cpu=4_000), node(1)])
    assert room.take(placed(pieces=(piece(0, 0, cpu=3_000),)))
    assert not room.take(placed(pieces=(piece(0, 1, cpu=2_000),)))
    assert room.take(placed(pieces=(piece(0, 1, cpu=1_000),)))
    assert room.take(placed(pieces=(piece(1, 0, cpu=10**9),)))


def test_replicas_are_counted_node_by_node_and_not_over_what_is_left_everywhere() -> None:
    room = Occupancy(0, [node(0), node(1), node(2, state="draining")])
    assert [room.room(size) for size in (1, 2, 3, 4, 5, 8)] == [8, 4, 2, 2, 1, 1]
    for at in (0, 1):
        room.runs(places_text(placed((at, 1))), devices=1)
    assert [room.room(size) for size in (1, 2, 3, 4, 5)] == [6, 2, 2, 0, 0]


def test_a_pool_that_shrank_below_its_load_takes_nothing_and_never_owes_room() -> None:
    room = Occupancy(2)
    room.busy(5)
    assert (room.free(), room.room(1)) == (0, 0)
    assert not room.take(placed((0, 1)))


def test_shared_devices_are_counted_once_each() -> None:
    texts = [
        places_text(placed(pieces=(piece(at, device, milli=250),), milli=250))
        for at, device in ((0, 0), (0, 0), (0, 1), (1, 0))
    ]
    assert shared(texts) == 3
    assert shared([]) == shared([None]) == 0


spots = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.lists(st.integers(0, 3), min_size=1, max_size=4, unique=True).map(tuple),
        st.sampled_from([WHOLE, WHOLE, 500, 300]),
        st.integers(0, 3_000),
    ),
    max_size=25,
)


@given(spots, st.sets(st.integers(0, 2), max_size=2))
@settings(max_examples=150)
def test_whatever_is_taken_no_device_and_no_processor_is_ever_given_twice(drawn, shut) -> None:
    nodes = [node(at, 3, state="down" if at in shut else "open", cpu=5_000) for at in range(3)]
    room = Occupancy(0, nodes)
    devices: dict[tuple[int, int], int] = {}
    cpu: dict[int, int] = {}
    for at, some, milli, cpus in drawn:
        taken = (piece(at, *some, milli=milli, cpu=cpus),)
        fits = (
            at < 3
            and at not in shut
            and max(some) < 3
            and all(devices.get((at, one), 0) + milli <= WHOLE for one in some)
            and cpu.get(at, 0) + cpus <= 5_000
        )
        assert room.take(placed(pieces=taken, devices=len(some))) == fits
        if fits:
            cpu[at] = cpu.get(at, 0) + cpus
            for one in some:
                devices[at, one] = devices.get((at, one), 0) + milli
    untouched = sum(
        (at, one) not in devices for at in range(3) for one in range(3) if at not in shut
    )
    assert room.free() == untouched


# A decision that came late


@pytest.fixture
def racks(bare_city):
    """A pool of two nodes with two devices each, and means for a hundred jobs."""
    register(bare_city)
    bare_city.award(seconds=100_000)
    bare_city.voucher()
    bare_city.cash()
    bare_city.approve_trial()
    return bare_city


def register(city, *, devices: int = 4, nodes=TWO, key: str = "racks") -> Pool:
    return compute.register_pool(
        city.storage,
        key=key,
        provider=city.provider,
        site="机房一",
        chip="cpu",
        devices=devices,
        price_minor_per_device_hour=3_600,
        currency="CNY",
        nodes=nodes,
    )


def said(city, position: int, state: str) -> None:
    pool = register(city).id
    supply.change_node(city.storage, pool, position, state=state, reason="r", by=city.operator)


def where(city, workload) -> list[tuple[int, int]]:
    with city.storage.database.read() as tx:
        return list(places_of(rows_of.row(tx, workload.id)["nodes"])[0])


def late(city, monkeypatch, meanwhile) -> Passed:
    """A whole pass, with something that happens between its look and what it writes."""
    right = whole.decide

    def slow(picture: Picture, *, now_us: int, policy: Policy):
        found = right(picture, now_us=now_us, policy=policy)
        monkeypatch.setattr(whole, "decide", right)
        meanwhile()
        return found

    monkeypatch.setattr(whole, "decide", slow)
    passed = whole.run(city.storage)
    assert passed is not None
    return passed


def unseen(city, monkeypatch, key: str, **over):
    """A workload that is submitted while nobody looks."""
    with monkeypatch.context() as patch:
        patch.setattr(
            compute.bootstrap if hasattr(compute, "bootstrap") else compute, "__doc__", ""
        )
        patch.setattr("yunhe.compute.passes.domain.SMALL_MAX", 0, raising=True)
        patch.setattr("yunhe.compute.admission.SMALL_MAX", -1)
        patch.setattr("yunhe.compute.passes.store.rivals", lambda *_, **__: True)
        return city.submit(key, **over)


def test_nothing_is_placed_on_a_node_that_broke_while_it_was_being_decided(racks, monkeypatch):
    job = unseen(racks, monkeypatch, "job", devices=2)
    assert job.state == "waiting"
    passed = late(racks, monkeypatch, lambda: quietly(racks, monkeypatch, 0, "down"))
    assert (passed.placed, passed.overtaken) == (0, 1)
    assert racks.see(job).state == "waiting"
    again = whole.run(racks.storage)
    assert again is not None
    assert again.placed == 1
    assert where(racks, job) == [(1, 2)]
    racks.assert_books_are_right()


def quietly(city, monkeypatch, position: int, state: str) -> None:
    """A node changes, and what waits is left to the next whole pass."""
    with monkeypatch.context() as patch:
        patch.setattr("yunhe.compute.admission.SMALL_MAX", -1)
        said(city, position, state)


def test_what_took_a_node_meanwhile_keeps_it_and_nobody_is_put_on_top(racks, monkeypatch):
    first = unseen(racks, monkeypatch, "first", devices=2)
    quick = []

    def meanwhile() -> None:
        with racks.storage.database.begin() as tx:
            rows_of.change(tx, first.id, blocked=1)  # nobody looks at it now
        quick.append(racks.submit("quick", devices=2))
        with racks.storage.database.begin() as tx:
            rows_of.change(tx, first.id, blocked=0)

    late(racks, monkeypatch, meanwhile)
    if racks.see(first).state == "waiting":
        whole.run(racks.storage)
    assert racks.see(quick[0]).state == racks.see(first).state == "placed"
    assert sorted([*where(racks, first), *where(racks, quick[0])]) == [(0, 2), (1, 2)]
    racks.assert_books_are_right()


def test_a_whole_pass_gives_out_as_many_shares_as_devices_have(bare_city, monkeypatch):
    city = bare_city
    city.pool(devices=2)
    city.award()
    city.cash()
    city.approve_trial()
    jobs = [unseen(city, monkeypatch, f"half{n}", devices_milli=500) for n in range(5)]
    assert {job.state for job in jobs} == {"waiting"}
    passed = whole.run(city.storage)
    assert passed is not None
    assert (passed.placed, passed.overtaken) == (4, 0)
    with city.storage.database.read() as tx:
        [status] = compute.pools(tx)
    assert (status.devices_busy, status.pool.devices) == (2, 2)
    city.assert_books_are_right()


def test_a_device_that_two_share_is_busy_once_until_both_are_gone(bare_city):
    city = bare_city
    city.pool(devices=2)
    city.award()
    city.cash()
    city.approve_trial()

    def busy() -> int:
        with city.storage.database.read() as tx:
            return compute.pools(tx)[0].devices_busy

    halves = [city.submit(f"half{n}", devices_milli=500) for n in range(2)]
    assert busy() == 1
    alone = city.submit("alone")
    assert (alone.state, busy()) == ("placed", 2)
    assert city.submit("more").state == "waiting"
    compute.cancel(city.storage, halves[0].id)
    assert busy() == 2
    compute.cancel(city.storage, halves[1].id)
    assert city.see(city.submit("more")).state == "placed"
    assert busy() == 2
    city.assert_books_are_right()


def test_an_elastic_request_never_waits_for_more_than_open_nodes_have(racks):
    said(racks, 0, "draining")
    job = racks.submit("elastic", replicas=4, replicas_min=1)
    assert job.state == "placed"
    assert where(racks, job) == [(1, 2)]
    said(racks, 0, "open")
    torn = racks.submit("torn", devices=1)
    assert torn.state == "placed"
    wide = racks.submit("wide", devices=2, replicas=2, replicas_min=1)
    assert wide.state == "waiting"  # one device is left: not even its least fits


def test_a_request_that_only_a_node_that_is_gone_could_take_is_told_so(racks):
    register(racks, key="rest", devices=1, nodes=(supply.NodeRow(1, 1),))
    supply.come(
        racks.storage,
        register(racks).id,
        (supply.NodeRow(1, 8),),
        key="big",
        reason="r",
        by=racks.operator,
    )
    said(racks, 2, "draining")
    big = racks.submit("big", devices=8, fabric="node")
    assert big.state == "waiting"
    hopeful = big.why.code
    said(racks, 2, "gone")
    assert racks.see(big).why.code != hopeful
    assert racks.see(big).why.code == "compute.waiting_no_pool"
    said(racks, 2, "open")
    assert racks.see(big).state == "placed"


def test_two_passes_that_saw_the_same_do_not_place_the_same_work_twice(racks, monkeypatch):
    jobs = [unseen(racks, monkeypatch, f"j{n}", devices=2) for n in range(2)]
    inner = []

    def meanwhile() -> None:
        inner.append(whole.run(racks.storage))

    late(racks, monkeypatch, meanwhile)
    assert inner == [None]  # one at a time
    assert [racks.see(job).state for job in jobs] == ["placed", "placed"]
    racks.assert_books_are_right()
    with racks.storage.database.read() as tx:
        assert ledger.replay(tx).ok


def test_after_a_restart_what_runs_stands_where_it_stood(racks):
    jobs = [racks.submit(f"j{n}", devices=1) for n in range(3)]
    before = [where(racks, job) for job in jobs]
    with racks.storage.database.read() as tx:
        rows = passes.queue(tx, each=QUEUE_MAX)
        shown = picture_of(tx, rows, now_us=racks.clock.now_us())
    assert [list(view.nodes) for view in shown.running] == before
    asked = replace(
        shown,
        queue=(Request("new", 99, racks.university, "cpu", 1, 60, 0),),
        awards=(AwardView("a", racks.university, "cpu", 10**9, 10**18),),
        cash={(racks.university, "CNY"): 10**6},
    )
    [placement] = decide(asked, now_us=racks.clock.now_us())
    assert isinstance(placement, Placement)
    taken = [each for one in before for each in one]
    assert sum(count for at, count in taken if at == placement.nodes[0][0]) == 1
