"""Work that makes room: asked only if it may be, paid for what it ran, and nobody runs twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compute_statements_service import JANUARY, billed, close, handed_in, to_end_of

from yunhe.compute import service as compute
from yunhe.compute import store
from yunhe.compute.providers import launcher
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.entry_points import EntryPoint, find_program
from yunhe.compute.providers.local import LocalProvider
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.policies import YIELDING
from yunhe.compute.scheduling.state import (
    AwardView,
    Picture,
    PoolView,
    Preemption,
    Request,
    RunningView,
)
from yunhe.compute.service import statements
from yunhe.compute.yielding import service as making_room
from yunhe.compute.yielding import store as yielding
from yunhe.custody import service as custody
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US, SECOND_US
from yunhe.ledger import service as ledger

PROGRAMS = Path(__file__).parent / "programs"
PLAIN = EntryPoint("saver", root=PROGRAMS)
SAVER = replace(PLAIN, digest=find_program("saver", PLAIN).digest)
LONG_ENOUGH = 11 * 60


@pytest.fixture
def saving(tmp_path: Path) -> LocalProvider:
    return LocalProvider(tmp_path / "work", {"saver": SAVER, TRIAL: TRIAL_ENTRY_POINT})


def may_wait(city, key: str = "long", **over):
    """Work that takes all there is and may be pushed out."""
    said = {"entry_point": "saver", "preemptible": True, "devices": 2, "arguments": {"until": 1}}
    return city.submit(key, **{**said, **over})


def urgent(city, key: str = "urgent", **over):
    return city.submit(key, **{"priority": "high", "devices": 2, **over})


def asked(city, workload) -> bool:
    with city.storage.database.read() as tx:
        return store.row(tx, workload.id)["push_asked_us"] is not None


def stretches(city, workload):
    with city.storage.database.read() as tx:
        every = compute.workloads(tx)
        return [one for one in every if store.row(tx, one.id)["stretch_of"] == workload.id]


class Then:
    """Does something as soon as the job says that it has begun."""

    def __init__(self, what) -> None:
        self._what, self.times = what, 0

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        self.times += 1
        if self.times == 1:
            self._what()


def interrupted(city, provider, workload):
    """Run it; once it has begun, time passes and somebody else needs the devices."""

    def needed() -> None:
        city.clock.advance(seconds=LONG_ENOUGH)
        urgent(city)
        assert asked(city, workload)

    return compute.run_next(city.storage, provider, workload=workload.id, progress=Then(needed))


def test_it_saves_is_paid_and_goes_on_from_there_after_the_one_it_made_room_for(city, saving):
    first = may_wait(city)
    left = interrupted(city, saving, first)
    assert (left.state, left.held_device_ms, left.held_minor) == ("waiting", 0, 0)
    [stretch] = stretches(city, first)
    assert (stretch.state, stretch.why.code) == ("cancelled", "compute.pushed_out")
    assert stretch.usage.device_ms > 0
    other = urgent(city)
    assert other.state == "placed"
    city.assert_books_are_right()
    assert compute.run_next(city.storage, saving).id == other.id
    ended = compute.run_next(city.storage, saving)
    assert (ended.id, ended.state, ended.attempts) == (first.id, "settled", 2)
    assert city.storage.blobs.read(ended.outputs["count"]) == b"1"
    every = [stretch, ended, city.see(other)]
    with city.storage.database.read() as tx:
        lines = ledger.entries_of(tx, city.provider)
        records = [custody.record(tx, one.reference) for one in every]
    paid = sum(line.amount for line in lines if line.unit == "device:cpu")
    assert paid == sum(one.usage.device_ms for one in every)
    assert records[0].body["stretch_of"] == first.id
    assert len({one.reference for one in every}) == 3
    city.assert_books_are_right()


def test_every_stretch_is_billed_and_the_three_way_match_is_clean(city, saving):
    first = may_wait(city)
    interrupted(city, saving, first)
    for _ in range(2):
        compute.run_next(city.storage, saving)
    to_end_of(city, JANUARY)
    close(city)
    body = billed(city)
    [stretch] = stretches(city, first)
    assert all(name.encode() in body for name in (first.id, stretch.id))
    matched = statements.matched(city.storage, handed_in(city, body).id)
    assert (matched.mismatches, matched.agreed) == ((), 3)


def test_one_that_does_not_listen_is_ended_after_its_grace_and_paid(city, saving, monkeypatch):
    monkeypatch.setattr(launcher, "GRACE_SECONDS", 0)
    first = may_wait(city, arguments={"until": 1, "deaf": 1})
    assert interrupted(city, saving, first).state == "waiting"
    with city.storage.database.read() as tx:
        assert store.row(tx, first.id)["saved"] is None
    [stretch] = stretches(city, first)
    assert stretch.usage.cost_minor > 0
    city.assert_books_are_right()


@pytest.mark.parametrize("where", ["settle", "again"])
def test_killed_while_it_makes_room_nothing_is_paid_and_the_next_runner_frees_the_devices(
    city, saving, monkeypatch, where
):
    first = may_wait(city)

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(making_room, where, dies)
        with pytest.raises(KeyboardInterrupt):
            interrupted(city, saving, first)
    city.assert_books_are_right()
    assert stretches(city, first) == []
    other = urgent(city)
    assert other.state == "waiting"
    assert compute.run_next(city.storage, saving, workload=first.id) is None
    assert (city.see(first).state, city.see(other).state) == ("waiting", "placed")
    with city.storage.database.read() as tx:
        assert ledger.entries_of(tx, city.provider) == []
    city.assert_books_are_right()


def test_cancelled_while_it_makes_room_it_ends_once(city, saving):
    first = may_wait(city)

    def needed() -> None:
        city.clock.advance(seconds=LONG_ENOUGH)
        urgent(city)
        compute.cancel(city.storage, first.id)

    ended = compute.run_next(city.storage, saving, workload=first.id, progress=Then(needed))
    assert (ended.state, stretches(city, first)) == ("cancelled", [])
    city.assert_books_are_right()


@pytest.mark.parametrize(
    ("over", "seconds"),
    [
        ({"preemptible": False}, LONG_ENOUGH),
        ({"deadline_us": 2 * 365 * DAY_US}, LONG_ENOUGH),
        ({"priority": "high"}, LONG_ENOUGH),
        ({}, 9 * 60),
    ],
    ids=["not preemptible", "has a deadline", "as urgent itself", "runs for too short"],
)
def test_nothing_else_is_asked(city, over, seconds):
    if "deadline_us" in over:
        over = {"deadline_us": city.clock.now_us() + over["deadline_us"]}
    first = may_wait(city, **over)
    assert first.state == "placed"
    city.clock.advance(seconds=seconds)
    assert urgent(city).state == "waiting"
    assert not asked(city, first)


def test_nobody_else_is_asked_for_one_for_whom_others_make_room_already(city):
    both = [may_wait(city, key, devices=1) for key in ("a", "b")]
    city.clock.advance(seconds=LONG_ENOUGH)
    urgent(city, devices=1)
    assert sum(asked(city, one) for one in both) == 1
    compute.reconsider(city.storage)
    city.clock.advance(seconds=60)
    compute.reconsider(city.storage)
    assert sum(asked(city, one) for one in both) == 1


def test_an_older_decision_never_pushes_out_what_may_not_be_nor_for_what_does_not_wait(city):
    fixed, loose = city.submit("fixed"), may_wait(city, devices=1)
    waits = city.submit("waits", devices=2)
    assert waits.state == "waiting"
    wanted = [(fixed.id, waits.id), (loose.id, fixed.id), (loose.id, "nobody")]
    pushes = [
        Preemption(replace(BASE, id=victim), pool="p", beneficiary=other)
        for victim, other in wanted
    ]
    with city.storage.database.begin() as tx:
        assert yielding.ask(tx, pushes, now_us=1) == 0
        right = Preemption(replace(BASE, id=loose.id), pool="p", beneficiary=waits.id)
        assert yielding.ask(tx, [right, right], now_us=1) == 1


def neighbour(city) -> str:
    """Another university, with as much as the first."""
    now_us = city.clock.now_us()
    with city.storage.database.begin() as tx:
        made = identity.add_organisation(tx, key="n", name="n", kind="university", at_us=now_us).id
        account = ledger.open_account(tx, owner=made, unit="CNY", purpose="cash")
        ledger.grant(tx, key="n", account=account, amount=100_000, at_us=now_us)
    compute.award(
        city.storage,
        key="n",
        organisation=made,
        chip="cpu",
        device_ms=1_000_000,
        expires_at_us=now_us + 365 * DAY_US,
        awarded_by=city.operator,
    )
    return made


@pytest.mark.parametrize("whose", ["a neighbour", "the same"])
def test_somebody_below_their_share_is_made_room_for_within_a_class(city, whose):
    first = may_wait(city)
    city.clock.advance(seconds=LONG_ENOUGH)
    over = {"organisation": neighbour(city)} if whose == "a neighbour" else {}
    city.submit("job", **over)
    assert asked(city, first) == (whose == "a neighbour")


BASE = Request("w", 0, "o", "cpu", 1, 600, 0)
NOW_US = 10_000 * SECOND_US


@st.composite
def pictures(draw):
    runs, busy = [], 0
    for number in range(draw(st.integers(0, 8))):
        devices = draw(st.integers(1, 4))
        if busy + devices > 8:
            break
        busy += devices
        request = replace(
            BASE,
            id=f"r{number}",
            number=number,
            organisation=draw(st.sampled_from("ab")),
            devices=devices,
            wall_seconds_max=20_000,
            priority=draw(st.integers(-1, 1)),
            preemptible=draw(st.booleans()),
            checkpoint_seconds=draw(st.sampled_from([0, 60, 3_600])),
        )
        since_us = NOW_US - draw(st.integers(0, 1_200)) * SECOND_US
        runs.append(RunningView(request, "pool", ((0, devices),), since_us))
    waits = [
        replace(
            BASE,
            id=f"w{number}",
            number=100 + number,
            organisation=draw(st.sampled_from("abc")),
            devices=draw(st.integers(1, 8)),
            priority=draw(st.integers(-1, 1)),
            preemptible=draw(st.booleans()),
            since_us=NOW_US,
        )
        for number in range(draw(st.integers(0, 6)))
    ]
    awards = [AwardView(f"a-{o}", o, "cpu", 10**12, NOW_US * 2) for o in "abc"]
    pool = PoolView("pool", "cpu", 8, busy, 0, "CNY")
    return Picture((pool,), tuple(awards), (), {}, tuple(waits), running=tuple(runs))


@settings(deadline=None)
@given(pictures())
def test_what_may_not_be_pushed_out_never_is_and_what_pushes_ranks_higher(picture):
    running = {view.request.id: view for view in picture.running}
    waiting = {each.id: each for each in picture.queue}
    for each in decide(picture, now_us=NOW_US, policy=YIELDING):
        if isinstance(each, Preemption) and each.request.id in running:
            view = running[each.request.id]
            other = waiting.get(each.beneficiary)  # or one that was itself pushed out just now
            other = other or running[each.beneficiary].request
            assert view.request.preemptible
            assert NOW_US - view.since_us >= 600 * SECOND_US
            assert other.priority >= view.request.priority
            if other.priority == view.request.priority:
                assert not other.preemptible
                assert other.organisation != view.request.organisation
