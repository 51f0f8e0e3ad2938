"""What is done with a payment: settlement confirmed, evidence shown, decided, paid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from yunhe.compute.applications import checks, deciding, ruling, states, telling
from yunhe.compute.applications import store as applications
from yunhe.compute.applications.domain import RULES, Affiliation, Application, Payment
from yunhe.compute.applications.payments import paying, pressing, store
from yunhe.compute.applications.programmes import rules_of
from yunhe.compute.applications.rules import RuleSet, Ruling, rule_on
from yunhe.compute.applications.vocabulary import Value
from yunhe.compute.applications.words import line_faults, reason_faults
from yunhe.compute.errors import refuse
from yunhe.compute.specs import amount_faults, digest_faults
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.identity import service as identity
from yunhe.kernel.canonical import Json, digest_of
from yunhe.kernel.errors import Conflict, Finding, Invalid, NotAllowed, NotFound
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

EVIDENCE_MAX = 20
"""Most documents of one payment."""
INVOICE = "invoice"
"""Name of the document that serves one payment of an award only, as what it is."""
CONTRACT = "contract"
"""Name by which the signed contract of the proposal is told of."""


def fund(storage: Storage, programme: str, *, key: str, amount_minor: int, by: str) -> str:
    """Put money into a programme; the same key again does it once. Returns the transfer.

    Errors: `NotAllowed` ``identity.role_missing`` unless an operator does; `Invalid`
    ``compute.fund_invalid``.
    """
    with storage.database.read() as tx:
        rules = rules_of(tx, programme)
    findings = list(amount_faults("amount_minor", amount_minor, least=1))
    if not rules.currency:
        findings.append(Finding("programme", "compute.programme_no_money"))
    refuse("compute.fund_invalid", findings)
    with storage.database.begin() as tx:
        identity.require(tx, by, "operator")
        at_us = storage.clock.now_us()
        return paying.fund(tx, rules, key=key, amount_minor=amount_minor, at_us=at_us)


def affiliate(storage: Storage, *, first: str, second: str, basis: str, by: str) -> Affiliation:
    """Put on the register that two organisations are affiliated; again changes nothing.

    Errors: `NotAllowed` ``identity.role_missing`` unless an operator does; `NotFound`
    ``identity.organisation_unknown``; `Invalid` ``compute.affiliation_invalid``.
    """
    findings = list(line_faults("basis", basis))
    if first == second:
        findings.append(Finding("second", "compute.provider_self"))
    refuse("compute.affiliation_invalid", findings)
    with storage.database.begin() as tx:
        identity.require(tx, by, "operator")
        for each in (first, second):
            identity.organisation(tx, each)
        at_us = storage.clock.now_us()
        store.affiliate(tx, first=first, second=second, basis=basis, by=by, at_us=at_us)
        return store.affiliation(tx, first, second)


def payment(tx: Transaction, application_id: str, number: int) -> Payment:
    """One payment. Errors: `NotFound` ``compute.payment_unknown``."""
    found = next((p for p in store.of(tx, application_id) if p.number == number), None)
    if found is None:
        raise NotFound("compute.payment_unknown", application=application_id[:64], number=number)
    return found


def confirm(storage: Storage, application_id: str, number: int, *, reason: str, by: str) -> Payment:
    """The provider of the contract confirms that it was settled; again changes nothing.

    Errors: `NotAllowed` ``compute.not_yours`` unless a member of the provider does; `Conflict`
    ``compute.step_impossible``, ``compute.payment_over``.
    """
    with storage.database.begin() as tx:
        found = ruling.application(tx, application_id)
        one = payment(tx, application_id, number)
        provider = "" if found.proposal.contract is None else found.proposal.contract.provider
        checks.member_of(tx, by, provider)
        if one.confirmed_by:
            return one
        states.require_of("confirm", found)
        _require_open(one, ("open", "asked"))
        refuse("compute.decision_invalid", list(reason_faults(reason)))
        store.change(tx, one, confirmed_by=by)
        _note(tx, one, "settlement_confirmed", by=by, reason=reason, at_us=storage.clock.now_us())
        return payment(tx, application_id, number)


def redeem(
    storage: Storage,
    application_id: str,
    number: int,
    *,
    evidence: Mapping[str, str],
    reason: str,
    by: str,
) -> Payment:
    """Ask for a payment with its evidence (digests of blobs by name, e.g. ``invoice``).

    Errors: `NotAllowed` ``compute.not_yours``, ``compute.rules_refuse`` with the rules that stand
    against it; `Invalid` ``compute.evidence_invalid``; `Conflict` ``compute.step_impossible``,
    ``compute.payment_over``, ``compute.evidence_reused``.
    """
    with storage.database.begin() as tx:
        found = ruling.application(tx, application_id)
        one = payment(tx, application_id, number)
        checks.member_of(tx, by, found.proposal.organisation)
        if one.state in ("asked", "paid") and dict(one.evidence) == dict(evidence):
            return one
        states.require_of("redeem", found)
        now_us = storage.clock.now_us()
        if one.state == "open" and one.lapses_at_us <= now_us:  # the clock has not come by yet
            one = replace(one, state="lapsed")
        _require_open(one, ("open",))
        findings = [*_evidence_faults(storage, evidence), *reason_faults(reason)]
        findings += _twice_faults(found, evidence)
        refuse("compute.evidence_invalid", findings)
        _require_fresh(tx, one, evidence)
        rules = rules_of(tx, found.proposal.programme)
        _require_rules(tx, rules, found, one, evidence=evidence, now_us=now_us)
        store.change(tx, one, state="asked", asked_by=by, evidence=dict(evidence))
        store.show(tx, one, evidence)
        _note(tx, one, "payment_asked", by=by, reason=reason, at_us=now_us)
        times = pressing.asked(tx, one).times
        telling.payment_over(tx, found, number=number, times=times - 1, at_us=now_us)
        due_us = pressing.due_us(rules, now_us)
        telling.payment_waits(
            tx,
            found,
            rules,
            "payment_due",
            number=number,
            times=times,
            due_us=due_us,
            at_us=now_us,
        )
        return payment(tx, application_id, number)


def decide_payment(
    storage: Storage, application_id: str, number: int, *, verdict: str, reason: str, by: str
) -> Payment:
    """Pay (``pay``), or send the evidence back (``return``); the same again changes nothing.

    Who awarded it does not pay it. Errors: `NotAllowed` ``compute.not_a_decider``,
    ``compute.duties_apart``, ``compute.rules_refuse``; `Conflict` ``compute.payment_over``.
    """
    if verdict not in ("pay", "return"):
        raise Invalid("compute.decision_invalid")
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        found = ruling.application(tx, application_id)
        one = payment(tx, application_id, number)
        if verdict == "pay" and one.state == "paid" and one.decided_by == by:
            return one
        states.require_of("pay", found)
        _require_open(one, ("asked",))
        rules = rules_of(tx, found.proposal.programme)
        checks.require_decider(tx, rules, "verifier", application=found, by=by)
        if by == found.decided_by:
            finding = Finding("decided_by", "compute.apart_awarder")
            raise NotAllowed("compute.duties_apart", rule=checks.APART, findings=[finding])
        refuse("compute.decision_invalid", list(reason_faults(reason)))
        if verdict == "pay":
            said = _require_rules(tx, rules, found, one, evidence=one.evidence, now_us=now_us)
            _pay(tx, found, one, said, by=by, reason=reason, now_us=now_us)
        else:
            store.change(tx, one, state="open")
            store.show(tx, one, {})
            _note(tx, one, "payment_returned", by=by, reason=reason, at_us=now_us)
        times = pressing.asked(tx, one).times
        telling.payment_over(tx, found, number=number, times=times, at_us=now_us)
        if verdict == "return":
            by_us = one.lapses_at_us
            telling.payment_returned(
                tx, found, number=number, times=times, by_us=by_us, at_us=now_us
            )
        return payment(tx, application_id, number)


def _pay(
    tx: Transaction,
    found: Application,
    one: Payment,
    said: Ruling,
    *,
    by: str,
    reason: str,
    now_us: int,
) -> None:
    transfer = paying.pay(tx, found, one, now_us=now_us)
    store.change(tx, one, state="paid", decided_by=by, transfer=transfer)
    _note(tx, one, "paid", by=by, reason=reason, at_us=now_us)
    body: dict[str, Json] = {
        "organisation": found.proposal.organisation,
        "programme": found.proposal.programme,
        "kind": "payment",
        "payment": one.number,
        "rules_digest": found.rules_digest,
        "rules": list(said.rules),
        "decision": "paid",
        "decided_by": by,
        "confirmed_by": one.confirmed_by,
        "evidence": [[name, one.evidence[name]] for name in sorted(one.evidence)],
        "amount_minor": one.amount_minor,
        "currency": found.currency,
        "transfer": transfer,
        "reason_digest": digest_of(reason),
        "steps_digest": ruling.steps_digest(tx, found.id),
    }
    subject = f"{found.id}.{one.number}"
    record = Record("compute.decision", subject, now_us, body, {"concerns": found.reference})
    store.change(tx, one, reference=custody.append(tx, record))


def _require_rules(
    tx: Transaction,
    rules: RuleSet,
    found: Application,
    one: Payment,
    *,
    evidence: Mapping[str, str],
    now_us: int,
) -> Ruling:
    """What the rules say about paying; the year's other claims are counted anew."""
    _, facts = ruling.rule_again(tx, rules, found, now_us=now_us)
    shown: dict[str, Value] = {
        "stage": "redeem",
        "settled": one.confirmed_by != "",
        "invoice": INVOICE in evidence,
        "delivery_proof": "delivery_proof" in evidence,
        "milestone_evidence": bool(evidence),
    }
    # The ceiling was kept when it was awarded, in the year it was applied for.
    awarded: dict[str, Value] = {"claimed_this_year_minor": 0}
    if rules.subject == "voucher":
        awarded["claim_minor"] = one.amount_minor
    said = rule_on(rules, {**facts, **awarded, **shown})
    if said.outcome in ("refuse", "return"):
        findings = deciding.rule_findings(said)
        raise NotAllowed("compute.rules_refuse", application=found.id, findings=findings)
    return said


