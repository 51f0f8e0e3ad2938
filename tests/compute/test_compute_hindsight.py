"""Late ends are put off by how late forecasts were of late, and by nothing that came later."""

from __future__ import annotations

from dataclasses import replace

import pytest
from dispatch_trial import found_town
from hypothesis import given
from hypothesis import strategies as st

from yunhe.compute import store
from yunhe.compute.arriving import row_of
from yunhe.compute.domain import WorkloadSpec
from yunhe.compute.passes import whole
from yunhe.compute.passes.domain import BEHIND
from yunhe.compute.queueing import lateness as lately
from yunhe.compute.queueing import service as queueing
from yunhe.compute.queueing.lateness import looked_back
from yunhe.compute.scheduling.forecast import standing
from yunhe.compute.scheduling.hindsight import (
    INSTANTS,
    LEAST,
    SCALE_US_MIN,
    SPAN_US,
    UNKNOWN,
    Lateness,
    Was,
    instants,
    lateness_of,
    misses,
    then,
)
from yunhe.compute.scheduling.policies import YUNHE
from yunhe.compute.scheduling.state import AwardView, Picture, PoolView, Request, RunningView
from yunhe.kernel.clock import DAY_US, SECOND_US
from yunhe.storage.service import Storage

HOUR_US = 3_600 * SECOND_US
NOW_US = 20_000 * DAY_US
POOL = PoolView("p", "npu", 1, 1, 0, "CNY")
AWARDS = tuple(AwardView(f"a-{who}", who, "npu", 10**12, NOW_US * 2) for who in ("usual", "new"))


