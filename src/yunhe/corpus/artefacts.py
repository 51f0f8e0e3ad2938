"""Keeps what a cleansing left as blobs and issues the certificate; rows and records come after."""

from __future__ import annotations

from dataclasses import dataclass

from yunhe.corpus import certificate, results
from yunhe.corpus.domain import CleanseRequest
from yunhe.corpus.metering import Taken
from yunhe.kernel.canonical import JsonObject, canonical_bytes
from yunhe.kernel.clock import iso
from yunhe.kernel.ids import derived_id
from yunhe.storage.service import Storage


@dataclass(frozen=True, slots=True)
class Read:
    """The input file as it was read."""

    digest: str
    """Of its bytes."""
    size_bytes: int
    """How many."""


@dataclass(frozen=True, slots=True)
class Artefacts:
    """What was stored."""

    certificate_id: str
    """Derived from the request's key."""
    digests: certificate.Digests
    """Of the tables."""
    certificate_digest: str
    """Of the certificate."""
    pipeline_digest: str
    """Of what was done."""
    documents_in: int
    """Documents of the input."""
    documents_out: int
    """Documents released."""
    at_us: int
    """When the certificate was issued."""
    usage: str | None = None
    """Custody record of the workload that did it, where it was metered."""


def issue(
    storage: Storage,
    request: CleanseRequest,
    done: Taken,
    *,
    source: Read,
) -> Artefacts:
    """Store the certificate of what was done.

    Blobs are named by their content, so those of a run that was killed are met again by the next.
    Errors: storage's own when a disk refuses.
    """
    laid, files = done.laid, done.files
    digests = certificate.Digests(
        input=source.digest,
        output=files[results.DATASET],
        decisions=files[results.DECISIONS],
        spans=files[results.SPANS],
        sample=files[results.SAMPLE],
    )
    body = certificate.body(
        request,
        laid.statistics,
        done.pipeline,
        digests=digests,
        encoding=laid.encoding,
        input_bytes=source.size_bytes,
        sampled=laid.sampled,
        truth=laid.truth,
    )
    at_us = storage.clock.now_us()
    identity = derived_id("certificate", request.key)
    issued: JsonObject = {"id": identity, "issued_at": iso(at_us), "body": body}
    return Artefacts(
        certificate_id=identity,
        digests=digests,
        certificate_digest=storage.blobs.put(canonical_bytes(issued)).digest,
        pipeline_digest=laid.pipeline_digest,
        documents_in=laid.statistics.documents_in,
        documents_out=laid.statistics.documents_out,
        at_us=at_us,
        usage=done.usage,
    )
