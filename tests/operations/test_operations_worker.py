from __future__ import annotations

import threading
import time
from collections import Counter

import pytest
from operation_desk import PATIENCE, Held, until

from yunhe.kernel.errors import Conflict, Invalid, Unavailable
from yunhe.kernel.progress import Stopped
from yunhe.notices import service as notices
from yunhe.operations import watch, worker
from yunhe.storage import leases, operations
from yunhe.storage.kept_errors import restored


def done(platform, task, *, progress, halt):
    """The simplest handler: says what it was given."""
    return {"given": dict(task.payload)}


def test_what_is_asked_for_is_done_and_whoever_asked_is_told(desk):
    organisation, member = desk.people()
    desk.started({"a": done})
    asked = desk.ask("a", organisation=organisation, member=member, n=1)
    ended = desk.wait(asked)
    assert (ended.state, ended.result) == ("done", {"given": {"n": 1}})
    assert desk.said(asked) == ["waiting", "running", "done"]
    with desk.storage.database.read() as tx:
        [notice] = notices.feed(tx, member)
    assert (notice.kind, notice.subject) == ("operation_ended", asked.id)
    assert notice.params == {"operation": "a", "outcome": "done"}


def test_work_of_kinds_it_does_not_know_is_left_to_others(desk):
    made = desk.worker({"a": done})
    asked = desk.ask("other")
    assert not made.run_once()
    assert desk.see(asked).state == "waiting"


def test_an_expected_error_ends_it_and_can_be_told_in_either_language(desk):
    def refuses(platform, task, *, progress, halt):
        raise Invalid("storage.digest_invalid", digest="x")

    made = desk.worker({"a": refuses})
    asked = desk.ask("a")
    assert made.run_once()
    ended = desk.see(asked)
    assert (ended.state, ended.error["kind"]) == ("failed", "invalid")
    error = restored(ended.error)
    assert isinstance(error, Invalid)
    assert error.message("en").startswith("x is not a digest.")
    assert "摘要" in error.message("zh")
    assert desk.said(asked)[-1] == "failed"


@pytest.mark.parametrize("fault", [RuntimeError("张三 13800138000"), {"score": 0.5}])
def test_a_fault_of_ours_ends_it_without_telling_what_was_in_it(desk, fault):
    def broken(platform, task, *, progress, halt):
        if isinstance(fault, Exception):
            raise fault
        return fault  # a float can't be kept

    made = desk.worker({"a": broken})
    asked = desk.ask("a")
    assert made.run_once()
    ended = desk.see(asked)
    assert (ended.state, ended.error["code"]) == ("failed", "operations.fault")
    assert ended.error["params"] == {"operation": asked.id}
    assert ended.result is None


def test_what_passes_is_tried_again_and_what_does_not_pass_is_given_up(desk, monkeypatch):
    monkeypatch.setattr(worker, "RETRY_SECONDS", (0.01, 0.01, 0.01))
    calls = Counter()

    def away(platform, task, *, progress, halt):
        calls[task.operation.id] += 1
        if calls[task.operation.id] <= task.payload["times"]:
            raise Unavailable("storage.server_away", retryable=True)
        return {}

    made = desk.worker({"a": away})
    short, long = desk.ask("a", "short", times=3), desk.ask("a", "long", times=99)
    assert made.run_once()
    assert made.run_once()
    assert (desk.see(short).state, calls[short.id]) == ("done", 4)
    assert (desk.see(long).state, calls[long.id]) == ("failed", 4)


def test_one_cancelled_while_it_waits_is_never_begun(desk):
    asked = desk.ask("a")
    desk.cancel(asked)
    held = Held()
    made = desk.worker({"a": held})
    made.run_once()
    assert (desk.see(asked).state, held.calls) == ("cancelled", 0)


def test_one_cancelled_while_it_runs_stops_at_its_next_step(desk):
    held = Held()
    desk.started({"a": held})
    asked = desk.ask("a")
    assert held.begun.wait(PATIENCE)
    assert desk.cancel(asked).cancel_asked
    assert desk.wait(asked).state == "cancelled"
    assert (held.calls, held.left) == (1, ["cancel"])
    assert desk.said(asked)[-1] == "cancelled"


def test_one_that_was_done_before_it_heard_of_the_cancelling_is_done(desk):
    held = Held()
    desk.started({"a": held})
    asked = desk.ask("a")
    assert held.begun.wait(PATIENCE)
    held.free.set()
    assert desk.wait(asked).state == "done"
    assert desk.cancel(asked).state == "done"


