from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yunhe.kernel.errors import Conflict, NotFound
from yunhe.storage import events, leases, operations
from yunhe.storage.leases import LEASE_SECONDS

KIND = "corpus.cleanse"


def create(storage, key="k", **given):
    asked = {
        "kind": KIND,
        "key": key,
        "organisation": "org_a",
        "member": "member_a",
        "payload": {"n": 1},
    }
    with storage.database.begin() as tx:
        return operations.create(tx, **asked | given, at_us=storage.clock.now_us())


def find(storage, operation):
    with storage.database.read() as tx:
        return operations.find(tx, operation.id)


def claim(storage):
    return leases.claim(storage, [operations.work_kind(KIND)])


def begin(storage, held, workers_lost_max=5):
    with storage.database.begin() as tx:
        return operations.begin(
            tx, held, workers_lost_max=workers_lost_max, at_us=storage.clock.now_us()
        )


def end(storage, held, state="done", **left):
    with storage.database.begin() as tx:
        return operations.end(tx, held, state=state, at_us=storage.clock.now_us(), **left)


def cancel(storage, operation):
    with storage.database.begin() as tx:
        return operations.ask_cancel(tx, operation.id, at_us=storage.clock.now_us())


def said(storage, operation):
    with storage.database.read() as tx:
        return [event.name for event in events.after(tx, operation.id, 0)]


def test_an_operation_goes_from_waiting_over_running_to_done(storage):
    asked = create(storage)
    assert (asked.state, asked.started_at_us, asked.result) == ("waiting", None, None)
    storage.clock.advance(seconds=1)
    held = claim(storage)
    assert held.payload == {"n": 1}
    running = begin(storage, held)
    assert (running.state, running.started_at_us) == ("running", storage.clock.now_us())
    with storage.database.begin() as tx:
        stop = operations.report(
            tx, held, step="reading", done=3, total=9, at_us=storage.clock.now_us()
        )
    assert stop is False
    halfway = find(storage, asked)
    assert (halfway.step, halfway.done, halfway.total) == ("reading", 3, 9)
    done = end(storage, held, result={"made": "sha256:0"})
    assert (done.state, done.result, done.ended) == ("done", {"made": "sha256:0"}, True)
    assert said(storage, asked) == ["waiting", "running", "progress", "done"]
    assert claim(storage) is None


def test_the_same_key_is_the_same_operation_and_other_content_under_it_is_refused(storage):
    first = create(storage)
    assert create(storage) == first
    assert said(storage, first) == ["waiting"]
    for other in ({"payload": {"n": 2}}, {"project": "project_b"}):
        with pytest.raises(Conflict) as caught:
            create(storage, **other)
        assert caught.value.code == "storage.key_reused"


def test_organisations_do_not_share_keys(storage):
    mine, theirs = create(storage), create(storage, organisation="org_b", payload={"n": 2})
    assert mine.id != theirs.id


def test_one_key_sent_many_times_at_once_is_one_operation(storage):
    with ThreadPoolExecutor(4) as pool:
        made = {each.id for each in pool.map(lambda _: create(storage), range(16))}
    assert len(made) == 1
    assert said(storage, create(storage)) == ["waiting"]


def test_an_unknown_operation_is_not_found(storage):
    with pytest.raises(NotFound) as caught, storage.database.read() as tx:
        operations.find(tx, "operation_none")
    assert caught.value.code == "storage.operation_unknown"


def test_a_waiting_operation_is_cancelled_at_once_and_its_item_closed_by_whoever_claims_it(storage):
    asked = create(storage)
    assert cancel(storage, asked).state == "cancelled"
    held = claim(storage)
    assert begin(storage, held) is None
    assert claim(storage) is None
    assert said(storage, asked) == ["waiting", "cancelled"]


def test_a_running_operation_is_told_to_stop_and_its_worker_decides_how_it_ends(storage):
    asked = create(storage)
    held = claim(storage)
    begin(storage, held)
    assert cancel(storage, asked).cancel_asked
    cancel(storage, asked)
    assert find(storage, asked).state == "running"
    with storage.database.begin() as tx:
        assert operations.report(tx, held, step="x", done=0, total=None, at_us=0)
    ended = end(storage, held, "cancelled")
    assert cancel(storage, asked) == ended
    assert said(storage, asked) == ["waiting", "running", "cancelling", "progress", "cancelled"]


def test_one_handed_back_waits_again_and_is_not_counted_against_it(storage):
    asked = create(storage)
    for _ in range(9):
        held = claim(storage)
        assert begin(storage, held, workers_lost_max=0).workers_lost == 0
        with storage.database.begin() as tx:
            operations.hand_back(tx, held, at_us=storage.clock.now_us())
        assert find(storage, asked).state == "waiting"