def _require_open(one: Payment, states_: tuple[str, ...]) -> None:
    if one.state not in states_:
        raise Conflict(
            "compute.payment_over",
            application=one.application,
            number=one.number,
            state=one.state,
        )


def _require_fresh(tx: Transaction, one: Payment, evidence: Mapping[str, str]) -> None:
    """A document serves one award only, whoever shows it, and there as one thing.

    Errors: `Conflict` ``compute.evidence_reused`` with the names of all that were shown before. Of
    whose award that was, nothing is said.
    """
    names = {digest: name for name, digest in evidence.items()}
    used = set()
    for digest, application, number, name in store.shown_for(tx, names):
        same = names[digest]
        again = application == one.application and name == same != INVOICE
        if (application, number) != (one.application, one.number) and not again:
            used.add(same)
    if used:
        raise Conflict("compute.evidence_reused", name=", ".join(sorted(used)))


def _twice_faults(found: Application, evidence: Mapping[str, str]) -> list[Finding]:
    """One document is not two: what it serves as already is named."""
    contract = found.proposal.contract
    first = {contract.document: CONTRACT} if contract is not None and contract.document else {}
    findings = []
    for name, digest in sorted(evidence.items()):
        other = first.setdefault(digest, name)
        if other != name:
            params = (("other", other[:80]),)
            findings.append(Finding(f"evidence.{name[:80]}", "compute.evidence_twice", params))
    return findings


