"""Money of a programme: funded, set aside with an award, paid against evidence, lapsed.

Each programme has an account of its own in the ledger. What is awarded is held in it at once, so a
programme can't promise more than it has; a payment captures the hold and reaches the applicant.
"""

from __future__ import annotations

from collections.abc import Sequence

from yunhe.compute.admission import CASH
from yunhe.compute.applications.domain import Application, Payment
from yunhe.compute.applications.payments import store
from yunhe.compute.applications.rules import RuleSet
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Conflict, Exhausted
from yunhe.ledger import service as ledger
from yunhe.storage.database import Transaction

SUBSIDY = "subsidy"
"""Purpose of a programme's account."""
GRACE_DAYS = 180
"""A payment asked for in time may be decided so many days after it would have lapsed."""
TURN_MAX = 200
"""Payments one call lets lapse at most."""


def account(tx: Transaction, rules: RuleSet) -> str:
    """The programme's account, opened with the first question."""
    owner = f"programme:{rules.id}"
    return ledger.open_account(tx, owner=owner, unit=rules.currency, purpose=SUBSIDY)


def fund(tx: Transaction, rules: RuleSet, *, key: str, amount_minor: int, at_us: int) -> str:
    """Put money into a programme; the same key again does it once. Returns the transfer."""
    return ledger.grant(
        tx,
        key=f"compute:fund:{rules.id}:{key}",
        account=account(tx, rules),
        amount=amount_minor,
        at_us=at_us,
        memo=rules.id,
    )


def reserve(
    tx: Transaction,
    application: Application,
    rules: RuleSet,
    parts: Sequence[tuple[str, int]],
    *,
    now_us: int,
) -> None:
    """Set the payments aside, each under a hold of its own.

    Errors: `Exhausted` ``compute.programme_spent`` when the programme has less.
    """
    lapses_at_us = now_us + rules.terms.redeem_days * DAY_US
    payer = account(tx, rules)
    for number, (name, amount_minor) in enumerate(parts, start=1):
        try:
            hold = ledger.hold(
                tx,
                key=f"compute:{application.id}:payment:{number}",
                account=payer,
                amount=amount_minor,
                expires_at_us=lapses_at_us + GRACE_DAYS * DAY_US,
                at_us=now_us,
                memo=application.id,
            )
        except Exhausted as error:
            raise Exhausted(
                "compute.programme_spent",
                programme=rules.id,
                has=error.params["has"],
                needs=error.params["needs"],
                unit=rules.currency,
            ) from None
        store.add(
            tx,
            Payment(
                application=application.id,
                number=number,
                name=name,
                amount_minor=amount_minor,
                state="open",
                hold=hold,
                lapses_at_us=lapses_at_us,
                evidence={},
                asked_by="",
                confirmed_by="",
                decided_by="",
                transfer="",
                reference="",
            ),
        )


def pay(tx: Transaction, application: Application, payment: Payment, *, now_us: int) -> str:
    """Capture the hold for the applicant; returns the transfer."""
    payee = ledger.open_account(
        tx, owner=application.proposal.organisation, unit=application.currency, purpose=CASH
    )
    return ledger.capture(
        tx,
        key=f"{payment.hold}:capture",
        hold=payment.hold,
        payments=[(payee, payment.amount_minor)],
        at_us=now_us,
        memo=f"{application.id} {payment.number}",
    )


def lapse(tx: Transaction, payment: Payment, *, now_us: int) -> None:
    """Give the hold back to the programme."""
    try:
        ledger.release(tx, key=f"{payment.hold}:release", hold=payment.hold, at_us=now_us)
    except Conflict as error:
        if error.code != "ledger.hold_expired":  # then it is back already
            raise
    store.change(tx, payment, state="lapsed")


def overdue(tx: Transaction, *, now_us: int) -> list[Payment]:
    """Payments whose time is up: not asked for, or asked for and not decided in the grace."""
    found = store.late(tx, before_us=now_us, state="open", limit=TURN_MAX)
    before_us = now_us - GRACE_DAYS * DAY_US
    return found + store.late(tx, before_us=before_us, state="asked", limit=TURN_MAX)
