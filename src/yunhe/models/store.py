"""The floor's tables: versions, deployments, which deployment a route means now, and answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import Column, Index, RowMapping, Table, Text, func, select, update

from yunhe.models.domain import Answer, Deployment, ModelVersion, Served
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
    Index(None, "deployment", "at_us"),
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
    return None if row is None else ModelVersion(**row)


def versions_all(tx: Transaction) -> list[ModelVersion]:
    """Every version, oldest first."""
    rows = tx.execute(select(versions).order_by(versions.c.at_us, versions.c.id)).mappings()
    return [ModelVersion(**row) for row in rows]


def set_state(tx: Transaction, version_id: str, **values: str | int) -> None:
    """Change what governance decides about a version."""
    tx.execute(update(versions).where(versions.c.id == version_id).values(**values))


def add_deployment(tx: Transaction, added: Deployment) -> None:
    """Insert a deployment and point its route to it."""
    tx.execute(deployments.insert().values(asdict(added)))
    pointer = {"route": added.route, "deployment": added.id}
    if not dialect.insert_new(tx, routes, [pointer]):
        tx.execute(update(routes).where(routes.c.route == added.route).values(deployment=added.id))


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


def answers_count(tx: Transaction) -> Mapping[str, int]:
    """Deployment id → how many answers it gave; deployments without answers are left out."""
    query = select(answers.c.deployment, func.count()).group_by(answers.c.deployment)
    return {row[0]: row[1] for row in tx.execute(query)}


def _as_served(row: RowMapping) -> Served:
    return Served(
        Deployment(**{column.name: row[f"d_{column.name}"] for column in deployments.c}),
        ModelVersion(**{column.name: row[f"v_{column.name}"] for column in versions.c}),
    )
