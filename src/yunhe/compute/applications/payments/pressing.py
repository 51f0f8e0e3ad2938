"""What the clock does about payments that nobody decides: reminds, then escalates.

When a payment was last asked for, and what was told since, stands in the steps of its application.
"""

from __future__ import annotations

from dataclasses import dataclass

from yunhe.compute.applications import ruling, telling
from yunhe.compute.applications import store as applications
from yunhe.compute.applications.domain import RULES, Payment
from yunhe.compute.applications.payments import store
from yunhe.compute.applications.programmes import known
from yunhe.compute.applications.rules import RuleSet, due_at_us
from yunhe.kernel.clock import DAY_US
from yunhe.storage.database import Transaction

REMIND_US = DAY_US
"""So long before a payment is due, whoever it waits for is reminded."""
REMINDED, ESCALATED = "payment_reminded", "payment_escalated"


@dataclass(frozen=True, slots=True)
class Asked:
    """How a payment has been asked for."""

    times: int
    """How often; each time has a deadline and notices of its own."""
    since_us: int
    """When last."""
    told: frozenset[str]
    """Which of `REMINDED` and `ESCALATED` were noted since."""


def asked(tx: Transaction, one: Payment) -> Asked:
    """How it was asked for so far. Cost: one query for the steps of its application."""
    times, since_us, told = 0, 0, frozenset[str]()
    for step in applications.steps(tx, one.application):
        if step.detail.get("payment") != one.number:
            continue
        if step.action == "payment_asked":
            times, since_us, told = times + 1, step.at_us, frozenset()
        elif step.action in (REMINDED, ESCALATED):
            told |= {step.action}
    return Asked(times, since_us, told)


def due_us(rules: RuleSet, since_us: int) -> int:
    """By when a payment that was asked for then is to be decided: as one person's decision."""
    return due_at_us(rules, "verifier", since_us=since_us)


def press(tx: Transaction, *, now_us: int) -> int:
    """Remind of payments that are due soon, escalate late ones, once each; how many were.

    Of a programme that is not here any more nobody can be told. Cost: one query, and the steps of
    each application with a payment that is asked for.
    """
    done = 0
    for one in store.asked(tx):
        found = ruling.application(tx, one.application)
        rules = known(tx, found.proposal.programme)
        if rules is None:
            continue
        was = asked(tx, one)
        due = due_us(rules, was.since_us)
        late = due <= now_us
        what = ESCALATED if late else REMINDED
        if was.told & {what, ESCALATED} or now_us < due - REMIND_US:
            continue
        telling.payment_waits(
            tx,
            found,
            rules,
            "payment_late" if late else "payment_soon",
            number=one.number,
            times=was.times,
            due_us=due,
            at_us=now_us,
        )
        ruling.note(
            tx,
            found.id,
            what,
            actor=RULES,
            reason="deadline",
            at_us=now_us,
            detail={"payment": one.number},
        )
        done += 1
    return done
