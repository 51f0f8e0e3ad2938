"""Names and labels of documents: unique, few, and free of personal details, as they go unmasked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from yunhe.corpus import errors
from yunhe.corpus.gathering import Corpus
from yunhe.corpus.kernels.joined import join
from yunhe.corpus.personal.scan import find
from yunhe.kernel.errors import Finding

LABELS_MAX = 1000
"""Most different labels a dataset may have; more is a sign that the column is no label."""
_SURE_PERCENT = (
    95  # a check digit or an e-mail's layout; a bare number that looks like a phone may be chance
)
_CHANCE_PER_HUNDRED = 1


def ids(path: Path, corpus: Corpus) -> pa.Array:
    """string[documents]: every document's name; rows without one are named after their number.

    Errors: `Invalid` ``corpus.input_faulty`` for names that occur twice, and for names or labels
    that hold personal details or labels that are too many: they go out as they are.
    """
    named = corpus.ids.combine_chunks()
    numbers = pa.array(np.arange(1, corpus.documents + 1))
    numbered = pc.binary_join_element_wise("row", pc.cast(numbers, pa.string()), "-")
    unnamed = pc.equal(pc.fill_null(named, ""), "")
    names = pc.if_else(unnamed, numbered, named)
    findings = [*_twice(path, names), *_revealing(path, named, corpus.labels)]
    if findings:
        raise errors.input_faulty(path, findings)
    return names


def _twice(path: Path, names: pa.Array) -> list[Finding]:
    codes = names.dictionary_encode().indices.to_numpy()
    _, firsts, times = np.unique(codes, return_index=True, return_counts=True)
    again = np.flatnonzero(times > 1)
    return [
        Finding(
            path.name, "corpus.id_twice", (("row", int(firsts[at]) + 1), ("times", int(times[at])))
        )
        for at in again[np.argsort(firsts[again])].tolist()
    ]


def _revealing(path: Path, named: pa.Array, labels: pa.ChunkedArray) -> list[Finding]:
    findings = [
        Finding(path.name, "corpus.id_personal", (("row", row),)) for row in _personal(named)
    ]
    different = labels.unique()
    if len(different) > LABELS_MAX:
        findings.append(Finding(path.name, "corpus.labels_many", (("max", LABELS_MAX),)))
    elif _personal(different):
        findings.append(Finding(path.name, "corpus.labels_personal"))
    return findings


def _personal(values: pa.Array) -> list[int]:
    """Rows, from 1, whose value is surely a personal detail; all that look like one if many do."""
    joined = join(pc.fill_null(values, ""))
    hits = find(joined)
    starts = np.array([hit.start for hit in hits], np.int64)
    rows = (joined.documents_of(starts) + 1).tolist()
    if len(rows) * 100 > len(values) * _CHANCE_PER_HUNDRED:
        return sorted(set(rows))
    return sorted({row for row, hit in zip(rows, hits, strict=True) if hit.score >= _SURE_PERCENT})
