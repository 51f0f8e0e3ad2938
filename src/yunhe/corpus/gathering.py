"""A finished cleansing in memory, for inputs small enough: comparison with a truth, tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yunhe.corpus.documents import Spans
from yunhe.corpus.pipeline import Marks
from yunhe.corpus.running.tables import UnitTables
from yunhe.corpus.running.whole import Whole, one


@dataclass(frozen=True, slots=True)
class Corpus:
    """An input after cleansing. Rows count the documents of the input from 0."""

    encoding: str
    """What the input was written in."""
    documents: int
    """How many there were."""
    names: pa.StringArray
    """string[documents], unlike each other; by number where the input named neach."""
    labels: pa.ChunkedArray
    """string[documents], nulls where there was neach."""
    rows: NDArray[np.int64]
    """int64[released]: which documents are released, in order."""
    texts: pa.ChunkedArray
    """large_string[released]: what they say."""
    groups: NDArray[np.int64]
    """int64[released]: the first released document of each one's group, by place in ``rows``."""
    drops: tuple[Marks, ...]
    """Every document not released, once, by the first step that refused it."""
    repairs: tuple[Marks, ...]
    """Documents repaired, released or not."""
    spans: Spans
    """Personal details in released documents; documents are places in ``rows``."""


def gather(encoding: str, whole: Whole) -> Corpus:
    """Everything the units hold. Memory: all of it."""
    tables = [UnitTables(whole, number) for number in range(len(whole.of.units))]
    before = whole.of.documents_before.tolist()
    rows = [each.released + first for each, first in zip(tables, before, strict=False)]
    released = np.concatenate([[0], np.cumsum([len(part) for part in rows])]).astype(np.int64)
    places = np.full(len(whole.places), -1, np.int64)
    kept = np.concatenate([each.kept for each in tables])
    places[kept] = np.arange(int(kept.sum()))
    marks = [
        mark for each, first in zip(tables, before, strict=False) for mark in _marks(each, first)
    ]
    names = [unit.names() for unit in whole.of.units]
    return Corpus(
        encoding,
        int(before[-1]),
        one(pa.chunked_array([each.names for each in tables], pa.string())),
        pa.chunked_array([each.labels for each in names], pa.string()),
        np.concatenate(rows),
        pa.chunked_array([_texts(each) for each in tables], pa.large_string()),
        places[np.concatenate([each.firsts for each in tables])],
        tuple(mark for repair, mark in marks if not repair),
        tuple(mark for repair, mark in marks if repair),
        Spans.concatenated(
            [
                each.found.where(np.ones(len(each.found), np.bool_), each.found.documents + first)
                for each, first in zip(tables, released.tolist(), strict=False)
            ]
        ),
    )


def _texts(each: UnitTables) -> pa.Array:
    columns = [table.column("text").cast(pa.large_string()) for table in each.documents()]
    chunks = [chunk for column in columns for chunk in column.chunks]
    return pa.concat_arrays(chunks) if chunks else pa.array([], pa.large_string())


def _marks(each: UnitTables, first: int) -> list[tuple[int, Marks]]:
    columns = each.marks
    found = []
    kinds = columns["repair"].astype(np.int64) << 16 | columns["place"].astype(np.int64)
    for kind in np.unique(kinds).tolist():
        at = kinds == kind
        rows, codes = columns["row"][at].astype(np.int64) + first, columns["code"][at]
        marks = Marks(kind & 0xFFFF, rows, codes.astype(np.uint8), columns["score"][at])
        found.append((kind >> 16, marks))
    return found
