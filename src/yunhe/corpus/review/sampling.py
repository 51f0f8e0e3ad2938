"""Draws the items of a review: by source, label and length, seeded by the dataset's own digest.

Nobody can choose what is looked at: the same dataset and size always give the same items, and
whoever has the dataset can draw them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import parquet

from yunhe.corpus.review.domain import Rules, Stratum

BATCH_ROWS = 4_096
"""Documents of the dataset in memory at once."""
SAMPLE_GROUP_ROWS = 32
"""Items of the sample that are read to show one."""
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


@dataclass(frozen=True, slots=True)
class Drawn:
    """The items of a review."""

    rows: NDArray[np.int64]
    """int64[items]: their rows in the dataset, ascending."""
    strata: NDArray[np.int64]
    """int64[items]: the stratum of each, by position in ``known``."""
    known: tuple[Stratum, ...]
    """Every stratum of the dataset."""
    population: int
    """Documents of the dataset."""


def draw(path: Path, *, digest: str, items: int, rules: Rules) -> Drawn:
    """Draw ``items`` documents of a dataset (Parquet), or all of them where it has fewer.

    Cost: reads the columns label and source and the texts once, a batch at a time.
    """
    codes, known = strata_of(path, rules)
    shares = allotted(
        [each.documents for each in known], items=items, items_min=rules.stratum_items_min
    )
    lots = _lots(len(codes), digest)
    drawn = [
        _lowest(np.flatnonzero(codes == place), lots, count)
        for place, count in enumerate(shares)
        if count
    ]
    rows = np.sort(np.concatenate([np.empty(0, np.int64), *drawn]))
    return Drawn(rows, codes[rows], known, len(codes))


def strata_of(path: Path, rules: Rules) -> tuple[NDArray[np.int64], tuple[Stratum, ...]]:
    """int64[documents], the stratum of every document; and the strata, in order of their names."""
    borders = np.array(rules.length_characters)
    parts: list[NDArray[np.int64]] = []
    numbers: dict[tuple[str, str, int], int] = {}
    for batch in batches(path, ["source", "label", "text"]):
        lengths = pc.utf8_length(pc.fill_null(batch.column("text"), "")).to_numpy()
        classes = np.searchsorted(borders, lengths, side="right").tolist()
        sources, labels = (batch.column(name).to_pylist() for name in ("source", "label"))
        keys = zip(
            (s or "" for s in sources), (each or "" for each in labels), classes, strict=True
        )
        found = [numbers.setdefault(key, len(numbers)) for key in keys]
        parts.append(np.array(found, np.int64))
    met = np.concatenate([np.empty(0, np.int64), *parts])
    order = sorted(numbers)
    places = np.empty(len(order), np.int64)
    for place, key in enumerate(order):
        places[numbers[key]] = place
    codes = places[met] if len(met) else met
    counts = np.bincount(codes, minlength=len(order)).tolist()
    return codes, tuple(
        Stratum(source, label, length, count)
        for (source, label, length), count in zip(order, counts, strict=True)
    )


def batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The dataset's documents in order; a column it lacks is full of nulls, all are texts."""
    with parquet.ParquetFile(path) as file:
        there = [name for name in columns if name in file.schema_arrow.names]
        for batch in file.iter_batches(BATCH_ROWS, columns=there):
            absent = pa.nulls(len(batch), pa.large_string())
            yield pa.record_batch(
                [
                    batch.column(name).cast(pa.large_string()) if name in there else absent
                    for name in columns
                ],
                names=list(columns),
            )


def allotted(sizes: Sequence[int], *, items: int, items_min: int) -> list[int]:
    """How many items of each stratum: in proportion, but at least ``items_min`` of each.

    Sums to ``items``, or to all documents where there are fewer. The floor falls as far as it must
    where there are too many strata for it; what is left is given by largest remainder, the earlier
    stratum first.
    """
    whole = sum(sizes)
    items = min(items, whole)
    floor = min(items_min, items // len(sizes)) if sizes else 0
    given = [min(size, floor) for size in sizes]
    left, open_ = items - sum(given), whole - sum(given)
    if not left:
        return given
    rests = [size - part for size, part in zip(sizes, given, strict=True)]
    extra = [left * rest // open_ for rest in rests]
    order = sorted(range(len(sizes)), key=lambda place: (-(left * rests[place] % open_), place))
    for place in order[: left - sum(extra)]:
        extra[place] += 1
    return [part + more for part, more in zip(given, extra, strict=True)]


def sample(path: Path, drawn: Drawn) -> pa.Table:
    """The items: number (from 1), row, document, text, label, stratum."""
    parts: list[pa.Table] = []
    at = 0
    for batch in batches(path, ["id", "text", "label"]):
        inside = drawn.rows[(drawn.rows >= at) & (drawn.rows < at + len(batch))] - at
        parts.append(pa.Table.from_batches([batch]).take(pa.array(inside)))
        at += len(batch)
    whole = pa.concat_tables(parts).combine_chunks() if parts else _NONE
    return pa.table(
        {
            "number": pa.array(np.arange(1, len(drawn.rows) + 1)),
            "row": pa.array(drawn.rows),
            "document": whole.column("id"),
            "text": whole.column("text"),
            "label": whole.column("label"),
            "stratum": pa.array(drawn.strata),
        }
    )


_NONE = pa.table({name: pa.array([], pa.large_string()) for name in ("id", "text", "label")})


def sample_bytes(table: pa.Table) -> bytes:
    """The sample as Parquet in small groups, so that showing one item reads few."""
    sink = pa.BufferOutputStream()
    parquet.write_table(
        table, sink, compression="zstd", use_dictionary=False, row_group_size=SAMPLE_GROUP_ROWS
    )
    return bytes(sink.getvalue())


def _lots(count: int, digest: str) -> NDArray[np.uint64]:
    """uint64[count]: a number for each row that follows from the digest alone (SplitMix64)."""
    seed = np.uint64(int(digest.removeprefix("sha256:")[:16], 16))
    with np.errstate(over="ignore"):
        lots = (np.arange(1, count + 1, dtype=np.uint64) * _MIX[0]) ^ seed
        lots = (lots ^ (lots >> np.uint64(30))) * _MIX[1]
        lots = (lots ^ (lots >> np.uint64(27))) * _MIX[2]
    mixed: NDArray[np.uint64] = lots ^ (lots >> np.uint64(31))
    return mixed


def _lowest(rows: NDArray[np.int64], lots: NDArray[np.uint64], count: int) -> NDArray[np.int64]:
    chosen: NDArray[np.int64] = rows[np.argsort(lots[rows], kind="stable")[:count]]
    return chosen
