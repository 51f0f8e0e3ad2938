"""What the platform tells whoever waits for something that is closed: a node, a pool, a site."""

from __future__ import annotations

import pytest
from test_compute_following import Place
from test_compute_places import register, said
from test_compute_why_platform import elsewhere, offered, told

from yunhe.compute import service as compute
from yunhe.compute.queueing import service as queueing
from yunhe.compute.remote.following import SILENT_SECONDS
from yunhe.compute.service import supply
from yunhe.compute.supply.domain import NodeRow
from yunhe.kernel.clock import SECOND_US


@pytest.fixture
def rich(bare_city):
    bare_city.award(seconds=100_000)
    bare_city.voucher()
    bare_city.cash()
    bare_city.approve_trial()
    return bare_city


def words(city, workload) -> str:
    """The code of why it waits, as the pass kept it and as it is told now."""
    standing = told(city, workload)
    kept = city.see(workload).why
    assert standing.why.code == kept.code
    for language in ("en", "zh"):
        lines = [kept.message(language), *(note.message(language) for note in standing.notes)]
        assert "compute." not in "".join(lines)
    return kept.code.removeprefix("compute.")


def notes(city, workload) -> list[str]:
    return [note.code.removeprefix("compute.") for note in told(city, workload).notes]


def plan(city, pool: str, begins: int, ends: int):
    now_us = city.clock.now_us()
    return supply.plan_maintenance(
        city.storage,
        pool,
        key=f"{pool}-{begins}",
        from_us=now_us + begins * SECOND_US,
        until_us=now_us + ends * SECOND_US,
        reason="new switches",
        by=city.operator,
    )


@pytest.mark.parametrize("state", ["down", "draining"])
def test_a_gang_whose_second_node_is_closed_is_told_so_and_starts_when_it_is_opened(
    rich, state
) -> None:
    pool = register(rich)
    said(rich, 1, state)
    gang = rich.submit("gang", devices=2, replicas=2)
    assert words(rich, gang) == "waiting_nodes"
    found = told(rich, gang)
    assert [one.code for one in found.why.changes] == ["compute.change_nodes"]
    assert dict(found.why.params)["nodes"] == "1"
    assert (found.early_us, notes(rich, gang)) == (None, ["unseen_closed"])
    assert ("replicas", {"replicas": 1}) in offered(rich, gang)
    said(rich, 1, "open")
    assert (rich.see(gang).state, rich.see(gang).pool) == ("placed", pool.id)


def test_where_very_many_wait_a_closed_node_is_told_alike(rich, monkeypatch) -> None:
    register(rich)
    said(rich, 1, "down")
    gang = rich.submit("gang", devices=2, replicas=2)
    before = told(rich, gang)
    monkeypatch.setattr(queueing, "FULL_MAX", 0)
    found = told(rich, gang)
    assert (found.why, found.alternatives) == (before.why, before.alternatives)
    assert notes(rich, gang) == ["unseen_closed", "untried_many"]


def test_work_of_others_is_the_reason_where_its_end_would_do_and_the_node_a_remark(rich) -> None:
    register(rich)
    said(rich, 1, "down")
    rich.submit("runs", devices=1, wall=200)
    waits = rich.submit("waits", devices=2)
    assert words(rich, waits) == "waiting_capacity"
    assert notes(rich, waits) == ["unseen_opened"]
    assert told(rich, waits).late_us is not None
    said(rich, 1, "open")
    assert rich.see(waits).state == "placed"


