from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from operation_desk import Desk
from sqlalchemy import text

from yunhe.app import open_platform
from yunhe.custody import pruning
from yunhe.custody import service as custody
from yunhe.custody.domain import Checkpoint, Record
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US, SECOND_US, ManualClock
from yunhe.kernel.errors import NotFound
from yunhe.models import service as models
from yunhe.models import store as models_store
from yunhe.models.domain import Answer
from yunhe.notices import service as notices
from yunhe.operations import retention
from yunhe.settings import Settings
from yunhe.storage import events, idempotency


@pytest.fixture
def desk(tmp_path, empty_database_url, pytestconfig):
    elsewhere = empty_database_url if pytestconfig.getoption("--on") == "postgresql" else ""
    settings = Settings(home=tmp_path / "home", database_url=elsewhere)
    with open_platform(settings, ManualClock()) as platform:
        yield Desk(platform)


def answered(desk, number: int, member: str = "mem_a") -> Answer:
    """An answer on record, as the gateway writes it."""
    at_us = desk.storage.clock.now_us()
    made = Answer(
        id=f"ans_{number:026}",
        reference="",
        deployment="dep",
        tenant="sha256:" + "0" * 64,
        label="供水",
        nonce="ab" * 16,
        request_commitment="sha256:" + f"{number:064x}",
        response_commitment="sha256:" + "2" * 64,
        at_us=at_us,
        member=member,
    )
    with desk.storage.database.begin() as tx:
        body = {"request_commitment": made.request_commitment}
        reference = custody.append(tx, Record("serving.answer", made.id, at_us, body, {}))
        made = replace(made, reference=reference)
        models_store.add_answers(tx, [made])
    return made


def apply(desk, **kept) -> dict[str, int]:
    home = desk.platform.settings.home
    return retention.apply(desk.storage, Settings(home=home, **kept))


def find(desk, answer: Answer) -> Answer:
    with desk.storage.database.read() as tx:
        return models.answer(tx, answer.id)


def test_answers_are_kept_unless_the_operator_says_for_how_long(desk):
    kept = answered(desk, 1)
    desk.storage.clock.advance(seconds=10_000 * 86_400)
    assert "answers" not in apply(desk)
    assert find(desk, kept) == kept


def test_old_answers_lose_their_content_and_the_log_still_verifies(desk, monkeypatch, caplog):
    monkeypatch.setattr(retention, "BATCH", 3)
    old = [answered(desk, n) for n in range(7)]
    desk.platform.sequencer.run_once()
    desk.storage.clock.advance(seconds=31 * 86_400)
    young = answered(desk, 99)
    desk.platform.sequencer.run_once()
    with caplog.at_level(logging.INFO, "yunhe.operations"):
        assert apply(desk, retention_days_answers=30)["answers"] == 7
    assert "7 answers" in caplog.text
    for one in old:
        left = find(desk, one)
        assert left.erased
        assert (left.label, left.nonce, left.request_commitment, left.member) == ("", "", "", None)
        assert (left.deployment, left.tenant, left.at_us) == (one.deployment, one.tenant, one.at_us)
        with desk.storage.database.read() as tx, pytest.raises(NotFound) as caught:
            custody.record(tx, one.reference)
        assert caught.value.code == "custody.record_erased"
    assert find(desk, young) == young
    with desk.storage.database.read() as tx:
        assert models.answers_count(tx) == {"dep": 8}
    audit = desk.platform.audit(None)
    assert (audit.ok, audit.erased) == (True, 7)
    assert apply(desk, retention_days_answers=30)["answers"] == 0


def test_after_the_clock_went_back_nothing_is_erased_too_early(desk):
    desk.storage.clock.advance(seconds=100 * 86_400)
    apply(desk, retention_days_answers=30)
    desk.storage.clock.advance(seconds=-90 * 86_400)
    kept = answered(desk, 1)
    apply(desk, retention_days_answers=30)
    assert not find(desk, kept).erased


def test_events_keys_notices_and_sessions_go_in_their_time(desk):
    organisation, member = desk.people("office", "operator", "operator")
    clock = desk.storage.clock
    with desk.storage.database.begin() as tx:
        now_us = clock.now_us()
        events.append(tx, stream="s", name="old", body={}, at_us=now_us)
        idempotency.remember(tx, tenant="t", key="k", request={}, answer={}, at_us=now_us)
        for key in ("read", "unread"):
            notices.notify(
                tx,
                key=key,
                kind="operation_ended",
                organisation=organisation,
                subject=key,
                params={"operation": "a", "outcome": "done"},
                at_us=now_us,
            )
        notices.mark_read(tx, member, [notices.notice_id("read")], at_us=now_us)
        issued = identity.issue_key(
            tx, member=member, expires_at_us=now_us + SECOND_US, at_us=now_us, label="x"
        )
        assert issued.secret
    assert sum(apply(desk).values()) == 0
    clock.advance(seconds=200 * 86_400)
    removed = apply(desk)
    assert removed["events"] == 1
    assert removed["idempotency_keys"] == 1
    assert removed["notices"] == 1
    assert removed["sessions_and_invitations"] >= 1
    with desk.storage.database.read() as tx:
        assert [notice.subject for notice in notices.feed(tx, member)] == ["unread"]
        assert idempotency.recall(tx, tenant="t", key="k", request={"other": 1}) is None


def test_old_checkpoints_go_but_for_the_last_of_each_hour_and_the_log_proves_the_same(desk):
    for n in range(12):
        answered(desk, n)
        desk.platform.sequencer.run_once()
        desk.storage.clock.advance(seconds=1_000)
    with desk.storage.database.read() as tx:
        before = tx.execute(text("SELECT count(*) FROM custody_checkpoint")).scalar_one()
        outside = desk.platform.publisher.read()
    assert before == 12
    assert apply(desk)["checkpoints"] == 0
    desk.storage.clock.advance(seconds=pruning.KEEP_DAYS * 86_400)
    answered(desk, 50)
    desk.platform.sequencer.run_once()
    gone = apply(desk)["checkpoints"]
    assert gone >= 6
    assert apply(desk)["checkpoints"] == 0
    assert desk.platform.audit(None).ok
    trust = custody.trust(desk.platform.settings.home)
    assert custody.check_outside(desk.storage, [outside], trust=trust).ok
    answered(desk, 51)
    desk.platform.sequencer.run_once()
    assert desk.platform.audit(None).ok


def test_a_young_checkpoint_that_is_missing_is_still_found(desk):
    for n in range(3):
        answered(desk, n)
        desk.platform.sequencer.run_once()
    with desk.storage.database.begin() as tx:
        tx.execute(text("DELETE FROM custody_checkpoint WHERE number = 2"))
    audit = desk.platform.audit(None)
    assert "custody.audit_checkpoint_order" in {problem.code for problem in audit.problems}


def test_what_can_be_pruned_is_decided_by_hour_key_and_age():
    hour = 3_600 * SECOND_US

    def signed(number, at_us, key="k1"):
        return Checkpoint(number, number, b"", at_us, key, "")

    old = [
        signed(1, 0),
        signed(2, 1),
        signed(3, hour),
        signed(4, hour + 1),
        signed(5, hour + 2, "k2"),
        signed(6, hour + 3, "k2"),
    ]
    long_after = 100 * DAY_US
    assert pruning.needless(old, now_us=long_after) == [1, 3, 5]
    assert pruning.needless(old, now_us=hour) == []
    assert pruning.needless([], now_us=long_after) == []
