"""The floor's tables: versions, deployments, which deployment a route means now, and answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Index,
    RowMapping,
    Table,
    Text,
    delete,
    func,
    or_,
    select,
    tuple_,
    update,
)

from yunhe.models.domain import Answer, Deployment, ModelVersion, Review, Served
from yunhe.storage import dialect
from yunhe.storage.database import Transaction
from yunhe.storage.schema import Code, Digest, Id, Instant, metadata

versions = Table(
    "models_version",
    metadata,
    Column("id", Id, primary_key=True),
    Column("reference", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("owner", Id, nullable=False),
    Column("model_digest", Digest, nullable=False),
    Column("manifest_digest", Digest, nullable=False),
    Column("card_digest", Digest, nullable=False),
    Column("train_digest", Digest, nullable=False),
    Column("state", Code, nullable=False),
    Column("certificate", Text),
    Column("valid_until_us", Instant),
    Column("state_at_us", Instant, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("project", Id),  # null: as empty
    Column("registered_by", Id),
    Column("trained_by", Id),
    Index(None, "owner", "at_us", "id"),
)

reviews = Table(
    "models_review",
    metadata,
    Column("version", Id, primary_key=True),
    Column("organisation", Id, primary_key=True),
    Column("by", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
    Index(None, "organisation"),
)

deployments = Table(
    "models_deployment",
    metadata,
    Column("id", Id, primary_key=True),
    Column("reference", Text, nullable=False),
    Column("route", Code, nullable=False),
    Column("version", Id, nullable=False),
    Column("model_digest", Digest, nullable=False),
    Column("certificate", Text, nullable=False),
    Column("at_us", Instant, nullable=False),
)

routes = Table(
    "models_route",
    metadata,
    Column("route", Code, primary_key=True),
    Column("deployment", Id, nullable=False),
)

answers = Table(
    "models_answer",
    metadata,
    Column("id", Id, primary_key=True),
    Column("reference", Text, nullable=False),
    Column("deployment", Id, nullable=False),
    Column("tenant", Digest, nullable=False),
    Column("label", Text, nullable=False),
    Column("nonce", Code, nullable=False),
    Column("request_commitment", Digest, nullable=False),
    Column("response_commitment", Digest, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("member", Id),
    Index(None, "deployment", "at_us"),
    Index(None, "at_us"),
    Index(None, "member"),
)

# Built once: putting a query together costs more than running it, and the gateway runs these often.
_SERVED = select(
    *(column.label(f"d_{column.name}") for column in deployments.c),
    *(column.label(f"v_{column.name}") for column in versions.c),
).select_from(deployments.join(versions, versions.c.id == deployments.c.version))
_AT_ROUTES = _SERVED.join(routes, routes.c.deployment == deployments.c.id)


def add_version(tx: Transaction, added: ModelVersion) -> None:
    """Insert a version."""
    tx.execute(versions.insert().values(asdict(added)))


def version(tx: Transaction, version_id: str) -> ModelVersion | None:
    """The version, if there is one."""
    row = tx.execute(select(versions).where(versions.c.id == version_id)).mappings().one_or_none()
    return None if row is None else _version(row)


def versions_all(tx: Transaction) -> list[ModelVersion]:
    """Every version, oldest first."""
    rows = tx.execute(select(versions).order_by(versions.c.at_us, versions.c.id)).mappings()
    return [_version(row) for row in rows]


def versions_page(
    tx: Transaction,
    *,
    organisation: str | None,
    project: str | None,
    after: tuple[int, str],
    limit: int,
) -> list[ModelVersion]:
    """Versions that an organisation (or anybody) owns or was asked to review, oldest first."""
    query = select(versions).where(tuple_(versions.c.at_us, versions.c.id) > tuple_(*after))
    if organisation is not None:
        asked = select(reviews.c.version).where(reviews.c.organisation == organisation)
        own = versions.c.owner == organisation
        # A key of one project is shown that project's versions and nothing it was asked about.
        query = query.where(
            or_(own, versions.c.id.in_(asked))
            if project is None
            else own & (versions.c.project == project)
        )
    rows = tx.execute(query.order_by(versions.c.at_us, versions.c.id).limit(limit)).mappings()
    return [_version(row) for row in rows]


def add_review(tx: Transaction, added: Review) -> None:
    """Insert a review that was asked for, unless it was before."""
    dialect.insert_new(tx, reviews, [asdict(added)])


def remove_review(tx: Transaction, version_id: str, organisation: str) -> int:
    """Delete it; how many there were."""
    where = (reviews.c.version == version_id, reviews.c.organisation == organisation)
    return tx.execute(delete(reviews).where(*where)).rowcount


def reviews_of(
    tx: Transaction, version_id: str, *, after: str = "", limit: int | None = None
) -> list[Review]:
    """Who was asked about a version, by organisation."""
    query = (
        select(reviews)
        .where(reviews.c.version == version_id, reviews.c.organisation > after)
        .order_by(reviews.c.organisation)
        .limit(limit)
    )
    return [Review(**row) for row in tx.execute(query).mappings()]


def is_reviewer(tx: Transaction, version_id: str, organisation: str) -> bool:
    """Whether the organisation was asked."""
    where = (reviews.c.version == version_id, reviews.c.organisation == organisation)
    return tx.execute(select(reviews.c.version).where(*where)).first() is not None


def set_state(tx: Transaction, version_id: str, **values: str | int) -> None:
    """Change what governance decides about a version."""
    tx.execute(update(versions).where(versions.c.id == version_id).values(**values))


def add_deployment(tx: Transaction, added: Deployment) -> str | None:
    """Insert a deployment and point its route to it; whose the model is that answered there before.

    The route's row stays locked until the transaction ends.
    """
    tx.execute(deployments.insert().values(asdict(added)))
    pointer = {"route": added.route, "deployment": added.id}
    if dialect.insert_new(tx, routes, [pointer]):
        return None
    at_route = routes.c.route == added.route
    before = tx.execute(select(routes.c.deployment).where(at_route).with_for_update()).scalar_one()
    tx.execute(update(routes).where(at_route).values(deployment=added.id))
    return deployed(tx, [before])[before].version.owner


def deployment(tx: Transaction, deployment_id: str) -> Deployment | None:
    """The deployment, if there is one."""
    row = (
        tx.execute(select(deployments).where(deployments.c.id == deployment_id))
        .mappings()
        .one_or_none()
    )
    return None if row is None else Deployment(**row)


def deployments_all(tx: Transaction) -> list[Deployment]:
    """Every deployment, oldest first."""
    rows = tx.execute(
        select(deployments).order_by(deployments.c.at_us, deployments.c.id)
    ).mappings()
    return [Deployment(**row) for row in rows]


def deployments_page(
    tx: Transaction,
    *,
    owner: str | None,
    project: str | None,
    after: tuple[int, str],
    limit: int,
) -> list[Served]:
    """Deployments of the models of an organisation (or of all), oldest first."""
    place = tuple_(deployments.c.at_us, deployments.c.id)
    query = _SERVED.where(place > tuple_(*after))
    if owner is not None:
        query = query.where(versions.c.owner == owner)
    if project is not None:
        query = query.where(versions.c.project == project)
    query = query.order_by(deployments.c.at_us, deployments.c.id).limit(limit)
    return [_as_served(row) for row in tx.execute(query).mappings()]


def served(tx: Transaction, names: Collection[str] | None = None) -> dict[str, Served]:
    """What each of the routes means now; all routes when no names are given."""
    query = _AT_ROUTES
    if names is not None:
        query = query.where(routes.c.route.in_(sorted(names)))
    return {item.deployment.route: item for item in map(_as_served, tx.execute(query).mappings())}


def deployed(tx: Transaction, ids: Collection[str]) -> dict[str, Served]:
    """The deployments of those ids with their versions as they are now."""
    query = _SERVED.where(deployments.c.id.in_(sorted(ids)))
    return {item.deployment.id: item for item in map(_as_served, tx.execute(query).mappings())}


def add_answers(tx: Transaction, added: Sequence[Answer]) -> None:
    """Insert answers."""
    tx.execute(answers.insert(), [asdict(item) for item in added])


def answer(tx: Transaction, answer_id: str) -> Answer | None:
    """The answer, if there is one."""
    row = tx.execute(select(answers).where(answers.c.id == answer_id)).mappings().one_or_none()
    return None if row is None else Answer(**row)


def answers_between(
    tx: Transaction, *, from_us: int, before_us: int, limit: int
) -> list[tuple[str, str, int]]:
    """Id, reference and time of answers of that time that are not erased, oldest first."""
    return _unerased(tx, answers.c.at_us >= from_us, answers.c.at_us < before_us, limit=limit)


def answers_of(tx: Transaction, member: str, *, limit: int) -> list[tuple[str, str, int]]:
    """The same of answers that a member asked for."""
    return _unerased(tx, answers.c.member == member, limit=limit)


def _unerased(
    tx: Transaction, *where: ColumnElement[bool], limit: int
) -> list[tuple[str, str, int]]:
    query = (
        select(answers.c.id, answers.c.reference, answers.c.at_us)
        .where(*where, answers.c.nonce != "")
        .order_by(answers.c.at_us, answers.c.id)
        .limit(limit)
    )
    return [(row.id, row.reference, row.at_us) for row in tx.execute(query)]


def empty_answers(tx: Transaction, ids: Sequence[str]) -> None:
    """Leave of these answers what counting needs."""
    emptied = {
        "label": "",
        "nonce": "",
        "request_commitment": "",
        "response_commitment": "",
        "member": None,
    }
    tx.execute(update(answers).where(answers.c.id.in_(ids)).values(**emptied))


def answers_count(tx: Transaction) -> Mapping[str, int]:
    """Deployment id → how many answers it gave; deployments without answers are left out."""
    query = select(answers.c.deployment, func.count()).group_by(answers.c.deployment)
    return {row[0]: row[1] for row in tx.execute(query)}


def _as_served(row: RowMapping) -> Served:
    return Served(
        Deployment(**{column.name: row[f"d_{column.name}"] for column in deployments.c}),
        _version({column.name: row[f"v_{column.name}"] for column in versions.c}),
    )


def _version(row: Mapping[str, Any] | RowMapping) -> ModelVersion:
    return ModelVersion(**{**row, "project": row["project"] or ""})
