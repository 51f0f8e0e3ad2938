"""Makes the artefacts of a cleansing and stores them as blobs; rows and records come after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from yunhe.corpus import certificate, output, truth
from yunhe.corpus.domain import CleanseRequest
from yunhe.corpus.gathering import Corpus
from yunhe.corpus.pipeline import Pipeline
from yunhe.kernel.canonical import JsonObject, canonical_bytes
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import Invalid
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


def keep(
    storage: Storage,
    request: CleanseRequest,
    *,
    corpus: Corpus,
    pipeline: Pipeline,
    ids: pa.Array,
    planted: Mapping[str, truth.Planted] | None,
    source: Read,
) -> Artefacts:
    """Store dataset, decisions, spans, sample and certificate.

    Errors: `Invalid` ``corpus.nothing_left`` when every document was dropped; storage's own when a
    disk refuses. Blobs are named by their content, so those of a run that was killed are met again
    by the next.
    """
    table = output.dataset(corpus, ids)
    if not len(table):
        raise Invalid("corpus.nothing_left", documents=corpus.documents, where=request.path.name)
    blobs = storage.blobs
    dataset = blobs.put(output.parquet_bytes(table)).digest
    released = table.column("id").combine_chunks()
    drawn = output.sample(
        table, documents_max=request.profile.sample_documents.value, digest=dataset
    )
    digests = certificate.Digests(
        input=source.digest,
        output=dataset,
        decisions=blobs.put(output.parquet_bytes(output.decisions(corpus, ids, pipeline))).digest,
        spans=blobs.put(output.parquet_bytes(output.spans(corpus.spans, released))).digest,
        sample=blobs.put(output.parquet_bytes(drawn)).digest,
    )
    compared = (
        None if planted is None else truth.compare(planted, corpus, ids=ids, pipeline=pipeline)
    )
    body = certificate.body(
        request,
        corpus,
        pipeline,
        digests=digests,
        input_bytes=source.size_bytes,
        table=table,
        sampled=len(drawn),
        truth=compared,
    )
    at_us = storage.clock.now_us()
    identity = derived_id("certificate", request.key)
    issued: JsonObject = {"id": identity, "issued_at": iso(at_us), "body": body}
    return Artefacts(
        certificate_id=identity,
        digests=digests,
        certificate_digest=blobs.put(canonical_bytes(issued)).digest,
        pipeline_digest=pipeline.digest(),
        documents_in=corpus.documents,
        documents_out=len(table),
        at_us=at_us,
    )