def test_one_whose_workers_vanish_again_and_again_fails_and_says_why(storage):
    asked = create(storage)
    for lost in range(4):
        assert begin(storage, claim(storage), workers_lost_max=3).workers_lost == lost
        storage.clock.advance(seconds=LEASE_SECONDS + 1)
    assert begin(storage, claim(storage), workers_lost_max=3) is None
    failed = find(storage, asked)
    assert (failed.state, failed.error["code"]) == ("failed", "storage.workers_lost")
    assert failed.error["params"] == {"times": 4}
    assert claim(storage) is None


def test_one_that_was_to_be_cancelled_when_its_worker_vanished_goes_to_the_next_to_be_put_away(
    storage,
):
    asked = create(storage)
    begin(storage, claim(storage))
    cancel(storage, asked)
    storage.clock.advance(seconds=LEASE_SECONDS + 1)
    again = begin(storage, claim(storage))
    assert (again.state, again.cancel_asked) == ("running", True)


def test_who_has_least_running_is_next_and_among_equals_who_waits_longest(storage):
    def fairest():
        with storage.database.read() as tx:
            found = operations.fairest(tx, [KIND])
        return found and found.id

    assert fairest() is None
    greedy = [create(storage, key=str(n), organisation="org_greedy").id for n in range(3)]
    storage.clock.advance(seconds=1)
    modest = create(storage, organisation="org_modest").id
    create(storage, kind="plans.run", organisation="org_third")
    first = fairest()
    assert first in greedy
    begin(storage, leases.claim(storage, [operations.work_kind(KIND)], key=first))
    assert fairest() == modest
    begin(storage, leases.claim(storage, [operations.work_kind(KIND)], key=modest))
    assert fairest() in set(greedy) - {first}


def test_a_worker_that_was_replaced_can_neither_report_nor_end_nor_hand_back(storage):
    asked = create(storage)
    slow = claim(storage)
    begin(storage, slow)
    storage.clock.advance(seconds=LEASE_SECONDS + 1)
    quick = claim(storage)
    begin(storage, quick)

    def report():
        with storage.database.begin() as tx:
            operations.report(tx, slow, step="late", done=1, total=1, at_us=0)

    def hand_back():
        with storage.database.begin() as tx:
            operations.hand_back(tx, slow, at_us=0)

    for late in (report, hand_back, lambda: end(storage, slow)):
        with pytest.raises(Conflict) as caught:
            late()
        assert caught.value.code == "storage.claim_lost"
    assert find(storage, asked).step == ""
    assert end(storage, quick, result={}).state == "done"


def test_a_report_renews_the_claim(storage):
    create(storage)
    held = claim(storage)
    begin(storage, held)
    for done in range(4):
        storage.clock.advance(seconds=LEASE_SECONDS - 1)
        with storage.database.begin() as tx:
            operations.report(tx, held, step="x", done=done, total=4, at_us=storage.clock.now_us())
    assert claim(storage) is None


@given(sizes=st.lists(st.integers(1, 3), min_size=1, max_size=6), page=st.integers(1, 4))
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_pages_show_every_operation_of_an_organisation_once_newest_first(storage, sizes, page):
    """``sizes``: how many are made at each instant; some therefore share their time."""
    organisation = f"org_{len(listed_all(storage))}"
    for at, size in enumerate(sizes):
        for n in range(size):
            create(storage, key=f"{at}/{n}", organisation=organisation)
        storage.clock.advance(seconds=1)
    shown, after = [], ""
    while True:
        with storage.database.read() as tx:
            part = operations.listed(tx, organisation=organisation, after=after, limit=page)
        if not part:
            break
        shown += part
        after = part[-1].id
    assert len({each.id for each in shown}) == len(shown) == sum(sizes)
    times = [each.created_at_us for each in shown]
    assert times == sorted(times, reverse=True)


def listed_all(storage):
    with storage.database.read() as tx:
        return operations.listed(tx, organisation=None, limit=10_000)


def test_the_cursor_of_another_organisation_is_unknown(storage):
    mine, theirs = create(storage), create(storage, organisation="org_b")
    with storage.database.read() as tx:
        assert operations.listed(tx, organisation="org_a") == [mine]
        assert len(operations.listed(tx, organisation=None)) == 2
        with pytest.raises(NotFound) as caught:
            operations.listed(tx, organisation="org_a", after=theirs.id)
    assert caught.value.code == "storage.operation_unknown"


def test_a_forgotten_operation_keeps_its_state_and_loses_what_it_was_given_and_left(storage):
    asked = create(storage, payload={"plan": "sha256:1"})
    held = claim(storage)
    begin(storage, held)
    end(storage, held, result={"made": 1})
    with storage.database.begin() as tx:
        assert operations.forget(tx, asked.id) == {"plan": "sha256:1"}
        assert operations.forget(tx, asked.id) == {}
    forgotten = find(storage, asked)
    assert (forgotten.state, forgotten.result) == ("done", None)
    assert said(storage, asked) == []


def test_what_a_member_asked_for_is_found(storage):
    first = create(storage)
    storage.clock.advance(seconds=1)
    second = create(storage, key="b")
    create(storage, key="c", member="member_b")
    with storage.database.read() as tx:
        assert operations.started_by(tx, "member_a") == [first, second]
