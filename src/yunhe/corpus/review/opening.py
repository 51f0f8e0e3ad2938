"""Opens reviews: draws the items, says who must not judge them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from yunhe.corpus import store as cleansings
from yunhe.corpus.errors import certificate_unknown
from yunhe.corpus.review import errors, sampling, store
from yunhe.corpus.review.domain import Asked, Kind, Review
from yunhe.corpus.review.rules import rules
from yunhe.kernel.canonical import digest_of
from yunhe.kernel.errors import Finding
from yunhe.kernel.ids import derived_id
from yunhe.storage import operations
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

ITEMS_MAX = 100_000
"""Most items of one review."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a new review starts from."""

    kind: Kind
    """By people or by rules."""
    row: Mapping[str, object]
    """The cleansing's row."""
    drawn: sampling.Drawn
    """Its items."""
    sample: pa.Table
    """The same with their texts."""


def open_review(storage: Storage, asked: Asked, *, by: str) -> Review:
    """Open a review by people of a certified dataset; asked again alike it is the same review.

    Errors: `NotFound` ``corpus.certificate_unknown``; `Invalid` ``corpus.review_invalid``;
    `Conflict` ``corpus.review_running`` when the dataset has one already that was not withdrawn.
    Cost: reads the dataset twice, a batch at a time.
    """
    _check(asked, by)
    request = _request_digest(asked, by)
    opening = drawn_from(storage, asked.certificate, kind="manual", items=asked.items)
    digest = storage.blobs.put(sampling.sample_bytes(opening.sample)).digest
    with storage.database.begin() as tx:
        makers = _makers(tx, opening.row, asked)
        there = standing(tx, asked.certificate, "manual")
        if there is not None:
            if store.request_of(tx, there.id) != request:
                raise errors.review_running(there.id)
            return there
        made = new(tx, opening, digest, at_us=storage.clock.now_us())
        made = replace(
            made,
            adjudicator=asked.adjudicator,
            opened_by=by,
            made_by=makers,
            organisations=tuple(sorted(set(asked.organisations))),
        )
        store.add(tx, made, opening.drawn.known, request=request)
        documents = opening.sample.column("document").to_pylist()
        strata = opening.drawn.strata.tolist()
        store.add_items(tx, made.id, list(zip(documents, strata, strict=True)))
        return made


def _check(asked: Asked, by: str) -> None:
    findings = []
    if not 0 <= asked.items <= ITEMS_MAX:
        findings.append(Finding("items", "corpus.review_items_range", (("max", ITEMS_MAX),)))
    if asked.adjudicator and asked.adjudicator in (by, *asked.made_by):
        findings.append(Finding("adjudicator", "corpus.review_adjudicator_maker"))
    if findings:
        raise errors.review_invalid(findings)


def _request_digest(asked: Asked, by: str) -> str:
    return digest_of(
        {
            "items": asked.items,
            "adjudicator": asked.adjudicator,
            "made_by": sorted(asked.made_by),
            "organisations": sorted(asked.organisations),
            "by": by,
        }
    )


def _makers(tx: Transaction, row: Mapping[str, object], asked: Asked) -> tuple[str, ...]:
    """Who must not review: the declared ones, and whoever asked for the cleansing."""
    kind, _, operation = str(row["key"]).partition("/")
    cleanser = operations.find(tx, operation).member if kind == "operation" else ""
    if asked.adjudicator and asked.adjudicator == cleanser:
        finding = Finding("adjudicator", "corpus.review_adjudicator_maker")
        raise errors.review_invalid([finding])
    return tuple(sorted({*asked.made_by, *([cleanser] if cleanser else [])}))


def drawn_from(storage: Storage, certificate: str, *, kind: Kind, items: int = 0) -> Opening:
    """The items of a check of that kind, or more of them.

    Errors: `NotFound` ``corpus.certificate_unknown``; storage's own.
    """
    with storage.database.read() as tx:
        row = cleansings.by_certificate(tx, certificate)
    if row is None:
        raise certificate_unknown(certificate)
    digest, check = str(row["output_digest"]), rules().checks[kind]
    with tempfile.TemporaryDirectory(prefix="yunhe-review-") as folder:
        path = storage.blobs.fetch(digest, Path(folder) / "dataset.parquet")
        with parquet.ParquetFile(path) as file:
            population = file.metadata.num_rows
        count = max(check.items(population), items)
        drawn = sampling.draw(path, digest=digest, items=count, rules=rules())
        return Opening(kind, row, drawn, sampling.sample(path, drawn))


def standing(tx: Transaction, certificate: str, kind: Kind) -> Review | None:
    """The review of that kind that was not withdrawn."""
    there = store.of_certificate(tx, certificate, kind)
    return next((each for each in there if each.state != "withdrawn"), None)


def new(tx: Transaction, opening: Opening, sample_digest: str, *, at_us: int) -> Review:
    """The review as it starts, without the people in it."""
    certificate = str(opening.row["certificate_id"])
    number = len(store.of_certificate(tx, certificate, opening.kind)) + 1
    return Review(
        id=derived_id("review", certificate, opening.kind, str(number)),
        kind=opening.kind,
        round=number,
        certificate=certificate,
        holder=str(opening.row["holder"]),
        standard=rules().checks[opening.kind].standard,
        rules_version=rules().version,
        dataset_digest=str(opening.row["output_digest"]),
        sample_digest=sample_digest,
        population=opening.drawn.population,
        items=len(opening.drawn.rows),
        adjudicator="",
        opened_by="",
        made_by=(),
        organisations=(),
        state="open",
        opened_at_us=at_us,
        ended_at_us=None,
        result=None,
        reference=None,
    )
