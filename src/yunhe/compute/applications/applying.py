"""What applicants do: apply, amend, withdraw, ask for more, report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal

from yunhe.compute.applications import checks, deciding, ruling, states, store, telling
from yunhe.compute.applications.domain import (
    APPLICATION_KINDS,
    RULES,
    Application,
    Contract,
    Milestone,
    Proposal,
)
from yunhe.compute.applications.payments import store as payments
from yunhe.compute.applications.programmes import rules_of
from yunhe.compute.applications.rules import RuleSet, Ruling
from yunhe.compute.applications.vocabulary import Facts, canonical, read
from yunhe.compute.applications.windows import giving
from yunhe.compute.applications.windows.spans import MONTHS_MAX
from yunhe.compute.applications.words import line_faults, reason_faults
from yunhe.compute.errors import refuse
from yunhe.compute.specs import amount_faults, digest_faults, key_faults
from yunhe.compute.supply import classes
from yunhe.kernel.canonical import digest_of
from yunhe.kernel.errors import Conflict, Finding, Invalid, NotFound
from yunhe.kernel.ids import derived_id
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

Whose = Literal["own", "supposed"]
"""Whether an organisation asks what would become of its own proposal, or of somebody's."""
CONFLICTS_MAX = 50
"""Most declared conflicts of one application."""
MILESTONES_MAX = 50
"""Most milestones of one grant."""
HOURS_MAX = 10**9
"""Most device-hours of one application."""


def apply(storage: Storage, proposal: Proposal, *, by: str) -> Application:
    """Apply; the rules decide at once, or say who does. The same proposal again changes nothing.

    What is approved at once can be used when this returns. Errors: `NotFound`
    ``compute.programme_unknown``, ``compute.application_unknown``; `Invalid`
    ``compute.application_invalid`` and ``compute.facts_invalid`` with every finding; `Conflict`
    ``compute.application_differs`` when the key came with another proposal, or
    ``compute.step_impossible`` for an award that can't be extended or changed now; `NotAllowed`
    ``compute.not_yours``.
    """
    with storage.database.read() as tx:
        rules = rules_of(tx, proposal.programme)
    chip = classes.canonical(proposal.chip)
    proposal = replace(proposal, facts=_stated(rules, proposal), chip=chip)
    refuse("compute.application_invalid", list(_shape_faults(rules, proposal)))
    now_us = storage.clock.now_us()
    application_id = derived_id("application", proposal.organisation, proposal.key)
    digest = digest_of(proposal.as_json())
    with storage.database.begin() as tx:
        there = store.row(tx, application_id)
        if there is not None:
            if there["first_digest"] != digest:
                raise Conflict("compute.application_differs", key=proposal.key)
            return ruling.application(tx, application_id)
        checks.member_of(tx, by, proposal.organisation)
        chips = classes.award_faults(tx, "chip", proposal.chip, now_us=now_us)
        refuse("compute.application_invalid", [*checks.party_faults(tx, proposal), *chips])
        _require_concerned(tx, proposal)
        said, facts = ruling.judged(
            tx,
            rules,
            proposal,
            application_id=application_id,
            came_us=now_us,
            now_us=now_us,
        )
        values = ruling.columns_of(rules, proposal, facts, said, came_us=now_us)
        store.add(tx, {**_first(proposal, application_id, by, now_us), **values})
        store.change(tx, application_id, first_digest=digest)
        ruling.note(
            tx,
            application_id,
            "applied",
            actor=by,
            reason=proposal.title,
            at_us=now_us,
            detail={"proposal_digest": digest},
        )
        deciding.proceed(tx, rules, application_id, said, now_us=now_us)
        return ruling.application(tx, application_id)


def explain(tx: Transaction, proposal: Proposal, *, now_us: int, own: Whose = "own") -> Ruling:
    """What the rules would say if this were applied for now; nothing is written.

    By the same facts as `apply`, those the platform finds included; where the proposal states one
    of these, it is taken as said. What does not matter to rules (key, name, chip) may be left out.
    ``own``: whether the organisation asks for itself or supposes an applicant. Errors: `NotFound`
    ``compute.programme_unknown``, ``compute.application_unknown``; `Invalid`
    ``compute.facts_invalid``, ``compute.application_invalid``.
    """
    rules = rules_of(tx, proposal.programme)
    said = read(rules.vocabulary, canonical(proposal.facts))
    supposed = {name: said[name] for name in said if rules.vocabulary[name].by_platform}
    stated = {name: said[name] for name in said if name not in supposed}
    proposal = replace(proposal, facts=stated)
    if own == "own":
        refuse("compute.application_invalid", checks.party_faults(tx, proposal))
    _require_concerned(tx, proposal)
    application_id = derived_id("application", proposal.organisation, proposal.key)
    said_of, _ = ruling.judged(
        tx,
        rules,
        proposal,
        application_id=application_id,
        came_us=now_us,
        now_us=now_us,
        supposed=supposed,
    )
    return said_of


