"""What is offered to whoever waits: it would really be placed, and the cheapest comes first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.reasons import Change
from yunhe.compute.scheduling import why_changes
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.forecast import standing
from yunhe.compute.scheduling.state import (
    AwardView,
    NodeView,
    Picture,
    Piece,
    Placement,
    PoolView,
    Request,
    RunningView,
    WindowView,
)
from yunhe.compute.scheduling.why_changes import Trial
from yunhe.kernel.clock import SECOND_US

NOW_US = 100_000 * SECOND_US
BASE = Request("w", 9, "a", "npu", 1, 3_600, NOW_US)


def pool(name: str = "p", chip: str = "npu", *, size: int = 4, nodes: int = 2, **over) -> PoolView:
    said = {"nodes": tuple(NodeView(size, n % 2, 1) for n in range(nodes)), **over}
    return PoolView(name, chip, size * nodes, 0, 100, "CNY", **said)


def runs(name: str, parts: dict[int, int], *, at: str = "p", wall: int = 7_200, **over):
    request = replace(BASE, id=name, devices=sum(parts.values()), wall_seconds_max=wall, **over)
    return RunningView(request, at, tuple(parts.items()), NOW_US - 600 * SECOND_US)


def seen(asked: Request, *pools: PoolView, running=(), cash: int = 10**9, **over) -> Picture:
    busy: dict[str, int] = {}
    for view in running:
        busy[view.pool] = busy.get(view.pool, 0) + view.request.devices
    shown = tuple(replace(one, devices_busy=busy.get(one.id, 0)) for one in pools)
    awards = tuple(
        AwardView(f"a-{chip}", "a", chip, 10**12, NOW_US * 2)
        for chip in sorted({one.chip for one in pools})
    )
    queue = (asked, *over.pop("others", ()))
    return Picture(shown, awards, (), {("a", "CNY"): cash}, queue, running=tuple(running), **over)


def told(picture: Picture, **over):
    return standing(picture, "w", now_us=NOW_US, **over)


def offered(picture: Picture, **over) -> list[tuple[str, dict]]:
    found = told(picture, **over).alternatives
    return [(one.code.removeprefix("compute.change_"), dict(one.params)) for one in found]


def changed(request: Request, change: Change) -> Request:
    """The request as somebody would submit it who follows the sentence."""
    said = dict(change.params)
    follows = request.cpu_milli == request.devices * (request.milli or 1_000)
    if change.code in ("compute.change_fewer", "compute.change_fewer_each"):
        request = replace(request, devices=said["devices"])
    elif change.code == "compute.change_share":
        request = replace(request, milli=said["milli"])
    elif change.code == "compute.change_chip":
        return replace(request, chip=said["chip"], substitutes={})
    elif change.code == "compute.change_site":
        return replace(request, sites=frozenset({said["site"]}))
    else:
        field = {
            "compute.change_wall": "wall_seconds_max",
            "compute.change_memory": "memory_mib",
            "compute.change_cpu": "cpu_milli",
            "compute.change_replicas": "replicas",
            "compute.change_fabric": "fabric",
        }[change.code]
        value = {"memory_mib": said.get("mib"), "wall_seconds_max": said.get("wall_seconds")}
        return replace(request, **{field: value.get(field) or said[field]})
    cpu_milli = request.devices * (request.milli or 1_000)
    return replace(request, cpu_milli=cpu_milli) if follows else request


def is_placed(picture: Picture, request: Request) -> bool:
    queue = tuple(request if one.id == request.id else one for one in picture.queue)
    found = decide(replace(picture, queue=queue), now_us=NOW_US)
    return any(isinstance(one, Placement) and one.request.id == request.id for one in found)


@st.composite
def _pictures(draw):
    size = draw(st.integers(2, 4))
    counted = draw(st.booleans())
    views = tuple(
        NodeView(size, n % 2, 1, *((size * 2_000, 4_096) if counted else ())) for n in range(3)
    )
    pools = (
        PoolView("p", "npu", 3 * size, 0, 100, "CNY", nodes=views),
        pool("q", "gpu", size=size, nodes=1),
        pool("r", "npu", size=size, nodes=1),
    )
    running = []
    for node in range(3):
        devices = draw(st.integers(0, size))
        if devices:
            view = runs(f"r{node}", {node: devices}, wall=draw(st.sampled_from([1_200, 9_000])))
            piece = Piece(node, tuple(range(devices)), 1_000, devices * 1_000, 512)
            running.append(replace(view, pieces=(piece,) if counted else ()))
    for name in ("q", "r"):
        if draw(st.booleans()):
            chip = "gpu" if name == "q" else "npu"
            running.append(runs(f"r{name}", {0: size}, at=name, chip=chip))
    devices = draw(st.integers(1, 2 * size))
    asked = replace(
        BASE,
        devices=devices,
        replicas=draw(st.integers(1, 4)),
        fabric=draw(st.sampled_from(["any", "domain"])),
        sites=draw(st.sampled_from([None, frozenset({"p"})])),
        cpu_milli=devices * draw(st.sampled_from([1_000, 3_000])),
        memory_mib=draw(st.sampled_from([0, 2_000, 6_000])),
        wall_seconds_max=draw(st.sampled_from([600, 3_600, 86_400])),
    )
    cash = draw(st.sampled_from([10**9, 300, 20]))
    return seen(asked, *pools, running=running, cash=cash)


@settings(max_examples=120, deadline=None)
@given(_pictures())
def test_whatever_is_offered_a_pass_of_the_production_scheduler_places(picture) -> None:
    asked = picture.queue[0]
    for change in told(picture).alternatives:
        assert is_placed(picture, changed(asked, change)), change
        assert "compute." not in change.message("en") + change.message("zh")


@settings(max_examples=60, deadline=None)
@given(_pictures())
def test_amounts_are_the_greatest_that_will_do_and_never_a_trifle(picture) -> None:
    asked = picture.queue[0]
    for change in told(picture).alternatives:
        less = changed(asked, change)
        for field in ("replicas", "devices", "wall_seconds_max"):
            amount = getattr(less, field)
            if amount < getattr(asked, field):
                one_more = replace(less, **{field: amount + 1})
                if field == "devices" and asked.cpu_milli == asked.devices * 1_000:
                    one_more = replace(one_more, cpu_milli=(amount + 1) * 1_000)
                assert one_more == asked or not is_placed(picture, one_more)
        for field in ("wall_seconds_max", "cpu_milli", "memory_mib"):
            if less.devices == asked.devices:
                assert getattr(less, field) * 10 >= getattr(asked, field)


def test_a_gang_is_offered_fewer_replicas_and_fewer_devices_of_each() -> None:
    asked = replace(BASE, devices=2, replicas=4)
    full = seen(asked, pool(), running=[runs("r0", {0: 3}), runs("r1", {1: 1})])
    assert offered(full) == [("fewer_each", {"devices": 1}), ("replicas", {"replicas": 1})]
    zh = [one.message("zh") for one in told(full).alternatives]
    assert zh == [
        "将每个副本的设备数减到不超过 1 个，现在即可安排",
        "将副本数减到不超过 1 个，现在即可安排",
    ]


def test_a_wider_fabric_costs_nothing_and_comes_first() -> None:
    asked = replace(BASE, devices=2, replicas=2, fabric="domain")
    full = seen(asked, pool(), running=[runs("r0", {0: 2}), runs("r1", {1: 2})])
    assert offered(full)[0] == ("fabric", {"fabric": "any"})


def test_less_memory_or_fewer_cpus_are_offered_where_only_these_are_short() -> None:
    nodes = (NodeView(4, 0, 1, 16_000, 1_000),)
    memory = replace(BASE, memory_mib=800, cpu_milli=1_000)
    held = replace(runs("r0", {0: 1}), pieces=(Piece(0, (0,), 1_000, 4_000, 400),))
    found = offered(
        seen(
            memory,
            pool(nodes=1).__class__("p", "npu", 4, 0, 100, "CNY", nodes=nodes),
            running=[held],
        )
    )
    assert found == [("memory", {"bytes": 600 << 20, "mib": 600})]
    cpus = replace(BASE, memory_mib=1, cpu_milli=14_000)
    found = offered(seen(cpus, PoolView("p", "npu", 4, 0, 100, "CNY", nodes=nodes), running=[held]))
    assert found == [("cpu", {"cpu_milli": 12_000, "cpus": "12"})]


def test_a_smaller_share_of_a_device_is_offered() -> None:
    nodes = (NodeView(1, 0, 1, 16_000, 1_000),)
    asked = replace(BASE, milli=700, cpu_milli=700, memory_mib=1)
    held = replace(runs("r0", {0: 1}, milli=600), pieces=(Piece(0, (0,), 600, 1, 1),))
    found = offered(
        seen(asked, PoolView("p", "npu", 1, 0, 100, "CNY", nodes=nodes), running=[held])
    )
    assert found == [("share", {"milli": 400, "devices": "0.4"})]


def test_what_gives_up_least_comes_first_then_what_costs_least() -> None:
    dear = replace(pool("z", "gpu", nodes=1), price_minor_per_device_hour=900)
    cheap = replace(pool("y", "tpu", nodes=1), price_minor_per_device_hour=50)
    asked = replace(BASE, devices=4)
    full = seen(asked, pool(nodes=1), dear, cheap, running=[runs("r0", {0: 1})])
    assert offered(full) == [("chip", {"chip": "gpu"}), ("fewer", {"devices": 3})]
    only = seen(asked, pool(nodes=1), cheap, running=[runs("r0", {0: 1})])
    assert offered(only)[0] == ("chip", {"chip": "tpu"})


def test_a_wall_time_nobody_could_use_is_never_offered() -> None:
    window = WindowView("win", "b", "", "npu", 4, NOW_US + 30 * SECOND_US, NOW_US * 2, ("p",))
    asked = replace(BASE, devices=4)
    found = told(seen(asked, pool(nodes=1), windows=(window,)))
    assert found.why is not None
    assert (found.why.code, found.why.shorter_wall_seconds) == ("compute.waiting_guarantee", 0)
    assert found.alternatives == ()
    later = replace(window, from_us=NOW_US + 1_800 * SECOND_US)
    assert offered(seen(asked, pool(nodes=1), windows=(later,))) == [
        ("wall", {"wall_seconds": 1_800})
    ]


@pytest.mark.parametrize(("seconds", "least"), [(359, 0), (360, 360)])
def test_why_it_waits_and_what_else_would_do_agree_on_what_is_too_little(seconds, least) -> None:
    from_us = NOW_US + seconds * SECOND_US
    window = WindowView("win", "b", "", "npu", 4, from_us, NOW_US * 2, ("p",))
    found = told(seen(replace(BASE, devices=4), pool(nodes=1), windows=(window,)))
    assert found.why is not None
    assert found.why.shorter_wall_seconds == least
    assert [dict(each.params) for each in found.alternatives] == [{"wall_seconds": least}][
        : bool(least)
    ]


def test_what_only_the_platform_knows_is_tried_too_and_other_classes_by_a_pass() -> None:
    asked = replace(BASE, devices=4, sites=frozenset({"p"}))
    full = seen(asked, pool(nodes=1), pool("q", nodes=1), running=[runs("r0", {0: 4})])
    trials = [
        Trial(Change("compute.change_egress"), replace(asked, sites=frozenset({"p", "q"}))),
        Trial(Change("compute.change_preemptible"), replace(asked, preemptible=True)),
    ]
    assert offered(full, also=trials) == [("egress", {})]
    higher = Trial(Change("compute.change_priority", (("priority", "high"),)),
                   replace(asked, priority=1))  # fmt: skip
    assert offered(full, also=[], passing=[higher]) == []
    loose = seen(
        asked,
        pool(nodes=1),
        running=[replace(runs("r0", {0: 4}, preemptible=True), since_us=NOW_US - 10**9)],
    )
    assert offered(loose, also=[], passing=[higher]) == [("priority", {"priority": "high"})]


def test_where_nothing_admits_it_now_halves_are_tried_that_start_sooner() -> None:
    asked = replace(BASE, devices=8)
    held = [runs("r0", {0: 4}, wall=1_200), runs("r1", {1: 4}, wall=7_200)]
    found = told(seen(asked, pool(), running=held))
    assert found.alternatives == ()
    [change] = found.sooner
    params = dict(change.params)
    assert (change.code, params["asked"]) == ("compute.change_sooner", "devices=4")
    assert params["late"] < "1970-01-02T05:00:00"
    assert found.late_us == NOW_US + 6_600 * SECOND_US


def test_that_not_everything_was_tried_is_said(monkeypatch) -> None:
    monkeypatch.setattr(why_changes, "LOOKS_MAX", 2)
    full = seen(replace(BASE, devices=4), pool(nodes=1), running=[runs("r0", {0: 1})])
    assert "compute.untried_more" in [one.code for one in told(full).notes]


# The interval


def test_a_gang_of_replicas_has_an_interval() -> None:
    asked = replace(BASE, devices=2, replicas=4)
    held = [runs("r0", {0: 3}, wall=1_200), runs("r1", {1: 1}, wall=7_200)]
    found = told(seen(asked, pool(), running=held))
    assert (found.early_us, found.late_us) == (NOW_US + 120 * SECOND_US, NOW_US + 6_600 * SECOND_US)
    assert found.notes == ()


def test_a_window_of_others_that_ends_ends_the_wait_even_where_nothing_runs() -> None:
    window = WindowView("win", "b", "", "npu", 4, NOW_US - 1, NOW_US + 900 * SECOND_US, ("p",))
    found = told(seen(replace(BASE, devices=4), pool(nodes=1), windows=(window,)))
    assert (found.early_us, found.late_us) == (window.until_us, window.until_us)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (replace(BASE, devices=99), "compute.unseen_helpless"),
        (replace(BASE, devices=8), "compute.unseen_endless"),
        (replace(BASE, devices=8, wall_seconds_max=10**9), "compute.unseen_helpless"),
    ],
    ids=["too large", "no limit known", "too dear"],
)
def test_where_no_time_can_be_given_it_is_said_why(asked, code) -> None:
    found = told(seen(asked, pool(), running=[runs("r0", {0: 4}, wall=0)], cash=10**6))
    assert (found.early_us, found.late_us) == (None, None)
    assert [one.code for one in found.notes] == [code]
    assert "compute." not in found.notes[0].message("en") + found.notes[0].message("zh")
