"""Ten thousand random events cannot overspend an award; reactive pausing can, and does."""

from __future__ import annotations

import pytest
from overspend_trial import SECOND, UNITS, Trial, reactive

from yunhe.ledger import service as ledger
from yunhe.ledger.domain import account_id


@pytest.mark.parametrize("seed", [1, 2])
def test_no_order_of_late_lost_doubled_or_repeated_events_overspends(new_database, seed):
    database = new_database(durable=False)
    trial = Trial(database, seed=seed, firms=8, batch=400)
    trial.run(5_000)
    assert trial.total >= 5_000
    assert trial.over_minor == 0
    trial.compare()
    with database.read() as tx:
        assert ledger.replay(tx).ok
    happened = trial.outcomes.keys()
    assert {"posted", "repeated", "ledger.insufficient", "ledger.key_reused"} <= happened
    assert {"ledger.hold_unknown", "ledger.hold_expired", "ledger.hold_captured"} <= happened
    assert {"crash", "answer lost", "reordered", "award expires"} <= trial.events.keys()
    units = {account_id(owner=f"firm{n}", unit=UNITS["several"], purpose="award") for n in range(8)}
    assert sum(trial.paid[account] for account in units) > 0


def test_the_same_seed_gives_the_same_events(new_database):
    first, second = (
        Trial(new_database(durable=False), seed=3, firms=4, batch=50) for _ in range(2)
    )
    for trial in (first, second):
        trial.run(300)
    assert first.outcomes == second.outcomes
    assert first.starts == second.starts


def test_pausing_at_the_next_report_overshoots_by_what_runs_until_then():
    hour_ms = 3_600_000
    starts = [(0, "firm", 2, 10 * hour_ms)]
    awards = [(0, "firm", hour_ms)]  # used up after half an hour
    assert reactive(starts, awards, every_seconds=3_600) == (hour_ms, 1, 2 * hour_ms)
    assert reactive(starts, awards, every_seconds=1_800)[0] == 0
    over, times, _ = reactive(starts, awards, every_seconds=2_400)
    assert (over, times) == (2 * 600_000, 1)


def test_after_a_pause_nothing_starts_until_there_is_a_new_award():
    hour_ms = 3_600_000
    starts = [(0, "f", 1, 2 * hour_ms), (3 * 3_600 * SECOND, "f", 1, hour_ms)]
    used = reactive(starts, [(0, "f", hour_ms)], every_seconds=60)[2]
    assert used == hour_ms
    again = [(0, "f", hour_ms), (2 * 3_600 * SECOND, "f", hour_ms)]
    assert reactive(starts, again, every_seconds=60)[2] == 2 * hour_ms
    assert reactive([], [], every_seconds=60) == (0, 0, 0)
