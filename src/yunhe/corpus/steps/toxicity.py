"""Drops documents that a classifier the operator trained calls toxic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from yunhe.corpus.documents import Documents, Outcome, Prepared, Step, Values
from yunhe.corpus.toxicity.model import Classifier, load
from yunhe.kernel.errors import Invalid


def _prepare(options: Mapping[str, str]) -> Prepared:
    """Errors: `Invalid` ``corpus.toxicity_no_model``: none is shipped, so none is assumed."""
    if not options["model"]:
        raise Invalid("corpus.toxicity_no_model")
    model, read = load(Path(options["model"]))
    return Prepared(model, {"model": read.digest})


def _work(documents: Documents, values: Values) -> Outcome:
    model = values.prepared
    if not isinstance(model, Classifier):
        raise Invalid("corpus.toxicity_no_model")
    scores = model.per_thousand(documents.utf8)
    toxic = scores > values["score_per_thousand_max"]
    return Outcome(reasons=toxic.astype(np.uint8), scores=scores)


STEP = Step(
    version=1,
    thresholds=("score_per_thousand_max",),
    reasons=("toxic",),
    options={"model": ()},
    prepare=_prepare,
    work=_work,
)
"""Toxicity."""
