"""Rows of gradings, evidence, approvals and releases."""

from __future__ import annotations

import json

from sqlalchemy import (
    Column,
    Index,
    Integer,
    Row,
    Table,
    Text,
    UniqueConstraint,
    func,
    select,
    tuple_,
)

from yunhe.governance import codec
from yunhe.governance.domain import Approval, Evidence, Grading, Release, Risk
from yunhe.kernel.canonical import canonical_bytes, digest_of
from yunhe.storage.database import Transaction
from yunhe.storage.schema import Code, Digest, Id, Instant, metadata

_AnyRow = Row[tuple[object, ...]]

risks = Table(
    "governance_risk",
    metadata,
    Column("id", Id, primary_key=True),
    Column("reference", Id, nullable=False),
    Column("model_version", Id, nullable=False, index=True),
    Column("model_reference", Id, nullable=False),
    Column("model_digest", Digest, nullable=False),
    Column("facts", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("rules_version", Text, nullable=False),
    Column("grading", Text, nullable=False),
    Column("at_us", Instant, nullable=False),
)

evidence = Table(
    "governance_evidence",
    metadata,
    Column("id", Id, primary_key=True),
    Column("risk", Id, nullable=False),
    Column("measure", Code, nullable=False),
    Column("digest", Digest, nullable=False),
    Column("member", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
    Index(None, "risk", "measure", "at_us"),
)

approvals = Table(
    "governance_approval",
    metadata,
    Column("id", Id, primary_key=True),
    Column("reference", Id, nullable=False),
    Column("model_version", Id, nullable=False),
    Column("model_digest", Digest, nullable=False),
    Column("approver", Id, nullable=False),
    # 1, 2, … per version and approver: two at once cannot both take the next number.
    Column("round", Integer, nullable=False),
    Column("role", Code, nullable=False),
    Column("decision", Code, nullable=False),
    Column("evaluation_reference", Id, nullable=False),
    Column("risk", Id, nullable=False),
    Column("expires_at_us", Instant, nullable=False),
    Column("at_us", Instant, nullable=False),
    UniqueConstraint("model_version", "approver", "round"),
)

releases = Table(
    "governance_release",
    metadata,
    Column("id", Id, primary_key=True),
    Column("reference", Id, nullable=False),
    Column("model_version", Id, nullable=False, index=True),
    Column("model_digest", Digest, nullable=False),
    Column("evaluation_reference", Id, nullable=False),
    Column("risk", Id, nullable=False),
    Column("approvals", Text, nullable=False),
    Column("valid_until_us", Instant, nullable=False),
    Column("at_us", Instant, nullable=False),
)


def add_risk(tx: Transaction, added: Risk, grading: Grading) -> None:
    """Insert a grading."""
    tx.execute(
        risks.insert().values(
            id=added.id,
            reference=added.reference,
            model_version=added.model_version,
            model_reference=added.model_reference,
            model_digest=added.model_digest,
            facts=canonical_bytes(added.facts).decode(),
            day=added.on,
            rules_version=added.rules_version,
            grading=codec.write(grading),
            at_us=added.at_us,
        )
    )


def risk(tx: Transaction, risk_id: str) -> Risk | None:
    """The grading, if there is one."""
    row = tx.execute(select(risks).where(risks.c.id == risk_id)).first()
    return None if row is None else _risk(row)


def risks_of(tx: Transaction, model_version: str) -> list[Risk]:
    """Every grading of a model version, oldest first."""
    query = select(risks).where(risks.c.model_version == model_version)
    return [_risk(row) for row in tx.execute(query.order_by(risks.c.at_us, risks.c.id))]


def risks_page(
    tx: Transaction, model_version: str, *, after: tuple[int, str], limit: int
) -> list[Risk]:
    """Gradings of a model version, oldest first, from behind a place."""
    return [_risk(row) for row in _page(tx, risks, model_version, after=after, limit=limit)]


def approvals_page(
    tx: Transaction, model_version: str, *, after: tuple[int, str], limit: int
) -> list[Approval]:
    """Approvals likewise."""
    return [_approval(row) for row in _page(tx, approvals, model_version, after=after, limit=limit)]


def releases_page(
    tx: Transaction, model_version: str, *, after: tuple[int, str], limit: int
) -> list[Release]:
    """Releases likewise."""
    return [_release(row) for row in _page(tx, releases, model_version, after=after, limit=limit)]


def _page(
    tx: Transaction, table: Table, model_version: str, *, after: tuple[int, str], limit: int
) -> list[_AnyRow]:
    place = tuple_(table.c.at_us, table.c.id)
    query = select(table).where(table.c.model_version == model_version, place > tuple_(*after))
    return list(tx.execute(query.order_by(table.c.at_us, table.c.id).limit(limit)))


def add_evidence(tx: Transaction, added: Evidence) -> None:
    """Insert evidence of a measure."""
    tx.execute(
        evidence.insert().values(
            id=added.id,
            risk=added.risk,
            measure=added.measure,
            digest=added.digest,
            member=added.member,
            at_us=added.at_us,
        )
    )


def evidence_with_id(tx: Transaction, evidence_id: str) -> Evidence | None:
    """The evidence, if there is such."""
    row = tx.execute(select(evidence).where(evidence.c.id == evidence_id)).first()
    return None if row is None else _evidence(row)


def evidence_of(tx: Transaction, risk_id: str) -> list[Evidence]:
    """All evidence for the measures of a grading, oldest first."""
    query = select(evidence).where(evidence.c.risk == risk_id)
    return [_evidence(row) for row in tx.execute(query.order_by(evidence.c.at_us, evidence.c.id))]


def add_approval(tx: Transaction, added: Approval) -> None:
    """Insert an approval as the approver's next one for that version."""
    before = tx.execute(
        select(func.count())
        .select_from(approvals)
        .where(
            approvals.c.model_version == added.model_version,
            approvals.c.approver == added.approver,
        )
    ).scalar_one()
    tx.execute(
        approvals.insert().values(
            id=added.id,
            reference=added.reference,
            model_version=added.model_version,
            model_digest=added.model_digest,
            approver=added.approver,
            round=before + 1,
            role=added.role,
            decision=added.decision,
            evaluation_reference=added.evaluation_reference,
            risk=added.risk,
            expires_at_us=added.expires_at_us,
            at_us=added.at_us,
        )
    )


def approvals_of(tx: Transaction, model_version: str) -> list[Approval]:
    """Every approval of a model version, oldest first."""
    query = select(approvals).where(approvals.c.model_version == model_version)
    return [_approval(row) for row in tx.execute(query.order_by(approvals.c.at_us, approvals.c.id))]


def add_release(tx: Transaction, added: Release) -> None:
    """Insert a release."""
    tx.execute(
        releases.insert().values(
            id=added.id,
            reference=added.reference,
            model_version=added.model_version,
            model_digest=added.model_digest,
            evaluation_reference=added.evaluation_reference,
            risk=added.risk,
            approvals=canonical_bytes(list(added.approvals)).decode(),
            valid_until_us=added.valid_until_us,
            at_us=added.at_us,
        )
    )


def release(tx: Transaction, release_id: str) -> Release | None:
    """The release, if there is one."""
    row = tx.execute(select(releases).where(releases.c.id == release_id)).first()
    return None if row is None else _release(row)


def releases_of(tx: Transaction, model_version: str) -> list[Release]:
    """Every release of a model version, oldest first."""
    query = select(releases).where(releases.c.model_version == model_version)
    return [_release(row) for row in tx.execute(query.order_by(releases.c.at_us, releases.c.id))]


def _risk(row: _AnyRow) -> Risk:
    grading = codec.read(row.grading)
    facts = json.loads(row.facts)
    return Risk(
        id=row.id,
        reference=row.reference,
        model_version=row.model_version,
        model_reference=row.model_reference,
        model_digest=row.model_digest,
        facts=facts,
        facts_digest=digest_of(facts),
        on=row.day,
        rules_version=row.rules_version,
        tier=grading.tier,
        fired=grading.fired,
        upcoming=grading.upcoming,
        missing=grading.missing,
        by_jurisdiction=grading.by_jurisdiction,
        measures=grading.measures,
        measures_digest=digest_of(codec.measures(grading)),
        findings=grading.findings,
        at_us=row.at_us,
    )


def _evidence(row: _AnyRow) -> Evidence:
    return Evidence(
        id=row.id,
        risk=row.risk,
        measure=row.measure,
        digest=row.digest,
        member=row.member,
        at_us=row.at_us,
    )


def _approval(row: _AnyRow) -> Approval:
    return Approval(
        id=row.id,
        reference=row.reference,
        model_version=row.model_version,
        model_digest=row.model_digest,
        approver=row.approver,
        role=row.role,
        decision=row.decision,
        evaluation_reference=row.evaluation_reference,
        risk=row.risk,
        expires_at_us=row.expires_at_us,
        at_us=row.at_us,
    )


def _release(row: _AnyRow) -> Release:
    return Release(
        id=row.id,
        reference=row.reference,
        model_version=row.model_version,
        model_digest=row.model_digest,
        evaluation_reference=row.evaluation_reference,
        risk=row.risk,
        approvals=tuple(json.loads(row.approvals)),
        valid_until_us=row.valid_until_us,
        at_us=row.at_us,
    )
