"""Finds near-duplicates and keeps the first of each group, or all of them with their group."""

from __future__ import annotations

from pathlib import Path

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.evidence import Evidence, Settled
from yunhe.corpus.kernels.shingles import signatures
from yunhe.corpus.near.settling import settle


def _work(documents: Documents, values: Values) -> Outcome:
    del values
    return Outcome(evidence=signatures(documents.utf8))


def _settle(evidence: Evidence, values: Values, scratch: Path, memory_bytes: int) -> Settled:
    return settle(
        evidence,
        scratch,
        memory_bytes=memory_bytes,
        percent_min=values["similarity_percent_min"],
        drop=values.options["keep"] == "first",
    )


STEP = Step(
    version=2,
    thresholds=("similarity_percent_min",),
    reasons=("near_duplicate",),
    options={"keep": ("first", "all")},
    work=_work,
    settle=_settle,
)
"""Near-duplicates by exact Jaccard similarity of their five-letter runs."""
