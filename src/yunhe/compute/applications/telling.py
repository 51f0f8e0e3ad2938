"""Tells who has to act on an application, and its applicant what became of it."""

from __future__ import annotations

from typing import Literal, get_args

from yunhe.compute.applications import checks
from yunhe.compute.applications.domain import Application
from yunhe.compute.applications.rules import OWN, RuleSet
from yunhe.kernel.clock import DAY_US, iso
from yunhe.notices import service as notices
from yunhe.notices.domain import PROGRAMME, REGULATORS, Kind
from yunhe.storage.database import Transaction

APPLICANTS = ("administrator", "trainer")
"""Roles of the applying organisation that are told."""
_ASKED = (
    "application_due",
    "application_own",
    "application_panel",
    "application_late",
    "application_own_late",
    "application_panel_late",
    "application_overdue",
)
ESCALATED = ("operator", "administrator", "auditor")
"""Roles of the programme that are told what is late, whoever should have decided."""


def waits(tx: Transaction, application: Application, rules: RuleSet, *, at_us: int) -> None:
    """Somebody has to act now: the deciders, or the applicant."""
    proposal = application.proposal
    mine = application.state == "returned"
    notices.notify(
        tx,
        key=_key("application_due", application),
        kind="application_due",
        organisation=proposal.organisation if mine else PROGRAMME,
        role=APPLICANTS if mine else rules.deciders[_waits_for(application)].roles,
        project=proposal.project if mine else "",
        subject=application.id,
        params=_params(application),
        at_us=at_us,
    )
    _own_too(tx, application, rules, key="application_own", at_us=at_us)
    _panel_too(tx, application, rules, key="application_panel", at_us=at_us)


def _own_too(
    tx: Transaction, application: Application, rules: RuleSet, *, key: str, at_us: int
) -> None:
    """Where the institution's own verifiers decide, they learn of it, too."""
    proposal = application.proposal
    if application.state != "verifying":
        return
    if not checks.own_verifiers(tx, rules, proposal.organisation):
        return
    notices.notify(
        tx,
        key=_key(key, application),
        kind="application_due",
        organisation=proposal.organisation,
        role=OWN,
        project=proposal.project,
        subject=application.id,
        params=_params(application),
        at_us=at_us,
    )


def _panel_too(
    tx: Transaction, application: Application, rules: RuleSet, *, key: str, at_us: int
) -> None:
    """Where regulators' members vote as well, they learn of it, too."""
    deciders = rules.deciders["committee"]
    if application.state != "voting" or "regulator" not in deciders.kinds:
        return
    notices.notify(
        tx,
        key=_key(key, application),
        kind="application_due",
        organisation=REGULATORS,
        role=deciders.roles,
        subject=application.id,
        params=_params(application),
        at_us=at_us,
    )


def _waits_for(application: Application) -> str:
    return "committee" if application.state == "voting" else "verifier"


def settled(tx: Transaction, application: Application, *, at_us: int) -> None:
    """Nobody has to act any more, or somebody else; the applicant learns where it stands."""
    _withdraw(tx, application, at_us=at_us)
    if application.state in ("awarded", "refused", "lapsed", "closed"):
        _tell(tx, application, "application_ended", at_us=at_us)


def report_refused(
    tx: Transaction, application: Application, rules: RuleSet, *, at_us: int
) -> None:
    """Another final report is due, as long from now as the first was from the end."""
    _withdraw(tx, application, at_us=at_us)
    due_us = max(at_us, application.ends_at_us or at_us) + rules.terms.report_days * DAY_US
    report_due(tx, application, due_us=due_us, at_us=at_us)


def _withdraw(tx: Transaction, application: Application, *, at_us: int) -> None:
    for state in ("returned", "verifying", "voting", "reported"):
        for round_ in range(max(application.round - 1, 0), application.round + 1):
            for kind in _ASKED:
                name = f"{kind}:{application.id}:{round_}:{state}"
                if state != application.state or round_ != application.round:
                    notices.withdraw(tx, name, at_us=at_us)


