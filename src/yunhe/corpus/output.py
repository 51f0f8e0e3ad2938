"""The tables a cleansing leaves, as Parquet bytes that depend on nothing but the tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import parquet

from yunhe.corpus.documents import Spans
from yunhe.corpus.domain import PERSONAL_TYPES
from yunhe.corpus.gathering import Corpus
from yunhe.corpus.kernels.hashing import mix
from yunhe.corpus.personal.hits import REASONS
from yunhe.corpus.pipeline import Marks, Pipeline

ROW_GROUP_ROWS = 16_384
"""Rows of a row group; fixed, because where groups end is part of the bytes."""


def parquet_bytes(table: pa.Table) -> bytes:
    """The table as one Parquet file: the same rows give the same bytes, however chunked."""
    sink = pa.BufferOutputStream()
    with parquet.ParquetWriter(
        sink, table.schema, compression="zstd", use_dictionary=False, store_schema=False
    ) as writer:
        for at in range(0, max(len(table), 1), ROW_GROUP_ROWS):
            part = table.slice(at, ROW_GROUP_ROWS).combine_chunks()
            writer.write_table(part, row_group_size=ROW_GROUP_ROWS)
    return bytes(sink.getvalue())


def dataset(corpus: Corpus, ids: pa.Array) -> pa.Table:
    """The released documents: id, text (masked), label, group (the id of the first of its kind)."""
    rows = pa.array(corpus.rows)
    released = ids.take(rows)
    return pa.table(
        {
            "id": released,
            "text": corpus.texts,
            "label": corpus.labels.take(rows),
            "group": released.take(pa.array(corpus.groups)),
        }
    )


def decisions(corpus: Corpus, ids: pa.Array, pipeline: Pipeline) -> pa.Table:
    """One row for every repair and every drop, in the order of the documents."""
    columns: dict[str, list[pa.Array]] = {name: [] for name in ("step", "action", "reason")}
    rows, versions = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    actions = [("repaired", m) for m in corpus.repairs] + [("dropped", m) for m in corpus.drops]
    for action, marks in actions:
        placed = pipeline.steps[marks.step]
        said = placed.step.repairs if action == "repaired" else placed.step.reasons
        count = len(marks.rows)
        columns["step"].append(pa.repeat(placed.name, count))
        columns["action"].append(pa.repeat(action, count))
        columns["reason"].append(pa.array(said, pa.string()).take(pa.array(marks.codes - 1)))
        rows.append(marks.rows)
        versions.append(np.full(count, placed.step.version))
    numbers = np.concatenate(rows)
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    texts = {
        name: pa.chunked_array(parts, pa.string()).take(pa.array(order))
        for name, parts in columns.items()
    }
    return pa.table(
        {
            "document": ids.take(pa.array(numbers)),
            "row": pa.array(numbers + 1),
            "step": texts["step"],
            "version": pa.array(np.concatenate(versions)[order]),
            "action": texts["action"],
            "reason": texts["reason"],
        }
    )


def spans(found: Spans, released: pa.Array) -> pa.Table:
    """One row for every personal detail in a released document: where and what, never its value."""
    return pa.table(
        {
            "document": released.take(pa.array(found.documents)),
            "type": pa.array(PERSONAL_TYPES, pa.string()).take(pa.array(found.types)),
            "start": pa.array(found.starts),
            "end": pa.array(found.ends),
            "score": pa.array(found.scores.astype(np.int32)),
            "reason": pa.array(REASONS, pa.string()).take(pa.array(found.reasons)),
        }
    )


def sample(table: pa.Table, *, documents_max: int, digest: str) -> pa.Table:
    """Documents drawn for review, in their order.

    The draw comes from the digest of the whole dataset, so nobody can arrange beforehand which
    documents are looked at, and everybody can repeat it.
    """
    seed = np.uint64(int(digest.removeprefix("sha256:")[:16], 16))
    lots = mix(np.arange(1, len(table) + 1, dtype=np.uint64) ^ seed)
    drawn = np.sort(np.argsort(lots, kind="stable")[:documents_max])
    return table.take(pa.array(drawn))


def counts(marks: Iterable[Marks], names: Sequence[tuple[str, ...]]) -> dict[str, int]:
    """How many documents each reason fits; ``names`` are the reasons of each step in order."""
    found: dict[str, int] = {}
    for each in marks:
        for code, number in zip(*np.unique(each.codes, return_counts=True), strict=True):
            reason = names[each.step][int(code) - 1]
            found[reason] = found.get(reason, 0) + int(number)
    return found


def label_counts(table: pa.Table) -> list[tuple[str | None, int]]:
    """Documents by label, in the order of the labels; None last."""
    counted = pc.value_counts(table.column("label")).to_pylist()
    pairs = [(entry["values"], int(entry["counts"])) for entry in counted]
    return sorted(pairs, key=lambda pair: (pair[0] is None, pair[0] or ""))


def group_sizes(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[g]: members of each group, in the order of their first members."""
    sizes: NDArray[np.int64] = np.unique(groups, return_counts=True)[1]
    return sizes
