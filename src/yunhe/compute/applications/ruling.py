"""Finds what the platform knows about a proposal and asks the rule set; keeps every step."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from yunhe.compute.applications import checks, store
from yunhe.compute.applications.domain import Application, ApplicationState, Proposal, Step
from yunhe.compute.applications.rules import RuleSet, Ruling, due_at_us, rule_on
from yunhe.compute.applications.vocabulary import Facts, Value, canonical
from yunhe.kernel.canonical import Json, canonical_bytes, digest_of
from yunhe.kernel.errors import NotFound
from yunhe.storage.database import Transaction

MS_PER_HOUR = 3_600_000
"""Device-milliseconds in a device-hour."""
OUTCOME_STATES: Mapping[str, ApplicationState] = {
    "refuse": "refused",
    "return": "returned",
    "committee": "voting",
    "verifier": "verifying",
    "approve": "awarded",
}
"""Where each outcome leads."""
WAITS_FOR: Mapping[str, str] = {
    "returned": "applicant",
    "verifying": "verifier",
    "voting": "committee",
    "reported": "verifier",
}
"""Whose deadline counts in a state."""


_NOTHING: Facts = {}


def application(tx: Transaction, application_id: str) -> Application:
    """An application as it stands. Errors: `NotFound` ``compute.application_unknown``."""
    found = store.application(tx, application_id)
    if found is None:
        raise NotFound("compute.application_unknown", application=application_id[:64])
    return found


def facts_of(
    tx: Transaction,
    rules: RuleSet,
    proposal: Proposal,
    *,
    application_id: str,
    came_us: int,
    now_us: int,
) -> Facts:
    """Every fact the rule set asks for that is known: stated, or found here.

    The day and year it came in (``came_us``) stay what they were, however long deciding takes. How
    many hours and months an award has is found here, not stated by whoever wants it altered.
    """
    facts: dict[str, Value | frozenset[str]] = {}
    concerned = None
    if proposal.concerns:
        concerned = application(tx, proposal.concerns)
        facts |= {name: concerned.facts[name] for name in concerned.facts}
    else:
        facts["submitted_on"] = rules.day(came_us).isoformat()
    facts |= proposal.facts
    if concerned is not None:
        whole = -(-concerned.granted_ms // MS_PER_HOUR)
        facts["device_hours"] = whole + proposal.add_hours
        months = concerned.facts.get("window_months")
        if isinstance(months, int):
            facts["window_months"] = months + proposal.add_months
    facts |= {"registered": True, "stage": "apply"}
    if proposal.conflicts:
        facts["conflict_declared"] = True
    facts["device_hours_in_force"] = store.hours_in_force(
        tx,
        organisation=proposal.organisation,
        programme=rules.id,
        now_us=now_us,
        but=[application_id, proposal.concerns],
    )
    facts |= _money_facts(tx, rules, proposal, application_id=application_id, came_us=came_us)
    if proposal.contract is not None:
        facts |= _contract_facts(tx, rules, proposal, facts, application_id=application_id)
    asked = {name for ask in rules.asks for name in ask.facts}
    return {name: value for name, value in facts.items() if name in asked}


def _money_facts(
    tx: Transaction, rules: RuleSet, proposal: Proposal, *, application_id: str, came_us: int
) -> Facts:
    if rules.subject == "grant":
        return {
            "grant_minor": sum(each.amount_minor for each in proposal.milestones),
            "milestones": len(proposal.milestones),
        }
    if rules.subject == "voucher":
        claimed = store.claimed_minor(
            tx,
            organisation=proposal.organisation,
            programme=rules.id,
            year=rules.day(came_us).year,
            but=application_id,
        )
        return {"claimed_this_year_minor": claimed}
    return {}


def _contract_facts(
    tx: Transaction, rules: RuleSet, proposal: Proposal, facts: Facts, *, application_id: str
) -> Facts:
    """What is declared about a contract, against what is known of it here."""
    assert proposal.contract is not None  # noqa: S101 - the caller looked
    found: dict[str, Value] = {}
    claims = store.claims_of(tx, contract_key(proposal), but=application_id)
    found["contract_claimed"] = rules.id in claims
    if any(programme != rules.id for programme in claims):
        found["other_subsidy"] = True
    if proposal.contract.provider in checks.group(tx, proposal.organisation):
        found["provider_affiliated"] = True
    return {**{name: facts[name] for name in found.keys() & facts.keys()}, **found}


def contract_key(proposal: Proposal) -> str:
    """What makes a contract the same one: the parties, and its number however it is typed.

    Case, blanks, full-width letters and the sort of dash make no difference.
    """
    if proposal.contract is None:
        return ""
    plain = unicodedata.normalize("NFKC", proposal.contract.number).casefold()
    dashes = ("-" if unicodedata.category(c) == "Pd" or c == "\u2212" else c for c in plain)
    number = "".join("".join(dashes).split())
    return digest_of([proposal.organisation, proposal.contract.provider, number])


def asked_minor(rules: RuleSet, facts: Facts) -> int:
    """The money that is asked for."""
    name = {"voucher": "claim_minor", "grant": "grant_minor"}.get(rules.subject, "")
    found = facts.get(name, 0)
    return found if type(found) is int else 0


def asked_hours(proposal: Proposal, facts: Facts) -> int:
    """The device-hours that are asked for on top of what was awarded before."""
    if proposal.kind == "extension":
        return proposal.add_hours
    hours = facts.get("device_hours", 0)
    return hours if proposal.kind == "new" and type(hours) is int else 0


def rule_again(
    tx: Transaction, rules: RuleSet, found: Application, *, now_us: int
) -> tuple[Ruling, Facts]:
    """What the rules say about an application today."""
    return judged(
        tx,
        rules,
        found.proposal,
        application_id=found.id,
        came_us=found.applied_at_us,
        now_us=now_us,
    )


def judged(
    tx: Transaction,
    rules: RuleSet,
    proposal: Proposal,
    *,
    application_id: str,
    came_us: int,
    now_us: int,
    supposed: Facts = _NOTHING,
) -> tuple[Ruling, Facts]:
    """What the rules say about a proposal, and by which facts: the one way it is ever asked.

    ``supposed``: facts that the platform finds, to be taken as said instead.
    """
    facts = facts_of(
        tx, rules, proposal, application_id=application_id, came_us=came_us, now_us=now_us
    )
    facts = {**facts, **supposed}
    return rule_on(rules, facts), facts


def columns_of(
    rules: RuleSet, proposal: Proposal, facts: Facts, ruling: Ruling, *, came_us: int
) -> dict[str, object]:
    """Columns that follow from a ruling."""
    return {
        "proposal": canonical_bytes(proposal.as_json()).decode(),
        "proposal_digest": digest_of(proposal.as_json()),
        "facts": canonical_bytes(canonical(facts)).decode(),
        "ruling": store.ruling_text(ruling),
        "rules_version": rules.version,
        "rules_digest": rules.digest,
        "contract": contract_key(proposal),
        "year": rules.day(came_us).year,
        "hours": asked_hours(proposal, facts),
        "amount_minor": asked_minor(rules, facts),
        "currency": rules.currency,
    }


def move(
    tx: Transaction, rules: RuleSet, application_id: str, state: ApplicationState, *, now_us: int
) -> None:
    """Put an application into a state and set by when the next one is to act."""
    waits_for = WAITS_FOR.get(state)
    due = None if waits_for is None else due_at_us(rules, waits_for, since_us=now_us)
    store.change(tx, application_id, state=state, waits_since_us=now_us, due_at_us=due, reminded=0)


def note(
    tx: Transaction,
    application_id: str,
    action: str,
    *,
    actor: str,
    reason: str,
    at_us: int,
    detail: Mapping[str, Json] | None = None,
) -> None:
    """Keep one more step, with where the application stands now."""
    before = store.steps(tx, application_id)
    found = store.row(tx, application_id)
    assert found is not None  # noqa: S101 - steps are of applications that are there
    store.add_step(
        tx,
        application_id,
        Step(
            number=len(before) + 1,
            action=action,
            actor=actor,
            at_us=at_us,
            reason=reason,
            state=found["state"],
            detail=detail or {},
        ),
    )


def steps_digest(tx: Transaction, application_id: str) -> str:
    """Digest of every step so far; reasons are in it only as digests of their own."""
    return digest_of(
        [
            [s.number, s.action, s.actor, s.at_us, digest_of(s.reason), s.state, dict(s.detail)]
            for s in store.steps(tx, application_id)
        ]
    )
