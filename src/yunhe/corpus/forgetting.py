"""Takes one document's traces out of what a cleansing left."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from yunhe.compute.service import limits
from yunhe.corpus import output, store
from yunhe.corpus.domain import Forgotten
from yunhe.corpus.review import service as reviews
from yunhe.custody import service as custody
from yunhe.kernel.errors import NotFound
from yunhe.storage.blobs import Blobs
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

_RAW_FIELDS = {("data.source", "digest"), ("data.certificate", "input_digest")}
_TABLES = (("decisions", "document"), ("spans", "document"), ("sample", "id"))


def forget(storage: Storage, *, source: str, document: str) -> Forgotten:
    """Remove the raw input, and write the side tables anew without the document.

    The dataset itself stays as it was certified: it holds the document masked. The certificate
    keeps naming the old tables, which nobody has any more. Killed anywhere, the same call finishes.

    Errors: `NotFound` ``corpus.source_unknown``; storage's own.
    """
    with storage.database.read() as tx:
        row = store.by_source(tx, source)
    if row is None:
        raise NotFound("corpus.source_unknown", source=source[:64])
    blobs, stored = storage.blobs, {name: str(value) for name, value in row.items()}
    released = len(_without(blobs, stored["output_digest"], "id", document)[1]) > 0
    rows, digests, doom = 0, dict[str, str](), [stored["input_digest"]]
    for name, column in _TABLES:
        digest = stored[f"{name}_digest"]
        left, gone = _without(blobs, digest, column, document)
        left, named = _unnamed(left, document)
        if len(gone) or named:
            rows += len(gone)
            doom.append(digest)
            digests[f"{name}_digest"] = blobs.put(output.parquet_bytes(left)).digest
    doom += reviews.forget(storage, stored["certificate_id"], document)
    with storage.database.begin() as tx:
        at_us = storage.clock.now_us()
        store.replace(tx, source, digests, doom=doom, at_us=at_us)
        limits.carry(tx, doom, digests.values(), at_us=at_us)
    return Forgotten(
        certificate_id=stored["certificate_id"],
        source_reference=stored["source_reference"],
        certificate_reference=stored["certificate_reference"],
        holder=stored["holder"],
        input_digest=stored["input_digest"],
        dataset_digest=stored["output_digest"],
        released=released,
        rows=rows,
        blobs=clear(storage),
    )


def clear(storage: Storage) -> int:
    """Remove the blobs that erasures gave up, also those of an erasure that was killed.

    One that is also something else stays: the sample of a small dataset is the dataset.
    """
    with storage.database.read() as tx:
        digests = store.doomed_blobs(tx)
        going = [digest for digest in digests if not is_artefact(tx, digest)]
    there = [digest for digest in going if storage.blobs.exists(digest)]
    for digest in there:
        storage.blobs.delete(digest)
    if digests:
        with storage.database.begin() as tx:
            store.are_gone(tx, digests)
    return len(there)


def is_artefact(tx: Transaction, digest: str) -> bool:
    """Whether these bytes are something the platform made or certified, and not only raw input."""
    if store.is_artefact(tx, digest) or reviews.is_sample(tx, digest):
        return True
    return bool(set(custody.naming(tx, digest)) - _RAW_FIELDS)


def _unnamed(table: pa.Table, document: str) -> tuple[pa.Table, bool]:
    """Rows of others that name this one as what they are duplicates of, with the name taken out."""
    if "of" not in table.schema.names:
        return table, False
    about = pc.fill_null(pc.equal(table.column("of"), document), False)
    if not pc.any(about).as_py():
        return table, False
    place = table.schema.get_field_index("of")
    names = pc.if_else(about, pa.scalar(None, pa.string()), table.column("of"))
    return table.set_column(place, table.schema.field(place), names), True


def _without(blobs: Blobs, digest: str, column: str, document: str) -> tuple[pa.Table, pa.Table]:
    """The table's rows about other documents, and those about this one; none when it is gone."""
    try:
        table = parquet.read_table(io.BytesIO(blobs.read(digest)))
    except NotFound:  # an earlier erasure removed the whole dataset
        empty = pa.table({column: pa.array([], pa.string())})
        return empty, empty
    about = pc.equal(table.column(column), document)
    return table.filter(pc.invert(about)), table.filter(about)