def ask(name: str, since_us: int, *, who: str = "usual", hours: int = 1) -> Request:
    return Request(name, since_us // SECOND_US, who, "npu", 1, hours * 3_600, since_us)


def ran(request: Request, began_us: int, ended_us: int | None = None) -> Was:
    return Was(request, RunningView(request, "p", ((0, 1),), began_us), ended_us)


def history() -> list[Was]:
    """One device, and every four hours an hour of work that waits; a newcomer goes first.

    Each is told an hour, for what runs then, and waits for two.
    """
    past: list[Was] = []
    for turn in range(60):
        begin_us = NOW_US - (60 - turn) * 4 * HOUR_US
        first = ask(f"first-{turn}", begin_us)
        waits = ask(f"waits-{turn}", begin_us + SECOND_US)
        newer = ask(f"newer-{turn}", begin_us + 2 * SECOND_US, who="new")
        past.append(ran(first, begin_us, begin_us + HOUR_US))
        past.append(ran(newer, begin_us + HOUR_US, begin_us + 2 * HOUR_US))
        past.append(ran(waits, begin_us + 2 * HOUR_US, begin_us + 3 * HOUR_US))
    return past


def shown(*queue: Request, running: tuple[RunningView, ...] = ()) -> Picture:
    return Picture((POOL,), AWARDS, (), {}, queue, {}, running)


def test_work_that_was_later_than_told_puts_late_ends_off_by_as_much() -> None:
    found = looked_back(shown(), history(), YUNHE, from_us=NOW_US - SPAN_US, now_us=NOW_US)
    assert found.told >= LEAST
    assert 950 <= found.permille <= 1_050
    busy = RunningView(ask("r", NOW_US - HOUR_US, hours=3), "p", ((0, 1),), NOW_US - HOUR_US)
    picture = shown(ask("w", NOW_US), running=(busy,))
    bare = standing(picture, "w", now_us=NOW_US)
    told = standing(picture, "w", now_us=NOW_US, lateness=found)
    assert bare.late_us == NOW_US + 2 * HOUR_US
    assert told.late_us == bare.late_us + 2 * HOUR_US * found.permille // 1_000
    assert told.early_us == bare.early_us


def test_work_that_began_as_told_puts_nothing_off() -> None:
    past: list[Was] = []
    for turn in range(60):
        begin_us = NOW_US - (60 - turn) * 4 * HOUR_US
        for place in range(3):
            one = ask(f"{turn}-{place}", begin_us + place * SECOND_US)
            began_us = begin_us + place * HOUR_US
            past.append(ran(one, began_us, began_us + HOUR_US))
    found = looked_back(shown(), past, YUNHE, from_us=NOW_US - SPAN_US, now_us=NOW_US)
    assert found.told >= LEAST
    assert found.permille == 0


def test_nothing_that_came_later_counts() -> None:
    past, cut_us = history(), NOW_US - 5 * DAY_US + 90 * 60 * SECOND_US

    def reckoned(those: list[Was]) -> Lateness:
        known = [found for one in those for found in one.before(cut_us)]
        return looked_back(shown(), known, YUNHE, from_us=NOW_US - SPAN_US, now_us=cut_us)

    def forgotten(one: Was) -> Was:
        """What is later turned out otherwise."""
        run = one.run if one.run is not None and one.run.since_us < cut_us else None
        over = run is not None and one.ended_us is not None and one.ended_us < cut_us
        return replace(one, run=run, ended_us=one.ended_us if over else None)

    other = [forgotten(one) for one in past]
    assert other != past
    assert reckoned(other) == reckoned(past)
    assert reckoned(past).told >= LEAST // 2


def test_the_past_is_told_as_it_stood_then() -> None:
    past = history()
    at_us = NOW_US - 4 * HOUR_US + 90 * 60 * SECOND_US
    seen = then(shown(), past, at_us=at_us)
    assert [one.id for one in seen.queue] == ["waits-59"]
    assert [view.request.id for view in seen.running] == ["newer-59"]
    assert [pool.devices_busy for pool in seen.pools] == [1]
    assert {path[1] for path in seen.used_us} == {"usual", "new"}
    elsewhere = replace(POOL, id="q")
    assert then(replace(shown(), pools=(elsewhere,)), past, at_us=at_us).running == ()


def test_what_is_overdue_counts_as_beginning_now_and_what_is_not_due_does_not() -> None:
    at_us = NOW_US - 10 * HOUR_US
    waits = Was(ask("w", at_us - 1), None, None)

    def missed(one: Was, late_hours: int) -> list[int]:
        told = {"w": at_us + late_hours * HOUR_US}
        return list(misses([one], told, at_us=at_us, now_us=NOW_US))

    assert missed(waits, 5) == [1_000]
    assert missed(waits, 20) == []
    assert missed(replace(waits, ended_us=NOW_US - HOUR_US), 5) == []  # withdrawn
    assert missed(replace(waits, first=False), 5) == []
    assert missed(waits, 0) == []  # told that it begins at once
    assert missed(ran(waits.request, at_us + 3 * HOUR_US), 5) == [-400]
    soon = {"w": at_us + 60 * SECOND_US}
    began = ran(waits.request, at_us + 60 * SECOND_US + SCALE_US_MIN // 2)
    assert list(misses([began], soon, at_us=at_us, now_us=NOW_US)) == [500]


def test_instants_are_those_at_which_work_came_of_which_all_is_known() -> None:
    past, from_us = history(), NOW_US - 5 * DAY_US
    found = list(instants(past, from_us=from_us))
    came = {one.request.since_us for one in past}
    assert 1 < len(found) <= INSTANTS
    assert found == sorted(found, reverse=True)
    assert set(found) <= came
    assert min(found) >= from_us
    assert found == list(instants(reversed(past), from_us=from_us))
    assert list(instants([], from_us=0)) == []


@given(st.lists(st.integers(-2_000, 50_000), min_size=LEAST, max_size=300))
def test_what_is_put_off_would_have_met_nine_of_ten(found: list[int]) -> None:
    late = lateness_of(found)
    assert late.permille >= 0
    assert sum(one <= late.permille for one in found) * 10 >= len(found) * 9
    assert late.permille <= max(0, *found)


def test_of_too_few_nothing_is_concluded() -> None:
    assert lateness_of([5_000] * (LEAST - 1)) == Lateness(0, LEAST - 1)
    assert UNKNOWN.later(NOW_US + 1, at_us=NOW_US) == NOW_US + 1
    assert Lateness(500, 99).later(NOW_US, at_us=NOW_US) == NOW_US
    assert Lateness(500, 99).later(NOW_US + 1, at_us=NOW_US) == NOW_US + 1 + SCALE_US_MIN // 2


# On a platform


def add(storage: Storage, organisation: str, name: str, **columns: object) -> None:
    """A workload of an hour on one device, with what became of it."""
    spec = WorkloadSpec(
        key=name,
        organisation=organisation,
        entry_point="trial",
        arguments={},
        inputs={},
        chip="cpu",
        devices=1,
        wall_seconds_max=3_600,
        cpu_seconds_max=60,
    )
    at_us = int(str(columns.pop("at_us", storage.clock.now_us())))
    row = row_of(name, spec, member=None, why=BEHIND, at_us=at_us)
    with storage.database.begin() as tx:
        store.add_workloads(tx, [row])
        if columns:
            store.change(tx, name, **columns)


@pytest.fixture
def town(storage: Storage) -> list[str]:
    """One device, and a past in which a newcomer went before each that waited."""
    named = found_town(storage, organisations=2, pools=1, devices=1)
    for one in history():
        assert one.run is not None
        shift_us = storage.clock.now_us() - NOW_US
        add(
            storage,
            named[one.request.organisation == "new"],
            one.request.id,
            at_us=one.request.since_us + shift_us,
            state="settled",
            pool="pool-0",
            nodes="[[0,1]]",
            attempts=1,
            running_since_us=one.run.since_us + shift_us,
            ended_at_us=(one.ended_us or 0) + shift_us,
        )
    for name in ("runs", "next"):
        add(storage, named[0], name)
    whole.run(storage)
    return named


def test_a_platform_tells_a_late_end_that_its_own_past_would_have_met(storage, town) -> None:
    now_us = storage.clock.now_us()
    with storage.database.read() as tx:
        told = queueing.standing(tx, "next", now_us=now_us)
        [listed] = queueing.queue(
            tx, organisation=None, projects=None, after=0, limit=9, now_us=now_us
        )
    assert told is not None
    assert told.late_us == listed.late_us
    assert told.early_us == listed.early_us == now_us + HOUR_US // 10
    assert now_us + 1.9 * HOUR_US <= told.late_us <= now_us + 2.1 * HOUR_US


def test_the_past_is_reckoned_once_for_a_while(storage, town, monkeypatch) -> None:
    plain, made = lately.looked_back, []

    def counted(*given, **named):
        made.append(named["now_us"])
        return plain(*given, **named)

    monkeypatch.setattr(lately, "looked_back", counted)

    def look() -> int | None:
        with storage.database.read() as tx:
            found = queueing.standing(tx, "next", now_us=storage.clock.now_us())
        return None if found is None else found.late_us

    first = look()
    assert look() == first
    assert len(made) == 1
    storage.clock.advance(seconds=lately.SLOT_US / SECOND_US)
    look()
    assert len(made) == 2


def test_whoever_has_a_transaction_open_does_not_wait_for_the_reckoning(
    storage, town, monkeypatch
) -> None:
    plain, made = lately.looked_back, []
    monkeypatch.setattr(lately, "looked_back", lambda *a, **k: made.append(1) or plain(*a, **k))
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        answer = queueing.looked(tx, "next", now_us=now_us)
        assert made == []
    found = answer()
    assert made == [1]
    assert found is not None
    assert found.late_us is not None
    assert found.late_us > now_us + 1.9 * HOUR_US