def test_one_to_be_cancelled_whose_worker_vanished_reaches_its_handler_once_more(desk):
    """So that the handler can put away what it had begun elsewhere."""
    asked = desk.ask("a")
    lost = leases.claim(desk.storage, ["operation:a"])
    with desk.storage.database.begin() as tx:
        operations.begin(tx, lost, workers_lost_max=9, at_us=desk.storage.clock.now_us())
        leases.hand_back(tx, lost)
    desk.cancel(asked)
    held = Held()
    made = desk.worker({"a": held})
    assert made.run_once()
    assert held.left == ["cancel"]
    assert desk.see(asked).state == "cancelled"


def test_a_worker_that_stops_hands_back_and_another_goes_on(desk):
    held = Held()
    first = desk.started({"a": held})
    asked = desk.ask("a")
    assert held.begun.wait(PATIENCE)
    assert first.stop(PATIENCE)
    assert not first.alive()
    back = desk.see(asked)
    assert (back.state, back.workers_lost) == ("waiting", 0)
    assert held.left == ["hand_back"]
    held.free.set()
    desk.started({"a": held})
    assert desk.wait(asked).result == {"calls": 2}
    said = [name for name in desk.said(asked) if name != "progress"]
    assert said == ["waiting", "running", "waiting", "running", "done"]


def test_stopping_does_not_wait_for_a_handler_that_does_not_listen(desk):
    deaf, end = threading.Event(), threading.Event()

    def does_not_listen(platform, task, *, progress, halt):
        deaf.set()
        end.wait(PATIENCE)
        return {}

    made = desk.started({"a": does_not_listen})
    desk.ask("a")
    assert deaf.wait(PATIENCE)
    assert not made.stop(0.1)
    end.set()


def test_nothing_new_is_begun_once_a_worker_stops(desk):
    held = Held()
    made = desk.started({"a": held})
    assert made.stop(PATIENCE)
    asked = desk.ask("a")
    made.wake()
    assert (desk.see(asked).state, held.calls) == ("waiting", 0)


def test_many_workers_do_every_operation_exactly_once(desk):
    calls = Counter()

    def counted(platform, task, *, progress, halt):
        calls[task.operation.id] += 1
        return {}

    asked = [desk.ask("a", str(n)) for n in range(40)]
    for _ in range(3):
        desk.started({"a": counted}, slots=2)
    for one in asked:
        assert desk.wait(one).state == "done"
    assert calls == dict.fromkeys([one.id for one in asked], 1)


def test_slots_of_one_worker_work_at_the_same_time(desk):
    both = threading.Barrier(2)

    def meets(platform, task, *, progress, halt):
        both.wait(PATIENCE)
        return {}

    desk.started({"a": meets}, slots=2)
    first, second = desk.ask("a", "1"), desk.ask("a", "2")
    assert desk.wait(first).state == desk.wait(second).state == "done"


def test_who_asks_for_a_thousand_does_not_hold_up_who_asks_for_one(desk):
    order = []

    def noted(platform, task, *, progress, halt):
        order.append(task.operation.organisation)
        return {}

    made = desk.worker({"a": noted})
    with made_busy(desk):  # one of the greedy is at work elsewhere
        for n in range(30):
            desk.ask("a", str(n), organisation="greedy")
        desk.ask("a", "1", organisation="modest")
        for _ in range(4):
            assert made.run_once()
    assert "modest" in order


class made_busy:  # noqa: N801
    """An operation of the greedy that some other worker has."""

    def __init__(self, desk) -> None:
        self.desk = desk

    def __enter__(self):
        self.desk.ask("a", "busy", organisation="greedy")
        claim = leases.claim(self.desk.storage, ["operation:a"])
        with self.desk.storage.database.begin() as tx:
            at_us = self.desk.storage.clock.now_us()
            operations.begin(tx, claim, workers_lost_max=9, at_us=at_us)

    def __exit__(self, *_):
        pass


