"""Commands of governance: classify, record evidence, approve, release, withdraw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

from yunhe.custody import service as custody
from yunhe.governance import (
    approvers,
    codec,
    obstacles,
    questions,
    records,
    rules,
    store,
    tables,
    telling,
)
from yunhe.governance.domain import (
    Approval,
    Decision,
    Evidence,
    Grading,
    MeasureState,
    Release,
    Risk,
)
from yunhe.governance.measures import state_of
from yunhe.governance.questions import Question
from yunhe.governance.records import Subject
from yunhe.identity import service as identity
from yunhe.kernel.canonical import digest_of
from yunhe.kernel.clock import SECOND_US, iso
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from yunhe.kernel.ids import derived_id
from yunhe.models import service as models
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

CALENDAR = timezone(timedelta(hours=8))
"""Days begin at midnight in China, where the platform's law takes force."""


def questionnaire() -> Mapping[str, Question]:
    """Every question a grading asks, by fact."""
    return tables.book().questions


def rules_version() -> str:
    """Version and digest of the rule data that new gradings use."""
    return tables.book().version


def day_of(at_us: int) -> date:
    """The day whose rules hold at a moment."""
    return datetime.fromtimestamp(at_us // SECOND_US, UTC).astimezone(CALENDAR).date()


# --- Grading ----------------------------------------------------------------------------------


def preview(facts: Mapping[str, object], *, on: date) -> Grading:
    """What the decision table says about a system on a day; nothing is stored.

    Errors: `Invalid` ``governance.facts_invalid`` with every finding.
    """
    book = tables.book()
    return rules.grade(book, questions.read(book.questions, facts), on=on)


def classify(
    storage: Storage,
    *,
    key: str,
    model_version: str,
    model_reference: str,
    model_digest: str,
    facts: Mapping[str, object],
) -> Risk:
    """Grade a model version by today's rules; the same key and answers again is the same grading.

    The version is read from custody and must be of these bytes. Errors: `Invalid`
    ``governance.facts_invalid`` or ``governance.evidence_invalid`` with every finding; `Conflict`
    ``governance.risk_differs``.
    """
    book = tables.book()
    known = questions.read(book.questions, facts)
    now_us = storage.clock.now_us()
    on = day_of(now_us)
    grading = rules.grade(book, known, on=on)
    answers = questions.canonical(book.questions, known)
    with storage.database.begin() as tx:
        findings = records.faults(tx, Subject(model_version, model_reference, model_digest))
        if findings:
            raise Invalid("governance.evidence_invalid", findings=findings)
        risk_id = derived_id("risk", model_version, key)
        there = store.risk(tx, risk_id)
        if there is not None:
            if there.facts_digest != digest_of(answers):
                raise Conflict("governance.risk_differs", key=key)
            return there
        risk = Risk(
            id=risk_id,
            reference="",
            model_version=model_version,
            model_reference=model_reference,
            model_digest=model_digest,
            facts=answers,
            facts_digest=digest_of(answers),
            on=on.isoformat(),
            rules_version=book.version,
            tier=grading.tier,
            fired=grading.fired,
            upcoming=grading.upcoming,
            missing=grading.missing,
            by_jurisdiction=grading.by_jurisdiction,
            measures=grading.measures,
            measures_digest=digest_of(codec.measures(grading)),
            findings=grading.findings,
            at_us=now_us,
        )
        risk = replace(risk, reference=custody.append(tx, records.of_risk(risk)))
        telling.approvals_due(tx, risk, book.release, earlier=store.risks_of(tx, model_version))
        store.add_risk(tx, risk, grading)
        return risk


def record_evidence(
    storage: Storage, *, key: str, risk: str, measure: str, digest: str, member: str
) -> Evidence:
    """Put a stored file on record as evidence of a measure; again with the key is the same.

    Errors: `NotFound` ``governance.risk_unknown``, ``governance.measure_unknown``,
    ``storage.blob_missing``; `NotAllowed` ``governance.evidence_role_missing``; `Conflict`
    ``governance.evidence_differs``.
    """
    if not storage.blobs.exists(digest):
        raise NotFound("storage.blob_missing", digest=digest)
    with storage.database.begin() as tx:
        graded = _risk(tx, risk)
        if measure not in {due.id for due in graded.measures}:
            raise NotFound("governance.measure_unknown", risk=risk, measure=measure[:64])
        allowed = tables.book().release.evidence_roles
        if identity.roles_of(tx, member).isdisjoint(allowed):
            known = ", ".join(allowed)
            raise NotAllowed("governance.evidence_role_missing", member=member, known=known)
        added = Evidence(
            id=derived_id("evidence", risk, measure, key),
            risk=risk,
            measure=measure,
            digest=digest,
            member=member,
            at_us=storage.clock.now_us(),
        )
        there = store.evidence_with_id(tx, added.id)
        if there is not None:
            if replace(there, at_us=added.at_us) != added:
                raise Conflict("governance.evidence_differs", key=key)
            return there
        store.add_evidence(tx, added)
        return added


def measures_due(tx: Transaction, risk: str, *, now_us: int) -> list[MeasureState]:
    """Every measure of a grading and where it stands now.

    Errors: `NotFound` ``governance.risk_unknown``.
    """
    graded = _risk(tx, risk)
    latest = {item.measure: item for item in store.evidence_of(tx, risk)}
    given = [
        item.at_us for item in store.releases_of(tx, graded.model_version) if item.risk == risk
    ]
    released_at_us = min(given, default=None)
    return [
        state_of(measure, latest.get(measure.id), released_at_us=released_at_us, now_us=now_us)
        for measure in graded.measures
    ]


# --- Approval and release ---------------------------------------------------------------------


def approve(  # noqa: PLR0913 - a signature is put under all of these
    storage: Storage,
    *,
    key: str,
    model_version: str,
    model_reference: str,
    model_digest: str,
    approver: str,
    role: str,
    evaluation_reference: str,
    risk: str,
    expires_at_us: int,
    decision: Decision = "approve",
) -> Approval:
    """One member's decision about one model version, in one role, until it expires.

    Model, evaluation and grading are read from custody and must belong together. A member has one
    decision in force per version; the same key again returns it.

    Errors: `Invalid` ``governance.approval_invalid`` with every finding; `NotAllowed`
    ``identity.role_missing``, ``governance.approver_elsewhere``, ``governance.own_model``;
    `NotFound` ``governance.risk_unknown``; `Conflict` ``governance.already_decided``,
    ``governance.approval_differs``.
    """
    wanted = Approval(
        id=derived_id("approval", model_version, approver, key),
        reference="",
        model_version=model_version,
        model_digest=model_digest,
        approver=approver,
        role=role,
        decision=decision,
        evaluation_reference=evaluation_reference,
        risk=risk,
        expires_at_us=expires_at_us,
        at_us=storage.clock.now_us(),
    )
    with storage.database.begin() as tx:
        given = [a for a in store.approvals_of(tx, model_version) if a.approver == approver]
        for there in given:
            if there.id == wanted.id:
                if replace(there, reference="", at_us=wanted.at_us) != wanted:
                    raise Conflict("governance.approval_differs", key=key)
                return there
        graded = _risk(tx, risk)
        approvers.check(tx, wanted, graded, Subject(model_version, model_reference, model_digest))
        for there in given:
            if there.expires_at_us > wanted.at_us:
                until = iso(there.expires_at_us)
                raise Conflict("governance.already_decided", member=approver, until=until)
        reference = custody.append(tx, records.of_approval(wanted, graded))
        approval = replace(wanted, reference=reference)
        store.add_approval(tx, approval)
        telling.nothing_due(tx, risk, [role], at_us=approval.at_us)
        return approval


def release(
    storage: Storage,
    *,
    key: str,
    model_version: str,
    model_reference: str,
    model_digest: str,
    evaluation_reference: str,
    risk: str,
    valid_until_us: int | None = None,
) -> Release:
    """Let a model version serve, at most until the first of its approvals expires.

    Needs approvals of different people in different roles for this evaluation and grading, no
    rejection in force, a gate that was passed, and a tier that may be released. The registry learns
    of it in the same transaction. The same key again is the same release.

    Errors: `NotAllowed` ``governance.release_refused`` with every obstacle; `Invalid`
    ``governance.evidence_invalid``; `NotFound` ``governance.risk_unknown``; `Conflict`
    ``governance.release_differs``.
    """
    now_us = storage.clock.now_us()
    release_id = derived_id("release", model_version, key)
    asked = (model_digest, evaluation_reference, risk)
    with storage.database.begin() as tx:
        there = store.release(tx, release_id)
        if there is not None:
            if (there.model_digest, there.evaluation_reference, there.risk) != asked:
                raise Conflict("governance.release_differs", key=key)
            return there
        graded = _risk(tx, risk)
        model = Subject(model_version, model_reference, model_digest)
        findings = records.faults(tx, model, evaluation=evaluation_reference, risk=graded)
        if findings:
            raise Invalid("governance.evidence_invalid", findings=findings)
        standing = obstacles.weigh(
            tables.book().release,
            risk=graded,
            evaluation=custody.record(tx, evaluation_reference),
            evaluation_reference=evaluation_reference,
            approvals=store.approvals_of(tx, model_version),
            valid_until_us=valid_until_us,
            now_us=now_us,
        )
        if standing.obstacles:
            raise NotAllowed(
                "governance.release_refused", findings=standing.obstacles, version=model_version
            )
        given = Release(
            id=release_id,
            reference="",
            model_version=model_version,
            model_digest=model_digest,
            evaluation_reference=evaluation_reference,
            risk=risk,
            approvals=tuple(approval.id for approval in standing.approvals),
            valid_until_us=standing.valid_until_us,
            at_us=now_us,
        )
        reference = custody.append(tx, records.of_release(given, graded, standing.approvals))
        given = replace(given, reference=reference)
        store.add_release(tx, given)
        telling.nothing_due(tx, risk, tables.book().release.roles, at_us=now_us)
        models.approve(
            tx,
            version=model_version,
            certificate=reference,
            valid_until_us=given.valid_until_us,
            at_us=now_us,
        )
        return given


def withdraw(storage: Storage, *, model_version: str, member: str) -> None:
    """Stop a version from serving from the next answer on; only an approving role may.

    Errors: `NotAllowed` ``governance.withdraw_role_missing``; `NotFound` of the registry.
    """
    with storage.database.begin() as tx:
        allowed = tables.book().release.roles
        if identity.roles_of(tx, member).isdisjoint(allowed):
            known = ", ".join(allowed)
            raise NotAllowed("governance.withdraw_role_missing", member=member, known=known)
        now_us = storage.clock.now_us()
        models.withdraw(tx, model_version, at_us=now_us)
        for graded in store.risks_of(tx, model_version):
            telling.nothing_due(tx, graded.id, allowed, at_us=now_us)


# --- Questions --------------------------------------------------------------------------------


def risk(tx: Transaction, risk_id: str) -> Risk:
    """The grading. Errors: `NotFound` ``governance.risk_unknown``."""
    return _risk(tx, risk_id)


def risks(tx: Transaction, model_version: str) -> list[Risk]:
    """Every grading of a model version, oldest first."""
    return store.risks_of(tx, model_version)


def risks_page(
    tx: Transaction, model_version: str, *, after: tuple[int, str] = (0, ""), limit: int
) -> list[Risk]:
    """Gradings of a model version, oldest first, from behind a place."""
    return store.risks_page(tx, model_version, after=after, limit=limit)


def approvals_page(
    tx: Transaction, model_version: str, *, after: tuple[int, str] = (0, ""), limit: int
) -> list[Approval]:
    """Decisions likewise."""
    return store.approvals_page(tx, model_version, after=after, limit=limit)


def releases_page(
    tx: Transaction, model_version: str, *, after: tuple[int, str] = (0, ""), limit: int
) -> list[Release]:
    """Releases likewise."""
    return store.releases_page(tx, model_version, after=after, limit=limit)


def approvals(tx: Transaction, model_version: str) -> list[Approval]:
    """Every decision about a model version, oldest first, those no longer in force included."""
    return store.approvals_of(tx, model_version)


def releases(tx: Transaction, model_version: str) -> list[Release]:
    """Every release of a model version, oldest first."""
    return store.releases_of(tx, model_version)


# --- Checks -----------------------------------------------------------------------------------


def _risk(tx: Transaction, risk_id: str) -> Risk:
    found = store.risk(tx, risk_id)
    if found is None:
        raise NotFound("governance.risk_unknown", risk=risk_id[:64])
    return found
