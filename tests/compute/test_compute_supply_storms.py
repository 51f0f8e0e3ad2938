"""Nodes that come, drain, break and return while work is placed, cancelled and looked at anew."""

from __future__ import annotations

import random
import threading
from collections import Counter

import pytest

from yunhe.compute import service as compute
from yunhe.compute import store as rows_of
from yunhe.compute.passes import whole
from yunhe.compute.places import places_of
from yunhe.compute.planning import store as plans
from yunhe.compute.service import supply
from yunhe.compute.supply import store as offered
from yunhe.kernel.errors import Conflict

STATES = ("open", "open", "draining", "down", "gone")


def racks(city, *, nodes, key: str = "storm") -> str:
    return compute.register_pool(
        city.storage,
        key=key,
        provider=city.provider,
        site="机房一",
        chip="cpu",
        devices=sum(row.count * row.devices for row in nodes),
        price_minor_per_device_hour=3_600,
        currency="CNY",
        nodes=nodes,
    ).id


@pytest.fixture
def yard(bare_city):
    """Means for hundreds of jobs and no pool yet."""
    bare_city.award(seconds=10**7)
    bare_city.cash(10**9)
    bare_city.approve_trial()
    return bare_city


def change(city, pool: str, position: int, state: str) -> None:
    supply.change_node(city.storage, pool, position, state=state, reason="r", by=city.operator)


def assert_nothing_is_given_twice(city) -> None:
    """No device of any node holds more than itself, no node more CPU than it has, none is gone."""
    with city.storage.database.read() as tx:
        nodes = {(node.pool, node.position): node for node in offered.nodes(tx)}
        devices: Counter[tuple[str, int, int]] = Counter()
        counted: Counter[tuple[str, int]] = Counter()
        cpu: Counter[tuple[str, int]] = Counter()
        for row in rows_of.occupying(tx):
            taken, pieces = places_of(row["nodes"])
            assert sum(count for _, count in taken) == row["devices"]
            for node, count in taken:
                assert nodes[row["pool"], node].state in {"open", "draining"}
                counted[row["pool"], node] += 0 if pieces else count
            for piece in pieces:
                assert max(piece.devices, default=0) < nodes[row["pool"], piece.node].devices
                cpu[row["pool"], piece.node] += piece.cpu_milli
                for at in piece.devices:
                    devices[row["pool"], piece.node, at] += piece.milli
        assert all(milli <= 1_000 for milli in devices.values())
        named = Counter((pool, node) for pool, node, _ in devices)
        for name in {*named, *counted}:
            assert named[name] + counted[name] <= nodes[name].devices
        for name, milli in cpu.items():
            assert not nodes[name].cpu_milli or milli <= nodes[name].cpu_milli
        for status in compute.pools(tx):
            kept = [node for node in nodes.values() if node.pool == status.pool.id]
            own = sum(node.devices for node in kept if node.state != "gone")
            assert status.pool.devices == own
            assert status.devices_busy <= own


def asks(dice: random.Random) -> dict[str, object]:
    kind = dice.random()
    if kind < 0.3:
        return {"devices_milli": dice.choice([250, 500, 700])}
    if kind < 0.5:
        return {"devices": 1, "replicas": 3, "replicas_min": 1}
    if kind < 0.6:
        return {"devices": 1, "cpu_milli": 1_500}
    return {"devices": dice.choice([1, 1, 2])}


@pytest.mark.parametrize("seed", range(4))
def test_whatever_nodes_do_nothing_is_given_twice_and_the_books_are_right(yard, seed):
    dice = random.Random(seed)
    pool = racks(yard, nodes=(supply.NodeRow(2, 2, 4_000), supply.NodeRow(2, 3)))
    jobs, nodes = [], 4
    for step in range(45):
        act = dice.random()
        if act < 0.45:
            jobs.append(yard.submit(f"j{step}", **asks(dice)))
        elif act < 0.75:
            change(yard, pool, dice.randrange(nodes), dice.choice(STATES))
        elif act < 0.85 and jobs:
            compute.cancel(yard.storage, dice.choice(jobs).id)
        elif act < 0.9:
            supply.come(
                yard.storage, pool, (supply.NodeRow(1, 2),), key=f"k{step}", reason="r",
                by=yard.operator,
            )  # fmt: skip
            nodes += 1
        else:
            compute.planning.replan(yard.storage, every_seconds=60)
        assert_nothing_is_given_twice(yard)
    for position in range(nodes):
        change(yard, pool, position, "open")
    assert_nothing_is_given_twice(yard)
    yard.assert_books_are_right()