def _first(proposal: Proposal, application_id: str, by: str, now_us: int) -> dict[str, object]:
    return {
        "id": application_id,
        "organisation": proposal.organisation,
        "project": proposal.project,
        "programme": proposal.programme,
        "kind": proposal.kind,
        "concerns": proposal.concerns,
        "state": "returned",
        "first_digest": "",
        "granted_ms": 0,
        "applied_by": by,
        "applied_at_us": now_us,
        "waits_since_us": now_us,
        "reminded": 0,
        "round": 0,
        "decided_by": "",
        "report": "",
        "reference": "",
    }


def _stated(rules: RuleSet, proposal: Proposal) -> Facts:
    """The facts the applicant states. Errors: as `vocabulary.read`."""
    return read(rules.vocabulary, canonical(proposal.facts), applicant=True)


def _shape_faults(rules: RuleSet, proposal: Proposal) -> Iterator[Finding]:
    """Everything wrong with a proposal whatever is on the platform."""
    yield from key_faults(proposal.key)
    yield from line_faults("title", proposal.title)
    if proposal.kind not in APPLICATION_KINDS:
        yield Finding("kind", "compute.application_kind")
    if (proposal.kind == "new") == bool(proposal.concerns):
        yield Finding("concerns", "compute.concerns_wrong")
    timed = rules.subject == "device_time"
    if not timed and proposal.kind != "new":
        yield Finding("kind", "compute.application_kind")
    if proposal.chip or (timed and proposal.kind != "extension"):
        yield from classes.word_of_award_faults("chip", proposal.chip)
    extending = proposal.kind == "extension"
    least = 0 if not extending or proposal.add_months else 1
    most = HOURS_MAX if extending else 0
    yield from amount_faults("add_hours", proposal.add_hours, least=least, most=most)
    months = MONTHS_MAX if extending else 0
    yield from amount_faults("add_months", proposal.add_months, least=0, most=months)
    if len(proposal.conflicts) > CONFLICTS_MAX:
        yield Finding("conflicts", "compute.conflicts_many", (("most", CONFLICTS_MAX),))
    if (rules.subject == "voucher") != (proposal.contract is not None):
        yield Finding("contract", "compute.contract_wrong")
    if (rules.subject == "grant") != bool(proposal.milestones):
        yield Finding("milestones", "compute.milestones_wrong")
    yield from _money_faults(proposal)


def _money_faults(proposal: Proposal) -> Iterator[Finding]:
    if proposal.contract is not None:
        yield from line_faults("contract.number", proposal.contract.number)
        if proposal.contract.document:
            yield from digest_faults("contract.document", proposal.contract.document)
    if len(proposal.milestones) > MILESTONES_MAX:
        yield Finding("milestones", "compute.milestones_wrong")
    for number, each in enumerate(proposal.milestones):
        yield from line_faults(f"milestones.{number}.name", each.name)
        yield from amount_faults(
            f"milestones.{number}.amount_minor", each.amount_minor, least=1, most=10**12
        )


def _require_concerned(tx: Transaction, proposal: Proposal) -> None:
    """The award of an extension or change is there, one's own, and nothing else is asked of it."""
    if not proposal.concerns:
        return
    found = store.application(tx, proposal.concerns)
    if found is None or found.proposal.organisation != proposal.organisation:
        raise NotFound("compute.application_unknown", application=proposal.concerns[:64])
    step = "extend" if proposal.kind == "extension" else "change"
    states.require_of(step, found)
    if found.proposal.kind != "new" or found.proposal.programme != proposal.programme:
        refuse("compute.application_invalid", [Finding("concerns", "compute.concerns_wrong")])
    open_ones = [each.id for each in store.about(tx, found.id) if each.state in store.OPEN]
    if open_ones:
        raise Conflict("compute.another_asked", application=found.id, other=open_ones[0])


def amend(
    storage: Storage,
    application_id: str,
    *,
    reason: str,
    by: str,
    facts: Mapping[str, object] | None = None,
    conflicts: tuple[str, ...] | None = None,
    contract: Contract | None = None,
    milestones: tuple[Milestone, ...] = (),
) -> Application:
    """Supply what was missing; the rules are asked again. What is not given stays as it was.

    Errors: as `apply`; `Conflict` ``compute.step_impossible`` unless it was sent back.
    """
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        found = ruling.application(tx, application_id)
        checks.member_of(tx, by, found.proposal.organisation)
        states.require_of("amend", found)
        rules, before = rules_of(tx, found.proposal.programme), found.proposal
        stated = read(rules.vocabulary, facts or {}, applicant=True)
        unknown = {name for name, value in (facts or {}).items() if value in (None, "unknown")}
        kept = {name: value for name, value in before.facts.items() if name not in unknown}
        proposal = replace(
            before,
            facts={**kept, **stated},
            conflicts=before.conflicts if conflicts is None else conflicts,
            contract=contract or before.contract,
            milestones=milestones or before.milestones,
        )
        findings = [*_shape_faults(rules, proposal), *reason_faults(reason)]
        refuse("compute.application_invalid", findings + checks.party_faults(tx, proposal))
        came_us = found.applied_at_us
        changed = replace(found, proposal=proposal)
        said, known = ruling.rule_again(tx, rules, changed, now_us=now_us)
        values = ruling.columns_of(rules, proposal, known, said, came_us=came_us)
        store.change(tx, found.id, **values)
        ruling.note(
            tx,
            found.id,
            "amended",
            actor=by,
            reason=reason,
            at_us=now_us,
            detail={"proposal_digest": digest_of(proposal.as_json())},
        )
        deciding.proceed(tx, rules, found.id, said, now_us=now_us)
        return ruling.application(tx, found.id)