def _evidence_faults(storage: Storage, evidence: Mapping[str, str]) -> list[Finding]:
    findings = []
    if len(evidence) > EVIDENCE_MAX:
        findings.append(Finding("evidence", "compute.inputs_too_many", (("most", EVIDENCE_MAX),)))
    for name, digest in evidence.items():
        where = f"evidence.{name[:80]}"
        wrong = [*line_faults(where, name), *digest_faults(where, digest)]
        if not wrong and not storage.blobs.exists(digest):
            wrong = [Finding(where, "compute.input_missing", (("digest", digest),))]
        findings += wrong
    return findings


def _note(tx: Transaction, one: Payment, action: str, *, by: str, reason: str, at_us: int) -> None:
    detail: dict[str, Json] = {"payment": one.number, "amount_minor": one.amount_minor}
    ruling.note(tx, one.application, action, actor=by, reason=reason, at_us=at_us, detail=detail)


def lapse(tx: Transaction, one: Payment, *, now_us: int) -> None:
    """A payment's time is up: the money goes back, and no longer counts against the ceiling."""
    paying.lapse(tx, one, now_us=now_us)
    left = [each for each in store.of(tx, one.application) if each.state != "lapsed"]
    total = sum(each.amount_minor for each in left)
    applications.change(tx, one.application, amount_minor=total)
    _note(tx, one, "payment_lapsed", by=RULES, reason="redeem_days", at_us=now_us)
    found = ruling.application(tx, one.application)
    times = pressing.asked(tx, one).times
    telling.payment_over(tx, found, number=one.number, times=times, at_us=now_us)
