"""Tells whoever looks after a serving model that evidence of a measure is about to run out."""

from __future__ import annotations

from yunhe.governance import service as governance
from yunhe.governance.domain import MeasureState
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US, iso
from yunhe.models import service as models
from yunhe.models.domain import ModelVersion
from yunhe.notices import service as notices
from yunhe.notices.domain import PROGRAMME
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

DAYS_BEFORE = (30, 7, 1)
"""How many days ahead it is told; once each."""
ROLES = ("risk_officer", "release_owner")
"""Who is told, in the model's organisation and in the operator's own."""


def remind(storage: Storage) -> int:
    """Tell what has come within one of `DAYS_BEFORE`; how many measures that concerned.

    Told again, nothing is sent twice. Cost: reads the gradings of approved versions.
    """
    now_us = storage.clock.now_us()
    with storage.database.read() as tx:
        due = [
            (version, risk, state, days)
            for version in models.versions(tx)
            if version.state == "approved"
            for risk in _risks_in_force(tx, version, now_us=now_us)
            for state in governance.measures_due(tx, risk, now_us=now_us)
            if (days := _days_before(state, now_us=now_us)) is not None
        ]
    for version, risk, state, days in due:
        due_us = state.due_at_us or 0
        with storage.database.begin() as tx:
            own = identity.organisation(tx, version.owner).kind == "operator"
            for told in [PROGRAMME] if own else [version.owner, PROGRAMME]:
                notices.notify(
                    tx,
                    key=f"measure_expiring:{risk}:{state.measure.id}:{due_us}:{days}:{told}",
                    kind="measure_expiring",
                    organisation=told,
                    role=ROLES,
                    subject=version.id,
                    params={"measure": state.measure.id, "due": iso(due_us)[:10]},
                    at_us=now_us,
                )
    return len(due)


def _risks_in_force(tx: Transaction, version: ModelVersion, *, now_us: int) -> list[str]:
    found = governance.releases(tx, version.id)
    return sorted({each.risk for each in found if now_us < each.valid_until_us})


def _days_before(state: MeasureState, *, now_us: int) -> int | None:
    """The narrowest of `DAYS_BEFORE` that it has come within; None while it is further away."""
    if state.due_at_us is None:
        return None
    left_us = state.due_at_us - now_us
    within = [days for days in DAYS_BEFORE if left_us <= days * DAY_US]
    return min(within, default=None)