def reminded(tx: Transaction, application: Application, rules: RuleSet, *, at_us: int) -> None:
    """It is due soon."""
    mine = application.state == "returned"
    notices.notify(
        tx,
        key=_key("application_late", application),
        kind="application_due",
        organisation=application.proposal.organisation if mine else PROGRAMME,
        role=APPLICANTS if mine else rules.deciders[_waits_for(application)].roles,
        project=application.proposal.project if mine else "",
        subject=application.id,
        params=_params(application),
        at_us=at_us,
    )
    _own_too(tx, application, rules, key="application_own_late", at_us=at_us)
    _panel_too(tx, application, rules, key="application_panel_late", at_us=at_us)


def escalated(tx: Transaction, application: Application, *, at_us: int) -> None:
    """It is late: more people of the programme learn of it."""
    notices.notify(
        tx,
        key=_key("application_overdue", application),
        kind="application_overdue",
        organisation=PROGRAMME,
        role=ESCALATED,
        subject=application.id,
        params=_params(application),
        at_us=at_us,
    )


def report_due(tx: Transaction, application: Application, *, due_us: int, at_us: int) -> None:
    """The award is over and its final report is due."""
    params: dict[str, str | int] = {
        "programme": application.proposal.programme,
        "due": iso(due_us)[:10],
    }
    _tell(tx, application, "report_due", at_us=at_us, params=params)


def _tell(
    tx: Transaction,
    application: Application,
    kind: Kind,
    *,
    at_us: int,
    params: dict[str, str | int] | None = None,
) -> None:
    notices.notify(
        tx,
        key=_key(kind, application),
        kind=kind,
        organisation=application.proposal.organisation,
        role=APPLICANTS,
        project=application.proposal.project,
        subject=application.id,
        params=params or _params(application),
        at_us=at_us,
    )


def _key(kind: str, application: Application) -> str:
    return f"{kind}:{application.id}:{application.round}:{application.state}"


def _params(application: Application) -> dict[str, str | int]:
    due = "" if application.due_at_us is None else iso(application.due_at_us)[:10]
    return {
        "programme": application.proposal.programme,
        "state": application.state,
        "due": due or "-",
    }


PaymentWaits = Literal["payment_due", "payment_soon", "payment_late"]
"""A payment was asked for; its decision is due soon; it is late."""


def payment_waits(
    tx: Transaction,
    application: Application,
    rules: RuleSet,
    what: PaymentWaits,
    *,
    number: int,
    times: int,
    due_us: int,
    at_us: int,
) -> None:
    """Tell who decides, and once it is late more people of the programme.

    ``times``: how often the payment was asked for, 1 for the first.
    """
    late = what == "payment_late"
    notices.notify(
        tx,
        key=_payment_key(what, application, number, times),
        kind="application_overdue" if late else "application_due",
        organisation=PROGRAMME,
        role=ESCALATED if late else rules.deciders["verifier"].roles,
        subject=application.id,
        params=_params(application) | {"state": "payment", "due": iso(due_us)[:10]},
        at_us=at_us,
    )


def payment_returned(
    tx: Transaction, application: Application, *, number: int, times: int, by_us: int, at_us: int
) -> None:
    """The evidence of a payment was sent back: the applicant is to ask again, by ``by_us``."""
    notices.notify(
        tx,
        key=_payment_key("payment_returned", application, number, times),
        kind="application_due",
        organisation=application.proposal.organisation,
        role=APPLICANTS,
        project=application.proposal.project,
        subject=application.id,
        params=_params(application) | {"state": "payment_returned", "due": iso(by_us)[:10]},
        at_us=at_us,
    )


def payment_over(
    tx: Transaction, application: Application, *, number: int, times: int, at_us: int
) -> None:
    """What it waited for was done: decided, asked for again, or lapsed."""
    keys = [_payment_key(what, application, number, times) for what in get_args(PaymentWaits)]
    keys += [
        _payment_key("payment_returned", application, number, each) for each in range(1, times + 1)
    ]
    notices.withdraw(tx, *keys, at_us=at_us)


def _payment_key(name: str, application: Application, number: int, times: int) -> str:
    """Each time it is asked for is another notice: one that was taken back is not told again."""
    again = "" if times == 1 else f":{times}"
    return f"{name}:{application.id}:{number}{again}"
