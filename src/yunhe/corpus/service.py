"""The corpus floor's commands: cleanse a dataset, look up a profile, a decision, a span."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pyarrow import parquet

from yunhe.compute.service import limits
from yunhe.corpus import (
    artefacts,
    engine,
    errors,
    intervals,
    metering,
    pipeline,
    profiles,
    results,
    store,
    truth,
)
from yunhe.corpus.contamination import HashesMade, make_hashes
from yunhe.corpus.datasheet import writing as datasheets
from yunhe.corpus.domain import Certified, Cleansed, CleanseRequest, Decision, Profile, Span
from yunhe.corpus.forgetting import clear, forget, is_artefact
from yunhe.corpus.review import service as reviews
from yunhe.corpus.risk import register as libraries
from yunhe.corpus.sources import service as sources
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.kernel.canonical import digest_of
from yunhe.kernel.errors import Conflict, Finding, NotFound
from yunhe.kernel.ids import derived_id
from yunhe.kernel.progress import Progress
from yunhe.native.compiled import compile_all
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

__all__ = [
    "PROFILE",
    "THREADS_MAX",
    "HashesMade",
    "certified",
    "cleanse",
    "clear",
    "compile_kernels",
    "datasheets",
    "decisions_of",
    "forget",
    "holder_of",
    "is_artefact",
    "libraries",
    "load_profile",
    "make_hashes",
    "metering",
    "newest",
    "reviews",
    "share",
    "sources",
    "spans_of",
]

PROFILE = "zh-short"
"""The profile for short Chinese texts, used where none is named."""
THREADS_MAX = 256
"""Most threads a request may ask for."""
share = intervals.share
"""A share with its 95 % interval, in the shape in which certificates carry them."""


def load_profile(name: str = PROFILE) -> Profile:
    """A profile that comes with Yunhe; `Invalid` ``corpus.profile_unknown`` names them."""
    return profiles.built_in(name)


def cleanse(storage: Storage, request: CleanseRequest, *, progress: Progress) -> Cleansed:
    """Cleanse a file into a certified dataset: blobs first, then row and records in one go.

    Doing it again with the same key gives the same answer without a second effect; killed anywhere,
    the next call starts over and ends with the same certificate body. Memory: see
    `yunhe.corpus.engine`.
    Errors: `Invalid` ``corpus.request_invalid``, ``corpus.profile_invalid``,
    ``corpus.input_faulty``, ``corpus.nothing_left``; `Conflict` ``corpus.request_differs`` when the
    key was used for something else, ``corpus.input_changed``, ``corpus.source_not_accepted``;
    `NotFound` ``corpus.input_missing``, ``corpus.source_not_registered``; storage's own when a disk
    refuses.
    """
    request = _registered(storage, request)
    _check(request)
    pipeline.build(request.profile)  # so that a wrong one is told before anything is read
    source, stamp = _source(request.path)
    asked = _request_digest(request, source)
    with storage.database.read() as tx:
        row = store.by_key(tx, request.key)
        if row is None:
            _review_of(tx, request)
    if row is not None:
        return _answer(storage, row, key=request.key, asked=asked)
    with tempfile.TemporaryDirectory(prefix="yunhe-corpus-") as name:
        folder = Path(name)
        if request.workload is None:
            done = _done_here(storage, request, folder, progress)
            if _stamp(request.path) != stamp:
                raise errors.input_changed(request.path)
        else:
            done = metering.take(storage, request, raw=source.digest, folder=folder)
        kept = artefacts.issue(storage, request, done, source=source)
    with storage.database.begin() as tx:
        row = store.by_key(tx, request.key)  # another run may have finished while this one worked
        if row is None:
            row = _record(tx, request, kept, source=source, asked=asked)
    return _answer(storage, row, key=request.key, asked=asked)


def _done_here(
    storage: Storage, request: CleanseRequest, folder: Path, progress: Progress
) -> metering.Taken:
    """The work itself; its files are blobs then."""
    profile = metering.with_library(storage, request, folder)
    steps = pipeline.build(profile)
    planted = None if request.truth is None else truth.read(request.truth)
    read, settled = engine.one_file(
        request.path,
        request.columns,
        steps,
        folder=folder,
        threads=request.threads,
        progress=progress,
    )
    result = results.Result(read, settled)
    result.refuse(request.path)
    out = folder / "out"
    out.mkdir()
    count = profile.sample_documents.value
    laid = results.lay_down(result, out, documents_max=count, planted=planted)
    there = {path.name: storage.blobs.put_file(path).digest for path in sorted(out.iterdir())}
    return metering.Taken(laid, there, steps)


def compile_kernels(progress: Progress) -> None:
    """Compile whatever is not compiled yet, for jobs that may only read what is.

    Cost: milliseconds, or up to half a minute of one processor after an update of Yunhe.
    """
    compile_all(lambda done, total, _: progress.step("corpus.kernels", done=done, total=total))


def holder_of(tx: Transaction, source: str) -> str:
    """The organisation that holds a source.

    Errors: `NotFound` ``corpus.source_unknown``.
    """
    row = store.by_source(tx, source)
    if row is None:
        raise NotFound("corpus.source_unknown", source=source[:64])
    return str(row["holder"])


def certified(tx: Transaction, certificate: str) -> Certified:
    """What ended with a certificate. Errors: `NotFound` ``corpus.certificate_unknown``."""
    row = store.by_certificate(tx, certificate)
    if row is None:
        raise errors.certificate_unknown(certificate)
    return _certified(row)


def newest(
    tx: Transaction, *, holder: str | None, after: tuple[int, str] = (0, ""), limit: int = 50
) -> list[Certified]:
    """What one holder, or anybody, had certified, newest first.

    ``after``: time and certificate of the last one already seen.
    """
    return [_certified(row) for row in store.newest(tx, holder=holder, after=after, limit=limit)]


def _certified(row: Mapping[str, Any]) -> Certified:
    return Certified(**{each.name: row[each.name] for each in fields(Certified)})


def decisions_of(storage: Storage, digest: str, *, document: str | None = None) -> list[Decision]:
    """What was decided about one document, or about all; ``digest`` names a decision table."""
    return [Decision(**row) for row in _rows(storage, digest, document)]


def spans_of(storage: Storage, digest: str, *, document: str | None = None) -> list[Span]:
    """Where personal details stood in one document, or in all; ``digest`` names a span table."""
    return [Span(**row) for row in _rows(storage, digest, document)]


def _rows(storage: Storage, digest: str, document: str | None) -> list[dict[str, Any]]:
    chosen = None if document is None else [("document", "=", document)]
    table = parquet.read_table(io.BytesIO(storage.blobs.read(digest)), filters=chosen)
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _check(request: CleanseRequest) -> None:
    findings = [
        Finding(name, "corpus.field_empty")
        for name in ("key", "name", "holder", "licence")
        if not getattr(request, name).strip()
    ]
    if not 1 <= request.threads <= THREADS_MAX:
        findings.append(Finding("threads", "corpus.threads_range", (("max", THREADS_MAX),)))
    columns = request.columns
    named = [name for name in (columns.text, columns.label, columns.id) if name is not None]
    if not all(named):
        findings.append(Finding("columns", "corpus.field_empty"))
    if columns.text in named[1:]:
        findings.append(Finding("columns", "corpus.column_reused", (("column", columns.text),)))
    if findings:
        raise errors.request_invalid(findings)


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _source(path: Path) -> tuple[artefacts.Read, tuple[int, int, int]]:
    """Digest and size of a file, and what tells whether it was written to since."""
    if path.is_dir():
        raise errors.input_is_folder(path)
    try:
        with path.open("rb") as stream:
            stamp = _stamp(path)
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return artefacts.Read(f"sha256:{digest}", stream.tell()), stamp
    except FileNotFoundError:
        raise errors.input_missing(path) from None
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise errors.input_unreadable(path, reason) from None


def _request_digest(request: CleanseRequest, source: artefacts.Read) -> str:
    columns = request.columns
    return digest_of(
        {
            "input_digest": source.digest,
            "truth_digest": None if request.truth is None else _source(request.truth)[0].digest,
            "name": request.name,
            "holder": request.holder,
            "licence": request.licence,
            "synthetic": request.synthetic,
            "columns": [columns.text, columns.label, columns.id],
            "profile": request.profile.as_json(),
            **({"registered": request.source} if request.source else {}),
            **({"workload": request.workload} if request.workload else {}),
        }
    )


def _registered(storage: Storage, request: CleanseRequest) -> CleanseRequest:
    """The request with the licence and terms that the register of sources has."""
    if request.source is None:
        return request
    with storage.database.read() as tx:
        found = sources.source(tx, request.source)
    if found.holder != request.holder:
        raise sources.source_unknown(request.source)
    return replace(request, licence=found.facts.licence, terms=found.terms.as_json())


def _review_of(tx: Transaction, request: CleanseRequest) -> dict[str, str]:
    """The link to the decision by which its source may be used; none where none is named."""
    if request.source is None:
        return {}
    found = sources.require_accepted(tx, request.source, holder=request.holder)
    return {"review": found.reference}


def _record(
    tx: Transaction,
    request: CleanseRequest,
    kept: artefacts.Artefacts,
    *,
    source: artefacts.Read,
    asked: str,
) -> Mapping[str, object]:
    source_id = derived_id("source", request.key)
    digests = kept.digests
    source_reference, certificate_reference = _append(
        tx, request, kept, source_id=source_id, source=source
    )
    row: dict[str, object] = {
        "certificate_id": kept.certificate_id,
        "key": request.key,
        "request_digest": asked,
        "source_id": source_id,
        "name": request.name,
        "holder": request.holder,
        "licence": request.licence,
        "synthetic": request.synthetic,
        "input_bytes": source.size_bytes,
        "source_reference": source_reference,
        "certificate_reference": certificate_reference,
        "input_digest": digests.input,
        "output_digest": digests.output,
        "certificate_digest": kept.certificate_digest,
        "decisions_digest": digests.decisions,
        "spans_digest": digests.spans,
        "sample_digest": digests.sample,
        "at_us": kept.at_us,
    }
    made = (digests.output, digests.decisions, digests.spans, digests.sample)
    limits.carry(tx, [digests.input, certificate_reference], made, at_us=kept.at_us)
    store.insert(tx, row)
    return row


def _append(
    tx: Transaction,
    request: CleanseRequest,
    kept: artefacts.Artefacts,
    *,
    source_id: str,
    source: artefacts.Read,
) -> tuple[str, str]:
    """The custody records of source and certificate; their references."""
    source_reference = custody.append(
        tx,
        Record(
            kind="data.source",
            subject=source_id,
            at_us=kept.at_us,
            body={
                "digest": source.digest,
                "bytes": source.size_bytes,
                "name": request.name,
                "holder": request.holder,
                "licence": request.licence,
                "synthetic": request.synthetic,
            },
            links=_review_of(tx, request),
        ),
    )
    certificate = Record(
        kind="data.certificate",
        subject=kept.certificate_id,
        at_us=kept.at_us,
        body={
            "certificate_digest": kept.certificate_digest,
            "input_digest": source.digest,
            "pipeline_digest": kept.pipeline_digest,
            "output_digest": kept.digests.output,
            "documents_in": kept.documents_in,
            "documents_out": kept.documents_out,
        },
        links={"source": source_reference, **({"usage": kept.usage} if kept.usage else {})},
    )
    return source_reference, custody.append(tx, certificate)


def _answer(storage: Storage, row: Mapping[str, object], *, key: str, asked: str) -> Cleansed:
    if row["request_digest"] != asked:
        raise Conflict("corpus.request_differs", key=key)
    stored = {each.name: str(row[each.name]) for each in fields(Cleansed) if each.name in row}
    issued = json.loads(storage.blobs.read(stored["certificate_digest"]))
    return Cleansed(certificate=issued, **stored)
