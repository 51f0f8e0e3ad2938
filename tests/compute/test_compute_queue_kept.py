"""A long queue is reckoned once for everybody who looks, and what is shown says as of when."""

from __future__ import annotations

import gc
import threading
import weakref
from dataclasses import replace

import pytest
from dispatch_trial import found_town, queue_up
from sqlalchemy import select

from yunhe.compute import service as compute
from yunhe.compute import store
from yunhe.compute.domain import Workload
from yunhe.compute.passes import store as passes
from yunhe.compute.passes import whole
from yunhe.compute.queueing import ahead, seeing
from yunhe.compute.queueing import service as queueing
from yunhe.compute.scheduling.forecast import USED_PERMILLE
from yunhe.compute.tables import workload_table
from yunhe.kernel.clock import SECOND_US, ManualClock
from yunhe.storage.service import Storage

EACH = 6


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever waits is kept, however little it is."""
    monkeypatch.setattr(seeing, "KEPT_MIN", 0)


@pytest.fixture
def town(storage: Storage) -> list[str]:
    """Four organisations; ten devices are busy, and most of their work waits."""
    named = found_town(storage, organisations=4, pools=2, devices=5)
    queue_up(storage, named, each=EACH)
    whole.run(storage)
    return named


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much was looked at anew, each time."""
    plain, found = seeing.picture_of, []

    def seen(tx, rows, *, now_us):
        found.append(len(rows))
        return plain(tx, rows, now_us=now_us)

    monkeypatch.setattr(seeing, "picture_of", seen)
    return found


def listed(storage: Storage, organisation: str | None = None, **over) -> list[queueing.Queued]:
    asked = {"projects": None, "after": 0, "limit": 50, **over}
    now_us = storage.clock.now_us()
    with storage.database.read() as tx:
        return queueing.queue(tx, organisation=organisation, now_us=now_us, **asked)


def told(storage: Storage, workload: str) -> queueing.Standing:
    with storage.database.read() as tx:
        found = queueing.standing(tx, workload, now_us=storage.clock.now_us())
    assert found is not None
    return found


def store_of(storage: Storage, organisation: str) -> list[Workload]:
    with storage.database.read() as tx:
        return [one for one in compute.workloads(tx) if one.spec.organisation == organisation]


def gone(storage: Storage, workload: str) -> None:
    with storage.database.begin() as tx:
        store.change(tx, workload, state="cancelled")


def handed_in(storage: Storage, organisation: str, *, seed: int, each: int = 1) -> list[str]:
    queue_up(storage, [organisation], each=each, seed=seed)
    return [f"w-{seed}-{number}-{organisation}" for number in range(each)]


def test_a_queue_is_looked_at_once_until_something_changes(storage, town, looks) -> None:
    first = listed(storage)
    assert len(first) == looks[0] > 0
    assert listed(storage) == first
    assert [each.id for each in listed(storage, town[0])] == [
        each.id for each in first if each.organisation == town[0]
    ]
    told(storage, first[-1].id)
    assert len(looks) == 1
    gone(storage, first[0].id)
    assert len(listed(storage)) == len(first) - 1
    assert len(looks) == 2


