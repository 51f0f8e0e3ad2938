"""Drops documents that contain an evaluation item, going by a file of hashes of the items."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from yunhe.corpus.contamination import Known, read_hashes
from yunhe.corpus.documents import Documents, Outcome, Prepared, Step, Values
from yunhe.corpus.errors import hashes_missing
from yunhe.corpus.kernels.overlap import shares


def _prepare(options: Mapping[str, str]) -> Prepared:
    if not options["hashes"]:
        raise hashes_missing()
    known = read_hashes(Path(options["hashes"]))
    return Prepared(known, {"hashes": known.digest, "items": known.searched})


def _work(documents: Documents, values: Values) -> Outcome:
    known = values.prepared
    if not isinstance(known, Known):
        raise TypeError(type(known))  # a mistake of the program: nothing was prepared
    found = shares(documents.utf8, known.items)
    reasons = (found >= values["share_percent_min"]) & (found > 0)
    return Outcome(reasons=reasons.astype(np.uint8), scores=found)


STEP = Step(
    version=1,
    thresholds=("share_percent_min",),
    reasons=("contaminated",),
    options={"hashes": ()},
    prepare=_prepare,
    work=_work,
)
"""Contamination: the share of one item's runs of 13 letters that a document contains."""
