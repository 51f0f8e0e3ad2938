"""Many threads at once: no account overspent, and a group commit answers each caller truly."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, text

from yunhe.kernel.errors import Exhausted, Unavailable, YunheError
from yunhe.ledger import service
from yunhe.ledger.domain import Entry, GrantRequest, HoldRequest, Outcome, TransferRequest
from yunhe.ledger.service import GroupWriter
from yunhe.storage.service import Storage


@pytest.fixture
def cash(storage: Storage) -> str:
    """An account with 100."""
    with storage.database.begin() as tx:
        account = service.open_account(tx, owner="uni", unit="CNY", purpose="cash")
        service.grant(tx, key="start", account=account, amount=100, at_us=0)
    return account


def hold(key: str, account: str, amount: int = 7) -> HoldRequest:
    return HoldRequest(key, account, amount, expires_at_us=10, at_us=1)


def test_threads_holding_against_one_account_never_overspend(storage: Storage, cash: str) -> None:
    start = threading.Barrier(8)

    def spend(thread: int) -> Counter[str]:
        start.wait()
        answers = Counter[str]()
        for number in range(5):
            try:
                with storage.database.begin() as tx:
                    key = f"{thread}/{number}"
                    service.hold(tx, key=key, account=cash, amount=7, expires_at_us=10, at_us=1)
                answers["held"] += 1
            except Exhausted as error:
                answers[error.code] += 1
        return answers

    with ThreadPoolExecutor(8) as pool:
        answers = sum(pool.map(spend, range(8)), Counter[str]())
    assert answers == {"held": 14, "ledger.insufficient": 26}
    with storage.database.read() as tx:
        balance = service.balance(tx, cash)
        assert (balance.available, balance.held) == (2, 98)
        assert service.replay(tx).ok


def test_threads_repeating_one_key_post_it_once(storage: Storage, cash: str) -> None:
    start = threading.Barrier(6)

    def post(_: int) -> Outcome:
        start.wait()
        with storage.database.begin() as tx:
            return service.post_batch(tx, [hold("same", cash)])[0]

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(post, range(6)))
    assert Counter(outcome.status for outcome in outcomes) == {"posted": 1, "repeated": 5}
    assert len({outcome.transfer for outcome in outcomes}) == 1


def test_a_group_writer_answers_each_thread_and_never_overspends(
    storage: Storage, cash: str
) -> None:
    with GroupWriter(storage.database) as writer, ThreadPoolExecutor(16) as pool:
        requests = [hold(f"key-{number}", cash) for number in range(60)]
        outcomes = list(pool.map(writer.post, requests))
    assert [outcome.key for outcome in outcomes] == [request.key for request in requests]
    assert Counter(outcome.status for outcome in outcomes) == {"posted": 14, "refused": 46}
    refused = next(outcome for outcome in outcomes if outcome.error is not None)
    with pytest.raises(Exhausted, match="is needed"):
        refused.result()
    with storage.database.read() as tx:
        assert service.balance(tx, cash).available == 2
        assert service.replay(tx).ok


def test_an_answer_comes_only_after_another_connection_can_read_the_posting(
    storage: Storage, cash: str
) -> None:
    with GroupWriter(storage.database) as writer:
        for number in range(5):
            writer.post(GrantRequest(f"grant-{number}", cash, 1, at_us=1)).result()
            with storage.database.read() as tx:
                assert service.balance(tx, cash).available == 101 + number


def test_requests_that_wait_together_share_one_commit(storage: Storage, cash: str) -> None:
    commits: list[object] = []
    with GroupWriter(storage.database) as writer:
        with storage.database.begin():  # keeps the writer waiting for its transaction
            first = writer.submit(GrantRequest("grant-0", cash, 1, at_us=1))
            event.listen(storage.database._engine, "commit", commits.append)
            rest = [
                writer.submit(GrantRequest(f"grant-{n}", cash, 1, at_us=1)) for n in range(1, 50)
            ]
            assert not first.done()
        assert all(future.result().status == "posted" for future in (first, *rest))
    # One for the block above, one for the group that had begun to wait, one for all the rest; a
    # busy machine may cut the rest into a few more. Without groups it would be fifty-one.
    assert 2 <= len(commits) <= 10
    with storage.database.read() as tx:
        assert service.balance(tx, cash).available == 150


def test_a_stopping_writer_commits_what_it_took_and_takes_no_more(
    storage: Storage, cash: str
) -> None:
    with GroupWriter(storage.database) as writer:
        futures = [writer.submit(GrantRequest(f"grant-{n}", cash, 1, at_us=1)) for n in range(20)]
    assert {future.result(timeout=0).status for future in futures} == {"posted"}
    with pytest.raises(Unavailable) as refusal:
        writer.submit(GrantRequest("late", cash, 1, at_us=1))
    assert refusal.value.code == "ledger.writer_stopped"


def test_a_request_withdrawn_in_time_is_not_posted_and_hurts_nobody(
    storage: Storage, cash: str
) -> None:
    with GroupWriter(storage.database) as writer:
        with storage.database.begin():  # keeps the writer waiting for its transaction
            first = writer.submit(GrantRequest("first", cash, 1, at_us=1))
            while not first.running():
                pass
            withdrawn = writer.submit(GrantRequest("withdrawn", cash, 50, at_us=1))
            assert withdrawn.cancel()
            assert not first.cancel(), "its group has begun"
        assert first.result().status == "posted"
        assert writer.post(GrantRequest("next", cash, 1, at_us=1)).status == "posted"
    with storage.database.read() as tx:
        assert service.balance(tx, cash).available == 102


def test_a_failed_commit_is_told_to_everybody_in_the_group_and_the_next_group_works(
    storage: Storage, cash: str
) -> None:
    with GroupWriter(storage.database) as writer:
        with storage.database.begin() as tx:
            tx.execute(text("ALTER TABLE ledger_entry RENAME TO away"))
        with storage.database.begin() as tx:
            doomed = [writer.submit(GrantRequest(f"grant-{n}", cash, 1, at_us=1)) for n in range(5)]
        assert all(future.exception() is not None for future in doomed)
        assert not any(isinstance(future.exception(), YunheError) for future in doomed)
        with storage.database.begin() as tx:
            tx.execute(text("ALTER TABLE away RENAME TO ledger_entry"))
        entries = (Entry(cash, _fee(storage), 5),)
        assert writer.post(TransferRequest("after", entries, "payment", at_us=1)).status == "posted"
    with storage.database.read() as tx:
        assert service.balance(tx, cash).available == 95
        assert service.replay(tx).ok


def _fee(storage: Storage) -> str:
    with storage.database.begin() as tx:
        return service.open_account(tx, owner="exchange", unit="CNY", purpose="fee")