@pytest.mark.parametrize("change", ["added", "pass", "aged"])
def test_what_could_change_an_answer_makes_a_new_look(storage, town, looks, change) -> None:
    listed(storage)
    if change == "added":
        handed_in(storage, town[0], seed=1)
    elif change == "pass":
        with storage.database.begin() as tx:
            passes.mark(tx)
    else:
        storage.clock.advance(seconds=seeing.AGE_US_MAX // SECOND_US)
    listed(storage)
    assert len(looks) == 2


def test_what_is_kept_says_what_a_look_of_its_own_says(storage, town, monkeypatch) -> None:
    with_it = listed(storage), [told(storage, one.id) for one in listed(storage)]
    monkeypatch.setattr(seeing, "KEPT_MIN", 10**6)
    alone = listed(storage), [told(storage, one.id) for one in listed(storage)]
    assert with_it == alone
    assert any(one.late_us for one in alone[0])


def test_a_list_and_why_tell_the_same_start_and_rank(storage, town, monkeypatch) -> None:
    shown = listed(storage)
    alone = [told(storage, one.id) for one in shown]  # each on an engine of its own
    monkeypatch.setattr(queueing, "FULL_MAX", 0)
    for one, own in zip(shown, alone, strict=True):
        found = told(storage, one.id)
        assert (found.rank, found.at_us) == (one.rank, one.at_us)
        assert (found.early_us, found.late_us) == (one.early_us, one.late_us)
        assert (found.why, found.levels) == (own.why, own.levels)
        passing = "compute.change_priority"  # only a whole pass can judge it
        assert found.alternatives == tuple(e for e in own.alternatives if e.code != passing)


def test_beyond_some_size_a_look_counts_for_longer_and_says_from_when(
    storage, town, looks, monkeypatch
) -> None:
    monkeypatch.setattr(seeing, "EXACT_MAX", 0)
    monkeypatch.setattr(seeing, "AGAIN_US", SECOND_US)
    first, since_us = listed(storage), storage.clock.now_us()
    storage.clock.advance(seconds=1)
    gone(storage, first[0].id)
    [fresh] = handed_in(storage, town[1], seed=1)
    then = listed(storage)
    assert [one.id for one in then] == [one.id for one in first[1:]]
    assert {one.at_us for one in then} == {since_us}
    assert all(one.early_us is None or one.early_us > since_us for one in then)
    own = listed(storage, town[1])
    assert own[-1].id == fresh
    assert (own[-1].rank, own[-1].early_us) == (len(first) + 1, None)
    assert [one.id for one in listed(storage, town[1], after=own[-2].place)] == [fresh]
    assert fresh not in [one.id for one in listed(storage, town[0])]
    assert len(looks) == 1
    storage.clock.advance(seconds=len(first))
    assert fresh in [one.id for one in listed(storage)]
    assert len(looks) == 2


def test_what_moved_up_came_or_came_back_since_is_in_its_owners_list_on_every_page(
    storage, town, monkeypatch
) -> None:
    monkeypatch.setattr(seeing, "EXACT_MAX", 0)
    monkeypatch.setattr(seeing, "AGAIN_US", 60 * SECOND_US)
    monkeypatch.setattr(queueing, "QUEUE_MAX", EACH)
    running = [one.id for one in store_of(storage, town[1]) if one.state != "waiting"]
    handed_in(storage, town[1], seed=1, each=2 * EACH)  # more than is considered
    first = listed(storage, town[1])
    assert [one.place for one in first] == sorted({one.place for one in first})
    for one in first[:2]:
        gone(storage, one.id)  # so that two move up
    with storage.database.begin() as tx:
        store.change(tx, running[0], state="waiting")
    handed_in(storage, town[1], seed=2)
    waiting = [one.id for one in store_of(storage, town[1]) if one.state == "waiting"]
    whole_list = listed(storage, town[1])
    assert sorted(one.id for one in whole_list) == sorted(waiting)
    pages, after = [], 0
    while page := listed(storage, town[1], after=after, limit=3):
        pages += page
        after = page[-1].place
    assert pages == whole_list
    assert [one.place for one in pages] == sorted({one.place for one in pages})


def test_one_that_came_since_is_told_where_it_stands_and_leaves_no_trace(
    storage, town, looks, monkeypatch
) -> None:
    for name in ("EXACT_MAX", "FULL_MAX"):
        monkeypatch.setattr(queueing, name, 0)
    monkeypatch.setattr(seeing, "EXACT_MAX", 0)
    monkeypatch.setattr(seeing, "AGAIN_US", SECOND_US)
    before = [told(storage, one.id) for one in listed(storage)]
    [fresh] = handed_in(storage, town[2], seed=1)
    found = told(storage, fresh)
    assert 0 < found.rank <= len(before) + 1
    assert found.why is not None
    assert found.why.code == "compute.waiting_capacity"
    assert len(looks) == 1
    gone(storage, fresh)
    assert [told(storage, one.id) for one in listed(storage)] == before


def test_a_firm_whose_first_work_came_since_is_looked_at_with_its_budget(
    storage, town, looks, monkeypatch
) -> None:
    monkeypatch.setattr(seeing, "EXACT_MAX", 0)
    monkeypatch.setattr(queueing, "FULL_MAX", 0)
    monkeypatch.setattr(seeing, "AGAIN_US", SECOND_US)
    for one in listed(storage, town[3]):
        gone(storage, one.id)
    storage.clock.advance(seconds=100)
    listed(storage)
    [fresh] = handed_in(storage, town[3], seed=1)
    found = told(storage, fresh)
    assert found.why is not None
    assert found.why.code == "compute.waiting_capacity"
    assert len(looks) == 3


def test_readers_at_the_same_time_reckon_once(storage, town, looks, monkeypatch) -> None:
    plain, both, found = seeing.View, threading.Barrier(3), []

    def slow(*args, **over):
        made = plain(*args, **over)
        threading.Event().wait(0.05)  # the others come meanwhile
        return made

    def look() -> None:
        both.wait(timeout=30)
        found.append([one.id for one in listed(storage)])

    monkeypatch.setattr(seeing, "View", slow)
    threads = [threading.Thread(target=look) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(timeout=60)
    assert len(found) == 3
    assert found[0] == found[1] == found[2]
    assert len(looks) == 1


def test_nothing_is_kept_of_a_transaction_that_writes(storage, town, looks) -> None:
    now_us = storage.clock.now_us()
    asked = {"organisation": None, "projects": None, "after": 0, "limit": 50, "now_us": now_us}
    with storage.database.begin() as tx:
        queueing.queue(tx, **asked)
        queueing.queue(tx, **asked)
    assert len(looks) == 2
    listed(storage)
    assert len(looks) == 3


def test_only_what_was_seen_last_takes_memory(storage, town) -> None:
    first = listed(storage)
    with storage.database.read() as tx:
        now_us = storage.clock.now_us()
        old = weakref.ref(seeing.seen(tx, each=queueing.QUEUE_MAX, now_us=now_us))
    gone(storage, first[0].id)
    listed(storage)
    gc.collect()
    assert old() is None


def test_how_far_ahead_was_looked_does_not_depend_on_who_asked_first(storage, town) -> None:
    with storage.database.read() as tx:
        view = seeing.seen(tx, each=queueing.QUEUE_MAX, now_us=storage.clock.now_us())
    names = [one.id for one in view.order]

    def made() -> ahead.Ahead:
        return ahead.Ahead(view.picture, view.policy, now_us=view.at_us, permille=USED_PERMILLE)

    whole_way, backwards, part = made(), made(), made()
    whole_way.until(names)
    for name in reversed(names):
        backwards.until([name])
    part.until(names[:1])
    assert backwards.found == whole_way.found
    assert part.found.items() <= whole_way.found.items()
    assert set(whole_way.found) == set(names)


def test_looking_ahead_has_an_end(storage, town, monkeypatch) -> None:
    monkeypatch.setattr(ahead, "STARTS_MAX", 1)
    with storage.database.read() as tx:
        view = seeing.seen(tx, each=queueing.QUEUE_MAX, now_us=storage.clock.now_us())
    found = view.starts([one.id for one in view.order])
    assert 0 < sum(late is not None for _, late in found.values()) < len(found)


def test_a_project_member_sees_its_projects_and_nothing_tells_of_others(storage, town) -> None:
    with storage.database.begin() as tx:
        tx.execute(
            workload_table.update()
            .where(workload_table.c.id == f"w-0-{EACH - 1}-{town[0]}")
            .values(project="prj")
        )
    [own] = listed(storage, town[0], projects=frozenset({"prj"}))
    assert own.id == f"w-0-{EACH - 1}-{town[0]}"
    assert listed(storage, town[1], projects=frozenset({"prj"})) == []
    others = {name for name in town if name != town[0]}
    assert not any(name in repr(replace(own, id="", why=None)) for name in others)
    with storage.database.read() as tx:
        waiting = select(workload_table.c.id).where(
            workload_table.c.state == "waiting", workload_table.c.organisation.in_(others)
        )
        foreign = set(tx.scalars(waiting))
    text = repr(told(storage, own.id))
    assert not any(name in text for name in foreign | others)


def test_the_clock_set_back_does_not_keep_an_old_look_for_ever(storage, town, looks) -> None:
    listed(storage)
    with storage.database.read() as tx:
        before_us = storage.clock.now_us() - 10 * SECOND_US
        asked = {"organisation": None, "projects": None, "after": 0, "limit": 50}
        queueing.queue(tx, now_us=before_us, **asked)
    assert len(looks) == 2
    assert isinstance(storage.clock, ManualClock)
