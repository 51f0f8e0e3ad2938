"""Commands and questions about model versions and where they are served."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files

from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.identity import service as identity
from yunhe.kernel.canonical import Json, sha256
from yunhe.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from yunhe.kernel.ids import derived_id
from yunhe.models import errors, store
from yunhe.models.classifier import Classifier, from_bytes
from yunhe.models.domain import (
    ROUTE_LETTERS_MAX,
    Answer,
    Deployment,
    ModelVersion,
    Review,
    Served,
    TrainingProgram,
)
from yunhe.models.provenance import artefact_faults, identity_of, provenance_faults
from yunhe.storage.blobs import Blobs
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

_ROUTE = re.compile(rf"[a-z0-9][a-z0-9-]{{0,{ROUTE_LETTERS_MAX - 1}}}", re.ASCII)
_TRAINING = "yunhe.models.training.classifier"


def training_entry_point() -> TrainingProgram:
    """The training program and the digest under which an operator approves it."""
    source = files("yunhe.models.training").joinpath("classifier.py").read_bytes()
    return TrainingProgram(_TRAINING, sha256(source))


def register(  # noqa: PLR0913 (a version is bound to each of these)
    storage: Storage,
    *,
    key: str,
    name: str,
    model_digest: str,
    manifest_digest: str,
    card_digest: str,
    train_digest: str,
    usage_reference: str,
    split_reference: str,
    owner: str,
    project: str = "",
    registered_by: str | None = None,
    trained_by: str | None = None,
) -> ModelVersion:
    """Enter trained weights into the registry; the same key again returns the same version.

    The artefacts must be stored, be what they claim to be and fit together: the manifest names the
    weights and the training data, the metered workload read the one and left the others, and the
    split's training part is that data.

    Errors: `Invalid` ``models.weights_invalid``, ``models.artefacts_invalid`` with every finding;
    `NotFound` ``storage.blob_missing``; `Conflict` ``models.key_reused``.
    """
    from_bytes(storage.blobs.read(model_digest))
    now_us = storage.clock.now_us()
    asked = ModelVersion(
        id=derived_id("model", key),
        reference="",
        name=name,
        owner=owner,
        model_digest=model_digest,
        manifest_digest=manifest_digest,
        card_digest=card_digest,
        train_digest=train_digest,
        state="registered",
        certificate=None,
        valid_until_us=None,
        state_at_us=now_us,
        at_us=now_us,
        project=project,
        registered_by=registered_by,
        trained_by=trained_by,
    )
    findings = artefact_faults(storage.blobs, asked)
    links = {"usage": usage_reference, "split": split_reference}
    with storage.database.begin() as tx:
        findings += provenance_faults(tx, asked, links)
        if findings:
            raise Invalid("models.artefacts_invalid", findings=findings)
        before = store.version(tx, asked.id)
        if before is not None and identity_of(before) != identity_of(asked):
            raise errors.key_reused(key)
        body = {name: value for name, value in identity_of(asked).items() if name != "owner"}
        record = Record("model.version", asked.id, now_us, body, links)
        reference = custody.append(tx, record)  # refuses other links under the same key
        if before is not None:
            return before
        added = replace(asked, reference=reference)
        store.add_version(tx, added)
    return added


def load(storage: Storage, model_digest: str) -> Classifier:
    """The classifier whose stored bytes have this digest.

    Errors: `NotFound` ``storage.blob_missing``, `Unavailable` ``storage.blob_damaged``, `Invalid`
    ``models.weights_invalid``.
    """
    return from_bytes(storage.blobs.read(model_digest))


def approve(
    tx: Transaction, *, version: str, certificate: str, valid_until_us: int, at_us: int
) -> None:
    """Let the gateway serve a version until a moment, on the word of a release; for governance.

    Errors: `NotFound` ``models.version_unknown``; `Conflict` ``models.certificate_invalid`` when
    the record is not this version's release, or ends earlier, or is older than the last one;
    ``models.certificate_withdrawn`` when the version was withdrawn since.
    """
    known = _version(tx, version)
    if not _is_release_of(tx, known, certificate, valid_until_us):
        raise Conflict("models.certificate_invalid", certificate=certificate, version=version)
    if known.certificate == certificate:
        if known.state == "withdrawn":
            raise Conflict("models.certificate_withdrawn", certificate=certificate, version=version)
        return
    store.set_state(
        tx,
        version,
        state="approved",
        certificate=certificate,
        valid_until_us=valid_until_us,
        state_at_us=at_us,
    )


def withdraw(tx: Transaction, version: str, *, at_us: int) -> None:
    """Stop the gateway serving a version from the next answer on; again changes nothing.

    Errors: `NotFound` ``models.version_unknown``.
    """
    if _version(tx, version).state != "withdrawn":
        store.set_state(tx, version, state="withdrawn", state_at_us=at_us)


def deploy(storage: Storage, *, key: str, version: str, route: str) -> Deployment:
    """Put an approved version behind a route; the same key again returns the same deployment.

    A repeat does not point the route back to it, and nobody gets a route at which the model of
    another organisation answers. Errors: `Invalid` ``models.route_invalid``;
    `NotFound` ``models.version_unknown``; `NotAllowed` ``models.not_approved``,
    ``models.approval_expired``, ``models.withdrawn``, ``models.bytes_differ``; `Conflict`
    ``models.key_reused``, ``models.route_taken``.
    """
    if not _ROUTE.fullmatch(route):
        raise Invalid("models.route_invalid", route=route[:80])
    now_us, deployment_id = storage.clock.now_us(), derived_id("dep", key)
    with storage.database.read() as tx:
        _verify(storage.blobs, _version(tx, version).model_digest)
    with storage.database.begin() as tx:
        before = store.deployment(tx, deployment_id)
        if before is not None:
            if (before.version, before.route) != (version, route):
                raise errors.key_reused(key)
            return before
        approved = _version(tx, version)
        why = errors.why_not_approved(approved, now_us=now_us)
        if why is not None or approved.certificate is None:
            raise why or errors.version_unknown(version)
        body: dict[str, Json] = {"model_digest": approved.model_digest, "route": route}
        links = {"release": approved.certificate}
        record = Record("serving.deployment", deployment_id, now_us, body, links)
        added = Deployment(
            id=deployment_id,
            reference=custody.append(tx, record),
            route=route,
            version=version,
            model_digest=approved.model_digest,
            certificate=approved.certificate,
            at_us=now_us,
        )
        if store.add_deployment(tx, added) not in (None, approved.owner):
            raise errors.route_taken(route)
    return added


def version(tx: Transaction, version_id: str) -> ModelVersion:
    """The version with that id; `NotFound` ``models.version_unknown``."""
    return _version(tx, version_id)


def versions(tx: Transaction) -> list[ModelVersion]:
    """Every version, oldest first."""
    return store.versions_all(tx)


def versions_page(
    tx: Transaction,
    *,
    organisation: str | None,
    project: str | None = None,
    after: tuple[int, str] = (0, ""),
    limit: int,
) -> list[ModelVersion]:
    """Versions that an organisation owns or was asked to review, oldest first, from behind a place.

    ``organisation`` None: everybody's; ``project`` narrows to those the organisation owns in it.
    """
    return store.versions_page(
        tx, organisation=organisation, project=project, after=after, limit=limit
    )


def ask_review(
    tx: Transaction, *, version: str, organisation: str, by: str = "", at_us: int
) -> Review:
    """Let an organisation test, grade, approve and deploy a version; again changes nothing.

    Errors: `NotFound` ``models.version_unknown``.
    """
    _version(tx, version)
    asked = Review(version, organisation, by, at_us)
    store.add_review(tx, asked)
    return next(each for each in store.reviews_of(tx, version) if each.organisation == organisation)


def end_review(tx: Transaction, *, version: str, organisation: str) -> None:
    """Ask an organisation no more; what it did stays. It need not have been asked."""
    store.remove_review(tx, version, organisation)


def reviews(tx: Transaction, version: str, *, after: str = "", limit: int) -> list[Review]:
    """Who was asked about a version, by organisation, from behind ``after``."""
    return store.reviews_of(tx, version, after=after, limit=limit)


def is_reviewer(tx: Transaction, version: str, *, organisation: str) -> bool:
    """Whether the organisation was asked about the version."""
    return store.is_reviewer(tx, version, organisation)


def concerns(tx: Transaction, version: ModelVersion, organisation: str) -> bool:
    """Whether members of the organisation may judge it: its owner, reviewers and the operator."""
    return (
        organisation == version.owner
        or store.is_reviewer(tx, version.id, organisation)
        or identity.organisation(tx, organisation).kind == "operator"
    )


def deployment(tx: Transaction, deployment_id: str) -> Served:
    """The deployment with its version; `NotFound` ``models.deployment_unknown``."""
    found = store.deployed(tx, [deployment_id])
    if not found:
        raise NotFound("models.deployment_unknown", deployment=deployment_id[:64])
    return found[deployment_id]


def deployments_page(
    tx: Transaction,
    *,
    owner: str | None,
    project: str | None = None,
    after: tuple[int, str] = (0, ""),
    limit: int,
) -> list[Served]:
    """Deployments of an organisation's models, or of all, oldest first, from behind a place."""
    return store.deployments_page(tx, owner=owner, project=project, after=after, limit=limit)