def withdraw(storage: Storage, application_id: str, *, reason: str, by: str) -> Application:
    """Take an application back before it is decided; again changes nothing.

    Errors: `Conflict` ``compute.step_impossible``; `NotAllowed` ``compute.not_yours``.
    """
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        found = ruling.application(tx, application_id)
        checks.member_of(tx, by, found.proposal.organisation)
        if found.state == "withdrawn":
            return found
        states.require_of("withdraw", found)
        refuse("compute.decision_invalid", list(reason_faults(reason)))
        rules = rules_of(tx, found.proposal.programme)
        ruling.move(tx, rules, found.id, "withdrawn", now_us=now_us)
        ruling.note(tx, found.id, "withdrawn", actor=by, reason=reason, at_us=now_us)
        now = ruling.application(tx, found.id)
        telling.settled(tx, now, at_us=now_us)
        return now


def report(
    storage: Storage, application_id: str, *, document: str, reason: str, by: str
) -> Application:
    """Hand in the final report (a blob's digest); the programme closes the award or asks again.

    Errors: `Invalid` ``compute.report_invalid`` when there is no such blob; `Conflict`
    ``compute.step_impossible``, ``compute.payments_open``.
    """
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        found = ruling.application(tx, application_id)
        checks.member_of(tx, by, found.proposal.organisation)
        if found.state == "reported" and found.report == document:
            return found
        states.require_of("report", found)
        findings = [*digest_faults("document", document), *reason_faults(reason)]
        if found.proposal.kind != "new":
            findings.append(Finding("application", "compute.concerns_wrong"))
        if not findings and not storage.blobs.exists(document):
            params = (("digest", document),)
            findings.append(Finding("document", "compute.input_missing", params))
        refuse("compute.report_invalid", findings)
        if any(each.state in ("open", "asked") for each in payments.of(tx, found.id)):
            raise Conflict("compute.payments_open", application=found.id)
        rules = rules_of(tx, found.proposal.programme)
        store.change(tx, found.id, report=document)
        ruling.move(tx, rules, found.id, "reported", now_us=now_us)
        detail = {"document": document}
        ruling.note(tx, found.id, "reported", actor=by, reason=reason, at_us=now_us, detail=detail)
        now = ruling.application(tx, found.id)
        telling.waits(tx, now, rules, at_us=now_us)
        return now


def close(
    storage: Storage, application_id: str, *, accept: str, reason: str, by: str
) -> Application:
    """Take a final report (``accept`` is ``yes``) or ask for another one (``no``).

    Of what is closed nothing more can be used: the device time that is left goes back, and what is
    still asked for about it lapses. Errors: as `deciding.decide`.
    """
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        found = ruling.application(tx, application_id)
        rules = rules_of(tx, found.proposal.programme)
        again = found.state == "closed" and accept == "yes"
        if not again:
            states.require_of("close", found)
        checks.require_decider(tx, rules, "verifier", application=found, by=by)
        if again:
            return found
        refuse("compute.decision_invalid", list(reason_faults(reason)))
        if accept not in ("yes", "no"):
            raise Invalid("compute.decision_invalid")
        taken = accept == "yes"
        ruling.move(tx, rules, found.id, "closed" if taken else "awarded", now_us=now_us)
        action = "closed" if taken else "report_refused"
        detail = {"given_back_ms": _end(tx, rules, found.id, now_us=now_us)} if taken else None
        ruling.note(tx, found.id, action, actor=by, reason=reason, at_us=now_us, detail=detail)
        if taken:
            telling.settled(tx, ruling.application(tx, found.id), at_us=now_us)
        else:
            store.change(tx, found.id, round=found.round + 1)
            telling.report_refused(tx, ruling.application(tx, found.id), rules, at_us=now_us)
        return ruling.application(tx, found.id)


def _end(tx: Transaction, rules: RuleSet, application_id: str, *, now_us: int) -> int:
    """Give back what is left of a closed award, and let what is asked for about it lapse."""
    for each in store.about(tx, application_id):
        if each.state in store.OPEN:
            ruling.move(tx, rules, each.id, "lapsed", now_us=now_us)
            ruling.note(tx, each.id, "lapsed", actor=RULES, reason="award_closed", at_us=now_us)
            telling.settled(tx, ruling.application(tx, each.id), at_us=now_us)
    return giving.end(tx, application_id, now_us=now_us)
