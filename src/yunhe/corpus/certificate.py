"""What a dataset certificate says: counts, digests, thresholds and limits, never a value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from yunhe.corpus.documents import Spans
from yunhe.corpus.domain import PERSONAL_TYPES, CleanseRequest
from yunhe.corpus.gathering import Corpus
from yunhe.corpus.output import counts, group_sizes, label_counts
from yunhe.corpus.pipeline import Pipeline
from yunhe.kernel.canonical import JsonObject

FORMAT = "yunhe-dataset-certificate/1"
"""Raised whenever the meaning of a field changes."""
LIMITS = (
    "corpus.limit.deidentified",
    "corpus.limit.rules",
    "corpus.limit.names",
    "corpus.limit.links",
    "corpus.limit.damaged_numbers",
    "corpus.limit.word_lists",
)
"""What the masks do not promise, as codes whose sentences are in the locale files."""


@dataclass(frozen=True, slots=True)
class Digests:
    """The artefacts a certificate binds together."""

    input: str
    """The input file."""
    output: str
    """The dataset."""
    decisions: str
    """Every repair and drop."""
    spans: str
    """Every personal detail's place."""
    sample: str
    """Documents drawn for review."""


def body(
    request: CleanseRequest,
    corpus: Corpus,
    pipeline: Pipeline,
    *,
    digests: Digests,
    input_bytes: int,
    table: pa.Table,
    sampled: int,
    truth: JsonObject | None,
) -> JsonObject:
    """Everything but id and time: the same input, pipeline and request give the same body."""
    return {
        "format": FORMAT,
        "source": {
            "name": request.name,
            "holder": request.holder,
            "licence": request.licence,
            "synthetic": request.synthetic,
        },
        "input": {
            "digest": digests.input,
            "bytes": input_bytes,
            "encoding": corpus.encoding,
            "documents": corpus.documents,
        },
        "pipeline": {"digest": pipeline.digest(), **pipeline.description()},
        "output": {"digest": digests.output, "documents": len(table)},
        "decisions": {"digest": digests.decisions, **_decisions(corpus, pipeline)},
        "personal_details": {"digest": digests.spans, "by_type": _by_type(corpus.spans)},
        "near_duplicates": _groups(corpus),
        "labels": [{"label": label, "documents": number} for label, number in label_counts(table)],
        "sample": {"digest": digests.sample, "documents": sampled},
        "truth": "none given" if truth is None else truth,
        "de_identification": {"claim": "de-identified", "limits": list(LIMITS)},
    }


def _decisions(corpus: Corpus, pipeline: Pipeline) -> JsonObject:
    steps = [placed.step for placed in pipeline.steps]
    return {
        "dropped": counts(corpus.drops, [step.reasons for step in steps]),
        "repaired": counts(corpus.repairs, [step.repairs for step in steps]),
        "documents_dropped": sum(len(marks.rows) for marks in corpus.drops),
        "documents_repaired": sum(len(marks.rows) for marks in corpus.repairs),
    }


def _by_type(spans: Spans) -> JsonObject:
    found: dict[str, JsonObject] = {}
    for code, kind in enumerate(PERSONAL_TYPES):
        of_kind = spans.documents[spans.types == code]
        if len(of_kind):
            found[kind] = {"spans": len(of_kind), "documents": len(np.unique(of_kind))}
    return found


def _groups(corpus: Corpus) -> JsonObject:
    sizes = group_sizes(corpus.groups)
    return {
        "groups": len(sizes),
        "groups_of_several": int((sizes > 1).sum()),
        "documents_in_them": int(sizes[sizes > 1].sum()),
        "largest": int(sizes.max(initial=0)),
    }
