"""Cleansing of uploads, and the certificates it ends with."""

from __future__ import annotations

import json
from typing import Literal

from starlette.responses import Response

from yunhe.api.call import After, Call, Caller, Key, Limit, PathId, page
from yunhe.api.files import BYTES, file
from yunhe.api.paths import Routes
from yunhe.api.routes.operations import shown
from yunhe.api.standing import require_whole, whole
from yunhe.client.wire import corpus as wire
from yunhe.client.wire import operations
from yunhe.client.wire.shapes import Page
from yunhe.corpus import errors
from yunhe.corpus import service as corpus
from yunhe.corpus.domain import Certified
from yunhe.kernel.clock import iso
from yunhe.storage import operations as work
from yunhe.storage import uploads
from yunhe.storage.database import Transaction

routes = Routes("corpus")
"""Of the corpus floor."""
_Part = Literal["dataset", "decisions", "spans", "sample"]


@routes.add("POST /v1/cleansings", operations.Operation, status=201)
async def create_cleansing(call: Caller, key: Key, body: wire.NewCleansing) -> Response:
    """Cleanse an upload into a certified dataset, held by one's own organisation."""
    require_whole(call)
    if body.profile is not None:
        corpus.load_profile(body.profile)  # so that a wrong one is told at once
    who, at_us, language = call.who, call.now_us(), call.facts.language
    payload = body.model_dump(exclude_none=True)

    def make(tx: Transaction, name: str) -> operations.Operation:
        named = [digest for digest in (body.input, body.truth) if digest]
        uploads.require(tx, who.organisation, named)
        made = work.create(
            tx,
            kind="corpus.cleanse",
            key=name,
            organisation=who.organisation,
            member=who.member,
            payload=payload,
            at_us=at_us,
        )
        return shown(made, language)

    return await call.create(key, body, make)


@routes.add("GET /v1/certificates", Page[wire.Certificate])
async def list_certificates(
    call: Caller, after: After = None, limit: Limit = 50
) -> Page[wire.Certificate]:
    """Datasets that one's organisation had certified, newest first."""
    last = call.place(after, like=(0, ""))

    def look(tx: Transaction) -> list[Certified]:
        if not whole(call):
            return []
        return corpus.newest(tx, holder=call.tenant, after=last, limit=limit + 1)

    return page(
        call,
        await call.look(look),
        limit=limit,
        shown=_certificate,
        place=lambda each: (each.at_us, each.certificate_id),
    )


@routes.add("GET /v1/certificates/{certificate}", wire.CertificateInFull)
async def get_certificate(call: Caller, certificate: PathId) -> wire.CertificateInFull:
    """One certified dataset, with its certificate."""
    found = await call.look(lambda tx: _reached(tx, call, certificate))
    blobs = call.runtime.storage.blobs
    issued = json.loads(await call.apart(lambda: blobs.read(found.certificate_digest)))
    return wire.CertificateInFull(**_certificate(found).model_dump(), certificate=issued)


@routes.add("GET /v1/certificates/{certificate}/files/{part}", produces=BYTES)
async def get_certificate_file(call: Caller, certificate: PathId, part: _Part) -> Response:
    """The dataset, the tables of decisions and spans, or the sample for review, as Parquet."""
    found = await call.look(lambda tx: _reached(tx, call, certificate))
    digests = {
        "dataset": found.output_digest,
        "decisions": found.decisions_digest,
        "spans": found.spans_digest,
        "sample": found.sample_digest,
    }
    return await file(call, digests[part])


def _reached(tx: Transaction, call: Call, certificate: str) -> Certified:
    found = corpus.certified(tx, certificate)
    if not call.reaches(found.holder):
        raise errors.certificate_unknown(certificate)
    return found


def _certificate(found: Certified) -> wire.Certificate:
    return wire.Certificate(
        id=found.certificate_id,
        source=found.source_id,
        name=found.name,
        holder=found.holder,
        licence=found.licence,
        synthetic=found.synthetic,
        input_digest=found.input_digest,
        dataset_digest=found.output_digest,
        at=iso(found.at_us),
        source_reference=found.source_reference,
        reference=found.certificate_reference,
    )
