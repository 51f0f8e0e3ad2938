"""Decisions: by the rules at once, by one person, or by a committee; and what an award brings."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from yunhe.compute.applications import checks, ruling, states, store, telling
from yunhe.compute.applications.domain import (
    RULES,
    Application,
    ApplicationState,
    Ballot,
    Verdict,
    Vote,
)
from yunhe.compute.applications.payments import paying
from yunhe.compute.applications.programmes import rules_of
from yunhe.compute.applications.rules import RuleSet, Ruling
from yunhe.compute.applications.ruling import MS_PER_HOUR
from yunhe.compute.applications.vocabulary import canonical
from yunhe.compute.applications.windows import giving
from yunhe.compute.applications.windows import store as windows
from yunhe.compute.applications.windows.spans import Span, end_us, spread
from yunhe.compute.applications.words import reason_faults
from yunhe.compute.errors import refuse
from yunhe.compute.supply import classes
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.kernel.canonical import Json, canonical_bytes, digest_of
from yunhe.kernel.errors import Conflict, Finding, NotAllowed
from yunhe.kernel.units import format_minor
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

COMMITTEE = "committee"
"""Who decided where several voted."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """A decision as it was made."""

    awarded: bool
    """Or refused."""
    hours: int
    """Device-hours awarded on top of what was."""
    amount_minor: int
    """Money awarded."""
    by: str
    """Member id, `RULES` or `COMMITTEE`."""
    reason: str
    """Why."""


def proceed(
    tx: Transaction, rules: RuleSet, application_id: str, said: Ruling, *, now_us: int
) -> None:
    """Do what the rules say about an application that was just written or amended."""
    state = ruling.OUTCOME_STATES[said.outcome]
    reason = ", ".join(said.rules)
    if said.outcome in ("approve", "refuse"):
        found = ruling.application(tx, application_id)
        asked = ruling.asked_hours(found.proposal, found.facts)
        judged = _Judged(
            awarded=said.outcome == "approve",
            hours=asked,
            amount_minor=found.amount_minor,
            by=RULES,
            reason=reason,
        )
        _decide(tx, rules, found, judged, now_us=now_us)
        return
    ruling.move(tx, rules, application_id, state, now_us=now_us)
    ruling.note(tx, application_id, "ruled", actor=RULES, reason=reason, at_us=now_us)
    found = ruling.application(tx, application_id)
    telling.settled(tx, found, at_us=now_us)
    telling.waits(tx, found, rules, at_us=now_us)


def decide(
    storage: Storage,
    application_id: str,
    *,
    verdict: Verdict,
    reason: str,
    by: str,
    hours: int = 0,
    amount_minor: int = 0,
) -> Application:
    """A verifier's decision; ``hours`` or ``amount_minor`` award a part of what was asked for.

    The same decision of the same member again changes nothing. Errors: `Conflict`
    ``compute.step_impossible``, ``compute.needs_committee``; `NotAllowed`
    ``compute.not_a_decider``, ``compute.duties_apart``, ``compute.rules_refuse``; `Invalid`
    ``compute.decision_invalid``.
    """
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        found = ruling.application(tx, application_id)
        rules = rules_of(tx, found.proposal.programme)
        same = {"award": "awarded", "refuse": "refused"}.get(verdict)
        if found.decided_by == by and found.state == same and _is(tx, found, hours, amount_minor):
            return found
        states.require_of("decide", found)
        checks.require_verifier(tx, rules, application=found, by=by)
        findings = [*reason_faults(reason), *_part_faults(rules, found, hours, amount_minor)]
        refuse("compute.decision_invalid", findings)
        if verdict in ("award", "refuse"):
            if verdict == "award":
                _require_rules(tx, rules, found, voting=False, now_us=now_us)
            asked = ruling.asked_hours(found.proposal, found.facts)
            judged = _Judged(
                awarded=verdict == "award",
                hours=hours or asked,
                amount_minor=amount_minor or found.amount_minor,
                by=by,
                reason=reason,
            )
            _decide(tx, rules, found, judged, now_us=now_us)
        else:
            state: ApplicationState = "returned" if verdict == "return" else "voting"
            store.change(tx, found.id, round=found.round + 1)
            ruling.move(tx, rules, found.id, state, now_us=now_us)
            action = "returned" if verdict == "return" else "referred"
            ruling.note(tx, found.id, action, actor=by, reason=reason, at_us=now_us)
            now = ruling.application(tx, found.id)
            telling.settled(tx, now, at_us=now_us)
            telling.waits(tx, now, rules, at_us=now_us)
        return ruling.application(tx, found.id)


def _is(tx: Transaction, found: Application, hours: int, amount_minor: int) -> bool:
    """Whether what was decided is that part; another part is another decision."""
    said = next(s.detail for s in reversed(store.steps(tx, found.id)) if s.action == found.state)
    wanted = {"device_ms": hours * MS_PER_HOUR, "amount_minor": amount_minor}
    return all(said[name] == amount for name, amount in wanted.items() if amount)


def vote(
    storage: Storage,
    application_id: str,
    *,
    vote: Vote,
    reason: str,
    by: str,
    hours: int = 0,
) -> Application:
    """A committee member's vote; the one that makes the quorum and a majority decides.

    One vote a member and round; the same again changes nothing. Of parts that members would award,
    the smallest counts. Errors: as `decide`; `Conflict` ``compute.voted_already``.
    """
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        found = ruling.application(tx, application_id)
        rules = rules_of(tx, found.proposal.programme)
        ballots = store.votes(tx, found.id, found.round)
        before = next((each for each in ballots if each.member == by), None)
        if before is not None:
            if (before.vote, before.hours) == (vote, hours):
                return found
            raise Conflict("compute.voted_already", application=found.id)
        states.require_of("vote", found)
        checks.require_decider(tx, rules, "committee", application=found, by=by)
        findings = [*reason_faults(reason), *_part_faults(rules, found, hours, 0)]
        refuse("compute.decision_invalid", findings)
        ballot = Ballot(by, vote, now_us, hours)
        store.add_vote(tx, found.id, found.round, ballot)
        action = "recused" if vote == "recuse" else "voted"
        detail: dict[str, Json] = {} if vote == "recuse" else {"vote": vote, "hours": hours}
        ruling.note(tx, found.id, action, actor=by, reason=reason, at_us=now_us, detail=detail)
        _count(tx, rules, found, [*ballots, ballot], now_us=now_us)
        return ruling.application(tx, found.id)


def _count(
    tx: Transaction, rules: RuleSet, found: Application, ballots: list[Ballot], *, now_us: int
) -> None:
    """Decide once enough have voted and more are for one side; a tie waits."""
    counted = [each for each in ballots if each.vote != "recuse"]
    for_it = [each for each in counted if each.vote == "award"]
    against = [each for each in counted if each.vote == "refuse"]
    if len(counted) < rules.deciders[COMMITTEE].quorum or len(for_it) == len(against):
        return
    awarded = len(for_it) > len(against)
    if awarded:
        _require_rules(tx, rules, found, voting=True, now_us=now_us)
    asked = ruling.asked_hours(found.proposal, found.facts)
    parts = [each.hours for each in for_it if each.hours]
    judged = _Judged(
        awarded=awarded,
        hours=min(parts, default=asked),
        amount_minor=found.amount_minor,
        by=COMMITTEE,
        reason=f"{len(for_it)} : {len(against)} ({len(counted)})",
    )
    _decide(tx, rules, found, judged, now_us=now_us)


def _part_faults(
    rules: RuleSet, found: Application, hours: int, amount_minor: int
) -> list[Finding]:
    findings = []
    asked = ruling.asked_hours(found.proposal, found.facts)
    if hours and not asked:
        findings.append(Finding("hours", "compute.award_uncut"))
    elif hours and not 0 < hours <= asked:
        params = (("value", hours), ("least", 1), ("most", asked))
        findings.append(Finding("hours", "compute.amount_invalid", params))
    if amount_minor and rules.subject != "voucher":
        findings.append(Finding("amount_minor", "compute.award_uncut"))
    elif amount_minor and not 0 < amount_minor <= found.amount_minor:
        unit = found.currency
        value, most = format_minor(amount_minor, unit), format_minor(found.amount_minor, unit)
        said = (("value", value), ("most", most), ("unit", unit))
        findings.append(Finding("amount_minor", "compute.award_part", said))
    return findings


def _require_rules(
    tx: Transaction, rules: RuleSet, found: Application, *, voting: bool, now_us: int
) -> None:
    """No person awards what the rules exclude today, nor one what several are to decide."""
    said, _ = ruling.rule_again(tx, rules, found, now_us=now_us)
    if said.outcome in ("refuse", "return"):
        findings = rule_findings(said)
        raise NotAllowed("compute.rules_refuse", application=found.id, findings=findings)
    if said.outcome == "committee" and not voting:
        raise Conflict("compute.needs_committee", application=found.id, rules=", ".join(said.rules))


def rule_findings(said: Ruling) -> list[Finding]:
    """The rules that led to an outcome, as findings."""
    return [
        Finding(hit.rule, "compute.rule_says", (("en", hit.text.en), ("zh", hit.text.zh)))
        for hit in said.fired
        if hit.decides == said.outcome
    ]


def _decide(
    tx: Transaction, rules: RuleSet, found: Application, judged: _Judged, *, now_us: int
) -> None:
    """The one place where an application is awarded or refused: the record, then what it gives."""
    timed = rules.subject == "device_time"
    device_ms = judged.hours * MS_PER_HOUR if judged.awarded and timed else 0
    amount_minor = judged.amount_minor if judged.awarded and not timed else 0
    state: ApplicationState = "awarded" if judged.awarded else "refused"
    store.change(tx, found.id, decided_by=judged.by)
    ruling.move(tx, rules, found.id, state, now_us=now_us)
    ruling.note(
        tx,
        found.id,
        state,
        actor=judged.by,
        reason=judged.reason,
        at_us=now_us,
        detail={"device_ms": device_ms, "amount_minor": amount_minor},
    )
    body: dict[str, Json] = {
        "decision": state,
        "decided_by": judged.by,
        "device_ms": device_ms,
        "amount_minor": amount_minor,
        "reason_digest": digest_of(judged.reason),
    }
    reference = _record(tx, found, body, now_us=now_us)
    store.change(tx, found.id, reference=reference)
    if judged.awarded:
        _give(tx, rules, found.id, device_ms=device_ms, amount_minor=amount_minor, now_us=now_us)
    telling.settled(tx, ruling.application(tx, found.id), at_us=now_us)


def _record(tx: Transaction, found: Application, judged: dict[str, Json], *, now_us: int) -> str:
    proposal = found.proposal
    ballots = store.votes(tx, found.id, found.round)
    body: dict[str, Json] = {
        **judged,
        "organisation": proposal.organisation,
        "programme": proposal.programme,
        "kind": proposal.kind,
        "proposal_digest": found.proposal_digest,
        "facts_digest": digest_of(canonical(found.facts)),
        "rules_version": found.rules_version,
        "rules_digest": found.rules_digest,
        "rules": [hit.rule for hit in found.fired if hit.decides == found.outcome],
        "outcome": found.outcome,
        "verified": found.verified,
        # Who voted how is for the programme alone; `steps_digest` commits to it.
        "votes": sorted(each.vote for each in ballots),
        "currency": found.currency,
        "steps_digest": ruling.steps_digest(tx, found.id),
    }
    links = {}
    if proposal.concerns:
        links["concerns"] = ruling.application(tx, proposal.concerns).reference
    return custody.append(tx, Record("compute.decision", found.id, now_us, body, links))


def _give(
    tx: Transaction,
    rules: RuleSet,
    application_id: str,
    *,
    device_ms: int,
    amount_minor: int,
    now_us: int,
) -> None:
    found = ruling.application(tx, application_id)
    proposal = found.proposal
    if rules.subject != "device_time":
        store.change(tx, found.id, amount_minor=amount_minor)
        parts = [(each.name, each.amount_minor) for each in proposal.milestones]
        paying.reserve(tx, found, rules, parts or [(proposal.title, amount_minor)], now_us=now_us)
    elif proposal.kind == "new":
        starts_us = _starts_us(rules, found, now_us=now_us)
        months = found.facts.get("window_months", rules.terms.months)
        assert isinstance(months, int)  # noqa: S101 - a count, by the vocabulary
        spans = spread(rules, starts_at_us=starts_us, months=months, device_ms=device_ms)
        ends_us = end_us(rules, starts_us, months)
        store.change(tx, found.id, granted_ms=device_ms, ends_at_us=ends_us)
        on = _for(tx, proposal.chip, now_us=now_us)
        giving.give(tx, found.id, on, spans, decision=found.reference, now_us=now_us)
    else:
        _alter(tx, rules, found, device_ms=device_ms, now_us=now_us)


def _starts_us(rules: RuleSet, found: Application, *, now_us: int) -> int:
    """The first day of use that was asked for, or now if that has come."""
    said = found.facts.get("starts_on")
    if not isinstance(said, str):
        return now_us
    return max(now_us, rules.midnight_us(datetime.date.fromisoformat(said)))


def _alter(
    tx: Transaction, rules: RuleSet, child: Application, *, device_ms: int, now_us: int
) -> None:
    """Extend or change the award that an application is about."""
    root = ruling.application(tx, child.proposal.concerns)
    states.require_of("extend", root)
    assert root.ends_at_us is not None  # noqa: S101 - awarded
    if root.ends_at_us <= now_us:
        raise Conflict("compute.award_over", application=root.id)
    proposal = child.proposal
    ends_us = end_us(rules, root.ends_at_us, proposal.add_months)
    on = _for(tx, proposal.chip, now_us=now_us) if proposal.chip else None
    giving.reissue(
        tx,
        root,
        on=on,
        ends_at_us=ends_us,
        decision=child.reference,
        now_us=now_us,
    )
    if device_ms:
        starts_us = root.ends_at_us if proposal.add_months else now_us
        giving.give(
            tx,
            root.id,
            on or _given(tx, root),
            [Span(starts_us, ends_us, device_ms)],
            decision=child.reference,
            now_us=now_us,
        )
    facts = {**root.facts, **child.facts}
    store.change(tx, child.id, granted_ms=device_ms)
    store.change(
        tx,
        root.id,
        granted_ms=root.granted_ms + device_ms,
        ends_at_us=ends_us,
        facts=canonical_bytes(canonical(facts)).decode(),
    )
    ruling.note(
        tx,
        root.id,
        "extended" if proposal.kind == "extension" else "changed",
        actor=child.decided_by,
        reason=child.id,
        at_us=now_us,
        detail={"device_ms": device_ms, "ends_at_us": ends_us},
    )


def _for(tx: Transaction, chip: str, *, now_us: int) -> giving.For:
    """What an award for this is for, as it is pinned now. Errors: as `classes.accepted`."""
    return giving.For(chip, classes.accepted(tx, chip, now_us=now_us))


def _given(tx: Transaction, root: Application) -> giving.For:
    """What an award is for now, after changes."""
    found = windows.of(tx, root.id)
    last = found[-1] if found else None
    return (
        giving.For(root.proposal.chip, None)
        if last is None
        else (giving.For(last.chip, last.accepts))
    )