@pytest.mark.parametrize("seed", range(3))
def test_a_storm_between_a_look_and_its_decisions_never_overfills_a_node(yard, monkeypatch, seed):
    dice = random.Random(100 + seed)
    pool = racks(yard, nodes=(supply.NodeRow(3, 2),))
    right = whole.decide
    for turn in range(4):
        with monkeypatch.context() as patch:
            patch.setattr("yunhe.compute.admission.SMALL_MAX", -1)
            patch.setattr("yunhe.compute.passes.store.rivals", lambda *_, **__: True)
            for number in range(3):
                yard.submit(f"t{turn}-{number}", **asks(dice))

        def slow(picture, *, now_us, policy, turn=turn):
            found = right(picture, now_us=now_us, policy=policy)
            with monkeypatch.context() as patch:
                patch.setattr("yunhe.compute.admission.SMALL_MAX", -1)
                change(yard, pool, dice.randrange(3), dice.choice(STATES))
                patch.setattr("yunhe.compute.passes.store.rivals", lambda *_, **__: False)
                yard.submit(f"quick{turn}", devices=dice.choice([1, 2]))
            return found

        monkeypatch.setattr(whole, "decide", slow)
        whole.run(yard.storage)
        monkeypatch.setattr(whole, "decide", right)
        assert_nothing_is_given_twice(yard)
    yard.assert_books_are_right()


def test_a_rack_that_two_people_add_at_once_under_one_key_comes_once(yard):
    pool = racks(yard, nodes=(supply.NodeRow(1, 2),))
    made, failed = [], []
    together = threading.Barrier(3)

    def add() -> None:
        together.wait()
        try:
            rows = (supply.NodeRow(2, 2),)
            made.append(
                supply.come(yard.storage, pool, rows, key="k", reason="r", by=yard.operator)
            )
        except Conflict as error:
            failed.append(error)

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [[node.position for node in each] for each in made] == [[1, 2]] * 3
    with yard.storage.database.read() as tx:
        assert [node.position for node in supply.nodes(tx, pool)] == [0, 1, 2]
        assert compute.pools(tx)[0].pool.devices == 6


