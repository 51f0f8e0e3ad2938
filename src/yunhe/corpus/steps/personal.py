"""Finds personal details and puts placeholders in their place (de-identification, 去标识化)."""

from __future__ import annotations

from yunhe.corpus.documents import Documents, Outcome, Spans, Step, Values
from yunhe.corpus.personal import lexicon
from yunhe.corpus.personal.hits import as_spans
from yunhe.corpus.personal.scan import VERSION, find, masked


def _work(documents: Documents, values: Values) -> Outcome:
    joined = documents.joined
    hits = find(joined, score_percent_min=values["score_percent_min"])
    if not hits:
        return Outcome(spans=Spans.none())
    return Outcome(texts=masked(documents.texts, joined, hits), spans=as_spans(hits, joined.starts))


STEP = Step(
    version=VERSION,
    thresholds=("score_percent_min",),
    work=_work,
    data={"words": lexicon.DIGEST},
)
"""Personal details."""
