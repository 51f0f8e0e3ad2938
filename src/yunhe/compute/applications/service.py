"""The face of applications: commands of applicants, deciders, providers, the clock; questions."""

from __future__ import annotations

from collections.abc import Sequence

from yunhe.compute.applications import store
from yunhe.compute.applications.applying import amend, apply, close, explain, report, withdraw
from yunhe.compute.applications.deciding import decide, vote
from yunhe.compute.applications.domain import (
    Affiliation,
    Application,
    Ballot,
    Payment,
    Step,
    Window,
)
from yunhe.compute.applications.payments import store as payments_store
from yunhe.compute.applications.payments.redeeming import (
    affiliate,
    confirm,
    decide_payment,
    fund,
    payment,
    redeem,
)
from yunhe.compute.applications.programmes import every as programmes
from yunhe.compute.applications.programmes import read_folder, rules_of, shipped_ones, take
from yunhe.compute.applications.reading import read
from yunhe.compute.applications.rules import RuleSet, Ruling
from yunhe.compute.applications.ruling import MS_PER_HOUR, application, asked_hours
from yunhe.compute.applications.states import possible, steps_of
from yunhe.compute.applications.store import in_use
from yunhe.compute.applications.timers import tick
from yunhe.compute.applications.vocabulary import Facts, as_facts
from yunhe.compute.applications.windows import store as windows_store
from yunhe.storage.database import Transaction

__all__ = [
    "Facts",
    "RuleSet",
    "Ruling",
    "affiliate",
    "affiliations",
    "amend",
    "application",
    "applications",
    "apply",
    "as_facts",
    "asked_ms",
    "ballots",
    "close",
    "confirm",
    "decide",
    "decide_payment",
    "explain",
    "fund",
    "in_use",
    "payment",
    "payments",
    "possible",
    "programmes",
    "read",
    "read_folder",
    "redeem",
    "report",
    "rules_of",
    "shipped_ones",
    "steps",
    "steps_of",
    "take",
    "tick",
    "vote",
    "windows",
    "withdraw",
]


def applications(
    tx: Transaction,
    *,
    organisation: str | None = None,
    projects: frozenset[str] | None = None,
    states: Sequence[str] = (),
    before: str = "",
    limit: int = 50,
) -> list[Application]:
    """Applications, the last one first, from the one after ``before`` on."""
    return store.newest(
        tx,
        organisation=organisation,
        projects=projects,
        states=states,
        before=before,
        limit=limit,
    )


def steps(tx: Transaction, application_id: str) -> list[Step]:
    """Every step of an application, in order."""
    return store.steps(tx, application_id)


def asked_ms(found: Application) -> int:
    """Device time it asks for, of an extension on top of the award, in device-milliseconds."""
    return asked_hours(found.proposal, found.facts) * MS_PER_HOUR


def ballots(tx: Transaction, found: Application) -> list[Ballot]:
    """The votes of its present round."""
    return store.votes(tx, found.id, found.round)


def windows(tx: Transaction, application_id: str) -> list[Window]:
    """The windows of an award, in order."""
    return windows_store.of(tx, application_id)


def payments(tx: Transaction, application_id: str) -> list[Payment]:
    """The payments of an award, in order."""
    return payments_store.of(tx, application_id)


def affiliations(
    tx: Transaction, *, after: tuple[str, str] = ("", ""), limit: int = 50
) -> list[Affiliation]:
    """A page of the register of affiliations."""
    return payments_store.affiliations(tx, after=after, limit=limit)
