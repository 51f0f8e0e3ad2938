"""Nodes of pools: registered, grown, drained, lost under work, and paid for once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.compute import service as compute
from yunhe.compute.domain import Pool
from yunhe.compute.places import lies_on, places_of, places_text
from yunhe.compute.providers.seam import Metered, Outcome
from yunhe.compute.scheduling.state import Piece, Placement, Request
from yunhe.compute.service import supply
from yunhe.compute.supply import store
from yunhe.kernel.errors import Conflict, Invalid, NotFound
from yunhe.ledger import service as ledger

TWO = (supply.NodeRow(2, 2, 4_000, 8_192),)


def register(city, *, key: str = "noded", devices: int = 4, nodes=TWO) -> Pool:
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


@pytest.fixture
def hall(bare_city):
    """A pool of two nodes with two devices, four CPUs and 8 GiB each."""
    register(bare_city)
    bare_city.award()
    bare_city.voucher()
    bare_city.cash()
    bare_city.approve_trial()
    return bare_city


def pool_of(city) -> str:
    return register(city).id


def where(city, workload) -> list[list[object]]:
    with city.storage.database.read() as tx:
        kept = compute.store.row(tx, workload.id)["nodes"]
    return json.loads(kept) if kept else []


def said(city, pool: str, position: int, state: str) -> supply.Node:
    return supply.change_node(
        city.storage, pool, position, state=state, reason="a day", by=city.operator
    )


class Careless:
    """Runs a job in no time, and lets something happen meanwhile."""

    adapter = "local"

    def __init__(self, meanwhile) -> None:
        self._meanwhile = meanwhile

    def run(self, job, *, blobs, progress, stopped) -> Outcome:
        self._meanwhile()
        return Outcome("succeeded", Metered(10_000, 0, 0, 0, device_ms=10_000), "none", "sha256:0")


def test_a_pool_with_nodes_is_registered_once_and_told_apart_from_others(bare_city):
    pool = register(bare_city)
    assert register(bare_city) == pool
    with bare_city.storage.database.read() as tx:
        assert [(n.position, n.devices, n.state) for n in supply.nodes(tx, pool.id)] == [
            (0, 2, "open"),
            (1, 2, "open"),
        ]
    for other in ((), (supply.NodeRow(1, 4),), (supply.NodeRow(2, 2),)):
        with pytest.raises(Conflict) as caught:
            register(bare_city, nodes=other)
        assert caught.value.code == "compute.pool_differs"
    flat = register(bare_city, key="flat", nodes=())
    with pytest.raises(Conflict):
        register(bare_city, key="flat")
    with bare_city.storage.database.read() as tx:
        assert supply.nodes(tx, flat.id) == []


def test_nodes_that_cannot_be_are_refused_with_every_finding(bare_city):
    wrong = (supply.NodeRow(0, 2), supply.NodeRow(1, 2_000, -1, 1 << 40, 0))
    with pytest.raises(Invalid) as caught:
        register(bare_city, nodes=wrong)
    assert [finding.where for finding in caught.value.findings] == [
        "nodes.0.count",
        "nodes.1.devices",
        "nodes.1.cpu_milli",
        "nodes.1.memory_mib",
    ]
    with pytest.raises(Invalid) as caught:
        register(bare_city, devices=5)
    assert [finding.code for finding in caught.value.findings] == ["compute.nodes_sum"]
    for finding in caught.value.findings:
        assert finding.code not in finding.message("en") + finding.message("zh")
    with pytest.raises(Invalid):
        register(bare_city, nodes=(supply.NodeRow(10_001, 1),), devices=10_001)


def test_work_goes_to_nodes_and_the_workload_says_which_devices(hall):
    first, second = hall.submit("a", devices=2), hall.submit("b", devices=2)
    placed = sorted(where(hall, one)[0][0] for one in (first, second))
    assert placed == [0, 1]
    assert where(hall, first)[0][1:3] == [2, [0, 1]]
    third = hall.submit("c", devices=1)
    assert third.state == "waiting"
    assert "compute." not in third.why.message("en") + third.why.message("zh")
    hall.assert_books_are_right()


def test_processors_and_memory_of_a_node_count_and_are_told_as_the_reason(hall):
    hungry = {"cpu_milli": 3_000, "replica_memory_bytes": 1 << 30}
    placed = [hall.submit(f"h{n}", **hungry) for n in range(3)]
    assert [one.state for one in placed] == ["placed", "placed", "waiting"]
    assert placed[2].why.code == "compute.waiting_node"
    assert "3 CPUs" in placed[2].why.message("en")
    assert hall.submit("thin", cpu_milli=500).state == "placed"


def test_nothing_goes_to_a_node_that_drains_until_it_is_open_again(hall):
    pool = pool_of(hall)
    said(hall, pool, 0, "draining")
    said(hall, pool, 1, "draining")
    job = hall.submit()
    assert job.state == "waiting"
    said(hall, pool, 1, "open")
    assert hall.see(job).state == "placed"
    assert [row[0] for row in where(hall, job)] == [1]
    before = said(hall, pool, 1, "open")
    assert said(hall, pool, 1, "open") == before
    said(hall, pool, 1, "draining")
    assert hall.see(job).state == "placed"  # what it has goes on
    with hall.storage.database.read() as tx:
        steps = [step.detail for step in supply.steps(tx, pool)]
    assert steps == ["1 draining", "1 open", "1 draining", "0 draining"]


def test_what_was_placed_on_a_lost_node_is_placed_elsewhere_under_holds_of_its_own(hall):
    pool, job = pool_of(hall), hall.submit(devices=2)
    [[lost, *_]] = where(hall, job)
    said(hall, pool, lost, "down")
    again = hall.see(job)
    assert again.state == "placed"
    assert [row[0] for row in where(hall, job)] == [1 - lost]
    assert again.held_device_ms == 200_000
    said(hall, pool, 1 - lost, "down")
    waiting = hall.see(job)
    assert (waiting.state, waiting.held_device_ms, waiting.held_minor) == ("waiting", 0, 0)
    assert where(hall, job) == []
    hall.assert_books_are_right()


def test_a_node_lost_under_running_work_ends_that_attempt_and_nobody_pays_twice(hall):
    pool, job = pool_of(hall), hall.submit()
    [[lost, *_]] = where(hall, job)
    seen = compute.run_next(hall.storage, Careless(lambda: said(hall, pool, lost, "down")))
    assert (seen.state, seen.usage) == ("placed", None)
    with hall.storage.database.read() as tx:
        assert ledger.entries_of(tx, hall.provider) == []
    hall.assert_books_are_right()
    done = compute.run_next(hall.storage, Careless(lambda: None))
    assert (done.state, done.usage.device_ms) == ("settled", 10_000)
    with hall.storage.database.read() as tx:
        paid = [e.amount for e in ledger.entries_of(tx, hall.provider) if e.unit == "device:cpu"]
    assert paid == [10_000]
    assert compute.run_next(hall.storage, Careless(lambda: None)) is None
    hall.assert_books_are_right()


def test_work_that_was_to_be_cancelled_is_cancelled_unpaid_when_its_node_is_lost(hall):
    pool, job = pool_of(hall), hall.submit()
    [[lost, *_]] = where(hall, job)

    def both() -> None:
        compute.cancel(hall.storage, job.id)
        said(hall, pool, lost, "gone")

    assert compute.run_next(hall.storage, Careless(both)).state == "cancelled"
    hall.assert_books_are_right()


def test_a_pool_that_shrank_below_its_load_loses_only_what_was_on_the_nodes_that_went(hall):
    pool = pool_of(hall)
    jobs = [hall.submit(f"j{n}", devices=2) for n in range(2)]
    [[lost, *_]] = where(hall, jobs[0])
    said(hall, pool, lost, "gone")
    with hall.storage.database.read() as tx:
        [status] = compute.pools(tx)
    assert (status.pool.devices, status.devices_busy) == (2, 2)
    assert [hall.see(job).state for job in jobs] == ["waiting", "placed"]
    hall.assert_books_are_right()
    assert register(hall).devices == 4  # as it was offered; the same words change nothing
    said(hall, pool, lost, "open")
    assert [hall.see(job).state for job in jobs] == ["placed", "placed"]


def test_nodes_come_once_for_a_key_and_waiting_work_runs_there(hall):
    pool = pool_of(hall)
    jobs = [hall.submit(f"j{n}", devices=2) for n in range(3)]
    assert jobs[2].state == "waiting"
    more = (supply.NodeRow(1, 2),)
    said_twice = [
        supply.come(hall.storage, pool, more, key="rack", reason="a rack", by=hall.operator)
        for _ in range(2)
    ]
    assert said_twice[0] == said_twice[1]
    assert [row[0] for row in where(hall, jobs[2])] == [2]
    with pytest.raises(Conflict) as caught:
        supply.come(hall.storage, pool, TWO, key="rack", reason="a rack", by=hall.operator)
    assert caught.value.code == "compute.nodes_differ"
    assert register(hall) == replace(register(hall), devices=4)
    hall.assert_books_are_right()


def test_commands_about_nodes_that_are_not_there_are_refused(hall):
    pool, flat = pool_of(hall), register(hall, key="flat", nodes=()).id
    cases = (
        (NotFound, "compute.node_unknown", lambda: said(hall, pool, 7, "down")),
        (NotFound, "compute.node_unknown", lambda: said(hall, flat, 0, "down")),
        (NotFound, "compute.pool_unknown", lambda: said(hall, "pool_x", 0, "down")),
        (Invalid, "compute.offer_invalid", lambda: said(hall, pool, 0, "asleep")),
        (
            Conflict,
            "compute.pool_flat",
            lambda: supply.come(
                hall.storage, flat, TWO, key="k", reason="r", by=hall.operator
            ),
        ),
        (
            Invalid,
            "compute.offer_invalid",
            lambda: supply.come(hall.storage, pool, (), key="", reason="", by=hall.operator),
        ),
    )  # fmt: skip
    for kind, code, act in cases:
        with pytest.raises(kind) as caught:
            act()
        assert caught.value.code == code
        assert code not in caught.value.message("en") + caught.value.message("zh")
    with hall.storage.database.read() as tx:
        assert len(store.nodes(tx)) == 2


pieces = st.builds(
    Piece,
    st.integers(0, 99),
    st.lists(st.integers(0, 7), unique=True, max_size=4).map(tuple),
    st.integers(0, 1_000),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)


@given(st.lists(pieces, max_size=4).map(tuple), st.integers(1, 9))
def test_places_are_kept_as_they_were(taken, devices):
    nodes = tuple((piece.node, len(piece.devices)) for piece in taken) or ((3, devices),)
    request = Request("w", 1, "x", "cpu", 1, 60, 0)
    placement = Placement(request, "p", (), None, 0, 0, "CNY", "cpu", nodes, taken)
    text = places_text(placement)
    assert places_of(text) == (nodes, taken)
    assert all(lies_on(text, node) for node, _ in nodes)
    assert not lies_on(text, 100)
    assert places_of(None) == ((), ())
    assert lies_on(None, 0)
    assert not lies_on(None, 1)


def test_shares_of_a_device_are_given_out_in_a_pool_without_nodes_too(bare_city):
    bare_city.pool(devices=1)
    bare_city.award()
    bare_city.voucher()
    bare_city.cash()
    bare_city.approve_trial()
    jobs = [bare_city.submit(f"half{n}", devices_milli=500) for n in range(3)]
    assert [job.state for job in jobs] == ["placed", "placed", "waiting"]
    assert [job.held_device_ms for job in jobs] == [50_000, 50_000, 0]
    assert where(bare_city, jobs[0])[0][2:4] == where(bare_city, jobs[1])[0][2:4] == [[0], 500]
    compute.cancel(bare_city.storage, jobs[0].id)
    assert bare_city.see(jobs[2]).state == "placed"


def stands(city, pool: str, state: str) -> supply.Standing:
    return supply.change(city.storage, pool, state=state, reason="a day", by=city.operator)


@pytest.mark.parametrize("noded", [True, False], ids=["nodes", "flat"])
def test_a_pool_that_is_down_ends_what_runs_there_unpaid_and_one_that_drains_does_not(
    bare_city, noded
):
    pool = register(bare_city, nodes=TWO if noded else ()).id
    bare_city.award()
    bare_city.voucher()
    bare_city.cash()
    bare_city.approve_trial()
    job, other = bare_city.submit("gang", devices=4 if not noded else 2), None
    seen = compute.run_next(
        bare_city.storage, Careless(lambda: stands(bare_city, pool, "draining"))
    )
    assert (seen.state, seen.usage.device_ms) == ("settled", 10_000)
    stands(bare_city, pool, "open")
    other = bare_city.submit("second", devices=2)
    seen = compute.run_next(bare_city.storage, Careless(lambda: stands(bare_city, pool, "down")))
    assert (seen.state, seen.usage, seen.why.code) == (
        "waiting",
        None,
        "compute.waiting_pool_closed",
    )
    lost = bare_city.see(other)
    assert (lost.pool, lost.held_device_ms, lost.held_minor) == (None, 0, 0)
    with bare_city.storage.database.read() as tx:
        [status] = compute.pools(tx)
        paid = [e.amount for e in ledger.entries_of(tx, bare_city.provider)]
    assert status.devices_busy == 0
    assert paid.count(10_000) == 1
    assert stands(bare_city, pool, "down") == stands(bare_city, pool, "down")
    stands(bare_city, pool, "open")
    assert bare_city.see(other).state == "placed"
    assert bare_city.see(job).state == "settled"
    bare_city.assert_books_are_right()


def test_on_a_pool_that_is_down_nothing_is_left_whether_it_ran_or_was_to_be_cancelled(hall):
    pool, job = pool_of(hall), hall.submit()

    def both() -> None:
        compute.cancel(hall.storage, job.id)
        stands(hall, pool, "down")

    placed = hall.submit("placed", devices=2)
    assert placed.state == "placed"
    compute.run_next(hall.storage, Careless(both))
    assert [hall.see(one).state for one in (job, placed)] == ["cancelled", "waiting"]
    assert compute.run_next(hall.storage, Careless(lambda: None)) is None
    hall.assert_books_are_right()


def test_a_pool_the_platform_closed_keeps_its_work_until_a_person_says_that_it_is_down(hall):
    pool, job = pool_of(hall), hall.submit()
    with hall.storage.database.begin() as tx:
        store.set_standing(tx, supply.Standing(pool, "down"))
    assert hall.see(job).state == "placed"
    stands(hall, pool, "down")
    assert hall.see(job).state == "waiting"
    hall.assert_books_are_right()
