"""Drops every document but the first of those that say exactly the same."""

from __future__ import annotations

from pathlib import Path

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.evidence import Evidence, Settled
from yunhe.corpus.kernels.hashing import letter_hashes, text_hashes
from yunhe.corpus.near import exact


def _work(documents: Documents, values: Values) -> Outcome:
    hashes = letter_hashes if values.options["same"] == "letters" else text_hashes
    return Outcome(evidence=hashes(documents.utf8))


def _settle(evidence: Evidence, values: Values, scratch: Path, memory_bytes: int) -> Settled:
    del values
    return exact.settle(evidence, scratch, memory_bytes=memory_bytes)


STEP = Step(
    version=2,
    reasons=("duplicate",),
    options={"same": ("text", "letters")},
    work=_work,
    settle=_settle,
)
"""Exact duplicates: of the whole text, or of its letters whatever stands between them."""