def deployments(tx: Transaction) -> list[Deployment]:
    """Every deployment ever made, oldest first."""
    return store.deployments_all(tx)


def routes(tx: Transaction) -> dict[str, Served]:
    """What each route answers with now."""
    return store.served(tx)


def answer(tx: Transaction, answer_id: str) -> Answer:
    """The answer with that id; `NotFound` ``models.answer_unknown``."""
    found = store.answer(tx, answer_id)
    if found is None:
        raise NotFound("models.answer_unknown", answer=answer_id[:64])
    return found


def erase_answers(tx: Transaction, *, from_us: int, before_us: int, limit: int) -> tuple[int, int]:
    """Erase answers of a stretch of time, the oldest first: how many, and until when it came.

    Gone are the record's content and salt, the class told, who asked, and what could be compared
    with a request or response that somebody kept; left are id, deployment, tenant and time, and the
    leaf, so that counts and the log stay right. There are no more when fewer than ``limit`` went.
    """
    found = store.answers_between(tx, from_us=from_us, before_us=before_us, limit=limit)
    _erase(tx, found)
    return len(found), found[-1][2] if found else before_us


def erase_answers_of(tx: Transaction, member: str, *, limit: int) -> int:
    """Erase answers that a member asked for, as `erase_answers`; how many."""
    found = store.answers_of(tx, member, limit=limit)
    _erase(tx, found)
    return len(found)


