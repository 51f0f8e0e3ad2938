"""Identity and conflict checks: who applies, who may decide, what is affiliated with what.

The separation of duties holds for every rule set: who decides about an application is neither who
applied nor of the same organisation, has declared no interest in it, and is of no organisation
affiliated with the applicant or with the provider of its contract. Where a rule set lets an
institution's own verifier decide, that one is of the same organisation and nothing else of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from yunhe.compute.applications import store
from yunhe.compute.applications.domain import Application, Proposal
from yunhe.compute.applications.payments import store as payments
from yunhe.compute.applications.rules import OWN, RuleSet
from yunhe.identity import service as identity
from yunhe.identity.domain import Member
from yunhe.kernel.errors import Finding, NotAllowed, NotFound
from yunhe.storage.database import Transaction

APART = "applicant-decider"
"""Id of the rule that keeps applicants and deciders apart."""
AFFILIATES_MAX = 1_000
"""Most organisations of one group that are looked at."""
_ASKING = frozenset({"applied", "amended"})
"""Steps of the applicant's side that say what is asked for."""
APPLICANTS: Mapping[str, frozenset[str]] = {
    "student": frozenset({"university"}),
    "startup": frozenset({"company", "sme", "service_provider"}),
    "sme": frozenset({"sme"}),
    "company": frozenset({"company", "service_provider", "provider", "data_holder"}),
    "university": frozenset({"university"}),
    "public_body": frozenset({"operator", "regulator", "data_holder", "evaluator"}),
}
"""What an applicant may call itself, by what its organisation is registered as; the rest is free.
Source: this project's own reading of its kinds of organisation."""


def group(tx: Transaction, organisation: str) -> set[str]:
    """The organisation and every one affiliated with it, directly or through others."""
    found = {organisation}
    fresh = {organisation}
    while fresh and len(found) < AFFILIATES_MAX:
        fresh = payments.affiliates(tx, fresh) - found
        found |= fresh
    return found


def member_of(tx: Transaction, member: str, organisation: str) -> Member:
    """The member, who must act for that organisation now.

    Errors: `NotAllowed` ``compute.not_yours`` or ``identity.member_ended``.
    """
    found = identity.member(tx, member)
    if found.ended_at_us is not None:
        raise NotAllowed("identity.member_ended", member=member)
    if found.organisation != organisation:
        raise NotAllowed("compute.not_yours")
    return found


def party_faults(tx: Transaction, proposal: Proposal) -> list[Finding]:
    """Parties that are not there, and an applicant that is not what it says."""
    findings = []
    said = proposal.facts.get("applicant_kind")
    if isinstance(said, str) and said in APPLICANTS:
        kind = identity.organisation(tx, proposal.organisation).kind
        if kind not in APPLICANTS[said]:
            params = (("said", said), ("kind", kind))
            findings.append(Finding("facts.applicant_kind", "compute.applicant_differs", params))
    if proposal.contract is not None:
        provider = proposal.contract.provider
        try:
            identity.organisation(tx, provider)
        except NotFound as error:
            findings.append(Finding("contract.provider", error.code, tuple(error.params.items())))
        if provider == proposal.organisation:
            findings.append(Finding("contract.provider", "compute.provider_self"))
    if proposal.project:
        try:
            identity.project(tx, proposal.project, organisation=proposal.organisation)
        except NotFound as error:
            findings.append(Finding("project", error.code, tuple(error.params.items())))
    return findings


def require_decider(
    tx: Transaction, rules: RuleSet, waits_for: str, *, application: Application, by: str
) -> Member:
    """The member, who may decide about this application as ``verifier`` or ``committee``.

    Errors: `NotAllowed` ``compute.not_a_decider`` with the roles that are, or
    ``compute.duties_apart`` with what stands between.
    """
    who = identity.member(tx, by)
    deciders = rules.deciders[waits_for]
    place = identity.organisation(tx, who.organisation)
    roles = identity.roles_of(tx, by)
    if (
        who.ended_at_us is not None
        or place.kind not in deciders.kinds
        or not roles & set(deciders.roles)
    ):
        raise NotAllowed(
            "compute.not_a_decider",
            roles=", ".join(deciders.roles),
            kinds=", ".join(deciders.kinds),
        )
    findings = _apart(tx, application, who)
    if findings:
        raise NotAllowed("compute.duties_apart", rule=APART, findings=findings)
    return who


def require_verifier(
    tx: Transaction, rules: RuleSet, *, application: Application, by: str
) -> Member:
    """The member, who may decide alone: the programme's verifier, or the institution's own.

    Errors: as `require_decider`.
    """
    who = identity.member(tx, by)
    if not _verifies_own(tx, rules, application.proposal, who):
        return require_decider(tx, rules, "verifier", application=application, by=by)
    findings = _apart(tx, application, who, own=True)
    if findings:
        raise NotAllowed("compute.duties_apart", rule=APART, findings=findings)
    return who


def own_verifiers(tx: Transaction, rules: RuleSet, organisation: str) -> bool:
    """Whether an organisation's own verifiers may decide about its applications."""
    own = rules.deciders["verifier"].own
    return bool(own) and identity.organisation(tx, organisation).kind in own


def _verifies_own(tx: Transaction, rules: RuleSet, proposal: Proposal, who: Member) -> bool:
    return (
        who.ended_at_us is None
        and who.organisation == proposal.organisation
        and own_verifiers(tx, rules, proposal.organisation)
        and OWN in identity.roles_of(tx, who.id, project=proposal.project)
    )


def _apart(
    tx: Transaction, application: Application, who: Member, *, own: bool = False
) -> list[Finding]:
    """What stands between; of an institution's ``own`` verifier not that it is of it."""
    proposal = application.proposal
    findings = []
    asked = {s.actor for s in store.steps(tx, application.id) if s.action in _ASKING}
    if who.id in asked | {application.applied_by}:
        findings.append(Finding("applied_by", "compute.apart_applicant"))
    if who.organisation == proposal.organisation:
        if not own:
            findings.append(Finding("organisation", "compute.apart_organisation"))
    elif who.organisation in group(tx, proposal.organisation):
        findings.append(Finding("organisation", "compute.apart_affiliated"))
    if proposal.contract is not None and who.organisation in group(tx, proposal.contract.provider):
        findings.append(Finding("contract.provider", "compute.apart_provider"))
    declared = {*proposal.conflicts, *store.recused(tx, application.id)}
    about = store.application(tx, proposal.concerns) if proposal.concerns else None
    if about is not None:  # an interest in an award is one in its extension
        declared |= {*about.proposal.conflicts, *store.recused(tx, about.id)}
    if declared & {who.id, who.organisation}:
        findings.append(Finding("conflicts", "compute.apart_declared"))
    return findings