def test_two_racks_added_at_once_get_numbers_of_their_own(yard):
    pool = racks(yard, nodes=(supply.NodeRow(1, 2),))
    together, made = threading.Barrier(2), []

    def add(key: str) -> None:
        together.wait()
        rows = (supply.NodeRow(2, 2),)
        made.append(supply.come(yard.storage, pool, rows, key=key, reason="r", by=yard.operator))

    threads = [threading.Thread(target=add, args=(key,)) for key in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(node.position for each in made for node in each) == [1, 2, 3, 4]


def test_a_gang_loses_all_of_it_when_one_of_its_nodes_goes_and_is_placed_as_one_again(yard):
    pool = racks(yard, nodes=(supply.NodeRow(3, 2),))
    gang = yard.submit("gang", devices=2, replicas=2)
    single = yard.submit("single", devices=2)
    with yard.storage.database.read() as tx:
        held = [node for node, _ in places_of(rows_of.row(tx, gang.id)["nodes"])[0]]
        [other] = [node for node, _ in places_of(rows_of.row(tx, single.id)["nodes"])[0]]
    assert len(held) == 2
    change(yard, pool, held[0], "down")
    assert (yard.see(gang).state, yard.see(single).state) == ("waiting", "placed")
    assert yard.see(gang).held_device_ms == 0
    compute.cancel(yard.storage, single.id)
    assert yard.see(gang).state == "placed"
    with yard.storage.database.read() as tx:
        again = {node for node, _ in places_of(rows_of.row(tx, gang.id)["nodes"])[0]}
    assert again == {other, held[1]}
    yard.assert_books_are_right()


def test_a_gang_that_must_share_a_fabric_waits_when_no_domain_is_whole(yard):
    rows = (supply.NodeRow(2, 2, 0, 0, 0), supply.NodeRow(2, 2, 0, 0, 1))
    pool = racks(yard, nodes=rows)
    change(yard, pool, 0, "down")
    change(yard, pool, 3, "down")
    tight = yard.submit("tight", devices=2, replicas=2, fabric="domain")
    loose = yard.submit("loose", devices=2, replicas=2)
    assert (tight.state, loose.state) == ("waiting", "placed")
    compute.cancel(yard.storage, loose.id)
    assert yard.see(tight).state == "waiting"
    change(yard, pool, 0, "open")
    assert yard.see(tight).state == "placed"
    with yard.storage.database.read() as tx:
        assert [n for n, _ in places_of(rows_of.row(tx, tight.id)["nodes"])[0]] == [0, 1]


def test_a_domain_whose_nodes_are_gone_is_no_hope_and_says_so(yard):
    rows = (supply.NodeRow(2, 2, 0, 0, 0), supply.NodeRow(1, 2, 0, 0, 1))
    pool = racks(yard, nodes=rows)
    change(yard, pool, 0, "down")
    tight = yard.submit("tight", devices=2, replicas=2, fabric="domain")
    hoping = yard.see(tight).why.code
    change(yard, pool, 0, "gone")
    assert yard.see(tight).why.code != hoping
    change(yard, pool, 0, "open")
    assert yard.see(tight).state == "placed"


def test_work_placed_before_nodes_were_told_apart_counts_and_is_not_doubled(yard):
    pool = racks(yard, nodes=(supply.NodeRow(2, 2),))
    old = yard.submit("old", devices=2)
    with yard.storage.database.begin() as tx:
        rows_of.change(tx, old.id, nodes=None)
    new = [yard.submit(f"n{number}", devices=2) for number in range(2)]
    assert [job.state for job in new] == ["placed", "waiting"]
    change(yard, pool, 1, "down")
    assert yard.see(old).state == "placed"  # nobody knows: it counts as on the first
    compute.cancel(yard.storage, old.id)


def test_saying_again_that_a_node_is_lost_ends_nothing_twice(yard):
    pool = racks(yard, nodes=(supply.NodeRow(2, 2),))
    job = yard.submit("job", devices=2)
    with yard.storage.database.read() as tx:
        [(at, _)] = places_of(rows_of.row(tx, job.id)["nodes"])[0]
    for state in ("down", "down", "gone", "gone", "down"):
        change(yard, pool, at, state)
    again = yard.see(job)
    assert again.state == "placed"
    with yard.storage.database.read() as tx:
        assert rows_of.row(tx, job.id)["placements"] == 2
        details = [s.detail for s in supply.steps(tx, pool) if s.what == "node"]
        assert details == [f"{at} down", f"{at} gone", f"{at} down"]
    yard.assert_books_are_right()


def test_the_mix_of_a_plan_is_kept_young_and_read_or_ignored(yard):
    racks(yard, nodes=(supply.NodeRow(1, 2, 4_000, 4_096),))
    yard.submit("a", devices=1, cpu_milli=1_000)
    yard.submit("b", devices=2, cpu_milli=2_000)
    compute.planning.replan(yard.storage, every_seconds=60)
    now_us = yard.clock.now_us()
    with yard.storage.database.read() as tx:
        mix = plans.usual(tx, now_us=now_us)
        assert {(row.devices, row.cpu_milli) for row in mix} == {(1, 1_000), (2, 2_000)}
        assert plans.usual(tx, now_us=now_us + 181 * 10**6) == ()
        assert plans.usual(tx, now_us=now_us - 1) == ()
    assert yard.submit("c", devices=1, cpu_milli=1_000).state == "placed"
    for broken in ("{", "null", "[[1]]", '[["x", 0, 0, 0, [], 1]]', "7"):
        with yard.storage.database.begin() as tx:
            tx.execute(plans.plan_table.update().values(usual=broken))
        with yard.storage.database.read() as tx:
            assert plans.usual(tx, now_us=now_us) == ()
