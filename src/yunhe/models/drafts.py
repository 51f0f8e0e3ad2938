"""An answer before it is recorded: the response's bytes and the commitments to both sides. Pure."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field

from yunhe.custody.domain import Record
from yunhe.kernel.canonical import JsonObject, sha256
from yunhe.kernel.ids import new_id
from yunhe.models.domain import Answer, Served

SCORE_PLACES = 4
"""Decimal digits of a score."""
NONCE_BYTES = 16
"""Random bytes that keep a commitment from being guessed."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a caller asked, before anybody knows whether they may."""

    route: str
    """Where it was sent."""
    secret: str = field(repr=False)
    """The caller's key."""
    text: str = field(repr=False)
    """What to classify."""
    request: bytes = field(repr=False)
    """The request's body as received; the record commits to it."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer that lacks only its record."""

    id: str
    """The answer's id."""
    label: str
    """The class it tells."""
    nonce: str
    """32 hex digits."""
    request_commitment: str
    """SHA-256 of the nonce's bytes and the request's bytes."""
    response_commitment: str
    """SHA-256 of the nonce's bytes and the response's bytes."""
    body: bytes
    """The response."""
    device_us: int
    """Its share of the processor time that the group's prediction took."""


def draft_answer(
    question: Question, served: Served, label: str, scores: dict[str, float], *, device_us: int
) -> Draft:
    """Write the response and commit to it; the id and nonce are random, nothing else is."""
    answer_id, nonce = new_id("ans"), os.urandom(NONCE_BYTES)
    response = {
        "id": answer_id,
        "route": question.route,
        "label": label,
        "scores": {name: f"{score:.{SCORE_PLACES}f}" for name, score in scores.items()},
        "model": served.version.id,
        "model_digest": served.version.model_digest,
        "receipt": f"/v1/answers/{answer_id}/receipt",
        "nonce": nonce.hex(),
    }
    # Sorted and tight, so that a caller who kept the values can rebuild the bytes.
    text = json.dumps(response, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    body = text.encode()
    return Draft(
        answer_id,
        label,
        nonce.hex(),
        request_commitment=sha256(nonce + question.request),
        response_commitment=sha256(nonce + body),
        body=body,
        device_us=device_us,
    )


def record_of(draft: Draft, served: Served, tenant: str, *, at_us: int) -> Record:
    """The custody record: digests and times only, nothing a person said or is."""
    body: JsonObject = {
        "model_digest": served.version.model_digest,
        "tenant": tenant,
        "request_commitment": draft.request_commitment,
        "response_commitment": draft.response_commitment,
        "device_us": draft.device_us,
    }
    links = {"deployment": served.deployment.reference}
    return Record("serving.answer", draft.id, at_us, body, links)


def row_of(
    draft: Draft, served: Served, tenant: str, *, member: str | None, reference: str, at_us: int
) -> Answer:
    """The registry's row."""
    return Answer(
        id=draft.id,
        reference=reference,
        deployment=served.deployment.id,
        tenant=tenant,
        label=draft.label,
        nonce=draft.nonce,
        request_commitment=draft.request_commitment,
        response_commitment=draft.response_commitment,
        at_us=at_us,
        member=member,
    )
