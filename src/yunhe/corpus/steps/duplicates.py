"""Drops every document but the first of those that say exactly the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.documents import Codes, Documents, Outcome, Step, Values
from yunhe.corpus.kernels.hashing import document_hashes, first_occurrences


def _work(documents: Documents, values: Values) -> Outcome:
    del values
    joined = documents.joined
    return Outcome(evidence=document_hashes(joined.codes, joined.starts))


def _settle(evidence: NDArray[np.uint64], values: Values) -> Codes:
    del values
    again: Codes = (first_occurrences(evidence) != np.arange(len(evidence))).astype(np.uint8)
    return again


STEP = Step(version=1, reasons=("duplicate",), work=_work, settle_drops=_settle)
"""Exact duplicates."""
