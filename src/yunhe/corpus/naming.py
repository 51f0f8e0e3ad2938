"""Which names and labels of documents are personal details; they go out unmasked."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.personal.scan import scan

LABELS_MAX = 1000
"""Most different labels a dataset may have; more is a sign that the column is no label."""
# A check digit or an e-mail's layout; a bare number that looks like a phone may be chance.
_SURE_PERCENT = 95
_CHANCE_PER_HUNDRED = 1


def personal(values: pa.Array) -> list[int]:
    """Rows, from 1, whose value is surely a personal detail; all that look like one if many do."""
    texts = utf8(pc.fill_null(values, "").cast(pa.large_string()))
    found = scan(texts)
    rows = np.searchsorted(texts.offsets, found.starts, side="right")
    if len(found) * 100 <= len(values) * _CHANCE_PER_HUNDRED:
        rows = rows[found.scores >= _SURE_PERCENT]
    return [int(row) for row in np.unique(rows)]