def _erase(tx: Transaction, found: Sequence[tuple[str, str, int]]) -> None:
    for _, reference, _ in found:
        custody.erase(tx, reference)
    store.empty_answers(tx, [answer_id for answer_id, _, _ in found])


def answers_count(tx: Transaction) -> Mapping[str, int]:
    """Deployment id → how many answers it gave."""
    return store.answers_count(tx)


def _version(tx: Transaction, version_id: str) -> ModelVersion:
    found = store.version(tx, version_id)
    if found is None:
        raise errors.version_unknown(version_id)
    return found


def _verify(blobs: Blobs, digest: str) -> None:
    try:
        blobs.read(digest)
    except (NotFound, Unavailable) as error:
        raise errors.bytes_differ(digest) from error


def _is_release_of(
    tx: Transaction, version: ModelVersion, certificate: str, valid_until_us: int
) -> bool:
    release = custody.record(tx, certificate)
    if release.kind != "governance.release" or release.links.get("model") != version.reference:
        return False
    until_us = release.body.get("valid_until_us")
    if release.body.get("model_digest") != version.model_digest:
        return False
    if not isinstance(until_us, int) or valid_until_us > until_us:
        return False
    last = None if version.certificate is None else custody.record(tx, version.certificate)
    return last is None or certificate == version.certificate or release.at_us >= last.at_us
