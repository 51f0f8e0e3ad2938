"""For tests of the engine: lengths as evidence; documents go whose length seven divides."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.evidence import Evidence, Settled


def _work(documents: Documents, values: Values) -> Outcome:
    del values
    lengths = np.diff(documents.utf8.offsets).astype(np.uint64)
    return Outcome(evidence=lengths.reshape(-1, 1))


def _settle(evidence: Evidence, values: Values, scratch: Path, memory: int) -> Settled:
    del values, scratch, memory
    found = Settled.nothing(sum(evidence.counts))
    at = 0
    for unit, count in enumerate(evidence.counts):
        found.codes[at : at + count] = evidence.values(unit)[:, 0] % 7 == 0
        at += count
    return found


STEP = Step(version=1, reasons=("seventh",), work=_work, settle=_settle)
