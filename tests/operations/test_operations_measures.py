from __future__ import annotations

from types import SimpleNamespace

import pytest

from yunhe.governance import service as governance
from yunhe.kernel.clock import DAY_US
from yunhe.models import service as models
from yunhe.notices import service as notices
from yunhe.operations import measures


@pytest.fixture
def due(desk, monkeypatch):
    """One approved version with one measure; returns who is told, and how to set its date."""
    organisation, officer = desk.people("lab", "university", "risk_officer")
    state = SimpleNamespace(measure=SimpleNamespace(id="drift_review"), due_at_us=None)
    version = SimpleNamespace(id="model_1", owner=organisation, state="approved")
    released = SimpleNamespace(risk="risk_1", valid_until_us=1 << 62)
    monkeypatch.setattr(models, "versions", lambda tx: [version])
    monkeypatch.setattr(governance, "releases", lambda tx, version: [released])
    monkeypatch.setattr(governance, "measures_due", lambda tx, risk, now_us: [state])

    def in_days(days: float | None) -> list[str]:
        now_us = desk.storage.clock.now_us()
        state.due_at_us = None if days is None else round(now_us + days * DAY_US)
        measures.remind(desk.storage)
        return told()

    def told() -> list[str]:
        with desk.storage.database.read() as tx:
            return [str(notice.params["measure"]) for notice in notices.feed(tx, officer)]

    return SimpleNamespace(in_days=in_days, state=state, version=version, desk=desk, told=told)


@pytest.mark.parametrize(
    ("days", "count"), [(None, 0), (31, 0), (30, 1), (8, 1), (7, 1), (1, 1), (-400, 1)]
)
def test_a_measure_is_told_of_once_it_comes_near(due, days, count):
    assert due.in_days(days) == ["drift_review"] * count


def test_it_is_told_again_as_it_comes_nearer_and_never_twice_for_the_same_distance(due):
    due.in_days(29)
    at_us = due.state.due_at_us
    for left in (28, 6.5, 6, 0.9, 0.5, -1):
        now = due.desk.storage.clock.now_us()
        later = at_us - round(left * DAY_US)
        measured = SimpleNamespace(now_us=lambda later=later: later)
        storage = SimpleNamespace(clock=measured, database=due.desk.storage.database)
        assert later >= now
        measures.remind(storage)
        measures.remind(storage)
    assert len(due.told()) == 3


def test_fresh_evidence_starts_the_telling_anew(due):
    due.in_days(1)
    assert len(due.told()) == 1
    assert len(due.in_days(30)) == 2


def test_versions_that_do_not_serve_are_nobodys_concern(due):
    due.version.state = "withdrawn"
    assert due.in_days(1) == []