def test_a_replaced_worker_is_told_to_stop_and_nothing_of_it_is_kept(desk, monkeypatch):
    monkeypatch.setattr(watch, "BEAT_SECONDS", 0.05)
    held = Held()
    desk.started({"a": held})
    asked = desk.ask("a")
    assert held.begun.wait(PATIENCE)
    # Its machine slept, so its lease ran out and another took over.
    monkeypatch.setattr(leases, "is_gone", lambda owner: True)
    other = leases.claim(desk.storage, ["operation:a"])
    monkeypatch.undo()
    with desk.storage.database.begin() as tx:
        at_us = desk.storage.clock.now_us()
        operations.begin(tx, other, workers_lost_max=9, at_us=at_us)
    until(lambda: held.left == ["hand_back"], "the first one's stopping")
    assert desk.see(asked).state == "running"
    with desk.storage.database.begin() as tx:
        operations.end(tx, other, state="done", result={"by": "the other"}, at_us=at_us)
    assert desk.see(asked).result == {"by": "the other"}


def test_a_result_whose_claim_was_lost_is_not_applied(desk, monkeypatch):
    made = desk.worker({"a": lambda *_, **__: steal() or {"by": "the late one"}})
    asked = desk.ask("a")

    def steal():
        monkeypatch.setattr(leases, "is_gone", lambda owner: True)
        stolen = leases.claim(desk.storage, ["operation:a"])
        monkeypatch.undo()
        with desk.storage.database.begin() as tx:
            at_us = desk.storage.clock.now_us()
            operations.end(tx, stolen, state="done", result={"by": "the quick one"}, at_us=at_us)

    assert made.run_once()
    assert desk.see(asked).result == {"by": "the quick one"}
    assert desk.said(asked).count("done") == 1


def test_an_operation_whose_workers_vanish_again_and_again_fails_and_its_owner_is_told(desk):
    organisation, member = desk.people()
    asked = desk.ask("a", organisation=organisation, member=member)
    for _ in range(worker.WORKERS_LOST_MAX + 1):
        claim = leases.claim(desk.storage, ["operation:a"])
        with desk.storage.database.begin() as tx:
            at_us = desk.storage.clock.now_us()
            operations.begin(tx, claim, workers_lost_max=99, at_us=at_us)
            leases.hand_back(tx, claim)  # as if its process were gone
    held = Held()
    made = desk.worker({"a": held})
    assert made.run_once()
    ended = desk.see(asked)
    assert (ended.state, ended.error["code"]) == ("failed", "storage.workers_lost")
    assert held.calls == 0
    with desk.storage.database.read() as tx:
        assert [notice.params["outcome"] for notice in notices.feed(tx, member)] == ["failed"]


def test_progress_is_written_as_events_a_few_times_a_second_and_the_last_word_is_seen(desk):
    asked_for, took = 0, 0.0

    def written() -> int:
        return desk.said(asked).count("progress")

    def chatty(platform, task, *, progress, halt):
        nonlocal asked_for, took
        began = time.monotonic()

        def chats() -> bool:
            nonlocal asked_for
            for _ in range(100):
                asked_for += 1
                progress.step("chatting", done=asked_for)
            return written() >= 2

        until(chats, "a second event")
        until(lambda: desk.see(asked).done == asked_for, "the last step")
        took = time.monotonic() - began
        return {}

    made = desk.worker({"a": chatty})
    asked = desk.ask("a")
    made.run_once()
    assert 2 <= written() <= 1 + took / watch.WRITE_SECONDS < asked_for / 10
    assert desk.see(asked).step == "chatting"


def test_a_handler_that_stops_unasked_is_a_fault(desk):
    def leaves(platform, task, *, progress, halt):
        raise Stopped

    made = desk.worker({"a": leaves})
    asked = desk.ask("a")
    made.run_once()
    assert desk.see(asked).error["code"] == "operations.fault"


def test_a_database_that_is_away_when_the_result_comes_is_waited_for(desk, monkeypatch):
    monkeypatch.setattr(worker, "RETRY_SECONDS", (0.01, 0.01, 0.01))
    refused = []
    end = operations.end

    def away(*args, **kwargs):
        if len(refused) < 2:
            refused.append(1)
            raise Conflict("storage.busy", where="-", retryable=True)
        return end(*args, **kwargs)

    monkeypatch.setattr(operations, "end", away)
    made = desk.worker({"a": done})
    asked = desk.ask("a")
    made.run_once()
    assert (desk.see(asked).state, len(refused)) == ("done", 2)


def test_new_work_is_found_without_anybody_waking_the_worker(desk):
    desk.started({"a": done})
    for n in range(5):
        assert desk.wait(desk.ask("a", str(n))).state == "done"
