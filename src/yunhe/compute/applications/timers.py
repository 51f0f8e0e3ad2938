"""What the clock does to applications: reminds, escalates, lapses, opens and closes windows."""

from __future__ import annotations

from yunhe.compute.applications import ruling, store, telling
from yunhe.compute.applications.domain import RULES, Application
from yunhe.compute.applications.payments import paying, pressing, redeeming
from yunhe.compute.applications.programmes import known
from yunhe.compute.applications.windows import giving
from yunhe.kernel.clock import DAY_US
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

REMIND_US = DAY_US
"""So long before something is due, whoever it waits for is reminded."""
TURN_MAX = 500
"""Applications one call looks at most, the first due first."""


def tick(storage: Storage) -> int:
    """Do what is due now; how many things were done. Doing it twice does nothing twice.

    Cost: four look-ups by index when nothing is due and no payment waits.
    """
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        done = giving.turn(tx, now_us=now_us)
        for payment in paying.overdue(tx, now_us=now_us):
            redeeming.lapse(tx, payment, now_us=now_us)
            done += 1
        done += pressing.press(tx, now_us=now_us)
        until_us = now_us + REMIND_US
        for row in store.waiting(tx, now_us=now_us, due_before_us=until_us, limit=TURN_MAX):
            found = ruling.application(tx, row["id"])
            done += _press(tx, found, reminded=row["reminded"], now_us=now_us)
        for row in store.unreported(tx, ended_before_us=now_us, limit=TURN_MAX):
            found = ruling.application(tx, row["id"])
            rules = known(tx, found.proposal.programme)
            days = 0 if rules is None else rules.terms.report_days
            due_us = (found.ends_at_us or now_us) + days * DAY_US
            telling.report_due(tx, found, due_us=due_us, at_us=now_us)
            store.change(tx, found.id, reminded=2)
            done += 1
    return done


def _press(tx: Transaction, found: Application, *, reminded: int, now_us: int) -> int:
    """Remind of what is due, escalate what is late; what the applicant left lying lapses.

    Of a programme that is not here any more nobody can be reminded, and nothing lapses; what is
    late is escalated as ever.
    """
    rules = known(tx, found.proposal.programme)
    late = found.due_at_us is not None and found.due_at_us <= now_us
    if rules is not None and late and found.state == "returned":
        ruling.move(tx, rules, found.id, "lapsed", now_us=now_us)
        ruling.note(tx, found.id, "lapsed", actor=RULES, reason="deadline", at_us=now_us)
        telling.settled(tx, ruling.application(tx, found.id), at_us=now_us)
        return 1
    if late and reminded < 2:
        telling.escalated(tx, found, at_us=now_us)
        store.change(tx, found.id, reminded=2)
        ruling.note(tx, found.id, "escalated", actor=RULES, reason="deadline", at_us=now_us)
        return 1
    if not late and reminded < 1:
        if rules is not None:
            telling.reminded(tx, found, rules, at_us=now_us)
        store.change(tx, found.id, reminded=1)
        ruling.note(tx, found.id, "reminded", actor=RULES, reason="deadline", at_us=now_us)
        return 1
    return 0
