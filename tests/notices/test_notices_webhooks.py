"""Webhooks against a real receiver: signed, tried again, never lost, seen as the same."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading

import pytest
from notices_desk import Receiver, receiving, tell, verify, ways

from yunhe.identity import service as identity
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Conflict, Exhausted, Invalid, NotAllowed, NotFound
from yunhe.notices import service as notices
from yunhe.notices.domain import PROGRAMME
from yunhe.notices.sending import schedule

HOUR = 3_600


@pytest.fixture
def receive():
    yield from receiving()


@pytest.fixture
def receiver(receive) -> Receiver:
    return receive()


def subscribe(storage, town, receiver, *kinds, organisation=None):
    return notices.add_webhook(
        storage,
        ways(),
        organisation=organisation or town.lab,
        url=receiver.url,
        kinds=kinds or ("job_ended",),
        member=town.officer,
    )


def seconds(clock):
    return clock.now_us() // SECOND_US


def state(storage, town, hook):
    with storage.database.read() as tx:
        return notices.webhook(tx, hook.id, organisation=town.lab)


def sent(storage, town, hook):
    with storage.database.read() as tx:
        return notices.deliveries_of(tx, hook.id, organisation=town.lab)


def test_a_notice_arrives_signed_so_that_an_independent_receiver_believes_it(
    storage, town, receiver, clock
):
    added = subscribe(storage, town, receiver)
    notice = tell(storage, "job-1", town.lab)
    assert notices.deliver(storage, ways()) == 1
    ((headers, body),) = receiver.got
    content = verify(added.secret, headers, body, now=seconds(clock))
    assert content["type"] == "job_ended"
    assert content["timestamp"] == "2026-01-01T00:00:00.000000Z"
    assert content["data"]["id"] == notice
    assert content["data"]["params"] == {"outcome": "settled", "device_seconds": 12}
    assert "job-1" in content["data"]["message"]["zh"]
    assert headers["content-type"] == "application/json"
    (delivery,) = sent(storage, town, added.webhook)
    assert (delivery.state, delivery.status, delivery.attempts) == ("done", 200, 1)
    assert notices.deliver(storage, ways()) == 0


def test_a_changed_body_another_secret_or_an_old_time_is_not_believed(
    storage, town, receiver, clock
):
    added = subscribe(storage, town, receiver)
    other = subscribe(storage, town, receiver)
    tell(storage, "job-1", town.lab)
    notices.deliver(storage, ways())
    by_signature = {h["webhook-signature"]: (h, b) for h, b in receiver.got}
    assert len(by_signature) == 2
    headers, body = receiver.got[0]
    with pytest.raises(AssertionError):
        verify(added.secret, headers, body + b" ", now=seconds(clock))
    with pytest.raises(AssertionError):
        verify(added.secret, headers, body, now=seconds(clock) + 301)
    believed = []
    for secret in (added.secret, other.secret):
        try:
            verify(secret, headers, body, now=seconds(clock))
            believed.append(secret)
        except AssertionError:
            pass
    assert len(believed) == 1


def test_only_the_kinds_and_the_organisation_that_were_asked_for_arrive(storage, town, receiver):
    subscribe(storage, town, receiver, "budget_80", "job_ended")
    tell(storage, "mine", town.lab)
    tell(storage, "other-kind", town.lab, kind="budget_100")
    tell(storage, "other-tenant", town.rival)
    tell(storage, "for-one-member", town.lab, member=town.trainer)
    tell(storage, "for-a-role", town.lab, role="risk_officer")
    notices.deliver(storage, ways())
    bodies = b"".join(body for _, body in receiver.got)
    assert (b'"mine"' in bodies, b"for-a-role" in bodies, len(receiver.got)) == (True, True, 2)


def test_a_notice_to_the_programme_reaches_the_operators_webhooks_alone(storage, town, receive):
    own, tenant = receive(), receive()
    subscribe(storage, town, own, organisation=town.operator)
    subscribe(storage, town, tenant)
    tell(storage, "job-1", PROGRAMME)
    notices.deliver(storage, ways())
    assert (len(own.got), len(tenant.got)) == (1, 0)


def test_a_receiver_down_for_an_hour_gets_everything_once_it_is_back(
    storage, town, receiver, clock
):
    added = subscribe(storage, town, receiver)
    receiver.status = 503
    for number in range(20):
        tell(storage, f"job-{number}", town.lab)
    for _ in range(60):
        notices.deliver(storage, ways())
        clock.advance(seconds=60)
    assert state(storage, town, added.webhook).state == "active"
    assert state(storage, town, added.webhook).failures > 0
    receiver.status, receiver.got = 200, []
    for _ in range(40):
        clock.advance(seconds=10 * 60)
        notices.deliver(storage, ways())
    assert len(receiver.got) == len(set(receiver.ids)) == 20
    assert {d.state for d in sent(storage, town, added.webhook)} == {"done"}
    hook = state(storage, town, added.webhook)
    assert (hook.failures, hook.failing_since_us) == (0, None)


def test_every_attempt_has_the_same_id_and_a_signature_of_its_own_time(
    storage, town, receiver, clock
):
    added = subscribe(storage, town, receiver)
    receiver.status = 500
    tell(storage, "job-1", town.lab)
    for _ in range(4):
        notices.deliver(storage, ways())
        headers, body = receiver.got[-1]
        verify(added.secret, headers, body, now=seconds(clock))
        clock.advance(seconds=HOUR)
    assert len(receiver.got) == 4
    assert len(set(receiver.ids)) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in receiver.got}) == 4


def test_attempts_back_off_and_end_after_a_day_and_the_webhook_is_paused(
    storage, town, receiver, clock
):
    with storage.database.begin() as tx:
        at_us = clock.now_us()
        boss = identity.add_member(
            tx, key="boss", organisation=town.lab, name="boss", at_us=at_us
        ).id
        identity.grant_role(tx, member=boss, role="administrator", at_us=at_us)
    added = subscribe(storage, town, receiver)
    receiver.status = 500
    tell(storage, "job-1", town.lab)
    begun, times = clock.now_us(), []
    for _ in range(40 * 12):
        if notices.deliver(storage, ways()):
            times.append((clock.now_us() - begun) // SECOND_US)
        clock.advance(seconds=5 * 60)
    waits = [b - a for a, b in itertools.pairwise(times)]
    assert len(times) == len(schedule.DELAYS_SECONDS) + 1
    assert waits == sorted(waits)
    assert 20 * HOUR < times[-1] < 36 * HOUR
    (delivery,) = sent(storage, town, added.webhook)
    assert (delivery.state, delivery.problem, delivery.status) == (
        "dead",
        "notices.not_taken",
        500,
    )
    assert state(storage, town, added.webhook).state == "paused"
    with storage.database.read() as tx:
        assert [n.kind for n in notices.feed(tx, boss)] == ["webhook_paused", "job_ended"]
        assert "webhook_paused" not in [n.kind for n in notices.feed(tx, town.trainer)]


def test_a_paused_webhook_gets_nothing_until_it_is_resumed(storage, town, receiver, clock):
    added = subscribe(storage, town, receiver)
    receiver.status = 500
    tell(storage, "lost-a-day", town.lab)
    for _ in range(40):
        notices.deliver(storage, ways())
        clock.advance(seconds=HOUR)
        if state(storage, town, added.webhook).failures == 3:
            tell(storage, "waits", town.lab)
    assert state(storage, town, added.webhook).state == "paused"
    receiver.status, receiver.got = 200, []
    clock.advance(seconds=100 * HOUR)
    tell(storage, "during-the-pause", town.lab)
    assert notices.deliver(storage, ways()) == 0
    assert receiver.got == []
    with storage.database.begin() as tx:
        resumed = notices.resume_webhook(
            tx, added.webhook.id, organisation=town.lab, at_us=clock.now_us()
        )
    assert (resumed.state, resumed.failures) == ("active", 0)
    tell(storage, "after", town.lab)
    notices.deliver(storage, ways())
    told = [body for _, body in receiver.got]
    assert [any(w in body for body in told) for w in (b'"waits"', b'"after"')] == [True, True]
    assert len(told) == 2


def test_a_receiver_that_is_gone_is_never_asked_again(storage, town, receiver, clock):
    added = subscribe(storage, town, receiver)
    receiver.status = 410
    tell(storage, "job-0", town.lab)
    tell(storage, "job-1", town.lab)
    notices.deliver(storage, ways())
    assert state(storage, town, added.webhook).state == "gone"
    tell(storage, "job-2", town.lab)
    clock.advance(seconds=100 * HOUR)
    notices.deliver(storage, ways())
    assert len(receiver.got) == 1
    with storage.database.begin() as tx, pytest.raises(Conflict):
        notices.resume_webhook(tx, added.webhook.id, organisation=town.lab, at_us=clock.now_us())


def test_a_receiver_that_asks_for_time_gets_it(storage, town, receiver, clock):
    subscribe(storage, town, receiver)
    receiver.status, receiver.headers = 429, {"Retry-After": "7200"}
    tell(storage, "job-1", town.lab)
    tell(storage, "job-2", town.lab)  # it asked to be left alone, not for one of them only
    assert notices.deliver(storage, ways()) == 1
    clock.advance(seconds=7_199)
    assert notices.deliver(storage, ways()) == 0
    clock.advance(seconds=2)
    assert notices.deliver(storage, ways()) == 1


def test_a_redirect_is_a_failure_and_is_not_followed(storage, town, receive):
    inside, receiver = receive(), receive()
    receiver.status, receiver.headers = 302, {"Location": inside.url}
    added = subscribe(storage, town, receiver)
    tell(storage, "job-1", town.lab)
    notices.deliver(storage, ways())
    assert inside.got == []
    assert sent(storage, town, added.webhook)[0].status == 302


def test_an_address_that_is_no_longer_allowed_is_not_sent_to(storage, town, receiver):
    added = subscribe(storage, town, receiver)
    tell(storage, "job-1", town.lab)
    notices.deliver(storage, ways(allow=()))
    assert receiver.got == []
    assert sent(storage, town, added.webhook)[0].problem == "outbound.refused"


# --- Killed senders, many senders -----------------------------------------------------------------


def killed_sender(url, told):
    """In a process of its own: sends, and is killed before it can write down that it did."""
    from yunhe.kernel.clock import ManualClock  # noqa: PLC0415
    from yunhe.storage.blobs import LocalBlobs  # noqa: PLC0415
    from yunhe.storage.database import Database  # noqa: PLC0415
    from yunhe.storage.service import Storage  # noqa: PLC0415

    database = Database(url)
    storage = Storage(database, LocalBlobs(told), ManualClock())
    notices.deliver(storage, ways())


def test_a_sender_killed_between_sending_and_noting_sends_again_under_the_same_id(
    storage, town, receiver, tmp_path
):
    added = subscribe(storage, town, receiver)
    tell(storage, "job-1", town.lab)
    arrived, go_on = threading.Event(), threading.Event()

    def hold():
        arrived.set()
        go_on.wait(90)

    receiver.before_answering = hold
    process = multiprocessing.get_context("spawn").Process(
        target=killed_sender, args=(storage.database.url, tmp_path / "blobs")
    )
    process.start()
    assert arrived.wait(90)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    go_on.set()
    receiver.before_answering = lambda: None
    assert notices.deliver(storage, ways()) == 1
    assert len(receiver.got) == 2
    assert len(set(receiver.ids)) == 1
    assert {d.state for d in sent(storage, town, added.webhook)} == {"done"}


def test_many_senders_at_once_send_each_delivery_once(storage, town, receive):
    receivers = [receive() for _ in range(3)]
    for one in receivers:
        subscribe(storage, town, one)
    for number in range(12):
        tell(storage, f"job-{number}", town.lab)
    failures = []

    def work():
        try:
            while notices.deliver(storage, ways()):
                pass
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while notices.deliver(storage, ways()):
        pass
    assert failures == []
    for one in receivers:
        assert len(one.got) == len(set(one.ids)) == 12


def test_one_silent_receiver_does_not_hold_up_the_others_or_take_all_places(
    storage, town, receive, clock
):
    bad, good = receive(), receive()
    bad.status = 500
    subscribe(storage, town, bad)
    for number in range(200):
        tell(storage, f"job-{number}", town.lab)
    notices.deliver(storage, ways())
    subscribe(storage, town, good, organisation=town.rival)
    tell(storage, "other", town.rival)
    assert notices.deliver(storage, ways()) >= 1
    assert len(good.got) == 1
    assert len(bad.got) <= 3


# --- Managing -------------------------------------------------------------------------------------


def test_a_changed_secret_is_used_beside_the_old_one_for_a_day(storage, town, receiver, clock):
    added = subscribe(storage, town, receiver)
    with storage.database.begin() as tx:
        changed = notices.rotate_webhook(
            tx,
            ways(),
            added.webhook.id,
            organisation=town.lab,
            member=town.officer,
            at_us=clock.now_us(),
        )
    assert changed.secret != added.secret
    tell(storage, "job-1", town.lab)
    notices.deliver(storage, ways())
    headers, body = receiver.got[-1]
    for secret in (added.secret, changed.secret):
        verify(secret, headers, body, now=seconds(clock))
    clock.advance(seconds=25 * HOUR)
    tell(storage, "job-2", town.lab)
    notices.deliver(storage, ways())
    headers, body = receiver.got[-1]
    verify(changed.secret, headers, body, now=seconds(clock))
    with pytest.raises(AssertionError):
        verify(added.secret, headers, body, now=seconds(clock))


def test_a_delivery_can_be_sent_again_under_its_id(storage, town, receiver, clock):
    added = subscribe(storage, town, receiver)
    tell(storage, "job-1", town.lab)
    notices.deliver(storage, ways())
    (delivery,) = sent(storage, town, added.webhook)
    with storage.database.begin() as tx:
        notices.redeliver(tx, delivery.id, organisation=town.lab, at_us=clock.now_us())
        with pytest.raises(NotFound):
            notices.redeliver(tx, delivery.id, organisation=town.rival, at_us=clock.now_us())
        with pytest.raises(NotFound):
            notices.redeliver(tx, "send_none", organisation=town.lab, at_us=clock.now_us())
    notices.deliver(storage, ways())
    assert receiver.ids == [delivery.id] * 2


def test_a_removed_webhook_gets_nothing_more_and_its_secret_is_gone(storage, town, receiver, clock):
    added = subscribe(storage, town, receiver)
    receiver.status = 500
    tell(storage, "job-1", town.lab)
    notices.deliver(storage, ways())
    with storage.database.begin() as tx:
        notices.rotate_webhook(
            tx,
            ways(),
            added.webhook.id,
            organisation=town.lab,
            member=town.officer,
            at_us=clock.now_us(),
        )
        with pytest.raises(NotFound):
            notices.remove_webhook(
                tx, added.webhook.id, organisation=town.rival, at_us=clock.now_us()
            )
        notices.remove_webhook(tx, added.webhook.id, organisation=town.lab, at_us=clock.now_us())
        assert notices.webhooks(tx, town.lab) == []
    clock.advance(seconds=HOUR)
    assert notices.deliver(storage, ways()) == 0
    with pytest.raises(NotFound):
        state(storage, town, added.webhook)


def test_secrets_and_addresses_lie_nowhere_in_clear(storage, town, receiver, tmp_path):
    added = subscribe(storage, town, receiver)
    assert added.secret not in repr(added)
    assert receiver.url not in repr(added)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert added.secret.encode() not in path.read_bytes()
            assert added.secret[6:].encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://10.0.0.1/", NotAllowed),
        ("http://169.254.169.254/", NotAllowed),
        ("ftp://example.org/", Invalid),
        ("nonsense", Invalid),
    ],
)
def test_a_webhook_to_a_forbidden_address_is_refused_when_it_is_added(storage, town, url, error):
    with pytest.raises(error):
        notices.add_webhook(
            storage,
            ways(),
            organisation=town.lab,
            url=url,
            kinds=["job_ended"],
            member=town.officer,
        )


@pytest.mark.parametrize("kinds", [[], ["gossip"], ["job_ended", "gossip"]])
def test_a_webhook_for_no_kind_or_an_unknown_one_is_refused(storage, town, receiver, kinds):
    with pytest.raises(Invalid):
        notices.add_webhook(
            storage,
            ways(),
            organisation=town.lab,
            url=receiver.url,
            kinds=kinds,
            member=town.officer,
        )


def test_an_organisation_has_a_bounded_number_of_webhooks(storage, town, receiver):
    for _ in range(20):
        subscribe(storage, town, receiver)
    with pytest.raises(Exhausted):
        subscribe(storage, town, receiver)


def test_a_withdrawn_notice_is_not_sent_any_more(storage, town, receiver, clock):
    added = subscribe(storage, town, receiver)
    receiver.status = 500
    tell(storage, "job-1", town.lab)
    notices.deliver(storage, ways())
    with storage.database.begin() as tx:
        notices.withdraw(tx, "job-1", at_us=clock.now_us())
    clock.advance(seconds=HOUR)
    notices.deliver(storage, ways())
    assert len(receiver.got) == 1
    assert sent(storage, town, added.webhook)[0].state == "dropped"


# --- The schedule ---------------------------------------------------------------------------------


def test_waits_grow_are_spread_and_come_to_an_end():
    for attempts, base in enumerate(schedule.DELAYS_SECONDS, start=1):
        waits = {schedule.wait_us(f"send_{n}", attempts) for n in range(200)}
        assert all(base * SECOND_US <= wait <= base * SECOND_US * 1.2 for wait in waits)
        assert max(waits) - min(waits) > base * SECOND_US * 0.15
    assert schedule.wait_us("send_x", len(schedule.DELAYS_SECONDS) + 1) is None
    assert schedule.wait_us("send_x", 3) == schedule.wait_us("send_x", 3)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("", 0),
        ("120", 120),
        (" 5 ", 5),
        ("-5", 0),
        ("soon", 0),
        ("999999999999999999999999", 86_400),
        ("Thu, 01 Jan 2026 00:10:00 GMT", 600),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 86_400),
        ("Thu, 99 Foo 2026 00:10:00 GMT", 0),
        ("٣", 0),
    ],
)
def test_what_a_receiver_asks_for_is_understood_and_bounded(said, seconds):
    now_us = 1_767_225_600 * SECOND_US  # 2026-01-01T00:00:00Z
    assert schedule.asked_wait_us(said, now_us=now_us) == seconds * SECOND_US
