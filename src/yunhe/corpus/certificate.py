"""What a dataset certificate says: counts, digests, thresholds and limits, never a value."""

from __future__ import annotations

from dataclasses import dataclass

from yunhe.corpus.domain import PERSONAL_TYPES, CleanseRequest
from yunhe.corpus.pipeline import Pipeline
from yunhe.corpus.statistics import Statistics
from yunhe.kernel.canonical import JsonObject

FORMAT = "yunhe-dataset-certificate/2"
"""Raised whenever the meaning of a field changes; /2 added ``statistics`` and ``residual_risk``,
and all that /1 says is said in the same place."""
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


def body(  # noqa: PLR0913 - everything a certificate binds together
    request: CleanseRequest,
    statistics: Statistics,
    pipeline: Pipeline,
    *,
    digests: Digests,
    encoding: str,
    input_bytes: int,
    sampled: int,
    truth: JsonObject | None,
    residual: JsonObject | None = None,
) -> JsonObject:
    """Everything but id and time: the same input, pipeline and request give the same body.

    ``residual``: what `yunhe.corpus.personal.probing.probe` said; None where nobody probed.
    """
    return {
        "format": FORMAT,
        "source": {
            "name": request.name,
            "holder": request.holder,
            "licence": request.licence,
            "synthetic": request.synthetic,
            **({"registered": request.source, "terms": request.terms} if request.source else {}),
        },
        "input": {
            "digest": digests.input,
            "bytes": input_bytes,
            "encoding": encoding,
            "documents": statistics.documents_in,
        },
        "pipeline": {"digest": pipeline.digest(), **pipeline.description()},
        "output": {"digest": digests.output, "documents": statistics.documents_out},
        "decisions": {"digest": digests.decisions, **_decisions(statistics)},
        "personal_details": {"digest": digests.spans, "by_type": _by_type(statistics)},
        "residual_risk": residual,
        "near_duplicates": _groups(statistics),
        "labels": _labels(statistics),
        "statistics": statistics.as_json(),
        "sample": {"digest": digests.sample, "documents": sampled},
        "truth": "none given" if truth is None else truth,
        "de_identification": {"claim": "de-identified", "limits": list(LIMITS)},
    }


def _decisions(statistics: Statistics) -> JsonObject:
    dropped = statistics.by_reason("dropped")
    return {
        "dropped": dropped,
        "repaired": statistics.by_reason("repaired"),
        "documents_dropped": sum(dropped.values()),
        "documents_repaired": statistics.documents_repaired,
    }


def _by_type(statistics: Statistics) -> JsonObject:
    details = statistics.details
    return {kind: dict(details[kind]) for kind in PERSONAL_TYPES if kind in details}


def _labels(statistics: Statistics) -> list[JsonObject]:
    counted: list[JsonObject] = [
        {"label": label, "documents": count} for label, count in statistics.labels.items()
    ]
    if statistics.unlabelled:
        counted.append({"label": None, "documents": statistics.unlabelled})
    return counted


def _groups(statistics: Statistics) -> JsonObject:
    sizes = {int(size): count for size, count in statistics.released_groups.items()}
    several = {size: count for size, count in sizes.items() if size > 1}
    return {
        "groups": sum(sizes.values()),
        "groups_of_several": sum(several.values()),
        "documents_in_them": sum(size * count for size, count in several.items()),
        "largest": max(sizes, default=0),
    }
