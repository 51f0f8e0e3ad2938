"""The texts of a review's items: shows them, and takes erased documents out."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pyarrow as pa
from pyarrow import parquet

from yunhe.corpus import store as cleansings
from yunhe.corpus.review import sampling, store
from yunhe.corpus.review.domain import Review, Shown
from yunhe.corpus.review.ending import finish, required
from yunhe.storage.service import Storage

_LETTERS_SHOWN_MAX = 20_000


def shown(storage: Storage, found: Review, numbers: Sequence[int]) -> list[Shown]:
    """What the items say, in the order asked for. Cost: reads the sample's groups they lie in."""
    groups = sorted({(number - 1) // sampling.SAMPLE_GROUP_ROWS for number in numbers})
    if not groups:
        return []
    with parquet.ParquetFile(io.BytesIO(storage.blobs.read(found.sample_digest))) as file:
        table = file.read_row_groups(groups, columns=["number", "text", "label"])
    rows = {row["number"]: row for row in table.to_pylist()}
    texts = [
        (number, rows[number]["text"] or "", rows[number]["label"] or "") for number in numbers
    ]
    return [
        Shown(number, text[:_LETTERS_SHOWN_MAX], len(text), label) for number, text, label in texts
    ]


def forget(storage: Storage, certificate: str, document: str) -> list[str]:
    """Take a document out of the items of every review of a dataset; the samples that go.

    An item that was judged keeps its verdict without its text and name; one that was not is
    counted as erased. Doing it again changes nothing.
    """
    with storage.database.read() as tx:
        known = store.of_certificate(tx, certificate)
    gone: list[str] = []
    for each in known:
        if not storage.blobs.exists(each.sample_digest):
            continue  # an earlier erasure removed the whole dataset
        table = parquet.read_table(io.BytesIO(storage.blobs.read(each.sample_digest)))
        named = table.column("document").to_pylist()
        if document not in named:
            continue
        for name in {"document", "text", "label"}.intersection(table.column_names):
            values = zip(table.column(name).to_pylist(), named, strict=True)
            left = ["" if whose == document else value for value, whose in values]
            place = table.schema.get_field_index(name)
            table = table.set_column(place, name, pa.array(left, pa.large_string()))
        sample = storage.blobs.put(sampling.sample_bytes(table)).digest
        at_us = storage.clock.now_us()
        with storage.database.begin() as tx:
            for number, whose in enumerate(named, 1):
                if whose == document:
                    store.erase(tx, each.id, number, sample=sample)
            if each.state == "open" and not store.unsettled(tx, each.id):
                finish(tx, required(tx, each.id), at_us=at_us)
            cleansings.replace(tx, "", {}, doom=[each.sample_digest], at_us=at_us)
        gone.append(each.sample_digest)
    return gone
