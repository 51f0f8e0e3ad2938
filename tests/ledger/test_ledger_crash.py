"""Nothing is lost and nothing doubled: random operations crashed at every commit, and kill -9."""

from __future__ import annotations

import random
import signal
import subprocess
import sys

import ledger_poster
import pytest
from ledger_trial import Trial
from sqlalchemy import event

from yunhe.ledger import service
from yunhe.storage.service import Storage

EVERY_ANSWER = {
    "posted",
    "repeated",
    "ledger.account_reserved",
    "ledger.account_unknown",
    "ledger.capture_exceeds",
    "ledger.hold_captured",
    "ledger.hold_expired",
    "ledger.hold_not_due",
    "ledger.hold_overdue",
    "ledger.hold_released",
    "ledger.hold_unknown",
    "ledger.insufficient",
    "ledger.key_reused",
    "ledger.not_refundable",
    "ledger.refund_exceeds",
    "ledger.refund_units",
    "ledger.request_invalid",
    "ledger.transfer_unknown",
}


@pytest.mark.slow
def test_ten_thousand_random_operations_survive_a_crash_at_every_commit(storage: Storage) -> None:
    trial = Trial(storage.database, seed=20261122)
    trial.run(10_000)
    trial.compare_all()
    assert trial.tally.operations >= 10_000
    assert trial.tally.outcomes["posted"] >= 4_000
    assert set(trial.tally.outcomes) >= EVERY_ANSWER, "the run no longer reaches every answer"


@pytest.mark.parametrize("seed", range(5))
def test_batches_of_one_agree_with_the_model_as_well(storage: Storage, seed: int) -> None:
    trial = Trial(storage.database, seed=seed, batch_max=1)
    trial.run(120)
    trial.compare_all()


def test_no_command_changes_or_removes_a_transfer_or_an_entry(storage: Storage) -> None:
    trial = Trial(storage.database, seed=7)
    statements: list[str] = []
    engine = storage.database._engine
    event.listen(engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    trial.run(400)
    written = {
        tuple(statement.replace("INTO ", "").replace("FROM ", "").split()[:2])
        for statement in statements
        if statement.startswith(("INSERT", "UPDATE", "DELETE", "REPLACE"))
    }
    assert written == {
        ("INSERT", "ledger_transfer"),
        ("INSERT", "ledger_entry"),
        ("INSERT", "ledger_hold"),
        ("UPDATE", "ledger_account"),
        ("UPDATE", "ledger_hold"),
    }


KILLS, THREADS = 6, 4


@pytest.mark.slow
def test_a_killed_process_loses_nothing_acknowledged_and_doubles_nothing(
    storage: Storage,
) -> None:
    with storage.database.begin() as tx:
        for owner, purpose in (("payer", "cash"), ("payee", "cash"), ("payee", "fee")):
            service.open_account(tx, owner=owner, unit="CNY", purpose=purpose)
        service.grant(tx, key="grant", account=ledger_poster.PAYER, amount=10**9, at_us=0)
    chance = random.Random(9)
    acknowledged: set[str] = set()
    reached = [0] * THREADS
    for _ in range(KILLS):
        lines = _post_until(storage, reached, steps=10**6, kill_after=chance.randint(1, 150))
        for thread, number, transfer in (line.split() for line in lines):
            reached[int(thread)] = max(reached[int(thread)], int(number))
            acknowledged.add(transfer)
        with storage.database.read() as tx:
            assert service.replay(tx).problems == ()
            posted = {line.transfer for line in service.entries_of(tx, None)}
        assert acknowledged <= posted
    assert sum(reached) > 0
    each = max(reached) + 10
    _post_until(storage, reached, steps=each, kill_after=None)
    with storage.database.read() as tx:
        replayed = service.replay(tx)
        balances = {b.account: b.available for b in service.balances(tx)}
        assert service.holds_open(tx) == []
    steps = THREADS * each
    assert replayed.ok
    assert replayed.transfers == 1 + 3 * steps
    assert balances[ledger_poster.PAYEE] == 3 * steps
    assert balances[ledger_poster.FEE] == steps
    assert balances[ledger_poster.PAYER] == 10**9 - 4 * steps


def _post_until(
    storage: Storage, reached: list[int], *, steps: int, kill_after: int | None
) -> list[str]:
    """Run the poster; kill it after so many acknowledgements, or let it finish. What it said."""
    command = [
        sys.executable,
        ledger_poster.__file__,
        storage.database.url,
        THREADS,
        steps,
        *reached,
    ]
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = []
    with process:
        for line in process.stdout:
            lines.append(line)
            if len(lines) == kill_after:
                process.send_signal(signal.SIGKILL)
    assert process.returncode == (0 if kill_after is None else -signal.SIGKILL)
    return [line for line in lines if line.endswith("\n")]
