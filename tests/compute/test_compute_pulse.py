"""The pulse that keeps a claim alive: bears a busy database, hears of cancelling and of loss."""

from __future__ import annotations

from threading import Event

import pytest

from yunhe.compute import pulse
from yunhe.compute.pulse import Pulse
from yunhe.kernel.errors import Conflict, Unavailable
from yunhe.storage import leases
from yunhe.storage.service import Storage

PATIENCE_SECONDS = 20


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    monkeypatch.setattr(pulse, "LOOK_SECONDS", 0.005)
    monkeypatch.setattr(pulse, "LOOKS_PER_BEAT", 1)


@pytest.fixture
def claim(storage: Storage) -> leases.Claim:
    with storage.database.begin() as tx:
        leases.enqueue(tx, kind="work", key="item", payload={}, at_us=storage.clock.now_us())
    claim = leases.claim(storage, ["work"])
    assert claim is not None
    return claim


class Heart:
    """Stands in for the lease's heartbeat and answers with what the test lists."""

    def __init__(self, *answers: Exception | None) -> None:
        self._answers = list(answers)
        self.beats = 0
        self.enough = Event()

    def __call__(self, storage: Storage, claim: leases.Claim) -> None:
        self.beats += 1
        answer = self._answers.pop(0) if self._answers else None
        if not self._answers:
            self.enough.set()
        if answer is not None:
            raise answer


def test_a_pulse_beats_until_the_work_is_done(storage, claim, monkeypatch) -> None:
    heart = Heart(None, None, None)
    monkeypatch.setattr(leases, "heartbeat", heart)
    with Pulse(storage, claim, cancelled=lambda: False) as beating:
        assert heart.enough.wait(PATIENCE_SECONDS)
        assert not beating.stopped()
    beats = heart.beats
    assert beats >= 3
    assert not beating._thread.is_alive()
    assert heart.beats == beats


def test_a_busy_or_full_disk_does_not_stop_the_work(storage, claim, monkeypatch) -> None:
    heart = Heart(
        Conflict("storage.busy", where="db"),
        Unavailable("storage.disk_full", where="db", free_bytes=0),
        Conflict("storage.busy", where="db"),
        None,
    )
    monkeypatch.setattr(leases, "heartbeat", heart)
    with Pulse(storage, claim, cancelled=lambda: False) as beating:
        assert heart.enough.wait(PATIENCE_SECONDS)
        assert not beating.stopped()
    assert heart.beats >= 4
    assert not beating.lost


def test_a_lost_claim_stops_the_work_and_the_pulse(storage, claim, monkeypatch) -> None:
    heart = Heart(None, Conflict("storage.claim_lost", what="work item"))
    monkeypatch.setattr(leases, "heartbeat", heart)
    with Pulse(storage, claim, cancelled=lambda: False) as beating:
        beating._thread.join(PATIENCE_SECONDS)
        assert beating.stopped()
        assert beating.lost
    assert heart.beats == 2


def test_cancelling_stops_the_work_without_losing_the_claim(storage, claim) -> None:
    asked = iter([False, False, True])
    with Pulse(storage, claim, cancelled=lambda: next(asked)) as beating:
        beating._thread.join(PATIENCE_SECONDS)
        assert beating.stopped()
        assert not beating.lost
    leases.heartbeat(storage, claim)  # the claim is still ours


def test_the_real_heartbeat_renews_the_lease(storage, claim, clock) -> None:
    renewed = Event()

    def cancelled() -> bool:
        with storage.database.read() as tx:
            until_us = tx.execute(leases.work.select()).one().lease_until_us
        if until_us == clock.now_us() + leases.LEASE_SECONDS * 10**6:
            renewed.set()
        return False

    clock.advance(seconds=leases.LEASE_SECONDS - 1)
    with Pulse(storage, claim, cancelled=cancelled) as beating:
        assert renewed.wait(PATIENCE_SECONDS)
        assert not beating.stopped()
    clock.advance(seconds=leases.LEASE_SECONDS - 1)
    assert leases.claim(storage, ["work"]) is None