def test_devices_that_are_free_in_two_domains_are_told_as_that(rich) -> None:
    register(rich, devices=8, nodes=tuple(NodeRow(1, 2, 0, 0, n // 2) for n in range(4)))
    first, second, third = (rich.submit(key, devices=2, wall=200) for key in "abc")
    compute.cancel(rich.storage, second.id)
    asked = {"devices": 2, "replicas": 2, "wall": 100}
    waits = rich.submit("waits", fabric="domain", **asked)
    assert words(rich, waits) == "waiting_domain"
    params = dict(told(rich, waits).why.params)
    assert (params["needed"], params["most"], params["free"]) == (4, 2, 4)
    assert [one.code for one in told(rich, waits).why.changes] == ["compute.change_domain"]
    assert offered(rich, waits)[:2] == [
        ("fabric", {"fabric": "any"}),
        ("replicas", {"replicas": 1}),
    ]
    assert told(rich, waits).late_us == rich.clock.now_us() + 200 * SECOND_US
    assert {rich.see(one).state for one in (first, third)} == {"placed"}
    compute.cancel(rich.storage, waits.id)
    assert rich.submit("wider", fabric="any", **asked).state == "placed"


def test_a_pool_it_is_kept_to_that_is_drained_is_the_reason_though_another_is_open(rich) -> None:
    own = register(rich)
    elsewhere(rich)
    supply.change(rich.storage, own.id, state="draining", reason="r", by=rich.operator)
    waits = rich.submit("waits", devices=2, sites=("机房一",))
    assert words(rich, waits) == "waiting_pool_closed"
    assert (told(rich, waits).early_us, notes(rich, waits)) == (None, ["unseen_closed"])
    assert offered(rich, waits)[0] == ("site", {"site": "机房二"})
    supply.change(rich.storage, own.id, state="open", reason="r", by=rich.operator)
    assert rich.see(waits).state == "placed"


def test_an_open_pool_that_could_never_take_it_does_not_hide_that_another_is_closed(rich) -> None:
    own = register(rich)
    narrow = tuple(NodeRow(1, 1, 0, 0, 0) for _ in range(4))
    register(rich, nodes=narrow, key="narrow")
    supply.change(rich.storage, own.id, state="down", reason="r", by=rich.operator)
    waits = rich.submit("waits", devices=2, fabric="node")
    assert words(rich, waits) == "waiting_pool_closed"
    assert ("fewer", {"devices": 1}) in offered(rich, waits)


def test_the_end_of_a_maintenance_is_when_it_starts_at_the_earliest(rich) -> None:
    pool = register(rich)
    plan(rich, pool.id, 0, 500)
    ends_us = rich.clock.now_us() + 500 * SECOND_US
    waits = rich.submit("waits", devices=2, wall=100)
    assert words(rich, waits) == "waiting_maintenance"
    found = told(rich, waits)
    assert (found.early_us, found.late_us) == (ends_us, None)
    assert notes(rich, waits) == ["unseen_maintained"]
    assert offered(rich, waits) == []
    rich.clock.advance(seconds=501)
    compute.reconsider(rich.storage)
    assert rich.see(waits).state == "placed"


def listed(city) -> dict[str, tuple[int | None, int | None]]:
    """When each that waits starts at the earliest and at the latest, as the queue says."""
    with city.storage.database.read() as tx:
        found = queueing.queue(
            tx,
            organisation=None,
            projects=None,
            after=0,
            limit=100,
            now_us=city.clock.now_us(),
        )
    return {each.id: (each.early_us, each.late_us) for each in found}


def test_the_queue_says_when_a_maintenance_that_is_waited_for_ends(rich) -> None:
    pool = register(rich)
    other = register(rich, key="other", devices=2, nodes=(NodeRow(1, 2, 0, 0, 0),))
    plan(rich, pool.id, 0, 500)
    ends_us = rich.clock.now_us() + 500 * SECOND_US
    wide = rich.submit("wide", devices=4, replicas=1, wall=100)
    runs = rich.submit("runs", devices=2, wall=300)
    behind = rich.submit("behind", devices=2, wall=100)
    assert words(rich, wide) == "waiting_maintenance"
    assert rich.see(runs).pool == other.id
    found = listed(rich)
    assert found[wide.id] == (ends_us, None)
    assert found[behind.id][1] == rich.clock.now_us() + 300 * SECOND_US
    assert found[wide.id] == (told(rich, wide).early_us, told(rich, wide).late_us)
    compute.cancel(rich.storage, behind.id)
    rich.clock.advance(seconds=501)
    compute.reconsider(rich.storage)
    assert rich.see(wide).state == "placed"


def test_the_queue_guesses_no_time_for_what_nobody_said_will_open(rich) -> None:
    pool = register(rich)
    supply.change(rich.storage, pool.id, state="draining", reason="r", by=rich.operator)
    waits = rich.submit("waits", devices=2, wall=100)
    assert listed(rich) == {waits.id: (None, None)}
    plan(rich, pool.id, 0, 500)
    assert listed(rich) == {waits.id: (None, None)}  # it is drained all the same


def test_the_wall_time_that_ends_before_a_maintenance_begins_is_offered_and_would_run(rich) -> None:
    pool = register(rich)
    plan(rich, pool.id, 300, 900)
    waits = rich.submit("waits", devices=2, wall=1_000)
    assert words(rich, waits) == "waiting_maintenance"
    assert offered(rich, waits) == [("wall", {"wall_seconds": 300})]
    compute.cancel(rich.storage, waits.id)
    assert rich.submit("shorter", devices=2, wall=300).state == "placed"


def test_a_shorter_wall_time_is_offered_also_where_another_pool_is_only_full(rich) -> None:
    pool = register(rich)
    other = register(rich, nodes=(NodeRow(1, 2, 0, 0, 0),), devices=2, key="other")
    plan(rich, pool.id, 300, 900)
    first = rich.submit("first", devices=2, wall=1_000)
    assert first.pool == other.id
    waits = rich.submit("waits", devices=2, wall=1_000)
    assert words(rich, waits) == "waiting_capacity"
    assert offered(rich, waits) == [("wall", {"wall_seconds": 300})]


def test_a_site_that_is_silent_is_named_and_no_hand_is_blamed(rich) -> None:
    place = Place(rich)
    place.look()
    place.gone(2 * SILENT_SECONDS)
    waits = rich.submit("waits", devices=2, wall=10)
    assert words(rich, waits) == "waiting_silent"
    assert dict(waits.why.params) == {"pool": place.pool, "site": "paper"}
    assert notes(rich, waits) == ["unseen_closed"]
    place.look(seconds=SILENT_SECONDS)
    assert rich.see(waits).state == "placed"


def test_a_site_without_devices_in_order_is_named_and_a_hand_is_told_as_a_hand(rich) -> None:
    place = Place(rich)
    place.look()
    place.nodes = ()
    place.look(seconds=SILENT_SECONDS)
    waits = rich.submit("waits", devices=2, wall=10)
    assert words(rich, waits) == "waiting_site_none"
    place.say("draining")
    compute.reconsider(rich.storage)
    assert words(rich, waits) == "waiting_pool_closed"


def test_who_was_placed_at_a_site_that_does_not_answer_is_told_so(rich) -> None:
    place = Place(rich, follows=False)
    place.look()
    made = rich.submit("placed", devices=2, wall=10)
    assert made.state == "placed"
    place.gone(120)
    with rich.storage.database.read() as tx:
        found = queueing.held_up(tx, made.id)
    assert found.code == "compute.placed_silent"
    assert dict(found.params)["site"] == "paper"
    for language in ("en", "zh"):
        assert "compute." not in found.message(language)
    place.look()
    with rich.storage.database.read() as tx:
        assert queueing.held_up(tx, made.id) is None
        assert queueing.held_up(tx, "nobody") is None
