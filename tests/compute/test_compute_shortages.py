"""What binds is what is named: closed nodes, or devices that do not lie close enough together."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compute_why_changes import BASE, NOW_US, is_placed, pool, runs, seen, told

from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.state import NodeView, Picture, PoolView, Wait

GANG = replace(BASE, devices=4, replicas=2, cpu_milli=4_000)


def why(picture: Picture):
    [found] = [one for one in decide(picture, now_us=NOW_US) if one.request.id == "w"]
    assert isinstance(found, Wait)
    for language in ("en", "zh"):
        assert "compute." not in found.why.message(language)
    return found.why


def said(changes) -> list[tuple[str, dict]]:
    return [(one.code.removeprefix("compute."), dict(one.params)) for one in changes]


def opened(picture: Picture) -> Picture:
    return replace(picture, pools=tuple(replace(one, down=()) for one in picture.pools))


def test_a_closed_node_is_named_and_not_the_end_of_work_that_is_not_there() -> None:
    shut = seen(GANG, pool(down=(1,)))
    reason = why(shut)
    assert reason.code == "compute.waiting_nodes"
    assert dict(reason.params) == {"pool": "p", "needed": 8, "open": 4, "count": 1, "nodes": "1"}
    there = {"missing": 4, "pool": "p", "count": 1, "nodes": "1"}
    assert said(reason.changes) == [("change_nodes", there)]
    assert is_placed(opened(shut), GANG)
    found = told(shut)
    assert (found.early_us, found.late_us) == (None, None)
    assert [one.code for one in found.notes] == ["compute.unseen_closed"]
    assert said(found.alternatives) == [
        ("change_replicas", {"replicas": 1}),
        ("change_fewer_each", {"devices": 2}),
    ]


def test_the_same_is_said_where_nodes_count_memory_and_cpus() -> None:
    nodes = tuple(NodeView(4, n, 1, 8_000, 4_096) for n in range(2))
    packed = PoolView("p", "npu", 8, 0, 100, "CNY", nodes=nodes, down=(0,))
    reason = why(seen(GANG, packed))
    assert (reason.code, dict(reason.params)["nodes"]) == ("compute.waiting_nodes", "0")
    assert [one.code for one in reason.changes] == ["compute.change_nodes"]
    busy = seen(GANG, packed, running=[runs("r", {1: 1})])
    assert [one.code for one in why(busy).changes] == [
        "compute.change_nodes",
        "compute.change_node",
    ]


def test_another_chip_that_fits_now_is_offered_beside_the_node() -> None:
    shut = seen(GANG, pool(down=(0,)), pool("q", "gpu"))
    assert ("change_chip", {"chip": "gpu"}) in said(told(shut).alternatives)


def test_where_work_holds_the_open_node_too_both_have_to_change() -> None:
    shut = seen(GANG, pool(down=(1,)), running=[runs("r", {0: 3})])
    reason = why(shut)
    assert reason.code == "compute.waiting_nodes"
    assert said(reason.changes)[1] == ("change_devices", {"missing": 4, "pool": "p"})


def test_where_the_end_of_work_would_do_that_is_the_reason_and_the_node_a_remark() -> None:
    one = replace(BASE, devices=4, cpu_milli=4_000)
    busy = seen(one, pool(down=(1,)), running=[runs("r", {0: 3})])
    assert why(busy).code == "compute.waiting_capacity"
    found = told(busy)
    assert found.late_us is not None
    assert said(found.notes) == [("unseen_opened", {"pool": "p", "count": 1, "nodes": "1"})]
    assert is_placed(opened(busy), one)


def test_a_pool_that_works_is_the_reason_and_not_one_with_a_closed_node() -> None:
    busy = seen(GANG, pool(down=(1,)), pool("q"), running=[runs("r", {0: 3}, at="q")])
    assert dict(why(busy).params)["pool"] == "q"
    assert why(busy).code == "compute.waiting_capacity"


def test_a_node_that_is_gone_is_not_waited_for() -> None:
    less = replace(pool(down=(1,), gone=(1,)), devices=4)
    assert why(seen(GANG, less)).code == "compute.waiting_no_pool"


def test_many_closed_nodes_are_not_all_listed() -> None:
    large = replace(GANG, replicas=12)
    wide = pool(nodes=12, down=tuple(range(11)))
    assert dict(why(seen(large, wide)).params)["nodes"] == "0, 1, 2, 3, 4, 5, 6, 7, …"


def test_devices_that_lie_apart_are_told_by_domain() -> None:
    asked = replace(BASE, devices=4, replicas=3, cpu_milli=4_000, fabric="domain")
    views = tuple(NodeView(4, n // 3, 1) for n in range(6))
    wide = PoolView("p", "npu", 24, 0, 100, "CNY", nodes=views)
    busy = [runs("r", {0: 4}), runs("s", {3: 4})]
    shown = seen(asked, wide, running=busy)
    reason = why(shown)
    assert reason.code == "compute.waiting_domain"
    assert dict(reason.params) == {"pool": "p", "needed": 12, "most": 8, "free": 16}
    assert said(reason.changes) == [("change_domain", {"missing": 4, "pool": "p"})]
    found = told(shown)
    assert said(found.alternatives)[0] == ("change_fabric", {"fabric": "any"})
    assert ("change_replicas", {"replicas": 2}) in said(found.alternatives)
    assert found.late_us is not None
    lines = [one.message("en") for one in found.alternatives]
    assert not any(line.startswith("or ") for line in lines)


def test_a_closed_node_of_a_domain_is_named_where_no_other_domain_is_large_enough() -> None:
    asked = replace(BASE, devices=4, replicas=3, cpu_milli=4_000, fabric="domain")
    views = tuple(NodeView(4, n // 3, 1) for n in range(5))
    wide = PoolView("p", "npu", 20, 0, 100, "CNY", nodes=views, down=(2,))
    reason = why(seen(asked, wide))
    assert (reason.code, dict(reason.params)["nodes"]) == ("compute.waiting_nodes", "2")


def test_devices_on_several_nodes_that_one_replica_needs_on_one_are_told_so() -> None:
    shown = seen(GANG, pool(nodes=3), running=[runs("r", {n: 1}) for n in range(1)])
    assert is_placed(shown, GANG)
    full = seen(
        GANG, pool(nodes=3), running=[runs("a", {0: 1}), runs("b", {1: 1}), runs("c", {2: 1})]
    )
    reason = why(full)
    assert reason.code == "compute.waiting_whole"
    assert dict(reason.params) == {"pool": "p", "count": 2, "each": 4, "room": 0, "free": 9}


def test_what_no_pool_can_take_as_it_is_asked_for_is_not_called_too_large() -> None:
    asked = replace(BASE, devices=8, cpu_milli=8_000, fabric="node")
    reason = why(seen(asked, pool()))
    assert reason.code == "compute.waiting_no_fit"
    assert dict(reason.params)["largest"] == 8


@st.composite
def _closed_pictures(draw):
    size, count = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    domains = draw(st.lists(st.integers(0, 1), min_size=count, max_size=count))
    counted = (size * 1_000, 4_096) if draw(st.booleans()) else (0, 0)
    views = tuple(NodeView(size, domain, 1, *counted) for domain in domains)
    down = tuple(sorted(draw(st.sets(st.integers(0, count - 1)))))
    gone = tuple(node for node in down if draw(st.integers(0, 3)) == 0)
    running = [
        runs(f"r{node}", {node: draw(st.integers(1, size))})
        for node in range(count)
        if draw(st.booleans()) and node not in gone
    ]
    devices = draw(st.integers(1, 2 * size))
    asked = replace(
        BASE,
        devices=devices,
        replicas=draw(st.integers(1, 3)),
        cpu_milli=devices * 1_000,
        fabric=draw(st.sampled_from(["any", "domain", "node"])),
    )
    shown = PoolView("p", "npu", size * count, 0, 100, "CNY", nodes=views, down=down, gone=gone)
    return seen(asked, shown, running=running)


@settings(max_examples=150, deadline=None)
@given(_closed_pictures())
def test_closed_nodes_are_the_reason_exactly_where_the_end_of_all_work_would_not_do(shown) -> None:
    [asked], [there] = shown.queue, shown.pools
    if is_placed(shown, asked):
        return
    reason = why(shown)
    empty = replace(shown, running=(), pools=(replace(there, devices_busy=0),))
    back = replace(there, down=there.gone, devices_busy=0)
    whole = replace(empty, pools=(back,))
    assert is_placed(whole, asked) == (
        reason.code not in ("compute.waiting_no_pool", "compute.waiting_no_fit")
    )
    assert (reason.code == "compute.waiting_nodes") == (
        is_placed(whole, asked) and not is_placed(empty, asked)
    )
    if reason.code == "compute.waiting_nodes":
        named = {int(node) for node in str(dict(reason.params)["nodes"]).split(", ")}
        again = replace(there, down=tuple(n for n in there.down if n not in named))
        assert is_placed(replace(empty, pools=(replace(again, devices_busy=0),)), asked)
        if [one.code for one in reason.changes] == ["compute.change_nodes"]:
            assert is_placed(replace(shown, pools=(again,)), asked)
    for note in told(shown).notes:
        if note.code == "compute.unseen_opened":
            named = {int(node) for node in str(dict(note.params)["nodes"]).split(", ")}
            again = replace(there, down=tuple(n for n in there.down if n not in named))
            assert is_placed(replace(shown, pools=(again,)), asked)
    if reason.code == "compute.waiting_domain":
        numbers = dict(reason.params)
        assert numbers["most"] < numbers["needed"] <= numbers["free"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_list_of_changes_begins_with_no_or_and_joins_with_one(language) -> None:
    poor = replace(seen(replace(BASE, wall_seconds_max=7_200), pool()), awards=())
    some = replace(seen(BASE, pool()).awards[0], left_ms=3_600_000)
    lines = why(replace(poor, awards=(some,))).message(language).splitlines()
    joined = {"en": "  - or ask", "zh": "  - 或将"}[language]
    assert [line.startswith(joined) for line in lines if line.startswith("  - ")] == [False, True]
