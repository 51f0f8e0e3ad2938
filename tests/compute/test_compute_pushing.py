"""Who is asked to make room, and that nobody loses more by it than somebody must."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.passes import pushing
from yunhe.compute.reasons import Why
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.policies import YIELDING, YUNHE
from yunhe.compute.scheduling.state import (
    AwardView,
    Decision,
    NodeView,
    Picture,
    Placement,
    PoolView,
    Preemption,
    Request,
    RunningView,
    Wait,
)
from yunhe.kernel.clock import SECOND_US

NOW_US = 100_000 * SECOND_US
WHY = Why("compute.waiting_behind")
BASE = Request("w", 0, "a", "npu", 1, 0, NOW_US)


def runs(name: str, devices: int = 1, *, seconds: int = 700, node: int = 0, **over) -> RunningView:
    """Preemptible work that runs for so long on a node."""
    request = replace(BASE, id=name, devices=devices, preemptible=True, **over)
    return RunningView(request, "p", ((node, devices),), NOW_US - seconds * SECOND_US)


def seen(running, *queue: Request, nodes: int = 1, size: int = 4) -> Picture:
    busy = sum(view.request.devices for view in running)
    pool = PoolView("p", "npu", nodes * size, busy, 0, "CNY", nodes=(NodeView(size, 0, nodes),))
    award = AwardView("award", "a", "npu", 10**15, 2 * NOW_US)
    return Picture((pool,), (award,), (), {}, queue, running=tuple(running))


def urgent(devices: int, name: str = "urgent") -> Request:
    return replace(BASE, id=name, number=99, devices=devices, priority=1)


def victims(picture: Picture) -> list[str]:
    found = decide(picture, now_us=NOW_US, policy=YIELDING)
    return sorted(one.request.id for one in found if isinstance(one, Preemption))


def test_what_saved_its_work_just_now_is_asked_before_what_would_lose_more() -> None:
    fresh = runs("fresh", seconds=1_205, checkpoint_seconds=600)  # lost: 5 s
    stale = runs("stale", seconds=1_199, checkpoint_seconds=600)  # lost: 599 s
    asked = runs("asked", seconds=1_199)  # saves when asked to: nothing is lost
    rest = runs("rest", seconds=10)  # began just now
    picture = seen([fresh, stale, asked, rest])
    found = [victims(replace(picture, queue=(urgent(devices),))) for devices in (1, 2, 3, 4)]
    assert found == [["asked"], ["asked", "fresh"], ["asked", "fresh", "stale"], []]


def test_among_equal_losses_the_one_that_had_most_is_asked() -> None:
    rows = [runs("young", seconds=700), runs("old", seconds=9_000), runs("mid", seconds=4_000)]
    assert victims(seen(rows, urgent(2), size=3)) == ["mid", "old"]
    before = [runs("young", seconds=700, attained_us=NOW_US), *rows[1:]]
    assert victims(seen(before, urgent(1), size=3)) == ["young"]


def test_free_devices_are_used_before_anybody_is_asked() -> None:
    rows = [runs("a"), runs("b"), runs("c")]
    assert victims(seen(rows, urgent(1))) == []
    assert len(victims(seen(rows, urgent(3)))) == 2


def test_the_node_where_least_is_lost_makes_room() -> None:
    rows = [
        runs("dear", 4, seconds=1_100, checkpoint_seconds=900, node=0),
        runs("cheap", 4, seconds=1_000, checkpoint_seconds=900, node=1),
        *(runs(f"small{n}", seconds=901, checkpoint_seconds=900, node=2) for n in range(4)),
    ]
    picture = seen(rows, nodes=3)
    # Lost: 4 x (200 + 60), 4 x (100 + 60), 4 x (1 + 60) device-seconds.
    assert victims(replace(picture, queue=(urgent(4),))) == [f"small{n}" for n in range(4)]
    assert victims(replace(picture, queue=(urgent(8),))) == [
        "cheap",
        *(f"small{n}" for n in range(4)),
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(300, 2_000), st.sampled_from([0, 60, 600, 1_000]), st.booleans()),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 6),
)
def test_no_other_choice_of_equal_pieces_loses_less(rows, devices) -> None:
    running = [
        runs(f"r{n}", seconds=seconds, checkpoint_seconds=every)
        for n, (seconds, every, _) in enumerate(rows)
    ]
    running = [
        view if fixed is False else replace(view, request=replace(view.request, preemptible=False))
        for view, (_, _, fixed) in zip(running, rows, strict=True)
    ]
    found = victims(seen(running, urgent(devices), size=6))
    missing = devices - (6 - len(rows))
    loss = {
        f"r{n}": seconds % every if every else 0
        for n, (seconds, every, fixed) in enumerate(rows)
        if not fixed and seconds >= 600
    }
    if missing <= 0 or missing > len(loss):
        assert found == []
    else:
        assert len(found) == missing
        least = min(sum(some) for some in combinations(loss.values(), missing))
        assert sum(loss[name] for name in found) == least


# What a pass asks


class Second:
    """Stands for the pass that may push out: says what it is told, and notes what it was shown."""

    def __init__(self, *found: Decision) -> None:
        self.found, self.pictures = found, []

    def __call__(self, picture: Picture, *, now_us: int, policy: object) -> tuple[Decision, ...]:
        assert (now_us, policy) == (NOW_US, YIELDING)
        self.pictures.append(picture)
        return self.found


@pytest.fixture
def served(monkeypatch) -> set[str]:
    """Those for whom others make room already."""
    names: set[str] = set()
    monkeypatch.setattr(pushing.kept, "pending", lambda _: names)
    monkeypatch.setattr(pushing.journal, "note", lambda *_, **__: None)
    return names


def pushes(picture: Picture, decisions, deciding=decide) -> list[tuple[str, str]]:
    found = pushing.pushes(None, picture, decisions, now_us=NOW_US, deciding=deciding)
    return [(one.request.id, one.beneficiary) for one in found]


PUSH = Preemption(runs("old").request, pool="p", beneficiary="urgent")


@pytest.mark.parametrize(
    "wait",
    [
        replace(urgent(1), preemptible=True),
        replace(urgent(1), blocked=WHY),
        urgent(1, "served"),
    ],
    ids=["would yield itself", "waits for something else", "others yield already"],
)
def test_nobody_is_looked_for_where_nothing_that_waits_may_have_it(served, wait) -> None:
    served.add("served")
    second = Second(PUSH)
    assert pushes(seen([runs("old")], wait), [Wait(wait, WHY)], second) == []
    assert second.pictures == []


def test_nobody_is_looked_for_where_nothing_runs_that_may_be_asked(served) -> None:
    fixed = runs("old")
    fixed = replace(fixed, request=replace(fixed.request, preemptible=False))
    second = Second(PUSH)
    assert pushes(seen([fixed], urgent(1)), [Wait(urgent(1), WHY)], second) == []
    assert second.pictures == []
    assert served == set()


def test_only_pushes_for_what_the_pass_itself_left_waiting_are_asked(served) -> None:
    served.add("served")
    one, other = urgent(1), urgent(1, "other")
    picture = seen([runs("old")], one, other, urgent(1, "served"))
    second = Second(
        replace(PUSH, beneficiary="other"),
        replace(PUSH, beneficiary="served"),
        PUSH,
        Placement(one, "p", (), None, 0, 0, "CNY"),
    )
    first = [Placement(other, "p", (), None, 0, 0, "CNY"), Wait(one, WHY)]
    assert pushes(picture, first, second) == [("old", "urgent")]
    [shown] = second.pictures
    assert [each.id for each in shown.queue] == ["urgent", "other"]
    assert shown.running == picture.running


def test_a_pass_and_what_it_asks_go_together(served) -> None:
    picture = seen([runs("old", 3), runs("new", 1, seconds=5)], urgent(2))
    decisions = decide(picture, now_us=NOW_US, policy=YUNHE)
    assert [type(one) for one in decisions] == [Wait]
    assert pushes(picture, decisions) == [("old", "urgent")]
    served.add("urgent")
    assert pushes(picture, decisions) == []
